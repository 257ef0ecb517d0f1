"""The shutdown that waits: at most one, known by the lock on a file in /run.

The file's first line is the pid of the process that waits; those behind it are the
files that bar logins meanwhile, so that whoever comes after one that was killed can
remove them.  The file itself stays: what counts is the lock.
Nobody else may open it, or anybody could take the lock and so keep the machine up.
"""

from __future__ import annotations

import fcntl
import posix

from runit import paths
from runit.boot import nologin
from runit.process.unable import attempt

PATH = paths.RUNDIR + b"/shutdown.pid"

LONGEST = 4096


def has_been() -> bool:
    """Whether any shutdown has waited since the boot."""
    try:
        posix.lstat(PATH)
    except OSError:
        return False
    return True


class Pending:
    """The file, open; a context manager, as python-daemon wants its lock to be."""

    def __init__(self) -> None:
        """Raises Unable."""
        failed = b"unable to open", PATH
        flags = posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
        self.descriptor = attempt(*failed, do=lambda: posix.open(PATH, flags, 0o600))
        attempt(*failed, do=lambda: posix.fchmod(self.descriptor, 0o600))
        self.barring: list[bytes] = []

    def acquire(self) -> bool:
        """Take the lock; False if another shutdown has it.  Raises Unable.

        What one that was killed left behind is removed.
        """
        how = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.flock(self.descriptor, how)
        except BlockingIOError:
            return False
        except OSError:
            attempt(b"unable to lock", PATH, do=lambda: fcntl.flock(self.descriptor, how))
        nologin.allow(self._lines()[1:])
        self._write(b"")
        return True

    def __enter__(self) -> Pending:
        """Say which process waits, or does so no more."""
        self._write(b"\n".join((b"%d" % posix.getpid(), *self.barring, b"")))
        return self

    def __exit__(self, *reason: object) -> None:
        """Nobody waits any more, and logins are free again."""
        self.allow()
        self._write(b"")

    def bar(self, text: bytes) -> None:
        """Bar logins; TEXT is for those who try."""
        self.barring = nologin.missing()
        self.__enter__()
        nologin.bar(self.barring, text)

    def allow(self) -> None:
        """Let people log in again."""
        nologin.allow(self.barring)
        self.barring = []

    def pid(self) -> int:
        """The process that waits; 0 if it has not said so yet."""
        lines = self._lines()
        return int(lines[0]) if lines and lines[0].isdigit() else 0

    def _lines(self) -> list[bytes]:
        try:
            return posix.pread(self.descriptor, LONGEST, 0).split(b"\n")[:-1]
        except OSError:
            return []

    def _write(self, content: bytes) -> None:
        """Best effort: without room in /run the lock is all there is."""
        try:
            posix.pwrite(self.descriptor, content, 0)
            posix.ftruncate(self.descriptor, len(content))
        except OSError:
            pass
