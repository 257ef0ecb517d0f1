"""kill -9 at any moment: what is left is found again, and nothing runs twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.chance import Chance
from faults.tree import Processes, Tree, send, tree
from support import Suite


def kill_some(one: Tree, chance: Chance, what: str) -> None:
    """Kill runsvs, services or log services of some of the tree's services."""
    now = Processes()
    for service in chance.sample(one.services, chance.randint(1, len(one.services))):
        victims = now.instances(service / "log") if what == "log" else now.runsvs(service)
        if what == "service":
            victims = now.instances(service)
        for victim in victims:
            if what == "log":
                one.struck[service] = one.struck.get(service, 0) + 1
            if send(victim, 9):
                chance.count(what)
            chance.nap(0.3)


@pytest.mark.parametrize("log", ["svlogd", "built-in", "cat"])
def test_runsvs(ours: Suite, tmp_path: Path, chance: Chance, log: str) -> None:
    with tree(ours, tmp_path, 4, log) as one:
        for _ in chance.rounds(2):
            kill_some(one, chance, "runsv")
            one.settle()
