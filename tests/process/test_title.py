"""Programs that stay show as themselves, not as the interpreter that runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import Suite, build, wait_for


def title(process: subprocess.Popen[bytes]) -> list[str]:
    """Its command line, in words, as ps and pgrep -f have it."""
    return Path(f"/proc/{process.pid}/cmdline").read_text().rstrip("\0").replace("\0", " ").split()


def name(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().rstrip("\n")


@pytest.mark.parametrize("arguments", [[], ["-tt"], ["-v", "-r_", "-l", "2000", "-b", "9000"]])
def test_svlogd_shows_its_name_and_arguments(
    suite: Suite, arguments: list[str], tmp_path: Path
) -> None:
    build(tmp_path, {"main": None})
    process = suite.start(
        "svlogd",
        *arguments,
        "main",
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for((tmp_path / "main/current").exists)
        called = title(process)[0].rpartition("/")[2]
        assert [called, *title(process)[1:]] == ["svlogd", *arguments, "main"]
        assert name(process) == "svlogd"
    finally:
        process.communicate(timeout=30)


def test_svlogd_s_environment_stays_readable(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"main": None})
    process = ours.start(
        "svlogd", "main", cwd=tmp_path, stdin=subprocess.PIPE, env=ours.environment(PROBE="here")
    )
    try:
        wait_for((tmp_path / "main/current").exists)
        entries = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        assert b"PROBE=here" in entries
    finally:
        process.communicate(timeout=30)


def test_pause_shows_its_name(ours: Suite) -> None:
    process = ours.start("pause")
    try:
        wait_for(lambda: title(process) == ["pause"], "its title")
        assert name(process) == "pause"
    finally:
        process.kill()
        process.wait()
