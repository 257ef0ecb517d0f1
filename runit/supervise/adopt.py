"""Finding the runsv that already holds a service directory.

A runsvdir that was killed leaves its runsvs behind, in good health.  Its
successor must not fight them for their locks, as the reference's does, but wait
for their end, and tell them when theirs has come.  The kernel knows who holds a
lock: /proc/locks, see proc(5).
"""

from __future__ import annotations

import os
import stat

OK = b"/supervise/ok"
LOCK = b"/supervise/lock"
CONTROL = b"/supervise/control"
WRITE = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC


def supervised(name: bytes) -> bool:
    """Whether a runsv listens in the directory NAME."""
    try:
        descriptor = os.open(name + OK, WRITE)
    except OSError:
        return False
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


class Holder:
    """A living runsv: its PID, and a descriptor that polls readable at its end."""

    __slots__ = ("fileno", "pid")

    def __init__(self, pid: int, fileno: int) -> None:
        self.pid = pid
        self.fileno = fileno


def holder(name: bytes, locks: dict[int, list[int]]) -> Holder | None:
    """The runsv that holds the directory NAME; None if it cannot be told.

    LOCKS is what `locks` found.  The process must be a runsv that works in that
    very directory: an inode alone could be another file system's.  It must be ours or
    root's: anybody can work in that directory, and lock some file of that number.
    """
    try:
        inode = os.stat(name + LOCK).st_ino
        directory = os.stat(name)
    except OSError:
        return None
    for pid in locks.get(inode, ()):
        try:
            descriptor = os.pidfd_open(pid)
        except (OSError, AttributeError):  # the interpreter may not know of it
            continue
        try:
            here = os.stat(b"/proc/%d/cwd" % pid)
            owner = os.stat(b"/proc/%d" % pid).st_uid
            same = (here.st_dev, here.st_ino) == (directory.st_dev, directory.st_ino)
            if same and owner in (0, os.geteuid()):
                return Holder(pid, descriptor)
        except OSError:
            pass
        os.close(descriptor)
    return None


def locks() -> dict[int, list[int]]:
    """Inode to the pids that hold a flock(2) on it, in this pid namespace."""
    found: dict[int, list[int]] = {}
    try:
        with open("/proc/locks", "rb") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) > 5 and fields[1] == b"FLOCK" and fields[4].isdigit():
                    inode = int(fields[5].rpartition(b":")[2])
                    found.setdefault(inode, []).append(int(fields[4]))
    except (OSError, ValueError):
        pass
    return found


def lock(name: bytes) -> int:
    """The file that the runsv in the directory NAME has locked; -1 if it is gone."""
    try:
        return os.open(name + LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def control(name: bytes) -> int:
    """The control FIFO of the runsv in the directory NAME, to write to; -1 if it is gone."""
    try:
        return os.open(name + CONTROL, WRITE)
    except OSError:
        return -1


def tell_to_exit(descriptor: int) -> None:
    """What TERM would do, for a runsv of which only the control FIFO is known."""
    try:
        os.write(descriptor, b"x")
    except OSError:
        pass
