"""Starting a runsv: by fork, from an interpreter that has paid its start already.

runsvdir has imported everything that a runsv needs; a forked child of it is a
runsv half a millisecond later, sharing nearly all of its memory.  It is a process
like any other: it first lets go of all that is not its own, and shows as ``runsv
NAME``.

The manual promises that the runsv found on PATH is run.  When that is not the
file installed beside runsvdir, or when the installed code has changed since the
start, it is exec'd.
"""

from __future__ import annotations

import gc
import os
import sys

from runit.options import encoded
from runit.process import title
from runit.process.descriptors import END
from runit.process.execute import search
from runit.process.signals import _signal
from runit.process.title import Area, show
from runit.supervise import spawn
from runit.supervise.runsv import FATAL, Runsv, begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Identity = tuple[int, int, int]
"""Device, inode, and time of the last change in nanoseconds."""


class Starter:
    """Starts runsvs, each in a session of its own if NEW_SESSION.

    HANDLED are the signals for which this process has a handler.
    """

    def __init__(self, new_session: bool, handled: tuple[int, ...]) -> None:
        self.new_session = new_session
        self.handled = handled
        self.area = title.area()
        self.beside = _beside()
        self.modules = [
            module.__file__
            for name, module in sys.modules.items()
            if name.partition(".")[0] == "runit" and module.__file__
        ]
        self.code = self._code()
        # What is there now is shared with every child: keep the collector, which
        # writes to all it looks at, away from it.
        gc.collect()
        gc.freeze()
        gc.disable()

    def start(self, names: list[bytes]) -> tuple[list[int], OSError | None]:
        """Start a runsv for each of the directories NAMES in the current one.

        Returns the pids of those that were started, in that order, and why the next
        one was not: no process to be had, or no runsv to be exec'd.
        """
        program = self._other()
        if program is None:
            return self._fork(names)
        pids: list[int] = []
        try:
            for name in names:
                new = spawn.spawn(program, [b"runsv", name], new_session=self.new_session)
                pids.append(new)
        except OSError as error:
            return pids, error
        return pids, None

    def _other(self) -> bytes | None:
        """The program to exec; None if what we have in memory will do."""
        for candidate in search(b"runsv"):
            if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
                found = _identity(candidate)
                if found == self.beside and self._code() == self.code:
                    return None
                return candidate
        # Not on PATH at all: the reference gives up here.
        return None

    def _code(self) -> list[Identity | None]:
        """What the modules of this suite that are in memory look like on disk."""
        return [_identity(file) for file in self.modules]

    def _fork(self, names: list[bytes]) -> tuple[list[int], OSError | None]:
        """As `start`.

        What this process writes between two forks, the first child keeps a copy of
        to itself, so that is as little as can be.
        """
        pids: list[int] = []
        area, handled = self.area, self.handled
        detach = os.setsid if self.new_session else None
        # What the child cannot be sent yet, or would handle as this process does.
        held = [number for number in handled if number != _signal.SIGCHLD]
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, held)
        try:
            for name in names:
                pid = os.fork()
                if not pid:
                    _become_runsv(name, area, handled, detach)
                pids.append(pid)
        except OSError as error:
            return pids, error
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        return pids, None


def _become_runsv(
    name: bytes, area: Area | None, handled: tuple[int, ...], detach: Callable[[], None] | None
) -> None:
    """In the child.  Never returns; signals are let in when runsv listens."""
    code = FATAL
    try:
        if detach:
            detach()
        runsv = take_over(name, b"runsv " + name, b"runsv", area, handled)
        if runsv:
            code = runsv.run()
    finally:
        os._exit(code)


def take_over(
    name: bytes,
    shown: bytes,
    comm: bytes,
    area: Area | None,
    handled: tuple[int, ...],
    first: int = 3,
    blocked: tuple[int, ...] = (),
) -> Runsv | None:
    """Begin as the runsv of the directory NAME, in a process that was something else.

    It gives up what is not its own: the handlers of the signals HANDLED, and the
    descriptors from FIRST on; and shows as SHOWN, at AREA, and as COMM.  The signals in
    BLOCKED stay blocked.  None if the directory is not to be had.
    """
    for number in handled:
        _signal.signal(number, _signal.SIG_DFL)
    os.closerange(first, END)
    show(shown, comm, area)
    return begin(name, blocked)


def _identity(path: bytes | str) -> Identity | None:
    try:
        it = os.stat(path)
    except OSError:
        return None
    return it.st_dev, it.st_ino, it.st_mtime_ns


def _beside() -> Identity | None:
    """The runsv that was installed together with this runsvdir."""
    here = os.path.dirname(os.path.realpath(encoded(sys.argv[0])))
    return _identity(os.path.join(here, b"runsv"))
