"""Who has given up his rights does not get them back, by any way that the kernel knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from security.others import NOBODY, needs_root
from support import Suite, anyones_interpreter, build, pid, wait_for

pytestmark = needs_root

TRY = """
import ctypes, json, os
library = ctypes.CDLL(None, use_errno=True)
regained = []
def attempt(name, call, *arguments):
    try:
        call(*arguments)
    except OSError:
        return
    regained.append(name)
for name, arguments in {
    "setuid": (0,), "seteuid": (0,), "setreuid": (0, 0), "setresuid": (-1, 0, -1),
    "setgid": (0,), "setegid": (0,), "setregid": (0, 0), "setresgid": (-1, 0, -1),
    "setgroups": ([0],), "initgroups": ("root", 0), "chroot": ("/",), "nice": (-1,),
}.items():
    attempt(name, getattr(os, name), *arguments)
for path in ("/etc/shadow", "/proc/1/environ", "/proc/kcore"):
    attempt(path, os.open, path, os.O_RDONLY)
attempt("kill", os.kill, 1, 0)
PR_CAP_AMBIENT, RAISE, CAP_SETUID = 47, 2, 7
if library.prctl(PR_CAP_AMBIENT, RAISE, CAP_SETUID, 0, 0) == 0:
    regained.append("ambient")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
keys = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb")
print(json.dumps({"regained": regained, **{key: status[key].split() for key in keys}}))
"""

NONE = ["0" * 16]


def seen(suite: Suite, program: str, *options: str) -> dict[str, Any]:
    """What a program sees and gets, that is started by another one with OPTIONS."""
    words = [*options, anyones_interpreter(), "-IS", "-c", TRY]
    done = suite.run(program, *words, cwd="/", extra_groups=[0, 4, 6, 42])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        (["-u", "nobody"], [NOBODY]),
        (["-u", f":{NOBODY}:{NOBODY}"], [NOBODY]),
        (["-u", "nobody:nogroup:daemon"], [1, NOBODY]),
        (["-P", "-n", "1", "-u", "nobody", "-o", "100", "-l", "/dev/null"], [NOBODY]),
        (["-U", "root", "-u", "nobody"], [NOBODY]),
    ],
)
def test_there_is_no_way_back_from_u(each: Suite, options: list[str], groups: list[int]) -> None:
    found = seen(each, "chpst", *options)
    assert found["regained"] == []
    assert found["Uid"] == [str(NOBODY)] * 4
    assert found["Gid"] == [str(NOBODY)] * 4
    assert sorted(map(int, found["Groups"])) == groups
    for name in ("CapPrm", "CapEff", "CapAmb"):
        assert found[name] == NONE


def test_there_is_no_way_back_from_setuidgid(each: Suite, tmp_path: Path) -> None:
    (tmp_path / "setuidgid").symlink_to(each.program("chpst"))
    found = seen(Suite(tmp_path, each.name), "setuidgid", "nobody")
    assert found["regained"] == []
    assert found["Uid"] == found["Gid"] == [str(NOBODY)] * 4
    assert found["Groups"] == [str(NOBODY)]


def test_variables_do_not_become_anybody(each: Suite) -> None:
    """-U tells, and does nothing: only -u does."""
    assert seen(each, "chpst", "-U", "nobody")["Uid"] == ["0"] * 4


@pytest.mark.parametrize("account", ["nosuch", ":1", ":x:y", "nobody:nosuch", "", ":"])
def test_what_cannot_be_taken_on_is_not_run_as_root(each: Suite, account: str) -> None:
    done = each.run("chpst", "-u", account, "echo", "ran")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (111, b"", 1)


def test_the_built_in_logger_keeps_nothing_of_root(everyones: Suite, place: Path) -> None:
    run = "#!/bin/sh\necho line\nexec sleep 1000\n"
    service = build(place / "s", {"run": run, "log/config": "", "log/main": None})
    os.chown(service / "log/main", NOBODY, NOBODY)
    with everyones.runsv(service, extra_groups=[0, 4, 42]):
        logger = wait_for(lambda: pid(service / "log"))
        wait_for(lambda: (service / "log/main/current").read_bytes() == b"line\n")
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{logger}/status").read_text().splitlines()
        )
        assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4
        assert status["Groups"].split() == [str(NOBODY)]
        for name in ("CapPrm", "CapEff", "CapAmb"):
            assert status[name].split() == NONE
        assert os.stat(service / "log/main/current").st_uid == NOBODY
