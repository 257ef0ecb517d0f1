"""Which signals a process ignores and blocks, as /proc tells it."""

from __future__ import annotations

import re

INTERNAL = 1 << 31 | 1 << 32
"""Signals 32 and 33, the C library's own: its posix_spawn leaves them ignored, so
whatever make has started inherits that, and nobody can or need change it."""


def masks(status: str) -> dict[str, int]:
    """SigIgn and SigBlk of a /proc/PID/status, without the C library's own."""
    found = re.findall(r"^(Sig(?:Ign|Blk)):\t(\w+)", status, re.MULTILINE)
    return {name: int(mask, 16) & ~INTERNAL for name, mask in found}
