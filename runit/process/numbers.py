"""Numbers on the command line, read as the reference reads them."""

from __future__ import annotations

HUGE = 10**20
"""What a longer number counts as: more than any 64-bit word holds."""


def unsigned(text: bytes) -> int | None:
    """The number that TEXT is: digits only, 0 when empty; None for anything else."""
    digits = text.lstrip(b"0")
    if digits and not digits.isdigit():
        return None
    return int(digits or b"0") if len(digits) <= 20 else HUGE


def signed(text: bytes) -> int | None:
    """As `unsigned`, with one minus or plus allowed in front."""
    number = unsigned(text[1:] if text.startswith((b"-", b"+")) else text)
    return -number if number and text.startswith(b"-") else number
