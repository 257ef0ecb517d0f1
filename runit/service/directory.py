"""A service directory, seen by those who command it.

Is a runsv there, what does it say, tell it something: see sv(8) and runsv(8).
All functions but `Places` look at the current directory, which is the cheapest
way to name five files of each of a thousand directories.

Imports nothing but what the interpreter has built in.
"""

from __future__ import annotations

import posix

from runit import paths
from runit.service import status

CONTROL = b"supervise/control"
OK = b"supervise/ok"
RECORD = b"supervise/status"

FAIL = b"fail"
WARNING = b"warning"

_WRITE = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
_READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC

_ENXIO = 6


class Trouble(Exception):
    """A service cannot be asked or told.

    `reason` says why, with `error` behind it if there is one; `kind` is FAIL where
    there is no service or no runsv, WARNING where its files are unusable.
    """

    def __init__(self, kind: bytes, reason: bytes, error: OSError | None = None) -> None:
        super().__init__(kind, reason, error)
        self.kind = kind
        self.reason = reason
        self.error = error


class NotRunning(Trouble):
    """No runsv is there."""

    def __init__(self) -> None:
        super().__init__(FAIL, b"runsv not running")


class Places:
    """The current directory of the start, and where names of services count from.

    Raises OSError if the current directory cannot be opened.
    """

    def __init__(self) -> None:
        self.origin = posix.open(b".", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        self.services = services()

    def enter(self, name: bytes) -> None:
        """Make the service directory NAME the current directory.

        A NAME that starts with a slash or a dot, or ends with a slash, is a path;
        any other is in the services directory.  Raises Trouble.
        """
        if name.startswith((b"/", b".")) or name.endswith(b"/"):
            path = name
        else:
            path = self.services + b"/" + name if self.services and name else b""
        try:
            if not path.startswith(b"/"):
                posix.fchdir(self.origin)
            posix.chdir(path)
        except OSError as error:
            raise Trouble(FAIL, b"unable to change to service directory", error) from None


def services() -> bytes:
    """The services directory: $SVDIR, else the installation's."""
    given = posix.environ.get(b"SVDIR")
    if given is not None:
        return given
    try:
        posix.stat(paths.SERVICE)
    except OSError:
        return paths.RUNSVDIR + b"/current"
    return paths.SERVICE


def hold() -> int:
    """A descriptor on supervise/ok: poll(2) finds an error on it once runsv is gone.

    Raises Trouble, which is NotRunning when no runsv is there.
    """
    try:
        return posix.open(OK, _WRITE)
    except OSError as error:
        if error.errno == _ENXIO:
            raise NotRunning from None
        raise Trouble(WARNING, b"unable to open supervise/ok", error) from None


def record() -> status.Status:
    """What runsv says of the service.  Raises Trouble."""
    posix.close(hold())
    try:
        descriptor = posix.open(RECORD, _READ)
    except OSError as error:
        raise Trouble(WARNING, b"unable to open supervise/status", error) from None
    try:
        block = posix.read(descriptor, status.SIZE)
    except OSError as error:
        raise Trouble(WARNING, b"unable to read supervise/status", error) from None
    finally:
        posix.close(descriptor)
    if len(block) < status.SIZE:
        raise Trouble(WARNING, b"unable to read supervise/status: bad format")
    return status.unpack(block)


def send(letters: bytes) -> None:
    """Give runsv the control characters LETTERS, in one write.  Raises Trouble."""
    try:
        descriptor = posix.open(CONTROL, _WRITE)
    except OSError as error:
        if error.errno == _ENXIO:
            raise NotRunning from None
        raise Trouble(WARNING, b"unable to open supervise/control", error) from None
    try:
        posix.write(descriptor, letters)
    except OSError as error:
        raise Trouble(WARNING, b"unable to write to supervise/control", error) from None
    finally:
        posix.close(descriptor)
