"""What is put in front of log lines to say when they came: -t, -tt, -ttt.

Each style takes a Unix time in nanoseconds and gives the stamp with the blank
behind it.  See svlogd(8), and tai64n(8) of daemontools for the first one.
"""

from __future__ import annotations

import time

from runit.service.tai64n import BILLION, label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Style = Callable[[int], bytes]


def none(_nanoseconds: int) -> bytes:
    """No stamp."""
    return b""


def tai64n(nanoseconds: int) -> bytes:
    """``@400000006b00f559013a00c4 ``"""
    return label(nanoseconds) + b" "


def human(nanoseconds: int) -> bytes:
    """``2026-11-21_01:35:10.99095 ``, in UTC."""
    return _calendar(nanoseconds, b"_")


def iso8601(nanoseconds: int) -> bytes:
    """``2026-11-21T01:35:10.99095 ``, in UTC."""
    return _calendar(nanoseconds, b"T")


STYLES = (none, tai64n, human, iso8601)
"""By the number of -t options."""


def _calendar(nanoseconds: int, between: bytes) -> bytes:
    seconds, fraction = divmod(nanoseconds, BILLION)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return b"%04d-%02d-%02d%b%02d:%02d:%02d.%05d " % (
        year,
        month,
        day,
        between,
        hour,
        minute,
        second,
        fraction // 10_000,
    )
