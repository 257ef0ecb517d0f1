"""runit-init where it is not process 1: it tells process 1, and says what it cannot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from firsts import (
    DOWN,
    OFF,
    PROGRAMS,
    RESTART,
    RESTARTED,
    First,
    has_runit,
    keeps_flags_in_run,
    lines,
    stage,
)

Make = Callable[..., First]

ASK = "{program} {words} >/said 2>&1; echo $? >/code; [ $(cat /code) = 0 ] && cat /wait; exit 0"

FOREIGN = (
    "cd /run; : >runit.stopit; : >runit.reboot; chmod 755 runit.reboot; chown 1 runit.{};"
    " alias now='setpriv --bounding-set=-fowner --inh-caps=-fowner'"
)
"""Shell: a flag that is there, but somebody else's."""


def ask(make: Make, words: str, first: str = "", **more: object) -> First:
    """A machine whose stage 2 runs runit-init with WORDS, after FIRST."""
    kind = getattr(make, "keywords", {}).get("kind", "ours")
    program = PROGRAMS[kind]["runit-init"]
    return make({"2": first + "\n" + ASK.format(program=program, words=words)}, **more)


def test_0_powers_off(either: Make) -> None:
    machine = ask(either, "0", fifos=["wait"])
    assert machine.end() == OFF
    assert machine.read("said") == ""
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3), *DOWN)


def test_6_restarts(either: Make) -> None:
    machine = ask(either, "6", fifos=["wait"])
    assert machine.end() == RESTARTED
    assert machine.read("said") == ""
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3), *RESTART)


@pytest.mark.parametrize(("words", "mode"), [("0", 0o000), ("6", 0o100)])
def test_the_reboot_flag_is_written_either_way(either: Make, words: str, mode: int) -> None:
    reboot = ": >/run/runit.reboot; chmod 755 /run/runit.reboot"
    machine = ask(either, words, reboot, fifos=["wait"])
    machine.end()
    assert (machine.root / "run/runit.reboot").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("words", ["", "1", "''", "-h", "x 6"])
def test_anything_else_is_answered_with_the_usage(either: Make, words: str) -> None:
    machine = ask(either, words, ": >/run/none", fifos=["wait"])
    machine.go_on("wait")
    assert machine.end() == OFF
    assert machine.read("code") == "0\n"
    said = machine.read("said")
    assert said.startswith("usage: /")
    assert said.endswith("/runit-init 0|6\n\n")
    assert not (machine.root / "run/runit.stopit").exists()


def test_what_follows_the_first_argument_is_not_looked_at(either: Make) -> None:
    assert ask(either, "6 0", fifos=["wait"]).end() == RESTARTED


def test_an_argument_that_only_begins_so_is_none(firsts: Make) -> None:
    """Where C's runit-init goes down."""
    machine = ask(firsts, "60", fifos=["wait"])
    machine.go_on("wait")
    assert machine.end() == OFF
    assert machine.read("said").startswith("usage: ")


@pytest.mark.skipif(not has_runit(), reason="Debian's runit package is not installed")
@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("mount -t tmpfs -o ro none /run", "create /run/runit.stopit"),
        (": >/run/runit.stopit; mount -o remount,ro /run", "create /run/runit.stopit"),
        (FOREIGN.format("stopit"), "chmod /run/runit.stopit: permission denied"),
        (FOREIGN.format("reboot"), "chmod /run/runit.reboot: permission denied"),
    ],
)
@pytest.mark.parametrize("words", ["0", "6"])
def test_what_cannot_be_written_is_told_alike(
    firsts: Make, first: str, message: str, words: str
) -> None:
    if not keeps_flags_in_run():
        pytest.skip("this version of the reference has its flags elsewhere")
    said = {}
    for kind in ("ours", "reference"):
        program = PROGRAMS[kind]["runit-init"]
        script = f"alias now=\n{first}\nnow {program} {words} >&2; echo code $? >&2; exit 0"
        machine = firsts({"2": script}, kind=kind, read_only=True, run="size=64k")
        machine.end()
        said[kind] = machine.text()
    # C's has lost the reason when the file system is read-only.
    reason = ": file descriptor not open"
    assert f"init: fatal: unable to {message}" in said["ours"]
    assert said["ours"] == said["reference"].replace(reason, ": read-only file system")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user_may_not(first_suite: Path) -> None:
    link = first_suite / "run"
    link.mkdir(exist_ok=True)
    program = "import sys; sys.path.insert(0, sys.argv[1]); from runit.boot import flags;"
    program += "flags.paths.RUNIT = flags.paths.RUNDIR = sys.argv[2].encode();"
    program += "from runit.boot.runit_init import main; sys.argv[1:] = ['0']; sys.exit(main())"
    words = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IBS", "-c"]
    done = subprocess.run(
        [*words, program, first_suite / "package", link], capture_output=True, check=False
    )
    assert done.returncode == 111
    assert done.stderr.startswith(b"init: fatal: unable to create ")
    assert done.stderr.endswith(b": access denied\n")
