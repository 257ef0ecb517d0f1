"""What a killed runsv left behind: found again, and taken over.

A runsv that is killed leaves its service and its log service running, as it must.
Its successor must not start both a second time beside them, as the reference's
does, but go on with those that are there.  So runsv writes into supervise/lock,
which is empty otherwise, whom it has started: the pid, and what tells that process
from any later one of that number, the machine's boot and a time when it was there.
Before it starts one, it writes what that one will be known by (`runit.supervise.mark`).

The orphan is not a child any more, so it is watched and signalled through a pidfd;
how it ended nobody can tell.  The pipe between the two services is still open in
each of them, and can be opened from there: see proc(5).
"""

from __future__ import annotations

import os
import select
import stat
import time
from errno import EMFILE, ENFILE, ENOMEM

from runit.service import status
from runit.service.status import Status
from runit.supervise import mark

READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
PIPE = os.O_CLOEXEC | os.O_NONBLOCK

SHORT = (EMFILE, ENFILE, ENOMEM)
"""Errors that say nothing of what was looked for."""

SIZE = 96
"""Bytes of an entry, always: it is written over the one before, in one piece."""

ENOUGH = 448
"""Bytes of a file: all that is wanted is within, and needs no memory from malloc(3)."""

TICK = 10**9 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds of what proc(5) counts the time since the boot in."""

_boot = b""


class Orphan:
    """A living process PID that a runsv before us started.

    DESCRIPTOR is a pidfd of it, STATE is RUN or FINISH, RECORD what was last said, perhaps
    before it was started, PIPE the inode of the pipe to the log service, or 0, and MARKED
    whether its pid was not written down.  The record wants nothing if exit was wanted: that
    was meant for the runsv that is gone.
    """

    __slots__ = ("descriptor", "marked", "pid", "pipe", "record", "state")

    def __init__(
        self,
        pid: int,
        descriptor: int,
        state: int,
        pipe: int,
        record: Status | None,
        *,
        marked: bool,
    ) -> None:
        self.pid = pid
        self.descriptor = descriptor
        self.state = state
        self.pipe = pipe
        self.record = record
        self.marked = marked


def enter(lock: int, pid: int, state: int, pipe: int) -> bool:
    """Write down in the open LOCK file that the process PID was started, and is there now.

    A PID below 0: that one that is marked so (`runit.supervise.mark`) will be; 0: there is
    none.  Whether it is written down; if not, a successor will not know, and that is all.
    """
    try:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // TICK
        text = b"%d %d %d %d %b" % (pid, state, pipe, now, boot())
        os.pwrite(lock, text.ljust(SIZE - 1) + b"\n", 0)
    except (OSError, ValueError, MemoryError):
        return False
    return True


def find(where: bytes) -> Orphan | None:
    """The process that the last runsv of this directory left, if it lives.

    WHERE is empty or ``log/``.  The lock must be ours; also in the sense that nobody else
    can have written which process to take over, and to signal, into it.

    Raises OSError if that cannot be told for want of descriptors or memory: a second
    process beside it would be worse than none for a while.
    """
    try:
        return _find(where)
    except OSError as error:
        if error.errno in SHORT:
            raise
    except (ValueError, IndexError, AttributeError):
        pass
    return None


def _find(where: bytes) -> Orphan | None:
    text = _read(where + b"supervise/lock", own=True)
    if len(text) != SIZE:
        return None
    pid, state, pipe, seen = (int(word) for word in text.split()[:4])
    if text.split()[4] != boot():
        return None
    number = -pid
    if number > 0:
        pid = mark.find(number, seen)
    if pid < 2:
        return None
    start = mark.about(pid)[2]
    if number < 0 and not 0 < start <= seen:  # the one that was seen has ended
        return None
    descriptor = os.pidfd_open(pid)
    try:
        # Still, so it is the one that the descriptor stands for; and nobody has to have
        # reaped one that ended.
        same = mark.has(number, pid) if number > 0 else mark.about(pid)[2] == start
        if same and not _has_ended(descriptor):
            return Orphan(pid, descriptor, state, pipe, _last_record(where), marked=number > 0)
    except (OSError, ValueError):
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _has_ended(descriptor: int) -> bool:
    """Whether the process behind a pidfd has, with all of its threads."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def reopen(orphan: Orphan, number: int, pipe: tuple[int, int]) -> bool:
    """Make PIPE (read end, write end) the one that ORPHAN has as its descriptor NUMBER.

    False if it has it no more, or may not be looked at; then PIPE is as it was.
    """
    path = b"/proc/%d/fd/%d" % (orphan.pid, number)
    ends: list[int] = []
    try:
        if not orphan.pipe or not _is_pipe(os.stat(path), orphan.pipe):
            return False
        # Both or none: it may end in between, and take its descriptors with it.
        for mode in (os.O_RDONLY, os.O_WRONLY):
            ends.append(os.open(path, mode | PIPE))
            if not _is_pipe(os.fstat(ends[-1]), orphan.pipe):
                return False
        for end, mine in zip(ends, pipe, strict=True):
            os.set_blocking(end, True)  # for those who inherit it
            os.dup2(end, mine, inheritable=False)
    except OSError:
        return False
    finally:
        for end in ends:
            os.close(end)
    return True


def _is_pipe(it: os.stat_result, inode: int) -> bool:
    return it.st_ino == inode and stat.S_ISFIFO(it.st_mode)


def boot() -> bytes:
    """What tells this boot of the machine from all others; empty if the kernel does not."""
    global _boot  # noqa: PLW0603 (it does not change)
    if not _boot:
        _boot = _read(b"/proc/sys/kernel/random/boot_id").strip()
    return _boot


def _last_record(where: bytes) -> Status | None:
    try:
        record = status.unpack(_read(where + b"supervise/status"))
    except ValueError:
        return None
    if b"want exit" in _read(where + b"supervise/stat"):
        record.want = b""
    return record


def _read(path: bytes, *, own: bool = False) -> bytes:
    """What is in a file, if it can be had; with OWN only if nobody else can have written it.

    Raises OSError for want of descriptors or memory.
    """
    try:
        descriptor = os.open(path, READ)
    except OSError as error:
        if error.errno in SHORT:
            raise
        return b""
    try:
        if own:
            it = os.fstat(descriptor)
            if it.st_uid != os.geteuid() or it.st_mode & 0o022:
                return b""
        return os.read(descriptor, ENOUGH)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
