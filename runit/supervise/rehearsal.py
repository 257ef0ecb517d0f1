"""A dress rehearsal: the first lives of a runsv, before there is any.

runsvdir plays a few short lives of a runsv by itself, in a directory of its own,
with a program that ends at once in place of each of the service's.  By then the
interpreter has looked up what it has to look up, and turned what a runsv does into
its quicker form.  Each runsv would do that in its own memory otherwise, and grow by
a third of a megabyte.  What is used is put close together before
(`runit.supervise.heap`).

Where there is no place for the directory, or the machine is too slow for it, runsvs are
larger, and that is all.
"""

from __future__ import annotations

import os
import stat
import time

from runit.process import descriptors, signals, title
from runit.process.signals import _signal
from runit.service import status, tai64n
from runit.supervise import (
    files,
    heap,
    mark,
    orphan,
    patience,
    runsv,
    service,
    spawn,
    wakeup,
    warm,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.supervise.service import Launch, Service

DAILY = (
    *(warm, runsv, service, files, orphan, mark, wakeup, spawn, patience),
    *(title, signals, status, tai64n, descriptors),
)
"""What a runsv is made of."""

BESIDES = (
    *(warm._become_runsv, service.Service.failed),
    *(runsv.Runsv._lacks_memory, wakeup._nothing),
)
"""What it uses besides: what may be called, but was not."""

COMMANDS = {b"./run": b"tcuh", b"./finish": b"dx"}
"""What comes through the FIFO when these are started; to a log service, as the first."""

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

PLACES = (b"/dev/shm", b"/run", b"/tmp")
"""Where the directory may be, best first."""

PROGRAMS = (b"/bin/true", b"/usr/bin/true")
"""What does nothing; not what PATH says, from which only runsv is to come."""

LIVES = 10
"""CPython counts to eight before it turns code into its quicker form."""

PLENTY = 0.2
"""Seconds of computing until the rehearsal is cut short, on a machine that is very slow."""

SLOW = 0.25
"""Seconds of computing that the start itself took, on a machine where there is no time for
this: people wait for their services, and a third of a megabyte each is less trouble."""

HANGS = 10.0
"""Seconds until it is given up.  Nothing in it can wait that long, but if it did,
nothing would ever be supervised."""

LET_IN = (_signal.SIGCHLD, _signal.SIGALRM)
HELD = tuple(number for number in signals.EVERY if number not in LET_IN)
"""Signals that wait meanwhile; runsvdir will want to hear of them."""


class GivenUp(Exception):
    """It took too long, or there is no process to be had."""


def rehearse(shown: bytes, area: title.Area | None, handled: tuple[int, ...]) -> None:
    """Play, if there is a place for it, and put what a runsv uses close together.

    Shows SHOWN at AREA meanwhile.  HANDLED are the signals that runsvdir will handle;
    those that come wait, blocked.  Only descriptors 0 to 2 may be open.
    """
    if time.process_time() > SLOW:
        return
    _signal.pthread_sigmask(_signal.SIG_SETMASK, HELD)
    _signal.signal(_signal.SIGALRM, _give_up)
    _signal.setitimer(_signal.ITIMER_REAL, HANGS)
    try:
        home = os.open(b".", FLAGS)
        errors, inherited = os.dup(2), os.get_inheritable(2)
        try:
            stage = Stage(shown, area, handled)
            try:
                stage.play()
            finally:
                stage.clear()
        finally:
            os.dup2(errors, 2, inherited)
            os.fchdir(home)
    except Exception:  # whatever it is: nothing depends on this
        pass
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        descriptors.close_from(3)
        signals.cleanse()


class Stage:
    """The directory of the rehearsal, and what `rehearse` was given.

    Only descriptors behind `descriptor` are opened and closed.
    """

    __slots__ = ("area", "descriptor", "handled", "path", "program", "shown")

    def __init__(self, shown: bytes, area: title.Area | None, handled: tuple[int, ...]) -> None:
        self.shown = shown
        self.area = area
        self.handled = handled
        self.program = _program()
        self.path = _directory()
        try:
            self.descriptor = os.open(self.path, FLAGS)
            os.fchdir(self.descriptor)
            os.mkdir(b"x")
            os.mkdir(b"x/log")
            os.close(os.open(b"x/finish", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            # What should fail shall not be spoken of: it is only a play.
            null = os.open(b"/dev/null", os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, 2)
            os.close(null)
        except OSError:
            self.clear()
            raise

    def play(self) -> None:
        """Put everything in its place, and play all lives there."""
        end = time.process_time() + PLENTY
        used = heap.used_by(self.life)
        heap.make_room()
        spawn.renew_environment(heap.renewed)
        heap.gather(DAILY, [*(function.__code__ for function in BESIDES), *used])
        for _ in range(LIVES):
            self.life()
            if time.process_time() > end:
                return

    def life(self) -> None:
        """One life of a runsv: a service with finish and a log service, told to exit."""
        os.fchdir(self.descriptor)
        one = warm.take_over(
            b"x", self.shown, b"runsvdir", self.area, self.handled, descriptors.END, HELD
        )
        if one is None or one.log is None:
            raise FileNotFoundError
        for part in (one.service, one.log):
            part.launch = self._stand_in(part, part.launch)
        one.run()
        descriptors.close_from(self.descriptor + 1)

    def clear(self) -> None:
        """Leave nothing behind."""
        os.chdir(b"/")
        for path, directories, names in os.walk(self.path, topdown=False):
            for name in names:
                os.unlink(os.path.join(path, name))
            for name in directories:
                os.rmdir(os.path.join(path, name))
        os.rmdir(self.path)

    def _stand_in(self, part: Service, launch: Launch) -> Launch:
        """LAUNCH with a program that ends at once; in finish the end is ordered."""

        def start(file: bytes, arguments: list[bytes], service: Service | None) -> int:
            try:
                if not part.where:
                    _say(COMMANDS[file])
                return launch(self.program, arguments, service)
            except OSError:  # runsv would wait for better times
                raise GivenUp from None

        return start


def _say(commands: bytes) -> None:
    fifo = os.open(b"supervise/control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.write(fifo, commands)
    os.close(fifo)


def _give_up(_number: int, _frame: object) -> None:
    raise GivenUp


def _program() -> bytes:
    """A program that does nothing.  Raises FileNotFoundError."""
    for candidate in PROGRAMS:
        if os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError


def _directory() -> bytes:
    """Make the directory; its path.  Raises OSError if there is no place."""
    for place in PLACES:
        path = b"%b/runsvdir.%d" % (place, os.getpid())
        try:
            if os.stat(place).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
                continue  # somebody else could put his own in its place
            os.mkdir(path, 0o700)
        except OSError:
            continue
        return path
    raise FileNotFoundError
