"""How a log service is started: its own ./run, or the built-in logger.

Exactly runit where log/run exists.  A log/ directory with a ``config`` and no
``run`` is served by our svlogd without a new interpreter: this process forks, and
the child writes to log/main with that configuration, as the owner of log/main,
with the options on the first line of log/options if there is such a file.
"""

from __future__ import annotations

import os

from runit.log.logger import serve
from runit.log.options import Options, parse_options
from runit.message import complain
from runit.options import UsageError
from runit.process import signals, title
from runit.process.descriptors import close_from
from runit.process.signals import _signal
from runit.supervise.spawn import environment, spawn_noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.supervise.service import Service


ORDINARY = parse_options([b"main"])
"""Without a file that says more.  Known before the fork, so that no child finds it out."""


class Logger:
    """Starts the log service that reads from PIPE; HOME is the service directory.

    WHO begins each message.
    """

    __slots__ = ("home", "pipe", "who")

    def __init__(self, who: bytes, home: int, pipe: int) -> None:
        self.who = who
        self.home = home
        self.pipe = pipe

    def __call__(self, file: bytes, arguments: list[bytes], service: Service | None) -> int:
        """Start it in log/; the pid.  Raises OSError."""
        assert service is not None  # there are no control/ scripts here
        os.chdir(b"log")
        try:
            if _is_built_in():
                return self._fork(service)
            return spawn_noted(file, arguments, service.note, stdin=self.pipe)
        finally:
            os.fchdir(self.home)

    def _fork(self, service: Service) -> int:
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, signals.EVERY)
        try:
            pid = os.fork()
            if not pid:
                self._become_logger(service)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        return pid

    def _become_logger(self, service: Service) -> None:
        """In the child: let go of all that is the parent's, then serve.  Never returns."""
        code = 111
        try:
            service.note(os.getpid())
            os.dup2(self.pipe, 0)
            close_from(3)
            _signal.set_wakeup_fd(-1)
            signals.cleanse()
            _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
            title.show(b"svlogd main", b"svlogd", title.area())
            options = _options()
            _become_owner()
            code = serve([b"main"], config=b"config", options=options, environment=environment())
        except OSError as error:
            complain(self.who, "fatal", "unable to start logger for log/main", error=error)
        except UsageError as error:
            complain(self.who, "fatal", "log/options", error.sentence or b"wrong usage")
        finally:
            os._exit(code)


def _options() -> Options:
    """What the first line of the file options in the current directory says.

    Raises UsageError when that makes no sense, OSError when it cannot be read.
    """
    if not os.access(b"options", os.F_OK):
        return ORDINARY
    with open(b"options", "rb") as file:
        words = file.readline().split()
    return parse_options([*words, b"main"])


def _is_built_in() -> bool:
    return not os.path.lexists(b"run") and os.path.isfile(b"config")


def _become_owner() -> None:
    """Take the user and group of the directory main, if we may choose."""
    owner = os.stat(b"main")
    if os.geteuid() == 0:
        os.setgroups([owner.st_gid])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
