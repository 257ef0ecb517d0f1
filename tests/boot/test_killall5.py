"""killall5, in PID namespaces of its own, with psutil and without."""

from __future__ import annotations

import os
import signal

import pytest
from oldworld import Machine

SLEEP = "echo; exec sleep 1000"
DEAF = "trap '' TERM; echo; while :; do sleep 1000; done"
"""Ignores TERM; its children do, too."""


@pytest.fixture
def machine(either_world: Machine) -> Machine:
    return either_world


def start(machine: Machine, script: str = SLEEP, name: str = "sh") -> int:
    """A process called NAME that sleeps."""
    return machine.start("bash", "-c", 'exec -a "$0" sh -c "$1"', name, script)


def ended_by(machine: Machine, pid: int) -> int:
    """The signal that ended a process."""
    return os.WTERMSIG(machine.ask(wait=pid))


@pytest.mark.parametrize("word", ["-15", "15", "-TERM", "-SIGTERM"])
def test_a_signal_goes_to_all_once(machine: Machine, word: str) -> None:
    pids = [start(machine) for _ in range(3)]
    assert machine.run("killall5", word) == (0, "", "")
    assert [ended_by(machine, pid) for pid in pids] == [signal.SIGTERM] * 3


def test_without_a_signal_who_ignores_term_is_killed(machine: Machine) -> None:
    deaf, other = start(machine, DEAF), start(machine)
    assert machine.run("killall5", "-t", "1") == (0, "", "")
    assert ended_by(machine, deaf) == signal.SIGKILL
    assert ended_by(machine, other) == signal.SIGTERM


def test_who_is_stopped_ends_too(machine: Machine) -> None:
    pid = start(machine)
    machine.kill(pid, signal.SIGSTOP)
    assert machine.run("killall5") == (0, "", "")
    assert ended_by(machine, pid) == signal.SIGTERM


@pytest.mark.parametrize("form", ["-o {},{}", "-o {} -o {}", "-o{},{}"])
def test_o_omits(machine: Machine, form: str) -> None:
    first, second, third = (start(machine) for _ in range(3))
    assert machine.run("killall5", "-9", *form.format(first, second).split())[0] == 0
    assert machine.alive(first)
    assert machine.alive(second)
    assert ended_by(machine, third) == signal.SIGKILL


def test_names_that_start_with_an_at_sign_are_left(machine: Machine) -> None:
    storage = start(machine, "mkfifo /held; echo; read x <>/held", name="@store")
    other = start(machine)
    machine.run("killall5", "-9")
    assert machine.alive(storage)
    assert ended_by(machine, other) == signal.SIGKILL


def test_the_own_session_is_left(machine: Machine) -> None:
    other = start(machine)
    said = machine.shell("sleep 1000 & /suite/bin/killall5 -9; echo $?; kill $! && echo there")
    assert said == "0\nthere\n"
    assert ended_by(machine, other) == signal.SIGKILL


def test_a_zombie_keeps_nobody_waiting(machine: Machine) -> None:
    zombie = start(machine, "echo; exit")
    assert machine.run("killall5") == (2, "", "")
    assert machine.ask(state=zombie) == "Z"


def test_with_nobody_to_kill_the_code_is_2(machine: Machine) -> None:
    assert machine.run("killall5", "-9") == (2, "", "")
    assert machine.run("killall5") == (2, "", "")


def test_without_proc_the_code_is_1(machine: Machine) -> None:
    machine.shell("umount -l /proc")
    said = "killall5: fatal: unable to read /proc: file does not exist\n"
    assert machine.run("killall5", "-9") == (1, "", said)


@pytest.mark.parametrize(
    "words",
    [
        ("-x",),
        ("-0",),
        ("-99",),
        ("-o",),
        ("-o", "x"),
        ("-o", "1,"),
        ("TERM",),
        ("-9", "-9"),
        ("-t",),
    ],
)
def test_a_wrong_command_line_kills_nobody(machine: Machine, words: tuple[str, ...]) -> None:
    pid = start(machine)
    code, _, said = machine.run("killall5", *words)
    assert code == 1
    assert said == "usage: killall5 [-SIGNAL] [-t sec] [-o pid[,pid]] ...\n\n"
    assert machine.alive(pid)
