"""Services that do not do what is asked: runsv stays obedient, and a killed one is succeeded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.chance import Chance
from faults.tree import Processes, recorded, send
from support import Suite, alive, build, command, end_service, pid, stat, supervised, wait_for

READY = "#!/bin/sh\n: >ready\n"
DEAF = "trap '' TERM\n: >ready\nexec sleep 1000\n"
LOG = {"log/config": "", "log/main": None}
STRAY = "#!/bin/sh\nsleep 1000 &\necho $! >stray\n: >ready\nexec sleep 1000\n"

STUBBORN = {
    "ignores TERM": {"run": "#!/bin/sh\n" + DEAF},
    "with a log": {"run": "#!/bin/sh\n" + DEAF, **LOG},
    "session": {"run": "#!/bin/sh\nexec chpst -P sh -c ': >ready; exec sleep 1000'\n", **LOG},
    "finish": {"run": "#!/bin/sh\nexit 3\n", "finish": "#!/bin/sh\n" + DEAF},
    "user": {"run": "#!/bin/sh\n: >ready\nexec chpst -u :65534:65534 sleep 1000\n", **LOG},
}


@contextmanager
def supervising(ours: Suite, root: Path, files: dict[str, str | None]) -> Iterator[Path]:
    """A service under runsvdir, that is ready; ended, whatever it does, after the block."""
    one = build(root / "d/s", files)
    try:
        with ours.runsvdir(root / "d"):
            wait_for((one / "ready").exists)
            wait_for(lambda: recorded(one))
            yield one
            (one / "finish").unlink(missing_ok=True)
            command(one, "d")
            for process in Processes().instances(one):
                send(process, signal.SIGKILL)
    finally:
        end_service(one)


def kill_runsv(one: Path, chance: Chance) -> None:
    """Kill it, and wait for the next."""
    (old,) = wait_for(lambda: Processes().runsvs(one))
    os.kill(old, signal.SIGKILL)
    chance.count("runsv killed")
    wait_for(lambda: Processes().runsvs(one) not in ([], [old]))
    wait_for(lambda: supervised(one))


@pytest.mark.parametrize("kind", STUBBORN)
def test_a_killed_runsv_is_succeeded(
    ours: Suite, tmp_path: Path, chance: Chance, kind: str
) -> None:
    if kind == "user" and os.geteuid():
        pytest.skip("needs root, to become somebody else")
    with supervising(ours, tmp_path, STUBBORN[kind]) as one:
        state = "finish" if kind == "finish" else "run"
        wait_for(lambda: stat(one) == state)
        first = pid(one)
        for _ in chance.rounds(1, 0.05):
            kill_runsv(one, chance)
            wait_for(lambda: Processes().instances(one) == [first])
            assert (pid(one), stat(one)) == (first, state)
        if kind == "finish":  # which no command reaches
            os.kill(first, signal.SIGKILL)
        else:
            command(one, "k")
        wait_for(lambda: not alive(first))
        wait_for(lambda: pid(one) not in (0, first))


def test_children_that_hold_the_log_pipe(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    """runsv and its log service stay as long as there may be something to log."""
    with supervising(ours, tmp_path, {"run": STRAY, **LOG}) as one:
        stray, logger = int((one / "stray").read_text()), pid(one / "log")
        kill_runsv(one, chance)
        (runsv,) = Processes().runsvs(one)
        command(one, "x")
        wait_for(lambda: stat(one) == "down")
        command(one, "p")
        wait_for(lambda: stat(one) == "down, paused")
        assert alive(stray)
        assert alive(logger)
        os.kill(stray, signal.SIGKILL)
        wait_for(lambda: not alive(runsv) and not alive(logger))
        wait_for(lambda: recorded(one))  # runsvdir has started another


def test_a_control_script_that_never_ends(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    """Commands wait behind it; who kills it, or runsv, gets on."""
    script = "#!/bin/sh\necho $$ >hangs\nexec sleep 1000\n"
    files = {"run": READY + "exec sleep 1000\n", "control/t": script}
    with supervising(ours, tmp_path, files) as one:
        first = pid(one)
        command(one, "tk")
        hangs = int(wait_for(lambda: (one / "hangs").exists() and (one / "hangs").read_text()))
        kill_runsv(one, chance)
        assert pid(one) == first
        command(one, "k")
        wait_for(lambda: pid(one) not in (0, first))
        (one / "control/t").unlink()
        os.kill(hangs, signal.SIGKILL)
