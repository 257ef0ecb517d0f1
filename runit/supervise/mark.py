"""How a process is known that was started by a runsv which is no more.

posix_spawn(3) tells the pid when the process runs already, and a runsv that is killed
before it has written that down has started what nobody knows of.  So it marks itself
while it starts one, with a number that it has written down before: the mark is
inherited, and taken off the new process as soon as its pid is written, too.

The mark is the soft limit of RLIMIT_LOCKS, which the kernel keeps for every process,
hands down, shows in proc(5), and asks for nothing: see getrlimit(2).  Where it cannot be
set or seen, what was started in that moment stays unknown.
"""

from __future__ import annotations

import os
import resource

LOCKS = 10
"""RLIMIT_LOCKS, which `resource` does not name."""

FIRST = 1 << 30
"""The least mark; all are below twice that, which is little enough for any kernel."""

LINE = b"Max file locks"
"""What it is called in /proc/PID/limits."""

ENOUGH = 4096
"""Bytes of such a file, or of /proc/PID/stat."""


def _usual() -> tuple[int, int]:
    """The limits of an unmarked process: this one may have been started by one that was killed."""
    soft, hard = resource.getrlimit(LOCKS)
    return (hard if FIRST <= soft < 2 * FIRST else soft), hard


USUAL = _usual()


def new(now: int) -> int:
    """A number that no other process is marked with, at NOW, in nanoseconds."""
    return FIRST | ((now ^ os.getpid() << 12) & FIRST - 1)


def put(mark: int) -> None:
    """Mark this process, and those that it starts."""
    _limit(0, mark)


def remove(pid: int = 0) -> None:
    """Take the mark off the process PID, 0 for this one."""
    _limit(pid, USUAL[0])


def _limit(pid: int, soft: int) -> None:
    try:
        resource.prlimit(pid, LOCKS, (soft, USUAL[1]))
    except (OSError, ValueError, MemoryError):
        pass


def find(mark: int, since: int) -> int:
    """The pid of the process that was marked; 0 if it is gone, and has left none.

    SINCE is when it was not there yet, in clock ticks since the boot.  What it has started
    itself may have the mark, too.  Raises OSError if that cannot be told for want of
    descriptors or memory.
    """
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and has(mark, name):
            state, parent, start = about(name)
            # Who marked it, and was killed, has the mark until it is reaped.
            if state not in (b"Z", b"X") and start >= since:
                found[int(name)] = parent, start
    roots = [(start, pid) for pid, (parent, start) in found.items() if parent not in found]
    return min(roots, default=(0, 0))[1]


def has(mark: int, pid: int | str) -> bool:
    """Whether the process PID is there, and marked so."""
    for line in _read(f"/proc/{pid}/limits").splitlines():
        if line.startswith(LINE):
            return line[len(LINE) :].split()[0] == b"%d" % mark
    return False


def about(pid: int | str) -> tuple[bytes, int, int]:
    """State, parent, and start in clock ticks since the boot, 0 if it is gone; see proc(5)."""
    words = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (words[0], int(words[1]), int(words[19])) if words else (b"X", 0, 0)


def _read(path: str) -> bytes:
    """What is in a file; nothing if its process has ended."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(ENOUGH)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
