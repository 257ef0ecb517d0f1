"""Descriptors: the three that every program has, and those that are nobody's here."""

from __future__ import annotations

import posix
import resource

END = min(max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096), 1 << 20)
"""Where closing ends.  Without close_range(2), each number up to it is a system call."""


def close_from(first: int, last: int = END) -> None:
    """Close all descriptors from FIRST on, below LAST."""
    posix.closerange(first, last)


def fill() -> None:
    """Put /dev/null where descriptors 0 to 2 are closed, so that nothing else comes there.

    It closes itself at exec: a program that is started finds them closed as before.
    """
    for descriptor in range(3):
        try:
            posix.fstat(descriptor)
        except OSError:
            try:
                posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
            except OSError:
                return
