"""What is done to a tree, by chance: processes killed and stopped, one and several at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from faults.chance import Chance
from faults.tree import Processes, Tree, send

RUNSV, LOG, SERVICE = "runsv", "log service", "service"

TOGETHER = ((RUNSV,), (LOG,), (SERVICE,), (RUNSV, LOG), (LOG, RUNSV), (SERVICE, RUNSV))
"""What is killed together.  All three at once would lose what is in their pipe."""

LONGEST = 0.3
"""Seconds at most between two strikes on one service, or that something is stopped."""


class Striker:
    """Strikes the services of the tree ONE by CHANCE, and knows what it did."""

    def __init__(self, one: Tree, chance: Chance) -> None:
        self.tree = one
        self.chance = chance

    def kill(self, service: Path, *roles: str) -> None:
        """Kill what has these roles in SERVICE, each a short random time after the other."""
        now = Processes()
        for role in roles:
            for victim in self.processes(service, role, now):
                if role == LOG:
                    self.tree.struck[service] = self.tree.struck.get(service, 0) + 1
                if send(victim, signal.SIGKILL):
                    self.chance.count(f"{role} killed")
            self.chance.nap(LONGEST)

    def kill_some(self, together: tuple[tuple[str, ...], ...] = TOGETHER) -> None:
        """Kill something of each of some services."""
        services = self.tree.services
        for service in self.chance.sample(services, self.chance.randint(1, len(services))):
            self.kill(service, *self.chance.choice(together))

    def kill_top(self) -> None:
        """Kill runsvdir, and start another."""
        assert self.tree.top is not None
        self.tree.top.kill()
        self.tree.top.wait()
        self.chance.count("runsvdir killed")
        self.chance.nap(LONGEST)
        self.tree.start()

    def stop(self, service: Path) -> Callable[[], None]:
        """Stop one of the processes of SERVICE; what is returned continues it."""
        role = self.chance.choice((RUNSV, LOG, SERVICE))
        victims = self.processes(service, role)
        for victim in victims:
            if send(victim, signal.SIGSTOP):
                self.chance.count(f"{role} stopped")

        def go_on() -> None:
            for victim in victims:
                send(victim, signal.SIGCONT)

        return go_on

    def stop_top(self) -> None:
        """Stop runsvdir for a while."""
        assert self.tree.top is not None
        self.tree.top.send_signal(signal.SIGSTOP)
        self.chance.count("runsvdir stopped")
        self.chance.nap(LONGEST)
        self.tree.top.send_signal(signal.SIGCONT)

    def restart(self, service: Path) -> None:
        """Have sv restart SERVICE, and kill it while it waits."""
        waiting = self.tree.suite.start("sv", "-w", "30", "restart", service)
        self.chance.nap(LONGEST)
        waiting.kill()
        waiting.wait()
        self.chance.count("sv killed")

    def processes(self, service: Path, role: str, now: Processes | None = None) -> list[int]:
        """The processes that have ROLE in SERVICE."""
        now = now or Processes()
        if role == RUNSV:
            return now.runsvs(service)
        return now.instances(service / "log" if role == LOG else service)
