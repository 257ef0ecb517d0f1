"""What stands between an install and the rest of the machine."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was changed; says why."""
