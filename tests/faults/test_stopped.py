"""SIGSTOP: what is stopped is waited for, and all others go on meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.chance import Chance
from faults.strikes import LOG, RUNSV, Striker
from faults.tree import quiet, recorded, tree
from support import Suite, build, command, listening, pid, stat, supervised, wait_for

RUN = "#!/bin/sh\nexec sleep 1000\n"
FLOOD = "#!/bin/sh\nexec 2>&1\nwhile :; do echo flood; : >went-on; done\n"


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """PROCESS is stopped in the block."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_anything_for_a_while(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    with tree(ours, tmp_path, 5, "svlogd") as one:
        striker = Striker(one, chance)
        for _ in chance.rounds(2):
            going_on = [striker.stop(service) for service in one.services]
            striker.stop_top()
            chance.nap(0.3)
            for go_on in going_on:
                go_on()
            one.settle()


@pytest.mark.parametrize("role", [RUNSV, LOG])
def test_killed_while_it_is_stopped(ours: Suite, tmp_path: Path, chance: Chance, role: str) -> None:
    with tree(ours, tmp_path, 2, "built-in") as one:
        striker = Striker(one, chance)
        for service in one.services:
            for victim in striker.processes(service, role):
                os.kill(victim, signal.SIGSTOP)
            striker.kill(service, role)
        one.settle()


def test_commands_wait_for_a_stopped_runsv(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path / "s", {"run": RUN, "control/h": "#!/bin/sh\necho >>hangups\n"})
    with ours.runsv(tmp_path / "s") as runsv:
        first = wait_for(lambda: recorded(tmp_path / "s"))
        with stopped(runsv.pid):
            for _ in range(100):
                command(tmp_path / "s", "h")
            command(tmp_path / "s", "t")
            # sv says what it knows, and gives up when its time has come.
            assert ours.run("sv", "status", tmp_path / "s").stdout.startswith(b"run: ")
            answer = ours.run("sv", "-w", "1", "restart", tmp_path / "s")
            assert answer.stdout.startswith(b"timeout: run: ")
        wait_for(lambda: pid(tmp_path / "s") not in (0, first))
        wait_for(lambda: len((tmp_path / "s/hangups").read_text()) == 100)


def test_a_stopped_runsvdir_catches_up(ours: Suite, tmp_path: Path) -> None:
    old, new = build(tmp_path / "old", {"run": RUN}), build(tmp_path / "new", {"run": RUN})
    (tmp_path / "d").mkdir()
    (tmp_path / "d/old").symlink_to(old)
    with ours.runsvdir(tmp_path / "d") as top:
        wait_for(lambda: pid(old))
        with stopped(top.pid):
            (tmp_path / "d/old").unlink()
            (tmp_path / "d/new").symlink_to(new)
            # Meanwhile each runsv goes on.
            first = pid(old)
            command(old, "k")
            wait_for(lambda: pid(old) not in (0, first))
        wait_for(lambda: pid(new))
        wait_for(lambda: not listening(old))


def test_a_log_service_that_does_not_read_stops_the_service_alone(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", {"run": FLOOD, "log/config": "", "log/main": None})
    with ours.runsv(one) as runsv:
        logger = wait_for(lambda: supervised(one / "log") and pid(one / "log"))
        wait_for((one / "went-on").exists)
        with stopped(logger):

            def blocked() -> bool:
                with Path(f"/proc/{pid(one)}/wchan").open() as waiting:
                    return "pipe" in waiting.read()

            wait_for(blocked, "the service to wait for room in the pipe")
            quiet(runsv.pid)
            # runsv obeys, and starts the next one, which waits as well.
            first = pid(one)
            command(one, "p")
            wait_for(lambda: stat(one) == "run, paused")
            command(one, "ck")
            wait_for(lambda: pid(one) not in (0, first))
            wait_for(blocked, "the next one to wait, too")
            (one / "went-on").unlink()
            assert not (one / "went-on").exists()
        wait_for((one / "went-on").exists)
