"""Chance that can be had again, and how long to go on.

`make check` breaks the same few things each time.  FAULTS_MINUTES=N goes on for that
long (the soak; other tests for a share of it) and with another seed each time, which
FAULTS_SEED sets.  A test that fails shows its seed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

MINUTES = float(os.environ.get("FAULTS_MINUTES") or 0)
"""How long to go on; 0 in `make check`: a few rounds only."""

SEED = int(os.environ.get("FAULTS_SEED") or 0)


class Chance(random.Random):
    """A generator of random numbers that counts what was broken with it.

    faults      what was broken, by kind
    recoveries  how often all was right again afterwards
    """

    def __init__(self) -> None:
        self.number = SEED or (int.from_bytes(os.urandom(4), "big") if MINUTES else 1)
        super().__init__(self.number)
        self.faults: dict[str, int] = {}
        self.recoveries = 0
        print(f"FAULTS_SEED={self.number}")  # pytest shows it when the test fails

    def count(self, kind: str, times: int = 1) -> None:
        """Take note that something was broken."""
        self.faults[kind] = self.faults.get(kind, 0) + times

    def nap(self, longest: float) -> None:
        """Sleep for a random time, down to a thousandth of LONGEST; short is as likely as long."""
        time.sleep(longest * 10 ** self.uniform(-3, 0))

    def rounds(self, few: int, share: float = 0.2, *, whole: bool = True) -> Iterator[int]:
        """Count: FEW rounds, or for as long as SHARE of FAULTS_MINUTES.

        WHOLE: all is whole again after each round.
        """
        end = time.monotonic() + MINUTES * 60 * share
        number = 0
        while number < few or time.monotonic() < end:
            yield number
            number += 1
            self.recoveries += whole
