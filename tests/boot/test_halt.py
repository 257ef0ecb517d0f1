"""halt, poweroff and reboot, on machines of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from oldworld import HANGUP, INTERRUPT, PROGRAMS, Machine
from support import needs

from runit.boot import utmp
from runit.launchers import interpreter

NAMES = ("halt", "poweroff", "reboot")


@pytest.mark.parametrize(
    ("name", "told"), [("halt", "off"), ("poweroff", "off"), ("reboot", "reboot")]
)
def test_process_1_is_asked_through_its_flags_and_cont(
    machine: Machine, name: str, told: str
) -> None:
    assert machine.run(name) == (0, "", "")
    assert machine.told() == told
    assert machine.wtmp() == []  # stage 3 writes the record


@pytest.mark.parametrize("option", ["-n", "-d", "-h", "-i", "-p", "-ndhip"])
def test_options_that_concern_the_kernel_change_nothing_for_process_1(
    machine: Machine, option: str
) -> None:
    assert machine.run("reboot", option) == (0, "", "")
    assert machine.told() == "reboot"


def test_a_wish_to_halt_that_was_left_does_not_count(machine: Machine) -> None:
    wish = machine.root / "run/runit/halt"
    wish.parent.mkdir()
    wish.touch()
    assert machine.run("poweroff") == (0, "", "")
    assert not wish.exists()


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (("reboot", "-f"), HANGUP),
        (("reboot", "--force"), HANGUP),
        (("reboot", "-f", "-p"), HANGUP),
        (("halt", "-f"), INTERRUPT),
        (("halt", "-fp"), INTERRUPT),
        (("halt", "-fhi"), INTERRUPT),
        (("poweroff", "-f"), INTERRUPT),
    ],
)
def test_f_asks_the_kernel_and_writes_wtmp(
    machine: Machine, words: tuple[str, ...], end: int
) -> None:
    machine.ask(run=[f"{PROGRAMS}/{words[0]}", *words[1:]])
    assert machine.end() == end
    (record,) = machine.wtmp()
    assert (record.type, record.line, record.id) == (utmp.RUN_LVL, b"~", b"~~")
    assert (record.user, record.host) == (b"shutdown", os.uname().release.encode())


@pytest.mark.parametrize("option", ["-d", "-n"])
def test_f_with_d_or_n_writes_no_wtmp(machine: Machine, option: str) -> None:
    machine.ask(run=[f"{PROGRAMS}/halt", "-f", option])
    assert machine.end() == INTERRUPT
    assert machine.wtmp() == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["-w", "--wtmp-only", "-fw"])
def test_w_only_writes_wtmp(machine: Machine, name: str, option: str) -> None:
    assert machine.run(name, option) == (0, "", "")
    assert [record.user for record in machine.wtmp()] == [b"shutdown"]
    assert machine.told() == ""


@needs("last")
def test_last_tells_of_the_shutdown(machine: Machine) -> None:
    machine.run("halt", "-w")
    assert "shutdown system down" in machine.shell("last -x")


def test_a_machine_without_wtmp_gets_none(machine: Machine) -> None:
    (machine.root / "var/log/wtmp").unlink()
    assert machine.run("halt", "-w") == (0, "", "")
    assert not (machine.root / "var/log/wtmp").exists()


def test_a_read_only_wtmp_is_left_as_it_is(machine: Machine) -> None:
    machine.shell("mount --bind /var/log /var/log && mount -o remount,bind,ro /var/log")
    assert machine.run("halt", "-w") == (0, "", "")
    assert (machine.root / "var/log/wtmp").stat().st_size == 0


def test_a_wtmp_that_cannot_be_written_is_told(machine: Machine) -> None:
    (machine.root / "var/log/wtmp").unlink()
    (machine.root / "var/log/wtmp").mkdir()
    said = "halt: fatal: unable to write: /var/log/wtmp: is a directory\n"
    assert machine.run("halt", "-w") == (1, "", said)


@pytest.mark.parametrize("name", NAMES)
def test_another_process_1_is_not_asked(machines: Callable[..., Machine], name: str) -> None:
    machine = machines(comm="systemd")
    said = f"{name}: fatal: process 1 is not runit: systemd\n"
    assert machine.run(name) == (1, "", said)
    assert machine.told() == ""
    assert not machine.flag("stopit")


@pytest.mark.parametrize("words", [("halt",), ("halt", "-f"), ("reboot", "-w")])
def test_a_plain_user_is_told_so(machine: Machine, words: tuple[str, ...]) -> None:
    code, output, said = machine.run(*words, user=65534)
    assert (code, output, said) == (1, "", f"{words[0]}: must be superuser.\n")
    assert machine.told() == ""


@pytest.mark.parametrize("words", [("-x",), ("--nosuch",), ("now",), ("-f", "x")])
def test_a_wrong_command_line_does_nothing(machine: Machine, words: tuple[str, ...]) -> None:
    code, _, said = machine.run("halt", *words)
    assert code == 1
    assert said.endswith("usage: halt [-nfwdhip]\n\n")
    assert machine.told() == ""


def test_the_interpreter_s_thick_modules_stay_out(old_world: Path) -> None:
    package = str(old_world / "package")
    for module in ("halt", "runlevel", "init"):
        code = f"import sys; sys.path.append({package!r}); import runit.boot.{module}\n"
        code += "print(*{'os', 'signal', 'ctypes', 'psutil', 're', 'socket'} & set(sys.modules))"
        done = subprocess.run([interpreter(), "-IS", "-c", code], capture_output=True, text=True)
        assert done.stdout == "\n", done.stderr
