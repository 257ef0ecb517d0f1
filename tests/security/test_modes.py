"""Nothing that is written may be written to by others, whatever the umask.

What is under supervise, and what shutdown leaves: test_commanding.py, test_way_down.py.
What is installed: install/test_what_is_installed.py, install/test_lfs.py.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support import Suite, build, pid, wait_for


def modes(directory: Path) -> dict[str, int]:
    """Each file's mode; old logs without their time."""
    return {
        path.name if path.name[0] != "@" else f"@{path.suffix}": stat.S_IMODE(path.stat().st_mode)
        for path in directory.iterdir()
        if path.name != "config"
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_of_log_directories(suite: Suite, tmp_path: Path, umask: int) -> None:
    build(tmp_path, {"log/config": "s20\n!cat\n"})
    lines = b"".join(b"%014d\n" % number for number in range(3))
    assert suite.run("svlogd", "-l5", "log", input=lines, cwd=tmp_path, umask=umask).returncode == 0
    found = modes(tmp_path / "log")
    assert found == {
        "current": 0o744,
        "@.s": 0o744,
        "lock": 0o600,
        "state": 0o644 & ~umask,
        **({"newstate": 0o644 & ~umask} if "newstate" in found else {}),
    }


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_files_of_the_built_in_logger(ours: Suite, tmp_path: Path, umask: int) -> None:
    run = "#!/bin/sh\necho line\nexec sleep 1000\n"
    service = build(tmp_path / "s", {"run": run, "log/config": "", "log/main": None})
    with ours.runsv(service, umask=umask):
        wait_for((service / "log/main/current").exists)
        wait_for(lambda: pid(service / "log"))
    assert modes(service / "log/main") == {"current": 0o744, "lock": 0o600}


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("option", ["-l", "-L"])
def test_locks_of_chpst(suite: Suite, tmp_path: Path, option: str, umask: int) -> None:
    suite.run("chpst", option, "lock", "true", cwd=tmp_path, umask=umask)
    assert modes(tmp_path) == {"lock": 0o600}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_supervise_elsewhere(suite: Suite, tmp_path: Path, umask: int) -> None:
    service = build(tmp_path / "s", {"run": "#!/bin/sh\nexec sleep 1000\n"})
    (service / "supervise").symlink_to(tmp_path / "elsewhere")
    with suite.runsv(service, umask=umask):
        record = tmp_path / "elsewhere/status"  # the last that is written
        wait_for(lambda: record.exists() and record.read_bytes()[19:] == b"\1")
        assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o700
        found = modes(tmp_path / "elsewhere")
        assert found.pop("control") == found.pop("ok") == found.pop("lock") == 0o600
        assert set(found.values()) == {0o644 & ~umask}


def test_services_keep_the_umask_that_they_are_given(suite: Suite, tmp_path: Path) -> None:
    run = "#!/bin/sh\numask >mask\nexec sleep 1000\n"
    service = build(tmp_path / "s", {"run": run})
    with suite.runsv(service, umask=0o027):
        wait_for(lambda: (service / "mask").exists() and (service / "mask").read_text())
        assert (service / "mask").read_text() == "0027\n"
    assert os.path.exists(service / "supervise")
