"""What svlogd says of itself on standard error, and how it waits when it must.

A write that fails, a full disk, a missing permission: what stands between a log
line and the disk is reported and tried again, for ever.  Nothing is dropped.
"""

from __future__ import annotations

import time
from errno import ENOMEM

from runit.message import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

PAUSE = 3
"""Seconds until what failed is tried again."""


def info(*parts: bytes) -> None:
    """For -v."""
    complain(b"svlogd: info", *parts)


def warning(*parts: bytes, error: OSError | None = None) -> None:
    """Something is wrong, and svlogd goes on."""
    complain(b"svlogd: warning", *parts, error=error)


def fatal(*parts: bytes, error: OSError | None = None) -> None:
    """Something cannot be done; ending is for the caller."""
    complain(b"svlogd: fatal", *parts, error=error)


def pause(what: bytes, name: bytes, error: OSError) -> None:
    """Say WHAT failed for the log directory NAME, and wait."""
    complain(b"svlogd: pausing", what, name, error=error)
    time.sleep(PAUSE)


def insist(what: bytes, name: bytes, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make CALL until it succeeds, pausing after each failure; returns its result."""
    while True:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            pause(what, name, error)
        except MemoryError:
            pause(what, name, OSError(ENOMEM, ""))
