"""kill -9 of stage 2, in a machine of its own: process 1 starts it again, once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import packages
from faults.chance import Chance
from faults.tree import DEADLINE, send
from firsts import First, make_suite, may
from support import build, wait_for

RUN = "#!/bin/sh\nexec 9>alone\nflock -n 9 || echo >>twice\nexec sleep 100000\n"
STAGE_2 = "PATH=/suite/bin:$PATH\nexec runsvdir -P /services"
COUNT = 4


class Machine:
    """A machine whose stage 2 is runsvdir, with some services."""

    def __init__(self, root: Path, suite: Path) -> None:
        build(root, {f"services/{number}/run": RUN for number in range(COUNT)})
        self.services = [root / f"services/{number}" for number in range(COUNT)]
        self.first = First(root, suite, {"2": STAGE_2})

    def named(self, name: str, where: Path | None = None) -> list[int]:
        """The processes called NAME, that work in WHERE."""
        found = []
        for process in self.first.processes():
            with suppress(OSError):
                comm = Path(f"/proc/{process}/comm").read_text().rstrip("\n")
                if comm == name and (where is None or here(process) == identity(where)):
                    found.append(process)
        return found

    def settle(self) -> None:
        """Wait until all is right."""
        try:
            wait_for(lambda: not self.wrong(), "all services", DEADLINE)
        except AssertionError:
            raise AssertionError("\n".join([*self.wrong(), self.first.text()])) from None

    def wrong(self) -> list[str]:
        """What is wrong now."""
        found = []
        if len(self.named("runsvdir")) != 1:
            found.append("runsvdirs")
        for service in self.services:
            both = self.named("runsv", service), self.named("sleep", service)
            if [len(one) for one in both] != [1, 1]:
                found.append(f"{service.name}: {both}")
            if (service / "twice").exists():
                found.append(f"{service.name} ran twice at a time")
        return found


def here(process: int) -> tuple[int, int]:
    """What its working directory is."""
    return identity(Path(f"/proc/{process}/cwd"))


def identity(path: Path) -> tuple[int, int]:
    it = os.stat(path)
    return it.st_dev, it.st_ino


@pytest.fixture
def machine() -> Iterator[Machine]:
    reason = may()
    if reason:
        pytest.skip(reason)
    directory = Path(tempfile.mkdtemp(prefix="first"))
    directory.chmod(0o755)
    for name in ("suite", "root"):
        (directory / name).mkdir()
    packages(directory / "suite/package")
    one = Machine(directory / "root", make_suite(directory / "suite"))
    yield one
    one.first.kill()
    shutil.rmtree(directory)


def test_all_is_there_once(machine: Machine, chance: Chance) -> None:
    machine.settle()
    before = [machine.named("sleep", service) for service in machine.services]
    for _ in chance.rounds(3):
        for top in machine.named("runsvdir"):
            if send(top, signal.SIGKILL):
                chance.count("stage 2 killed")
        chance.nap(0.3)
        if chance.random() < 0.5:
            for runsv in machine.named("runsv"):
                if send(runsv, signal.SIGKILL):
                    chance.count("runsv killed")
            chance.nap(0.3)
        machine.settle()
    # They have gone on all the time.
    assert [machine.named("sleep", service) for service in machine.services] == before
