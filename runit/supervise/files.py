"""The files under supervise/, written: by runsv, for everybody else to read.

CONTRACT: `lock` is held for as long as we live, `control` and `ok` are FIFOs
that only we read, `status`, `stat` and `pid` are each written to NAME.new and
renamed, so that a reader never sees half a file.  See runsv(8).
"""

from __future__ import annotations

import fcntl
import os
import stat
from errno import EINVAL, ENOENT

from runit.errors import words
from runit.message import complain, emit
from runit.service.status import DOWN, STATES, Status

WRITE = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

NOTHING, WRITTEN, IN_PLACE = 0, 1, 2
"""How far `replace` came."""


class Trouble(Exception):
    """What cannot be done at the start: `what` for people, and why."""

    def __init__(self, what: bytes, error: OSError | None = None) -> None:
        super().__init__(what, error)
        self.what = what
        self.error = error


def make_directory(where: bytes) -> None:
    """Make WHERE + supervise, or the target of the symlink that stands there.

    WHERE is empty or ``log/``.  The target of a relative symlink counts from the
    service directory, for the log service from log/.  Raises Trouble when the
    link cannot be read; a directory that cannot be made shows when the lock is
    opened.
    """
    path = where + b"supervise"
    if os.access(path, os.F_OK):
        return
    target = path
    if not missing(path):
        try:
            target = os.path.join(where, os.readlink(path))
        except OSError as error:
            raise Trouble(b"unable to readlink ./" + path, error) from None
    try:
        os.mkdir(target, 0o700)
    except OSError:
        # Perhaps it is not missing, but may not be looked at.
        try:
            os.readlink(path)
        except OSError as error:
            if error.errno not in (ENOENT, EINVAL):
                raise Trouble(b"unable to readlink ./" + path, error) from None


def missing(path: bytes) -> bool:
    """Whether there is nothing at PATH, not even a symlink that points nowhere.

    An exception would tell as well, but each runsv would keep the memory for it.
    """
    if os.access(path, os.F_OK):
        return False
    return not os.access(path, os.F_OK, follow_symlinks=False)


def open_lock(where: bytes) -> int:
    """Open WHERE + supervise/lock, not yet locked.  Raises Trouble."""
    path = where + b"supervise/lock"
    try:
        return os.open(path, WRITE | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise Trouble(b"unable to open " + path, error) from None


def take_lock(lock: int) -> bool:
    """Lock without waiting; False if another process holds it.  Raises OSError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(lock: int) -> None:
    """Lock, however long that takes.  Raises OSError."""
    fcntl.flock(lock, fcntl.LOCK_EX)


def open_control(where: bytes) -> tuple[int, int]:
    """Make and open WHERE + supervise/control: its read end, and a write end.

    With a write end of our own the FIFO never comes to its end.  Raises Trouble.
    """
    path = where + b"supervise/control"
    _make_fifo(path)
    try:
        if not stat.S_ISFIFO(os.stat(path)[0]):
            raise Trouble(path + b" exists but is not a fifo")
    except OSError as error:
        raise Trouble(b"unable to stat " + path, error) from None
    try:
        return os.open(path, READ), os.open(path, WRITE)
    except OSError as error:
        raise Trouble(b"unable to open " + path, error) from None


def open_ok(where: bytes) -> int:
    """Make and open WHERE + supervise/ok: whoever can open it for writing knows of us."""
    path = where + b"supervise/ok"
    _make_fifo(path)
    try:
        return os.open(path, READ)
    except OSError as error:
        raise Trouble(b"unable to read " + path, error) from None


def _make_fifo(path: bytes) -> None:
    """One that is there already will do; anything else shows when it is opened."""
    if os.access(path, os.F_OK):
        return
    try:
        os.mkfifo(path, 0o600)
    except OSError:
        pass


def describe(status: Status, want_exit: bool) -> bytes:
    """The text of supervise/stat for a record."""
    text = STATES[status.state]
    if status.paused:
        text += b", paused"
    if status.got_term:
        text += b", got TERM"
    if status.state != DOWN:
        if want_exit:
            text += b", want exit"
        elif status.want == b"d":
            text += b", want down"
    return text + b"\n"


def replace(who: bytes, path: bytes, content: bytes) -> int:
    """Put CONTENT at PATH in one step; how far it came, with a warning by WHO if not there.

    NOTHING could be written, all was WRITTEN to NAME.new but cannot be renamed, or it is
    IN_PLACE.  What stood at PATH before stays until then.
    """
    new = path + b".new"
    what = b"unable to open "
    try:
        descriptor = os.open(new, WRITE | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            what = b"unable to write "
            written = os.write(descriptor, content) if content else 0
        finally:
            os.close(descriptor)
        if written != len(content):
            complain(who, "warning", b"unable to write " + new, "partial write.")
            return NOTHING
        what = b"unable to rename " + new.rpartition(b"/")[2] + b" to "
        os.rename(new, path)
    except OSError as error:
        name = path if what.startswith(b"unable to rename") else new
        emit(b"%b: warning: %b%b: %b\n" % (who, what, name, words(error)))
        return NOTHING if name is new else WRITTEN
    return IN_PLACE
