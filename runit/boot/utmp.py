"""utmp and wtmp: who is logged in where, who was, and the machine's own events.

Both are files of equal records in the C library's layout; see utmp(5).  utmp holds
one record for each terminal and each event, rewritten in place; wtmp is only ever
appended to.
"""

from __future__ import annotations

import fcntl
import posix
import sys
import time
from errno import ENOSPC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

UTMP = b"/var/run/utmp"
WTMP = b"/var/log/wtmp"

EMPTY, RUN_LVL, BOOT_TIME, NEW_TIME, OLD_TIME = range(5)
INIT_PROCESS, LOGIN_PROCESS, USER_PROCESS, DEAD_PROCESS = range(5, 9)

LONG = 8 if posix.uname().machine in ("aarch64", "loongarch64") and sys.maxsize > 1 << 32 else 4
"""Bytes of a session and of each half of a time: 4 wherever 32-bit programs were first."""

FROM_HERE = 1  # lseek(2); the built-in module has no name for it

PATIENCE = 1.0
"""Seconds until a lock that somebody holds is left to him; a change takes microseconds."""
GLANCE = 0.02
"""Seconds from one try to the next."""

SIZE = 384 if LONG == 4 else 400


class Number:
    """A field that is a signed number."""

    def __init__(self, offset: int, size: int) -> None:
        self.place = slice(offset, offset + size)
        self.size = size

    def __get__(self, record: Record, owner: type) -> int:
        return int.from_bytes(record.raw[self.place], sys.byteorder, signed=True)

    def __set__(self, record: Record, value: int) -> None:
        """What does not fit is cut, as C does; times go on after 2038 so."""
        value &= (1 << 8 * self.size) - 1
        record.raw[self.place] = value.to_bytes(self.size, sys.byteorder)


class Text:
    """A field that is text: as long as the field, or ended by a null byte."""

    def __init__(self, offset: int, size: int) -> None:
        self.place = slice(offset, offset + size)
        self.size = size

    def __get__(self, record: Record, owner: type) -> bytes:
        return bytes(record.raw[self.place]).partition(b"\0")[0]

    def __set__(self, record: Record, value: bytes) -> None:
        record.raw[self.place] = value[: self.size].ljust(self.size, b"\0")


class Record:
    """One record.  The bytes in `raw` that no field is set on stay as they were.

    type          one of the constants above
    pid           of the login; for RUN_LVL the runlevel, and 256 times the one before
    line          the terminal without /dev/, ``~`` for the machine's events
    id            the end of the terminal's name, ``~~`` for the machine's events
    user, host    who, from where; ``runlevel``, ``reboot``, ``shutdown`` and the kernel
    seconds, microseconds   Unix time
    """

    __slots__ = ("raw",)

    type = Number(0, 2)
    pid = Number(4, 4)
    line = Text(8, 32)
    id = Text(40, 4)
    user = Text(44, 32)
    host = Text(76, 256)
    session = Number(336, LONG)
    seconds = Number(336 + LONG, LONG)
    microseconds = Number(336 + 2 * LONG, LONG)

    def __init__(self, raw: bytes = bytes(SIZE)) -> None:
        self.raw = bytearray(raw)


def read(descriptor: int) -> Iterator[Record]:
    """The records of a file from where it stands; a part of one at its end is none.

    Raises OSError.
    """
    while len(raw := posix.read(descriptor, SIZE)) == SIZE:
        yield Record(raw)


def rewrite(descriptor: int, record: Record) -> None:
    """Write RECORD over the one that was read last.  Raises OSError."""
    posix.lseek(descriptor, -SIZE, FROM_HERE)
    posix.write(descriptor, record.raw)


def append(descriptor: int, record: Record) -> None:
    """Write RECORD to the end of a file, all of it or nothing.  Raises OSError."""
    before = posix.fstat(descriptor).st_size
    try:
        written = posix.write(descriptor, record.raw)
    except OSError:
        posix.ftruncate(descriptor, before)
        raise
    if written < SIZE:
        posix.ftruncate(descriptor, before)
        raise OSError(ENOSPC, "")


def lock(descriptor: int) -> None:
    """Wait until no other program changes the file, but not for ever.  Raises OSError.

    Everybody may read these files, and so hold their locks: who does so longer than any
    change takes is not waited for.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return
            time.sleep(GLANCE)
        else:
            return
