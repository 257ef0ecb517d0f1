"""The first reboot after the conversion, with another init as process 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from oldworld import HANGUP, PROGRAMS, Machine

SCRIPT = Path(__file__).resolve().parents[2] / "runit/installation/post_install_reboot"


def prepare(machine: Machine) -> list[str]:
    """Bring the script, which finds programs where a machine has them; how to call it."""
    text = SCRIPT.read_text()
    line = "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    assert line in text
    (machine.root / "script").write_text(text.replace(line, line.replace("=", f"={PROGRAMS}:")))
    machine.replace_tools()
    return ["sh", "/script"]


@pytest.mark.parametrize("comm", ["init", "other-init"])
def test_all_ends_then_the_kernel_is_asked(machines: Callable[..., Machine], comm: str) -> None:
    machine = machines(comm=comm)
    command = prepare(machine)
    machine.start("sh", "-c", "trap 'echo TERM >/ended; exit' TERM; echo; sleep 1000 & wait")
    machine.ask(run=command)
    assert machine.end() == HANGUP
    assert (machine.root / "ended").read_text() == "TERM\n"
    assert [step.split()[0] for step in machine.steps()] == ["swapoff", "umount", "mount"]
    assert [record.user for record in machine.wtmp()] == [b"shutdown"]
    assert (machine.root / "idle").exists() == (comm == "init")


def test_runit_is_asked_as_always(machine: Machine) -> None:
    code, _, said = machine.ask(run=prepare(machine))
    assert code == 1
    assert said == "post_install_reboot: fatal: runit is process 1 already: use reboot\n"
    assert not (machine.root / "steps").exists()


def test_a_plain_user_is_told_so(machines: Callable[..., Machine]) -> None:
    machine = machines(comm="init")
    code, _, said = machine.ask(run=prepare(machine), user=65534)
    assert code == 1
    assert said == "post_install_reboot: fatal: only root may do that\n"
    assert not (machine.root / "idle").exists()
