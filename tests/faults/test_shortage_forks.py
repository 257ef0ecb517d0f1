"""fork(2) fails, for want of anything: everything that starts a program tries again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from log.logs import everything, logging
from support import Suite, build, command, end_runsv, end_runsvdir, needs, pid, stat, wait_for

RUN = "#!/bin/sh\nexec sleep 1000\n"
LOG = "#!/bin/sh\nexec cat\n"
CALLS = "clone,clone3,vfork,fork"
WORDS = {"ENOMEM": "out of memory"}  # EAGAIN is in test_shortage_processes

pytestmark = needs("strace")


def failing(error: str, when: str = "1") -> list[str]:
    """What to put before a program whose WHENth fork fails, and that of its children."""
    inject = f"inject={CALLS}:error={error}:when={when}"
    return ["strace", "-f", "-qqo/dev/null", f"-etrace={CALLS}", "-e", inject]


@pytest.mark.parametrize("error", WORDS)
def test_a_service_starts_at_last(suite: Suite, tmp_path: Path, error: str) -> None:
    """Each process's first fork fails, so service and log service are each late."""
    service = build(tmp_path / "s", {"run": RUN, "log/run": LOG, "down": "", "log/down": ""})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*failing(error), suite.program("runsv"), "s"],
            cwd=tmp_path,
            stderr=stderr,
            env=suite.environment(),
        )
    try:
        wait_for(lambda: stat(service) == "down" and stat(service / "log") == "down")
        command(service, "u")
        wait_for(lambda: pid(service))
        command(service / "log", "u")
        wait_for(lambda: pid(service / "log"))
        command(service, "x")
        assert process.wait(30) == 0
    finally:
        end_runsv(process, service)
    assert errors.read_text() == f"runsv s: warning: unable to fork, sleeping: {WORDS[error]}\n"


@pytest.mark.parametrize("error", WORDS)
def test_a_tree_starts_at_last(ours: Suite, tmp_path: Path, error: str) -> None:
    """Without a rehearsal, whose first fork it is, and one second late."""
    services = tmp_path / "d"
    names = [f"s{number}" for number in range(5)]
    build(services, {f"{name}/run": RUN for name in names})
    build(services, {f"{name}/down": "" for name in names})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*failing(error, "1..2"), ours.program("runsvdir"), "d"],
            cwd=tmp_path,
            stderr=stderr,
            env=ours.environment(),
        )
    try:
        for name in names:
            wait_for(lambda name=name: stat(services / name) == "down")
    finally:
        (runsvdir,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(runsvdir), signal.SIGHUP)
        process.wait(30)  # strace, which ends with the last of what it follows
        end_runsvdir(process, services)
    lines = errors.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("runsvdir d: warning: unable to fork for s")
    assert lines[0].endswith(f": {WORDS[error]}")


@pytest.mark.parametrize("error", WORDS)
def test_a_processor_is_started_at_last(ours: Suite, tmp_path: Path, error: str) -> None:
    config = b"!cat\n"
    command = [word for word in failing(error) if word != "-f"]  # the shell may fork
    with logging(ours, tmp_path / "log", config=config, command=command) as work:
        work.log(b"one\n")
        (child,) = (
            Path(f"/proc/{work.process.pid}/task/{work.process.pid}/children").read_text().split()
        )
        subprocess.run(["kill", "-ALRM", child], check=True)
        work.said(f"svlogd: pausing: unable to fork for processor: log: {WORDS[error]}\n".encode())
        wait_for(lambda: list((tmp_path / "log").glob("@*.s")))
        work.log(b"two\n")
        assert everything(tmp_path / "log") == b"one\ntwo\n"


def test_sv_asks_again_when_check_could_not_be_started(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": RUN, "check": "#!/bin/sh\n"})
    with ours.runsv(service):
        wait_for(lambda: pid(service))
        done = subprocess.run(
            [*failing("EAGAIN", "1..3"), ours.program("sv"), "-w", "60", "check", service],
            capture_output=True,
            timeout=90,
        )
        assert done.returncode == 0
        assert done.stdout.startswith(b"ok: run: ")
        warning = f"warning: unable to fork for {service}/check: temporary failure\n"
        assert done.stderr.decode() == warning
