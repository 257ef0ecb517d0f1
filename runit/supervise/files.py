"""The files under supervise/, written: by runsv, for everybody else to read.

CONTRACT: `lock` is held for as long as we live (what is in it: `runit.supervise.orphan`),
`control` and `ok` are FIFOs
that only we read, `status`, `stat` and `pid` are each written to NAME.new and
renamed, so that a reader never sees half a file.  See runsv(8).

The directory may have been given to somebody else, who then commands the service, and
nothing more: none of these files may be a symlink, and what is in the way of a new one
is removed and not written to.
"""

from __future__ import annotations

import fcntl
import os
import stat
from errno import EINVAL, ENOENT

from runit.message import complain
from runit.service.status import DOWN, STATES

WRITE = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
NEW = WRITE | os.O_CREAT | os.O_EXCL
LOCK = WRITE | os.O_CREAT

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
    link cannot be read, or leads to what somebody else may have put there; a directory
    that cannot be made shows when the lock is opened.
    """
    path = where + b"supervise"
    if os.access(path, os.F_OK):
        _expect_own(where, path)
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
        else:
            _expect_own(where, path)


def _expect_own(where: bytes, path: bytes) -> None:
    """Where everybody may make what the symlink PATH leads to, see who did.

    It may be root, who we are, or whose link it is.  Raises Trouble.
    """
    if not os.path.islink(path):
        return
    try:
        target = os.path.join(where, os.readlink(path)).rstrip(b"/")
        owner = os.lstat(target).st_uid
        if owner in (0, os.geteuid(), os.lstat(path).st_uid):
            return
        if not os.stat(os.path.dirname(target) or b".").st_mode & 0o002:
            return
    except OSError:
        return  # shows when the lock is opened
    raise Trouble(b"./" + path + b" leads to what somebody else put where everybody may")


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
        return os.open(path, LOCK, 0o600)
    except OSError as error:
        raise Trouble(b"unable to open " + path, error) from None


def take_lock(lock: int) -> bool:
    """Lock without waiting; False if another process holds it.  Raises OSError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def in_memory(descriptor: int) -> bool:
    """Whether this is a file of tmpfs: no disk's has seals to tell, see fcntl(2)."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
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
        reader = os.open(path, READ)
        fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)  # which only a pipe can answer
        return reader, os.open(path, WRITE)
    except OSError as error:
        _expect_fifo(path)
        raise Trouble(b"unable to open " + path, error) from None


def open_ok(where: bytes) -> int:
    """Make and open WHERE + supervise/ok: whoever can open it for writing knows of us."""
    path = where + b"supervise/ok"
    _make_fifo(path)
    try:
        return os.open(path, READ)
    except OSError as error:
        raise Trouble(b"unable to read " + path, error) from None


def _expect_fifo(path: bytes) -> None:
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            raise Trouble(path + b" exists but is not a fifo")
    except OSError as error:
        raise Trouble(b"unable to stat " + path, error) from None


def _make_fifo(path: bytes) -> None:
    """One that is there already will do; anything else shows when it is opened."""
    if os.access(path, os.F_OK):
        return
    try:
        os.mkfifo(path, 0o600)
    except OSError:
        pass


def describe(state: int, paused: bool, got_term: bool, want: bytes) -> bytes:
    """The text of supervise/stat; WANT is ``down``, ``exit``, or empty."""
    text = STATES[state]
    if paused:
        text += b", paused"
    if got_term:
        text += b", got TERM"
    if want and state != DOWN:
        text += b", want " + want
    return text + b"\n"


def _create(path: bytes) -> int:
    """Create the file PATH, in the place of what one that was killed has left there."""
    try:
        return os.open(path, NEW, 0o644)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, NEW, 0o644)


def _reserve(descriptor: int, content: bytes) -> None:
    """Give a new file the blocks that CONTENT needs.

    ext4 writes out a file that is renamed over another, which takes a millisecond or two,
    unless it has its blocks already.  What is told here does not outlive the machine's
    next start anyway.
    """
    try:
        os.posix_fallocate(descriptor, 0, len(content))
    except OSError:
        pass  # the write will tell


def replace(who: bytes, path: bytes, content: bytes, *, on_disk: bool) -> int:
    """Put CONTENT at PATH in one step; how far it came, with a warning by WHO if not there.

    NOTHING could be written, all was WRITTEN to NAME.new but cannot be renamed, or it is
    IN_PLACE.  What stood at PATH before stays until then.  ON_DISK: not in tmpfs.
    """
    new = path + b".new"
    try:
        descriptor = _create(new)
    except OSError as error:
        complain(who, "warning", b"unable to open " + new, error=error)
        return NOTHING
    try:
        if on_disk and content:
            _reserve(descriptor, content)
        written = os.write(descriptor, content) if content else 0
    except OSError as error:
        complain(who, "warning", b"unable to write " + new, error=error)
        return NOTHING
    finally:
        os.close(descriptor)
    if written != len(content):
        complain(who, "warning", b"unable to write " + new, "partial write.")
        return NOTHING
    try:
        os.rename(new, path)
    except OSError as error:
        what = b"unable to rename " + new.rpartition(b"/")[2] + b" to " + path
        complain(who, "warning", what, error=error)
        return WRITTEN
    return IN_PLACE
