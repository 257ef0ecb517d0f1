"""sv called by a service's name: an init script as the Linux Standard Base wants it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import down, finishing, masked, record, up
from support import Suite

USAGE = b"usage: a [-w sec] command\n\n"


@pytest.fixture
def script(suite: Suite, tmp_path: Path) -> Callable[..., tuple[int, bytes]]:
    """Run an init script: ``script(name, *arguments)`` gives exit code and output."""
    (tmp_path / "init.d").mkdir()

    def run(name: str, *arguments: str) -> tuple[int, bytes]:
        link = tmp_path / "init.d" / name
        if not link.is_symlink():
            link.symlink_to(suite.program("sv"))
        done = subprocess.run(
            [link, *arguments],
            cwd=tmp_path,
            env=suite.environment(SVDIR=str(tmp_path), SVWAIT="0"),
            capture_output=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_its_name_is_the_service(suite: Suite, script, fake) -> None:
    service = fake("a", up())
    code, output = script("a", "start")
    assert (code, masked(output)) == (0, b"ok: run: a: (pid N) Ns\n")
    assert script("a", "down", "b", "c") == (0, b"")
    assert service.sent() == (b"ud" if suite.is_reference(2, 3, 1) else b"d")


def test_the_exit_codes_of_status(script, fake) -> None:
    fake("up", up())
    fake("finish", finishing())
    fake("odd", record(9, 3))
    fake("down", down())
    fake("stale", up()).leave()
    fake("unwritten")
    fake("short", up()[:12])
    (fake("closed", up()).supervise / "ok").unlink()
    (fake("loop", up()).directory / "down").symlink_to("down")
    codes = {
        "up": 0,
        "finish": 0,
        "odd": 0,
        "down": 3,
        "missing": 1,
        "stale": 1,
        "unwritten": 4,
        "short": 4,
        "closed": 4,
        "loop": 4,
    }
    assert {name: script(name, "status")[0] for name in codes} == codes


def test_the_exit_code_of_status_is_not_about_the_log_service(suite: Suite, script, fake) -> None:
    older = suite.name == "reference" and not suite.is_reference(2, 3)
    codes = {}
    for name, content, log, code in [
        ("a", up(), down(), 3 if older else 0),
        ("b", down(), up(), 0 if older else 3),
        ("c", down(), down(), 3),
    ]:
        fake(name, content)
        fake(f"{name}/log", log)
        codes[name] = code
    fake("stale", down())
    fake("stale/log", up()).leave()
    (fake("none", down()).directory / "log").mkdir()
    (fake("file", up()).directory / "log").touch()
    codes |= {"stale": 3, "none": 3, "file": 0}
    assert {name: script(name, "status")[0] for name in codes} == codes


def test_the_exit_codes_of_the_other_commands(script, fake) -> None:
    fake("a", down())
    fake("up", up())
    fake("stale", up()).leave()
    assert script("a", "stop")[0] == 0
    assert script("a", "start")[0] == 1
    assert script("up", "reload")[0] == 0
    assert script("missing", "start")[0] == 1
    assert script("stale", "start") == (1, b"fail: stale: runsv not running\n")
    assert script("stale", "shutdown") == (0, b"ok: stale: runsv not running\n")


@pytest.mark.parametrize("arguments", [(), ("zzz",), ("-v",), ("S",), ("",), ("-w", "1")])
def test_wrong_use(script, arguments: tuple[str, ...]) -> None:
    assert script("a", *arguments) == (2, USAGE)


def test_wrong_options(script) -> None:
    assert script("a", "-x") == (2, b"a: illegal option -- x\n" + USAGE)
    assert script("a", "-w") == (2, b"a: option requires an argument -- w\n" + USAGE)
    code, output = script("a", "-V")
    assert code == 2
    assert output.endswith(b"\n" + USAGE)


def test_a_fatal_error(suite: Suite, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files to somebody else")
    (tmp_path / "a").symlink_to(suite.program("sv"))
    closed = tmp_path / "closed"
    closed.mkdir()
    os.chown(closed, 65534, 65534)
    closed.chmod(0o711)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", tmp_path / "a", "status"],
        cwd=closed,
        capture_output=True,
    )
    assert done.returncode == 151
    assert done.stderr == b"fatal: unable to open current directory: access denied\n"
