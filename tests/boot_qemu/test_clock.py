"""A machine whose clock is set, far and back: nothing waits longer or shorter for it.

One guest for the whole module; `clock_in_guest` does the looking.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from guests import Boot, comes_back, pid
from qemu import Guest

LOOK = Path(__file__).with_name("clock_in_guest.py").read_text()

YEAR = 31_557_600
NOW = 1_795_219_200
MOMENTS = {
    "a year back": NOW - YEAR,
    "a year on": NOW + YEAR,
    "1970": 100_000,
    "2038, the end of 31 bits": (1 << 31) - 2,
    "2107, behind the end of 32 bits": 4_330_000_000,
}


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    guest = boot("debian", files={"/clock": LOOK})
    guest.login()
    guest.run(f"date -s @{NOW} && /clock begin")
    return guest


@pytest.mark.parametrize("name", MOMENTS)
def test_nothing_minds_that_the_clock_is_set(guest: Guest, name: str) -> None:
    assert guest.run(f"/clock {MOMENTS[name]}").endswith("all is well")


def test_stage_2_is_started_again(guest: Guest) -> None:
    guest.run("date -s @4330000000")
    former = pid(guest, "agetty-tty2")
    guest.run("kill -9 $(pgrep -P 1 -x runsvdir); date -s @100000")
    guest.until("pgrep -P 1 -x runsvdir")
    guest.run(f"kill -9 {former}")
    comes_back(guest, "agetty-tty2", former)
    assert "Traceback" not in guest.transcript()
