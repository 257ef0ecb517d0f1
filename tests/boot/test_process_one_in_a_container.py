"""Process 1 of a container: TERM brings it down, and its end is an exit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from firsts import DOWN, PATH, RESTART, SKIP, First, lines, stage

Make = Callable[..., First]

STOPS = [signal.SIGTERM, signal.SIGRTMIN + 3]
BOTH = pytest.mark.parametrize("stop", STOPS, ids=["TERM", "SIGRTMIN+3"])
ALL = lines(*stage(1), *stage(2), *stage(3), *DOWN)
REFUSED = "warning: signals only work in stage 2."
WAIT = "read x </gate"

MARKS: dict[str, dict[str, Any]] = {
    "variable": {"environment": {**PATH, "container": "podman"}},
    "dockerenv": {"files": {".dockerenv": ""}},
    "containerenv": {"files": {"run/.containerenv": ""}},
    "capability": {"powerless": True},
}


@pytest.fixture
def containers(firsts: Make) -> Make:
    """Machines that are containers by their environment."""

    def make(stages: dict[str, Any] | None = None, **more: Any) -> First:
        environment = {**PATH, "container": "test", **more.pop("environment", {})}
        return firsts(stages, environment=environment, **more)

    return make


def said(machine: First) -> str:
    """What it wrote to the standard error that it was given, but for the first line."""
    first, _, rest = machine.read("errors").partition("\n")
    assert first.endswith("booting.")
    return rest


@pytest.mark.parametrize("mark", MARKS)
def test_a_container_is_known_by_its_marks(firsts: Make, mark: str) -> None:
    machine = firsts(**MARKS[mark])
    assert machine.end() == 0
    assert said(machine) == ALL
    assert machine.console.text == b""


def test_all_is_on_the_standard_error_that_it_was_given(containers: Make) -> None:
    say = "echo out; echo error >&2"
    machine = containers({"1": say, "2": say, "3": say})
    assert machine.end() == 0
    each = [lines(f"enter stage: /etc/runit/{number}") for number in (1, 2, 3)]
    assert all(f"{start}out\nerror\n" in said(machine) for start in each)
    assert machine.text() == ""


def test_it_ends_with_0_after_a_restart_was_asked_for(containers: Make) -> None:
    machine = containers({"2": "cd /run; : >runit.reboot; chmod 100 runit.reboot"})
    assert machine.end() == 0
    assert said(machine) == lines(*stage(1), *stage(2), *stage(3), *RESTART)


def test_it_ends_with_0_whatever_the_stages_end_with(containers: Make) -> None:
    assert containers({"1": "exit 1", "2": "exit 2", "3": "exit 3"}).end() == 0


@BOTH
def test_a_stop_in_stage_1_ends_it_and_skips_stage_2(containers: Make, stop: int) -> None:
    machine = containers({"1": WAIT, "2": ": >/two"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(stop)
    assert machine.end() == 0
    assert said(machine) == lines("enter stage: /etc/runit/1", SKIP, *stage(3), *DOWN)
    assert not (machine.root / "two").exists()


@BOTH
def test_a_stop_in_stage_2_ends_it_with_term(containers: Make, stop: int) -> None:
    script = "trap 'echo term >/said; exit 0' TERM; cat /gate & wait $!"
    machine = containers({"2": script}, fifos=["gate"])
    machine.at("gate")
    machine.signal(stop)
    assert machine.end() == 0
    assert machine.read("said") == "term\n"
    assert said(machine) == ALL


@BOTH
def test_a_stop_in_stage_3_lets_it_go_on(containers: Make, stop: int) -> None:
    machine = containers({"3": f"{WAIT}; echo still >/said"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(stop, stop)
    os.close(gate)
    assert machine.end() == 0
    assert machine.read("said") == "still\n"
    assert said(machine) == ALL


@BOTH
def test_a_stop_while_ctrlaltdel_runs_is_not_lost(containers: Make, stop: int) -> None:
    machine = containers({"2": WAIT, "ctrlaltdel": "read x </keys"}, fifos=["gate", "keys"])
    machine.at("gate")
    machine.signal(signal.SIGINT)
    machine.at("keys")
    machine.signal(stop)
    assert machine.end() == 0
    assert said(machine).endswith(lines(*stage(3), *DOWN))


def test_a_stop_ends_the_pause_before_stage_2_starts_again(containers: Make) -> None:
    machine = containers({"2": "kill -TERM 1; exit 111"})
    assert machine.end() == 0
    assert "restarting" not in said(machine)


@pytest.mark.parametrize("number", [1, 3])
def test_other_signals_out_of_stage_2_are_told_and_forgotten(containers: Make, number: int) -> None:
    machine = containers({str(number): f"{WAIT}; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGCONT, signal.SIGPWR)
    os.close(gate)
    assert machine.end() == 0
    assert said(machine).count(REFUSED) == 2


@pytest.mark.parametrize(
    "more", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {"PS1": "", "odd": "x=y\xff"}, {"SVDIR": "/x"}]
)
def test_the_environment_is_kept(containers: Make, more: dict[str, str]) -> None:
    look = "#!/usr/bin/cat /proc/self/environ\n"
    machine = containers({"2": look}, environment=more)
    assert machine.end() == 0
    expected = {**PATH, "container": "test", **more}
    text = "".join(f"{name}={value}\0" for name, value in expected.items())
    written = (machine.root / "errors").read_bytes()
    assert b"enter stage: /etc/runit/2\n" + text.encode("latin1") + b"#!" in written


@pytest.mark.parametrize("name", ["1", "2", "3"])
def test_no_emergency_shell_is_started(containers: Make, name: str) -> None:
    stages = {"2": "kill -TERM 1; " + WAIT, name: None}
    machine = containers(stages, shell="#!/bin/sh\n: >/shell\n", fifos=["gate"])
    assert machine.end() == 0
    missing = f"fatal: unable to start child: /etc/runit/{name}: file does not exist"
    assert lines(missing) in said(machine)
    assert not (machine.root / "shell").exists()


@pytest.mark.parametrize("closed", [(0,), (1, 2), (0, 1, 2)])
def test_it_runs_with_descriptors_closed(containers: Make, closed: Iterable[int]) -> None:
    machine = containers({"2": ": >/two", "3": ": >/three"}, closed=tuple(closed))
    assert machine.end() == 0
    assert (machine.root / "two").exists()
    assert (machine.root / "three").exists()


# Without stages

RUN = """#!/bin/sh
trap 'echo {name} >>/ended; exit 0' TERM
cat /{name} & wait $!
"""


def services(*names: str) -> dict[str, str | None]:
    return {f"services/{name}/run": RUN.format(name=name) for name in names}


@BOTH
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
@pytest.mark.parametrize("etc", [False, True], ids=["nothing", "empty"])
def test_services_run_and_are_ended_where_there_are_no_stages(
    containers: Make, stop: int, user: bool, etc: bool
) -> None:
    others = {"etc/runit": None} if etc else {}
    machine = containers(
        bare=True,
        program="runit-init",
        user=user,
        proc=not user,
        files={**services("one", "two"), "services/README": "", **others},
        environment={"SVDIR": "/services"},
        fifos=["one", "two"],
    )
    for name in ("one", "two"):
        machine.at(name)
    machine.signal(stop)
    assert machine.end() == 0, machine.read("errors")
    assert sorted(machine.read("ended").split()) == ["one", "two"]
    assert "fail" not in said(machine)
    assert said(machine).endswith(lines(*DOWN))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_its_own_stages_go_before_those_built_in(containers: Make, number: int) -> None:
    stages = {"1": None, "2": None, "3": None, str(number): ": >/own"}
    machine = containers(stages, environment={"SVDIR": "/services"})
    assert machine.end() == 0
    assert (machine.root / "own").exists()


def test_a_machine_with_stages_works_in_a_user_namespace(firsts: Make) -> None:
    machine = firsts({"2": "read x </gate"}, user=True, proc=False, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGPWR)
    assert machine.end() == -signal.SIGINT
    assert machine.text() == ALL


def test_no_process_is_left_at_the_end(containers: Make) -> None:
    left = "(setsid sh -c 'trap \"\" TERM HUP INT; cat /hold' &); read x </gate; exit 0"
    machine = containers({"2": left}, fifos=["gate", "hold"])
    gate, hold = machine.at("gate"), machine.at("hold")
    os.close(gate)
    assert machine.end() == 0
    with pytest.raises(BrokenPipeError):
        os.write(hold, b"nobody reads")
    os.close(hold)


def test_the_runlevel_of_an_installation_is_run_where_there_is_no_directory_of_services(
    containers: Make,
) -> None:
    run = RUN.format(name="one")
    files = {"etc/runit/runsvdir/multi/one/run": run}
    machine = containers(bare=True, files=files, fifos=["one"], environment={"SVDIR": "/none"})
    machine.at("one")
    machine.signal(signal.SIGTERM)
    assert machine.end() == 0
    assert machine.read("ended") == "one\n"
