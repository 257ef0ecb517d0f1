"""TAI64N: the time stamps of status records, log lines and rotated logs.

A stamp is 12 bytes, big endian: 8 of seconds, 4 of nanoseconds.  The seconds
count from 2**62, and run ten ahead of Unix time: the suite, like the reference,
leaves out leap seconds.  A label is the stamp in 24 hex digits behind an ``@``.
See tai64n(8) of daemontools.
"""

from __future__ import annotations

EPOCH = (1 << 62) + 10
BILLION = 1_000_000_000


def stamp(nanoseconds: int) -> bytes:
    """The 12 bytes for a Unix time in nanoseconds."""
    seconds = nanoseconds // BILLION
    return (EPOCH + seconds << 32 | nanoseconds % BILLION).to_bytes(12)


def unix(stamped: bytes) -> int:
    """The Unix time in nanoseconds that 12 bytes stand for."""
    number = int.from_bytes(stamped[:12], "big")
    return ((number >> 32) - EPOCH) * BILLION + (number & 0xFFFFFFFF)


def label(nanoseconds: int) -> bytes:
    """The 25 bytes, ``@`` and hex digits, for a Unix time in nanoseconds."""
    return b"@" + stamp(nanoseconds).hex().encode()
