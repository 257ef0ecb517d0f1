"""Soft resource limits, by the letters of softlimit.

Each letter names one limit, ``m`` four at once.  What is wanted is collected
first, a later wish for the same limit replacing an earlier one, and set at the
end in one go.  See chpst(8), softlimit(8).
"""

from __future__ import annotations

import resource
from errno import EINVAL, EPERM

from runit.process.unable import Unable

LIMITS = {
    b"d": resource.RLIMIT_DATA,
    b"s": resource.RLIMIT_STACK,
    b"l": resource.RLIMIT_MEMLOCK,
    b"a": resource.RLIMIT_AS,
    b"o": resource.RLIMIT_NOFILE,
    b"p": resource.RLIMIT_NPROC,
    b"f": resource.RLIMIT_FSIZE,
    b"c": resource.RLIMIT_CORE,
    b"r": resource.RLIMIT_RSS,
    b"t": resource.RLIMIT_CPU,
}
MEMORY = (b"d", b"s", b"l", b"a")

LARGEST = (1 << 63) - 1
"""What is greater stands for the hard limit."""


def wish(wanted: dict[bytes, int], letter: bytes, number: int) -> None:
    """Add to WANTED that the limit LETTER, or each of those it stands for, be NUMBER."""
    for one in MEMORY if letter == b"m" else (letter,):
        wanted[one] = number


def set_soft(wanted: dict[bytes, int]) -> None:
    """Set the soft limits that are WANTED, none above its hard limit.

    Raises Unable.
    """
    for letter, limit in LIMITS.items():
        if letter not in wanted:
            continue
        value = wanted[letter]
        try:
            _, hard = resource.getrlimit(limit)
        except OSError as error:
            raise Unable(b"unable to getrlimit()", error=error) from None
        if value > LARGEST or (hard != resource.RLIM_INFINITY and value > hard):
            value = hard
        try:
            resource.setrlimit(limit, (value, hard))
        except OSError as error:
            raise Unable(b"unable to setrlimit()", error=error) from None
        except ValueError as refusal:  # how the interpreter puts EPERM and EINVAL
            number = EPERM if "not allowed" in str(refusal) else EINVAL
            raise Unable(b"unable to setrlimit()", error=number) from None
