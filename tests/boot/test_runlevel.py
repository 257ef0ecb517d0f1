"""runlevel, init and telinit, on machines of their own."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from oldworld import Machine
from support import needs

from runit.boot import utmp

HERE = "/etc/runit/runsvdir"


def point(machine: Machine, link: str, target: str) -> None:
    """Make LINK, a path of the machine, lead to TARGET."""
    path = machine.root / link.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def current(machine: Machine) -> str:
    return os.readlink(machine.root / "etc/runit/runsvdir/current")


@pytest.mark.parametrize("target", ["multi", f"{HERE}/multi", f"{HERE}/multi/", "./multi"])
def test_runlevel_prints_names_without_directory(machine: Machine, target: str) -> None:
    point(machine, f"{HERE}/current", target)
    assert machine.run("runlevel") == (0, "N multi\n", "")
    point(machine, f"{HERE}/previous", f"{HERE}/single")
    assert machine.run("runlevel") == (0, "single multi\n", "")
    assert machine.run("runlevel", "/var/run/utmp") == (0, "single multi\n", "")


def test_runlevel_follows_current_into_run(machine: Machine) -> None:
    point(machine, f"{HERE}/current", "/run/runit/runsvdir/current")
    point(machine, "/run/runit/runsvdir/current", f"{HERE}/multi")
    point(machine, f"{HERE}/previous", "not/this")
    assert machine.run("runlevel") == (0, "N multi\n", "")
    point(machine, "/run/runit/runsvdir/previous", f"{HERE}/single")
    assert machine.run("runlevel") == (0, "single multi\n", "")


def test_runlevel_looks_in_run_alone_where_stage_2_had_to(machine: Machine) -> None:
    point(machine, "/run/runit/runsvdir/current", f"{HERE}/single")
    (machine.root / "run/runit/runsvdir/alone").touch()
    assert machine.run("runlevel") == (0, "N single\n", "")


def test_runlevel_says_unknown_without_a_link(machine: Machine) -> None:
    (machine.root / "etc/runit/runsvdir/current").unlink()
    assert machine.run("runlevel") == (1, "unknown\n", "")
    (machine.root / "etc/runit/runsvdir/current").mkdir()
    assert machine.run("runlevel") == (1, "unknown\n", "")


def test_runlevel_ends_in_a_loop(machine: Machine) -> None:
    point(machine, f"{HERE}/current", f"{HERE}/current")
    assert machine.run("runlevel") == (1, "unknown\n", "")


@pytest.mark.parametrize("name", ["init", "telinit"])
@pytest.mark.parametrize(("level", "told"), [("0", "off"), ("6", "reboot")])
def test_0_and_6_ask_process_1(machine: Machine, name: str, level: str, told: str) -> None:
    assert machine.run(name, level) == (0, "", "")
    assert machine.told() == told


@pytest.mark.parametrize("level", ["1", "s", "S"])
def test_1_and_s_are_single(machine: Machine, level: str) -> None:
    assert machine.run("telinit", level) == (0, "", "")
    assert current(machine) == f"{HERE}/single"
    assert machine.run("runlevel") == (0, "multi single\n", "")
    assert machine.told() == ""


@pytest.mark.parametrize("level", ["2", "3", "4", "5"])
def test_2_to_5_are_multi(machine: Machine, level: str) -> None:
    machine.run("telinit", "1")
    assert machine.run("telinit", level) == (0, "", "")
    assert current(machine) == f"{HERE}/multi"


def test_without_multi_they_are_default(machine: Machine) -> None:
    (machine.root / "etc/runit/runsvdir/multi").rename(machine.root / "etc/runit/runsvdir/default")
    point(machine, f"{HERE}/current", "single")
    assert machine.run("telinit", "3") == (0, "", "")
    assert current(machine) == f"{HERE}/default"


def test_a_changed_runlevel_is_recorded(machine: Machine) -> None:
    machine.run("telinit", "1")
    machine.run("telinit", "1")
    machine.run("telinit", "3")
    records = [(one.type, one.line, one.user, one.pid) for one in machine.wtmp()]
    level = (utmp.RUN_LVL, b"~", b"runlevel")
    assert records == [(*level, ord("1")), (*level, ord("3") + 256 * ord("1"))]
    assert len((machine.root / "run/utmp").read_bytes()) == utmp.SIZE


@needs("last")
def test_last_and_who_tell_of_a_changed_runlevel(machine: Machine) -> None:
    machine.run("telinit", "1")
    machine.run("telinit", "3")
    said = machine.shell("last -x; who -r")
    assert "(to lvl 1)" in said
    assert "(to lvl 3)" in said
    assert "run-level 3" in said
    assert "last=1" in said


@pytest.mark.parametrize("word", ["q", "Q", "u", "U"])
def test_q_and_u_do_nothing(machine: Machine, word: str) -> None:
    assert machine.run("telinit", word) == (0, "", "")
    assert machine.told() == ""
    assert current(machine) == f"{HERE}/multi"


@pytest.mark.parametrize("words", [(), ("60",), ("7",), ("",), ("0", "6"), ("-x", "0"), ("a",)])
def test_anything_else_is_usage(machine: Machine, words: tuple[str, ...]) -> None:
    code, output, said = machine.run("telinit", *words)
    assert (code, output) == (1, "")
    assert said.endswith("usage: telinit [-t sec] 0|1|2|3|4|5|6|s|S|q|u\n\n")
    assert machine.told() == ""


def test_t_is_handed_to_stage_3(machine: Machine) -> None:
    assert machine.run("init", "-t", "12", "6") == (0, "", "")
    assert (machine.root / "run/runit/killwait").read_text() == "12\n"
    assert machine.told() == "reboot"


@pytest.mark.parametrize("value", ["x", "", "-1"])
def test_t_takes_seconds(machine: Machine, value: str) -> None:
    code, _, said = machine.run("init", "-t", value, "6")
    assert code == 1
    assert said.startswith("init: ")
    assert machine.told() == ""


def test_a_missing_runlevel_is_one_line(machine: Machine) -> None:
    (machine.root / "etc/runit/runsvdir/single").rmdir()
    said = f"telinit: fatal: {HERE}/single: file does not exist\n"
    assert machine.run("telinit", "1") == (111, "", said)
    assert current(machine) == f"{HERE}/multi"


def test_a_plain_user_is_told_so(machine: Machine) -> None:
    assert machine.run("init", "6", user=65534) == (111, "", "init: must be superuser.\n")
    assert machine.told() == ""


def test_another_process_1_is_not_asked(machines: Callable[..., Machine]) -> None:
    machine = machines(comm="systemd")
    said = "init: fatal: process 1 is not runit: systemd\n"
    assert machine.run("init", "6") == (111, "", said)


def test_the_links_in_run_are_switched_where_stage_2_uses_them(machine: Machine) -> None:
    point(machine, "/run/runit/runsvdir/current", f"{HERE}/multi")
    (machine.root / "run/runit/runsvdir/alone").touch()
    assert machine.run("telinit", "1") == (0, "", "")
    assert os.readlink(machine.root / "run/runit/runsvdir/current") == f"{HERE}/single"
    assert current(machine) == f"{HERE}/multi"
    assert machine.run("runlevel") == (0, "multi single\n", "")
