"""A large tree, and random faults for FAULTS_MINUTES: at the end all is as it must be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from faults.chance import MINUTES, Chance
from faults.strikes import TOGETHER, Striker
from faults.tree import Processes, Tree, growth, quiet, tree
from support import Suite, command

from runit.supervise import adopt

COUNT = 50 if MINUTES else 12
LARGE = 16384
"""KiB of memory that runsvdir has no use for."""


class Soak:
    """Breaks what is whole in the tree ONE, by CHANCE; what it stopped goes on in the end."""

    def __init__(self, one: Tree, chance: Chance) -> None:
        self.tree = one
        self.chance = chance
        self.striker = Striker(one, chance)
        self.broken: set[Path] = set()
        self.going_on: list[Callable[[], None]] = []

    def step(self) -> None:
        """One fault, and now and then a look at what is whole again."""
        dice = self.chance.random()
        whole = [service for service in self.tree.services if service not in self.broken]
        if dice < 0.02:
            self.striker.kill_top()
        elif dice < 0.04:
            self.striker.stop_top()
        elif dice < 0.2 or not whole:
            self.look()
        else:
            self.strike(self.chance.choice(whole))

    def strike(self, service: Path) -> None:
        """One fault of one service."""
        kind = self.chance.choice(("kill", "kill", "kill", "stop", "command", "sv"))
        self.broken.add(service)
        if kind == "kill":
            self.striker.kill(service, *self.chance.choice(TOGETHER))
        elif kind == "stop":
            self.going_on.append(self.striker.stop(service))
        elif kind == "sv":
            self.striker.restart(service)
        else:
            with suppress(OSError):  # runsv may be about to start
                command(service, self.chance.choice(("t", "k", "tcu", "du", "pc", "dcu")))
                self.chance.count("command")

    def look(self) -> None:
        """Let go on what was stopped, and see what is whole again."""
        while self.going_on:
            self.going_on.pop()()
        now, locks = Processes(), adopt.locks()
        for service in list(self.broken):
            with suppress(OSError):
                if not self.tree.wrong_with(service, now, locks):
                    self.broken.discard(service)
                    self.chance.recoveries += 1


def test_soak(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    with tree(ours, tmp_path, COUNT, "built-in built-in svlogd", pause=0.1) as one:
        assert one.top is not None
        soak = Soak(one, chance)
        for _ in chance.rounds(40, 1.0, whole=False):
            soak.step()
        soak.look()
        for service in one.services:
            with suppress(OSError):
                command(service, "u")
        one.settle()
        quiet(one.top.pid)
        descriptors, memory = growth(one.top.pid)
        assert descriptors <= COUNT + 12  # one for each runsv that it has adopted
        assert memory < LARGE
