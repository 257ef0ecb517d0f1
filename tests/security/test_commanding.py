"""Who may command a service: who owns its files under supervise, and nobody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from security.others import AS_NOBODY, NOBODY, needs_root
from support import Suite, build, pid, wait_for

pytestmark = needs_root

COMMANDS = ["status", "up", "down", "exit", "start", "restart", "check", "force-stop", "1", "kill"]
DENIED = b"warning: s: unable to open supervise/%b: access denied\n"
PATHS = ["supervise/ok", "supervise/control", "supervise/lock", "supervise/status", "supervise"]


@pytest.fixture
def service(each: Suite, place: Path) -> Iterator[Path]:
    """A service of root's that runs, with a log, whatever the umask."""
    files = {"run": "#!/bin/sh\nexec sleep 1000\n", "log/run": "#!/bin/sh\nexec cat\n"}
    directory = build(place / "s", files)
    with each.runsv(directory, umask=0):
        wait_for(lambda: pid(directory) and pid(directory / "log"))
        yield directory


def ask(suite: Suite, service: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """sv, by nobody."""
    environment = suite.environment(SVDIR=str(service.parent))
    return suite.run("sv", *words, env=environment, cwd="/", **AS_NOBODY)


def looked_at(suite: Suite, word: str) -> bytes:
    """What sv tries to open first for a command."""
    asks = word in ("status", "check") or not suite.is_reference(2, 3, 1)
    return b"ok" if asks else b"control"


def test_who_may_not_is_told_in_one_line(each: Suite, service: Path) -> None:
    before = pid(service), pid(service / "log")
    for word in COMMANDS:
        done = ask(each, service, word, "s")
        denied = DENIED % looked_at(each, word)
        assert (done.returncode, done.stdout, done.stderr) == (1, denied, b"")
    assert (pid(service), pid(service / "log")) == before


def test_supervise_is_closed_to_others_whatever_the_umask(each: Suite, service: Path) -> None:
    for where in (service, service / "log"):
        assert (where / "supervise").stat().st_mode & 0o777 == 0o700
        for path in (where / "supervise").iterdir():
            assert not path.stat().st_mode & 0o022, path
        for name in PATHS:
            script = f'test -e "{where}/{name}/." || : <"{where}/{name}" || : >>"{where}/{name}"'
            done = subprocess.run(["sh", "-c", script], capture_output=True, **AS_NOBODY)
            assert done.returncode != 0


def test_where_others_may_look_they_may_not_write(each: Suite, service: Path) -> None:
    supervise = service / "supervise"
    supervise.chmod(0o755)
    done = ask(each, service, "down", "s")
    denied = DENIED % looked_at(each, "down")
    assert (done.returncode, done.stdout, done.stderr) == (1, denied, b"")
    os.chown(supervise / "ok", NOBODY, NOBODY)
    status = ask(each, service, "status", "s")
    assert status.stdout.startswith(b"run: s: (pid ")
    assert b"warning: s/log: unable to open supervise/ok: access denied\n" in status.stdout
    done = ask(each, service, "down", "s")
    said = b"warning: s: unable to open supervise/control: access denied\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, said, b"")


def test_who_was_given_the_fifos_commands_the_service(each: Suite, service: Path) -> None:
    supervise = service / "supervise"
    supervise.chmod(0o755)
    for name in ("ok", "control"):
        os.chown(supervise / name, NOBODY, NOBODY)
    done = ask(each, service, "stop", "s")
    assert done.stdout.startswith(b"ok: down: s: ")
    assert not pid(service)
