"""Where the two suites differ on purpose: what each of them does, side by side."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from fakes import Fake, up
from log.logs import log, logging
from support import Suite, build, command, stat, wait_for

STUBBORN = "#!/bin/sh\ntrap '' TERM\n: >ready\nexec sleep 1000\n"
FINISH = '#!/bin/sh\necho "$*" >>did\n'


def test_a_control_script_that_a_signal_ends_counts_as_failure(
    suite: Suite, tmp_path: Path
) -> None:
    """So the signal is sent; to the reference the script has replaced it."""
    files = {"run": "#!/bin/sh\nexec sleep 1000\n", "finish": FINISH}
    files |= {"control/h": "#!/bin/sh\necho asked >>did\nkill -9 $$\n"}
    files |= {"control/1": "#!/bin/sh\necho behind >>did\nexit 0\n"}
    service = build(tmp_path / "s", files)
    did = service / "did"
    with suite.runsv(service):
        wait_for(lambda: stat(service) == "run")
        command(service, "oh")
        wait_for(lambda: did.exists() and "asked" in did.read_text())
        if suite.name == "ours":
            wait_for(lambda: did.read_text() == f"asked\n-1 {signal.SIGHUP:d}\n")
        else:
            command(service, "1")
            wait_for(lambda: did.read_text() == "asked\nbehind\n")
            assert stat(service) == "run, want down"


def test_the_end_of_a_service_that_is_killed_on_exit_is_waited_for(
    suite: Suite, tmp_path: Path
) -> None:
    """The reference goes at once: finish does not run, the records stay."""
    service = build(tmp_path / "s", {"run": STUBBORN, "finish": FINISH})
    with suite.runsv(service) as runsv:
        wait_for(lambda: stat(service) == "run" and (service / "ready").exists())
        command(service, "x")
        wait_for(lambda: stat(service) == "run, got TERM, want exit")
        command(service, "k")
        assert runsv.wait(30) == 0
    if suite.name == "ours":
        assert (stat(service), (service / "did").read_text()) == ("down", "-1 9\n")
    else:
        assert stat(service) == "run, got TERM, want exit"
        assert not (service / "did").exists()


def test_a_plus_behind_the_end_of_a_line_matches_nothing(suite: Suite, tmp_path: Path) -> None:
    """The reference compares with what an earlier line left in its memory."""
    done = log(suite, tmp_path / "log", b"x\nyaa\nx\n", config=b"-*\n+x+a\n")
    assert done.text == (b"" if suite.name == "ours" else b"x\n")


def test_no_line_is_shown_without_an_e(suite: Suite, tmp_path: Path) -> None:
    """To the reference each line is what the last one before HUP was, as nothing tells else."""
    directory = build(tmp_path / "log", {"config": "e*\n"})
    with logging(suite, directory, "-v") as work:
        work.log(b"one\n")
        (directory / "config").write_text("")
        work.signal(signal.SIGHUP)
        wait_for(lambda: work.stderr.count(b"/current\n") == 2)
        work.log(b"two\n")
        assert work.end() == 0
        assert b"one\n" in work.stderr
        assert (b"two\n" in work.stderr) == (suite.name == "reference")


def test_check_is_not_asked_about_a_service_that_is_paused(suite: Suite, tmp_path: Path) -> None:
    """No answer would do; the reference asks for each part of restart by itself."""
    service, other = (Fake(tmp_path / name, up()) for name in ("a", "b"))
    build(service.directory, {"check": "#!/bin/sh\n: >asked\n"})
    environment = suite.environment(SVDIR=str(tmp_path))
    with suite.start(
        "sv", "-w", "60", "restart", "a", "b", env=environment, stdout=subprocess.PIPE
    ) as sv:
        wait_for(other.sent)
        service.write(up(age=-1000, paused=True))
        other.write(up(age=-1000))
        assert sv.stdout is not None
        assert sv.stdout.readline() == b"ok: run: b: (pid 77) 0s\n"  # so both were looked at
        assert (service.directory / "asked").exists() == (suite.name == "reference")
        service.write(up(age=-1000))
        assert sv.stdout.readline() == b"ok: run: a: (pid 77) 0s\n"
    assert sv.returncode == 0
    service.leave()
    other.leave()
