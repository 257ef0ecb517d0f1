"""kill -9 at any moment: what is left is found again, and nothing runs twice.

Each test ends with all lines of all services counted, see `faults.tree`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.chance import MINUTES, Chance
from faults.strikes import LOG, RUNSV, SERVICE, Striker
from faults.tree import tree
from support import Suite

COUNT = 20 if MINUTES else 5
LOGS = pytest.mark.parametrize("log", ["svlogd", "built-in"])


@pytest.mark.parametrize("log", ["built-in", "cat"])
def test_no_line_is_lost_with_a_runsv(
    ours: Suite, tmp_path: Path, chance: Chance, log: str
) -> None:
    with tree(ours, tmp_path, COUNT, log) as one:
        striker = Striker(one, chance)
        for _ in chance.rounds(2):
            striker.kill_some(((RUNSV,), (SERVICE, RUNSV), (SERVICE,)))
            one.settle()


@LOGS
def test_no_line_is_lost_that_a_logger_had_not_read(
    ours: Suite, tmp_path: Path, chance: Chance, log: str
) -> None:
    with tree(ours, tmp_path, COUNT, log) as one:
        striker = Striker(one, chance)
        for _ in chance.rounds(2):
            striker.kill_some(((LOG,), (RUNSV, LOG), (LOG, RUNSV)))
            one.settle()


def test_runsvdir_and_all_below_it(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    with tree(ours, tmp_path, COUNT, "built-in") as one:
        striker = Striker(one, chance)
        for _ in chance.rounds(1):
            for _ in range(3):
                striker.kill_top()
                striker.kill_some()
            one.settle()


def test_an_sv_that_waits(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    with tree(ours, tmp_path, 3, "cat") as one:
        striker = Striker(one, chance)
        for _ in chance.rounds(1):
            for service in one.services:
                striker.restart(service)
                if chance.random() < 0.5:
                    striker.kill(service, RUNSV)
            one.settle()
