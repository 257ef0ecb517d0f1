"""Process 1, the contract: what ours and C's do alike, but for the first line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest
from firsts import DOWN, OFF, PROGRAMS, REFUSED, RESTART, RESTARTED, SKIP, First, lines, stage
from masks import masks
from support import DEADLINE, needs, reference_version

Make = Callable[..., First]

CAD = "/etc/runit/ctrlaltdel"
CTRL_ALT_DEL = ("ctrl-alt-del request...", f"enter stage: {CAD}", f"leave stage: {CAD}")
ALL = lines(*stage(1), *stage(2), *stage(3), *DOWN)
STOPIT = ": >/run/runit.stopit; chmod 100 /run/runit.stopit"
REBOOT = ": >/run/runit.reboot; chmod 100 /run/runit.reboot"
WAIT = "read x </gate"


def test_the_stages_run_in_order_then_the_power_goes_off(either: Make) -> None:
    note = "echo ${0##*/} >>/order"
    machine = either({"1": note, "2": note, "3": note})
    assert machine.end() == OFF
    assert machine.text() == ALL
    assert machine.read("order").split() == ["1", "2", "3"]


def test_runit_init_is_process_1_too(either: Make) -> None:
    machine = either(program="runit-init")
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_it_does_nothing_where_it_is_not_process_1(either: Make) -> None:
    program = PROGRAMS[either.keywords["kind"]]["runit"]
    machine = either({"2": f"{program} >/said 2>&1; echo $? >>/said"})
    assert machine.end() == OFF
    assert machine.read("said") == "- runit: fatal: must be run as process no 1.\n111\n"
    assert machine.text() == ALL


@pytest.mark.parametrize("code", [1, 99, 101, 111])
def test_stage_2_comes_after_a_failure_of_stage_1(either: Make, code: int) -> None:
    machine = either({"1": f"exit {code}"})
    assert machine.end() == OFF
    failed = "warning: child failed: /etc/runit/1"
    assert machine.text() == lines(*stage(1, failed), *stage(2), *stage(3), *DOWN)


def test_stage_1_skips_stage_2_with_100(either: Make) -> None:
    machine = either({"1": "exit 100"})
    assert machine.end() == OFF
    failed = "warning: child failed: /etc/runit/1"
    assert machine.text() == lines(*stage(1, failed), SKIP, *stage(3), *DOWN)


@pytest.mark.parametrize("code", [1, 100, 110, 112])
def test_stage_3_comes_after_a_failure_of_stage_2(either: Make, code: int) -> None:
    machine = either({"2": f"exit {code}"})
    assert machine.end() == OFF
    failed = "warning: child failed: /etc/runit/2"
    assert machine.text() == lines(*stage(1), *stage(2, failed), *stage(3), *DOWN)


def test_stage_2_starts_again_with_111(either: Make) -> None:
    machine = either({"2": "[ ! -e /run/second ] || exit 0; : >/run/second; exit 111"})
    assert machine.end() == OFF
    again = (
        "enter stage: /etc/runit/2",
        "warning: child failed: /etc/runit/2",
        "warning: killing all processes in stage 2...",
        "warning: restarting.",
    )
    assert machine.text() == lines(*stage(1), *again, *stage(2), *stage(3), *DOWN)


def test_what_stage_2_left_in_its_group_is_killed_before_it_starts_again(either: Make) -> None:
    first = "cat /left & echo $! >/run/pid; : >/run/second; exit 111"
    second = "[ -d /proc/$(cat /run/pid) ] && echo alive >/said; exit 0"
    machine = either(
        {"2": f"if [ ! -e /run/second ]; then {first}; else {second}; fi"}, fifos=["left"]
    )
    assert machine.end() == OFF
    assert machine.read("said") == ""


def test_a_failure_of_stage_3_is_told(either: Make) -> None:
    machine = either({"3": "exit 3"})
    assert machine.end() == OFF
    failed = "warning: child failed: /etc/runit/3"
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3, failed), *DOWN)


# Signals in stage 2


def test_cont_without_stopit_does_nothing(either: Make) -> None:
    machine = either({"2": f"{WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGCONT, signal.SIGCONT)
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"
    assert machine.text() == ALL


def test_cont_with_stopit_ends_stage_2_with_term(either: Make) -> None:
    machine = either(
        {"2": f"trap 'echo term >/said; exit 7' TERM; {STOPIT}; cat /gate & wait $!"},
        fifos=["gate"],
    )
    machine.at("gate")
    machine.signal(signal.SIGCONT)
    assert machine.end() == OFF
    assert machine.read("said") == "term\n"
    assert machine.text() == ALL


def test_a_stopit_that_its_owner_may_not_execute_does_nothing(either: Make) -> None:
    flag = ": >/run/runit.stopit; chmod 077 /run/runit.stopit"
    machine = either({"2": f"{flag}; {WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGCONT)
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"


def test_stopit_is_cleared_when_it_was_heeded(either: Make) -> None:
    machine = either({"2": f"{STOPIT}; {WAIT}"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGCONT)
    assert machine.end() == OFF
    assert (machine.root / "run/runit.stopit").stat().st_mode & 0o777 == 0


def test_a_stage_2_that_ignores_term_is_killed(either: Make) -> None:
    machine = either({"2": f"trap '' TERM; {STOPIT}; {WAIT}; {WAIT}"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGCONT)
    assert machine.end() == OFF
    killed = "warning: stage 2 not terminated, sending sigkill..."
    assert machine.text() == lines(*stage(1), *stage(2, killed), *stage(3), *DOWN)


def test_int_without_ctrlaltdel_does_nothing(either: Make) -> None:
    machine = either({"2": f"{STOPIT}; {WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT)
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"
    assert machine.text() == ALL


def test_int_with_a_ctrlaltdel_that_is_not_executable_does_nothing(either: Make) -> None:
    stages = {
        "2": f"{STOPIT}; {WAIT}; echo still >/said; exit 0",
        "ctrlaltdel": b"echo run >/said\n",
    }
    machine = either(stages, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT)
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"


def test_int_runs_ctrlaltdel_then_goes_down_if_told(either: Make) -> None:
    machine = either({"2": WAIT, "ctrlaltdel": f"{STOPIT}; {REBOOT}"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGINT)
    assert machine.end() == RESTARTED
    two = stage(2, *CTRL_ALT_DEL)
    assert machine.text() == lines(*stage(1), *two, *stage(3), *RESTART)


def test_int_runs_ctrlaltdel_and_stage_2_goes_on_if_not(either: Make) -> None:
    machine = either({"2": f"{WAIT}; exit 0", "ctrlaltdel": "echo $# $PPID >/said"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT)
    machine.told(f"leave stage: {CAD}\n")
    machine.settle()
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "0 1\n"
    assert machine.text() == lines(*stage(1), *stage(2, *CTRL_ALT_DEL), *stage(3), *DOWN)


def test_a_failure_of_ctrlaltdel_is_not_told(either: Make) -> None:
    machine = either({"2": f"{WAIT}; exit 0", "ctrlaltdel": f"{STOPIT}; exit 5"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGINT)
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1), *stage(2, *CTRL_ALT_DEL), *stage(3), *DOWN)


PWR = ("powerfail event...", "enter stage: /etc/runit/pwrfail", "leave stage: /etc/runit/pwrfail")


def asks_pwrfail(make: Make) -> bool:
    """Whether process 1 goes down by a power failure only if pwrfail says so."""
    return make.keywords["kind"] == "reference" and reference_version() >= (2, 3)


def test_a_power_failure_goes_down_at_once(either: Make) -> None:
    machine = either({"2": WAIT, "pwrfail": STOPIT}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGPWR)
    assert machine.end() == OFF
    if asks_pwrfail(either):
        assert machine.text() == lines(*stage(1), *stage(2, *PWR), *stage(3), *DOWN)
        return
    # Debian's forgets that it has heard of it, and tells so later.
    assert machine.text().replace(lines(REFUSED), "") == ALL


def test_a_power_failure_needs_no_pwrfail(either: Make) -> None:
    machine = either({"2": f"{WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGPWR)
    stays = asks_pwrfail(either)
    if stays:
        os.close(gate)
    assert machine.end() == OFF
    if not stays:
        os.close(gate)
    assert machine.read("said") == ("still\n" if stays else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_other_signals_mean_nothing_to_a_machine(either: Make, number: int) -> None:
    machine = either({"2": f"{STOPIT}; {WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    for _ in range(2):
        # What it does not handle, the kernel does not give it from inside.
        assert machine.send_from_inside(number) == 0
    machine.settle()
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"
    assert machine.text() == ALL


# Signals in stages 1 and 3


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGCONT, signal.SIGPWR])
def test_a_signal_out_of_stage_2_is_told_and_forgotten(
    either: Make, number: int, sent: int
) -> None:
    machine = either({str(number): f"{STOPIT}; {WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(sent)
    machine.told(REFUSED + "\n")
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"
    all_stages = {one: stage(one, REFUSED) if one == number else stage(one) for one in (1, 2, 3)}
    assert machine.text() == lines(*all_stages[1], *all_stages[2], *all_stages[3], *DOWN)


# The end


def test_the_reboot_flag_restarts(either: Make) -> None:
    machine = either({"2": REBOOT})
    assert machine.end() == RESTARTED
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3), *RESTART)


def test_a_reboot_flag_without_execute_bit_powers_off(either: Make) -> None:
    machine = either({"2": ": >/run/runit.reboot; chmod 077 /run/runit.reboot"})
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_stage_3_may_still_set_the_reboot_flag(either: Make) -> None:
    assert either({"3": REBOOT}).end() == RESTARTED


def test_everything_is_killed_at_the_end(either: Make) -> None:
    left = "(setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >/left; cat /hold' &)"
    machine = either({"2": f"{left}; {WAIT}"}, fifos=["gate", "hold"])
    gate, hold = machine.at("gate"), machine.at("hold")
    os.close(gate)
    assert machine.end() == OFF
    with pytest.raises(BrokenPipeError):
        os.write(hold, b"nobody reads")
    os.close(hold)


# What the stages are given


LOOK = "cat /proc/self/status >/status; cat /proc/$$/stat >/stat"


@pytest.mark.parametrize("number", [2, 3])
def test_a_stage_has_a_session_of_its_own(either: Make, number: int) -> None:
    machine = either({str(number): LOOK})
    assert machine.end() == OFF
    process, _, rest = machine.read("stat").partition(" ")
    _state, parent, group, session = rest.rpartition(")")[2].split()[:4]
    assert (parent, group, session) == ("1", process, process)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stage_blocks_no_signal(either: Make, number: int) -> None:
    machine = either({str(number): LOOK})
    assert machine.end() == OFF
    assert masks(machine.read("status"))["SigBlk"] == 0


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stage_has_descriptors_0_to_2_on_the_console(either: Make, number: int) -> None:
    machine = either({str(number): "cp -P /proc/$$/fd/* /open"}, files={"open": None})
    assert machine.end() == OFF
    links = {path.name: os.readlink(path) for path in (machine.root / "open").iterdir()}
    # The shell holds its script, too.
    names = {name: to for name, to in links.items() if to != f"/etc/runit/{number}"}
    assert set(names) == {"0", "1", "2"}
    assert set(names.values()) == {"/dev/console"}


def test_stage_1_may_read_the_console(either: Make) -> None:
    machine = either({"1": 'read line; echo "$line" >/said'})
    machine.told("enter stage: /etc/runit/1")
    os.write(machine.console.master, b"yes\n")
    assert machine.end() == OFF
    assert machine.read("said") == "yes\n"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_a_stage_says_is_on_the_console(either: Make, number: int) -> None:
    machine = either({str(number): "echo this; echo that >&2"})
    assert machine.end() == OFF
    assert f"enter stage: /etc/runit/{number}\nthis\nthat\n" in machine.text()


@pytest.mark.parametrize(
    "environment",
    [
        {"PATH": "/usr/bin:/bin", "HOME": "/", "TERM": "linux", "odd": "x=y\xff", "BOOT": ""},
        {"PATH": "/usr/bin:/bin", "LANG": "C"},
        {"PATH": "/usr/bin:/bin", "LC_ALL": "POSIX"},
        {"PATH": "/usr/bin:/bin", "LC_CTYPE": "C.UTF-8"},
        {"PATH": "/usr/bin:/bin"},
    ],
)
def test_a_stage_has_the_environment_as_it_is(either: Make, environment: dict[str, str]) -> None:
    script = "#!/usr/bin/cat /proc/self/environ\n"
    machine = either({"2": script}, environment=environment)
    assert machine.end() == OFF
    expected = "".join(f"{name}={value}\0" for name, value in environment.items())
    machine.console.read(expected.encode("latin1"))
    given = machine.console.text.partition(b"enter stage: /etc/runit/2\n")[2]
    assert given.startswith(expected.encode("latin1") + script.encode())


@needs("ps")
def test_it_is_called_runit(either: Make) -> None:
    machine = either({"2": "cat /proc/1/comm >/comm; ps -p 1 -o comm= >/ps"}, program="runit-init")
    assert machine.end() == OFF
    assert machine.read("comm") == "runit\n"
    assert machine.read("ps") == "runit\n"


def test_orphans_are_reaped(either: Make) -> None:
    orphans = "i=0; while [ $i -lt 2000 ]; do (: &); i=$((i + 1)); done"
    machine = either({"2": f"{orphans}; {WAIT}"}, fifos=["gate"])
    gate = machine.at("gate")
    machine.wait_until_alone(2)
    os.close(gate)
    assert machine.end() == OFF


# Adverse machines


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_it_starts_with_descriptors_closed(either: Make, closed: tuple[int, ...]) -> None:
    machine = either(closed=closed)
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_it_needs_no_proc(either: Make) -> None:
    machine = either(proc=False)
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_it_needs_no_environment(either: Make) -> None:
    machine = either(environment={})
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_it_needs_nothing_to_write_to(either: Make) -> None:
    machine = either(
        {"2": f"{WAIT}; exit 0"}, read_only=True, run="size=16k", full=True, fifos=["gate"]
    )
    os.close(machine.at("gate"))
    assert machine.end() == OFF
    assert machine.text() == ALL


def test_a_console_that_takes_nothing_does_not_stop_it(either: Make) -> None:
    machine = either({"2": WAIT}, fifos=["gate"])
    machine.at("gate")
    console = os.open(machine.console.name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while os.write(console, b"x" * size):
                pass
    if asks_pwrfail(either):
        machine.write({"pwrfail": STOPIT})
    machine.signal(signal.SIGPWR)
    assert machine.process.wait(DEADLINE) == OFF
    os.close(console)


def test_it_needs_no_console(either: Make) -> None:
    machine = either({"2": ": >/two", "3": ": >/three"}, console=False)
    assert machine.end() == OFF
    assert (machine.root / "two").exists()
    assert (machine.root / "three").exists()


def test_a_missing_stage_3_is_told(either: Make) -> None:
    machine = either({"3": None})
    assert machine.end() == OFF
    missing = "fatal: unable to start child: /etc/runit/3: file does not exist"
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3, missing), *DOWN)
