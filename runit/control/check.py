"""Run ./check, the script that says whether a service is available."""

from __future__ import annotations

import posix

from runit.message import complain
from runit.process import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from runit.control.report import Report
else:
    import _signal

FILE = b"check"


class Check:
    """A script that runs.

    descriptor  readable when it has ended; -1 where the kernel has no pidfd
    """

    __slots__ = ("_agrees", "_process", "descriptor")

    def __init__(self, process: int) -> None:
        self._process = process
        self._agrees: bool | None = None
        try:
            self.descriptor = posix.pidfd_open(process)
        except (OSError, AttributeError):  # the interpreter may not know of it
            self.descriptor = -1
            self.wait()

    def ended(self) -> bool:
        """Whether it has ended; does not wait."""
        if self._agrees is None:
            self._reap(posix.WNOHANG)
        return self._agrees is not None

    def wait(self) -> bool:
        """Wait for its end; whether it agrees, that is, exited 0.

        A script that was killed has not answered, so it does not agree.
        """
        if self._agrees is None:
            self._reap(0)
        return self._agrees is True

    def close(self) -> None:
        """Give up the descriptor."""
        if self.descriptor >= 0:
            posix.close(self.descriptor)
            self.descriptor = -1

    def _reap(self, options: int) -> None:
        try:
            process, status = posix.waitpid(self._process, options)
        except ChildProcessError:
            self._agrees = False
        else:
            if process:
                self._agrees = status == 0


def start(name: bytes, report: Report) -> Check | bool:
    """Start the script in the current directory, that of the service NAME.

    True when there is none, which is to agree; False when that cannot be told.
    Its standard output is closed: sv's own is for status lines.
    """
    script = report.shown(name, 2) + b"/check"
    try:
        posix.stat(FILE)
    except FileNotFoundError:
        return True
    except OSError as error:
        report.warn(b"unable to stat " + script, error=error)
        return False
    report.flush()
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would take the answer away
    try:
        process = posix.fork()
    except OSError as error:
        report.warn(b"unable to fork for " + script, error=error)
        return False
    if process == 0:
        _become(script)
    return Check(process)


def _become(script: bytes) -> None:
    """Never returns.  A script that cannot be run agrees, with a warning."""
    try:
        environment.restore()
        try:
            posix.close(1)
        except OSError:
            pass
        posix.execv(FILE, [b"./" + FILE])
    except OSError as error:
        complain(b"warning", b"unable to run " + script, error=error)
    finally:
        posix._exit(0)
