"""Process 1 where C's does otherwise, and where machines are broken."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from firsts import DOWN, KILL, OFF, PATH, REFUSED, RESTART, RESTARTED, SKIP, First, lines, stage
from masks import masks
from support import DEADLINE, anyones_interpreter, needs, wait_for

Make = Callable[..., First]

ALL = lines(*stage(1), *stage(2), *stage(3), *DOWN)
CAD = "/etc/runit/ctrlaltdel"
CTRL_ALT_DEL = ("ctrl-alt-del request...", f"enter stage: {CAD}", f"leave stage: {CAD}")
AGAIN = ("warning: killing all processes in stage 2...", "warning: restarting.")
STOPIT = ": >/run/runit.stopit; chmod 100 /run/runit.stopit"
WAIT = "read x </gate"
LEAVE = f"{WAIT}; exit 0"
SULOGIN = "#!/bin/sh\nread -r _ _ _ _ _ session _ </proc/$$/stat; echo $$ $session >>/shell\n"


def crashed(number: int) -> str:
    return f"warning: child crashed: /etc/runit/{number}"


def broken(name: str, words: str) -> str:
    return f"fatal: unable to start child: /etc/runit/{name}: {words}"


# Crashes, as upstream's tells them: Debian's does not notice


def test_a_crash_of_stage_1_skips_stage_2(firsts: Make) -> None:
    machine = firsts({"1": "kill -KILL $$"})
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1, crashed(1)), SKIP, *stage(3), *DOWN)


def test_stage_2_starts_again_after_a_crash(firsts: Make) -> None:
    left = "cat /left & echo $! >/run/pid; : >/run/second; kill -SEGV $$"
    second = "[ -d /proc/$(cat /run/pid) ] && echo alive >/said; exit 0"
    script = f"if [ ! -e /run/second ]; then {left}; else {second}; fi"
    machine = firsts({"2": script}, fifos=["left"])
    assert machine.end() == OFF
    first = ("enter stage: /etc/runit/2", crashed(2), *AGAIN)
    assert machine.text() == lines(*stage(1), *first, *stage(2), *stage(3), *DOWN)
    assert machine.read("said") == ""


def test_what_left_the_group_but_not_the_session_of_stage_2_is_killed(firsts: Make) -> None:
    left = "set -m; cat /left & echo $! >/run/pid; : >/run/second; exit 111"
    second = "[ -d /proc/$(cat /run/pid) ] && echo alive >/said; exit 0"
    script = f"if [ ! -e /run/second ]; then {left}; else {second}; fi"
    machine = firsts({"2": script}, fifos=["left"])
    assert machine.end() == OFF
    assert machine.read("said") == ""


def test_stage_2_that_ends_at_once_waits_before_it_starts_again(firsts: Make) -> None:
    """By default for a second; here so long that nobody can take it for chance."""
    code = "from runit.boot import runit; assert runit.CRASH_PAUSE == 1; runit.CRASH_PAUSE = 3600"
    stage_2 = {"2": "echo started >>/starts; exit 111"}
    machine = firsts(stage_2, program="/spy", files=launcher(code))
    machine.told("killing all processes in stage 2...\n")
    machine.settle()
    assert machine.read("starts") == "started\n"
    machine.kill()


def test_a_power_failure_ends_the_pause_before_stage_2_starts_again(firsts: Make) -> None:
    machine = firsts({"2": "kill -PWR 1; exit 111"})
    assert machine.end() == OFF
    assert "restarting" not in machine.text()
    assert machine.text().endswith(lines(*stage(3), *DOWN))


def test_a_crash_of_stage_3_is_told(firsts: Make) -> None:
    machine = firsts({"3": "kill -KILL $$"})
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3, crashed(3)), *DOWN)


# Insisting


def test_a_second_int_in_stage_1_kills_it_and_restarts(firsts: Make) -> None:
    machine = firsts({"1": f"trap '' INT TERM; {WAIT}", "2": ": >/two"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGINT, signal.SIGINT)
    assert machine.end() == RESTARTED
    killed = "warning: killing all processes in stage 1..."
    one = stage(1, REFUSED, REFUSED, killed, crashed(1))
    assert machine.text() == lines(*one, SKIP, *stage(3), *RESTART)
    assert not (machine.root / "two").exists()


def test_a_second_int_in_stage_3_kills_it_and_goes_on(firsts: Make) -> None:
    machine = firsts({"3": f"trap '' INT TERM; {WAIT}"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGINT, signal.SIGINT)
    assert machine.end() == OFF
    killed = "warning: killing all processes in stage 3..."
    three = stage(3, REFUSED, REFUSED, killed, crashed(3))
    assert machine.text() == lines(*stage(1), *stage(2), *three, *DOWN)


def test_other_signals_do_not_insist(firsts: Make) -> None:
    machine = firsts({"1": LEAVE}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT, signal.SIGCONT, signal.SIGPWR, signal.SIGCONT)
    machine.settle()
    os.close(gate)
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1, *[REFUSED] * 4), *stage(2), *stage(3), *DOWN)


def test_one_int_in_each_of_two_stages_does_not_insist(firsts: Make) -> None:
    machine = firsts({"1": LEAVE, "3": "read x </other; exit 0"}, fifos=["gate", "other"])
    for name in ("gate", "other"):
        gate = machine.at(name)
        machine.signal(signal.SIGINT)
        os.close(gate)
    assert machine.end() == OFF
    three = stage(3, REFUSED)
    assert machine.text() == lines(*stage(1, REFUSED), *stage(2), *three, *DOWN)


def test_two_ints_far_apart_do_not_insist(firsts: Make) -> None:
    code = "from runit.boot import runit; runit.INSIST_WITHIN = 0"
    machine = firsts({"1": LEAVE}, program="/spy", files=launcher(code), fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT, signal.SIGINT)
    os.close(gate)
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1, REFUSED, REFUSED), *stage(2), *stage(3), *DOWN)


def test_a_second_int_ends_a_ctrlaltdel_that_hangs(firsts: Make) -> None:
    stages = {"2": WAIT, "ctrlaltdel": f"trap '' INT TERM; {STOPIT}; read x </hang"}
    machine = firsts(stages, fifos=["gate", "hang"])
    machine.at("gate")
    machine.signal(signal.SIGINT)
    machine.at("hang")
    machine.signal(signal.SIGINT)
    assert machine.end() == OFF
    assert machine.text() == lines(*stage(1), *stage(2, *CTRL_ALT_DEL), *stage(3), *DOWN)


# Flags


def test_stopit_beside_the_stages_counts_too(firsts: Make) -> None:
    flag = ": >/etc/runit/stopit; chmod 100 /etc/runit/stopit"
    machine = firsts({"2": f"{flag}; {WAIT}"}, fifos=["gate"])
    machine.at("gate")
    machine.signal(signal.SIGCONT)
    assert machine.end() == OFF
    assert machine.text() == ALL
    assert (machine.root / "etc/runit/stopit").stat().st_mode & 0o777 == 0


def test_the_reboot_flag_beside_the_stages_counts_too(firsts: Make) -> None:
    assert firsts({"2": "cd /etc/runit; : >reboot; chmod 100 reboot"}).end() == RESTARTED


def test_flags_are_reached_through_links_on_a_read_only_root(firsts: Make) -> None:
    links = {f"/run/state/{name}": f"/etc/runit/{name}" for name in ("stopit", "reboot")}
    script = f"/suite/bin/runit-init 6 >&2; rm -f /run/runit.*; {WAIT}"
    machine = firsts({"2": script}, read_only=True, run="size=64k", fifos=["gate"], links=links)
    assert machine.end() == RESTARTED
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3), *RESTART)


def test_it_halts_where_halt_asked_for_that(firsts: Make) -> None:
    machine = firsts({"2": "mkdir -p /run/runit; : >/run/runit/halt"})
    assert machine.end() == OFF
    halted = (KILL, "system halt.")
    assert machine.text() == lines(*stage(1), *stage(2), *stage(3), *halted)


@pytest.mark.parametrize("nosync", [True, False])
def test_nosync_leaves_the_disks_alone(firsts: Make, nosync: bool) -> None:
    machine = firsts({"nosync": b"" if nosync else None}, program="/spy", files={"spy": SPY})
    assert machine.end() == OFF
    assert machine.read("synced") == ("" if nosync else "yes")


# What the stages are given


def test_stage_1_has_a_session_too_but_takes_no_terminal(firsts: Make) -> None:
    machine = firsts({"1": "cat /proc/$$/stat >/stat"})
    assert machine.end() == OFF
    process, _, rest = machine.read("stat").partition(" ")
    _state, parent, group, session, terminal = rest.rpartition(")")[2].split()[:5]
    assert (parent, group, session, terminal) == ("1", process, process, "0")


@pytest.mark.parametrize("name", ["1", "2", "3", "ctrlaltdel"])
def test_a_stage_inherits_no_ignored_signal(firsts: Make, name: str) -> None:
    look = "cat /proc/self/status >/status"
    stages = {"2": LEAVE if name == "ctrlaltdel" else ""} | {name: look}
    ignored = (signal.SIGCONT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1)
    machine = firsts(stages, ignored=ignored, fifos=["gate"])
    if name == "ctrlaltdel":
        gate = machine.at("gate")
        machine.signal(signal.SIGINT)
        machine.told(f"leave stage: {CAD}\n")
        os.close(gate)
    assert machine.end() == OFF
    assert masks(machine.read("status")) == {"SigIgn": 0, "SigBlk": 0}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stage_may_wait_for_the_console(firsts: Make, number: int) -> None:
    look = "for i in 0 1 2; do grep flags: /proc/$$/fdinfo/$i; done >/info"
    machine = firsts({str(number): look})
    assert machine.end() == OFF
    modes = [int(line.split()[1], 8) for line in machine.read("info").splitlines()]
    assert [mode & os.O_NONBLOCK for mode in modes[1:]] == [0, 0]
    assert modes[0] & os.O_NONBLOCK == 0 or number != 1


def test_a_stage_works_in_the_root_directory(firsts: Make) -> None:
    machine = firsts({"2": "pwd >/said"})
    assert machine.end() == OFF
    assert machine.read("said") == "/\n"


# Missing and broken


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "file does not exist"),
        (b"echo no\n", "access denied"),
        ("#!/no/such/shell\n", "file does not exist"),
        ("#!/etc/passwd\n", "access denied"),
    ],
)
def test_a_stage_1_that_cannot_be_started_lets_somebody_in(
    firsts: Make, content: str | bytes | None, words: str
) -> None:
    machine = firsts({"1": content}, shell=SULOGIN)
    assert machine.end() == OFF
    shell = "warning: starting /sbin/sulogin on the console..."
    one = stage(1, broken("1", words), shell)
    assert machine.text() == lines(*one, *stage(2), *stage(3), *DOWN)
    pid, session = machine.read("shell").split()
    assert pid == session


def test_a_stage_2_that_cannot_be_started_is_tried_again_afterwards(firsts: Make) -> None:
    repair = SULOGIN + "printf '#!/bin/sh\\n' >/etc/runit/2; chmod 755 /etc/runit/2\n"
    machine = firsts({"2": None}, shell=repair)
    assert machine.end() == OFF
    shell = "warning: starting /sbin/sulogin on the console..."
    first = ("enter stage: /etc/runit/2", broken("2", "file does not exist"), shell)
    failed = "warning: child failed: /etc/runit/2"
    assert machine.text() == lines(*stage(1), *first, failed, *AGAIN, *stage(2), *stage(3), *DOWN)


def test_a_stage_3_that_cannot_be_started_is_told_and_left_out(firsts: Make) -> None:
    machine = firsts({"3": b"no\n"}, shell=SULOGIN)
    assert machine.end() == OFF
    assert machine.text() == lines(
        *stage(1), *stage(2), *stage(3, broken("3", "access denied")), *DOWN
    )
    assert machine.read("shell") == ""


# Calls that fail

SHELLS = ("/sbin/sulogin", "/usr/sbin/sulogin", "/bin/sh", "/usr/bin/sh")


def failing(*injects: str, paths: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What a machine is started by, to have calls fail; those about PATHS only."""
    trace = ("strace", "-f", "-qqo/dev/null", *(f"-P{path}" for path in paths))
    calls = ",".join(inject.partition(":")[0] for inject in injects)
    return (*trace, f"-etrace={calls}", *(f"-einject={inject}" for inject in injects))


@needs("strace")
def test_process_1_waits_for_a_process_to_be_had_and_goes_down_without_one(firsts: Make) -> None:
    second_and_fifth = failing("clone,clone3,fork,vfork:error=EAGAIN:when=2+3")
    files = launcher("from runit.boot import children; children.FORK_PAUSE = 0.1")
    machine = firsts(program="/spy", files=files, around=second_and_fifth)
    assert machine.end() == OFF
    said = 'warning: unable to fork for "/etc/runit/2" pausing: temporary failure'
    assert machine.text() == lines(*stage(1), said, *stage(2), *stage(3), *DOWN)


@needs("strace")
def test_it_goes_on_where_nobody_can_be_let_in(firsts: Make) -> None:
    no_shell = failing("execve:error=EACCES", paths=SHELLS)
    machine = firsts({"1": None}, around=no_shell, console=False)
    assert machine.end() == OFF


@needs("strace")
def test_it_goes_on_where_the_console_has_hung_up(firsts: Make) -> None:
    """And where nobody's session can be told."""
    left = "cat /left & mkdir /run/first; exit 111"
    script = f"[ ! -d /run/first ] || exec mkdir /run/second; {left}"
    stages = {"1": WAIT, "2": script}
    machine = firsts(stages, fifos=["gate", "left"], around=failing("getsid:error=ESRCH"))
    gate = machine.at("gate")
    os.dup2(gate, machine.console.master)
    os.close(gate)
    os.close(machine.console.master)
    assert machine.process.wait(DEADLINE) == OFF
    machine.console.master = os.open("/dev/null", os.O_RDONLY)
    assert (machine.root / "run/second").exists()


def test_a_line_that_the_console_does_not_take_at_once_is_said_again(firsts: Make) -> None:
    code = (
        "import os\n"
        "def once(*words, really=os.write):\n"
        "    os.write = really\n"
        "    raise BlockingIOError\n"
        "os.write = once"
    )
    machine = firsts(program="/spy", files=launcher(code))
    machine.told("booting.\n")
    assert machine.end() == OFF


def test_a_child_that_cannot_become_a_stage_is_told_of(firsts: Make) -> None:
    code = "from runit.boot.console import Console; Console.become_output = broken"
    machine = firsts(program="/spy", files=launcher(code))
    assert machine.end() == OFF
    assert machine.text().count("- runit: warning: unexpected: broken ") == 3


def test_it_needs_no_proc_to_start_stage_2_again(firsts: Make) -> None:
    """Nor for the last order, where only a file takes it."""
    script = "[ ! -d /run/first ] || exec mkdir /run/second; mkdir /run/first; exit 111"
    files = {**launcher("sys.modules['ctypes'] = None"), "proc/sysrq-trigger": ""}
    machine = firsts({"2": script}, program="/spy", files=files, proc=False)
    wait_for(lambda: machine.read("proc/sysrq-trigger") == "o", "the last order")
    assert (machine.root / "run/second").exists()


def test_a_place_for_proc_is_not_needed_either(firsts: Make) -> None:
    script = "[ ! -d /run/first ] || exec mkdir /run/second; mkdir /run/first; exit 111"
    machine = firsts({"1": "rmdir /proc", "2": script}, proc=False)
    assert machine.end() == OFF
    assert (machine.root / "run/second").exists()


def test_a_stopit_that_cannot_be_cleared_is_heeded(firsts: Make) -> None:
    machine = firsts({"2": WAIT, "stopit": "#!"}, read_only=True, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGCONT)
    assert machine.end() == OFF
    os.close(gate)


def test_term_in_stage_1_of_a_machine_does_nothing(firsts: Make) -> None:
    machine = firsts({"1": WAIT}, fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGTERM)
    os.close(gate)
    assert machine.end() == OFF
    assert "signals only work" not in machine.text()


# Storms


def test_a_storm_of_signals_leaves_stage_2_running(firsts: Make) -> None:
    machine = firsts({"2": f"{WAIT}; echo still >/said; exit 0"}, fifos=["gate"])
    gate = machine.at("gate")
    process = machine.pid
    sent = (signal.SIGCONT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    caught = int(machine.status()["SigCgt:"], 16)
    for count in range(1000):
        number = sent[count % len(sent)]
        if caught >> number - 1 & 1:  # the others the kernel drops, from inside
            os.kill(process, number)
        os.kill(process, signal.SIGCHLD)
    machine.settle()
    os.close(gate)
    assert machine.end() == OFF
    assert machine.read("said") == "still\n"
    assert machine.text() == ALL


# What cannot happen

LAUNCHER = """#!{python} -IBS
import posix, sys
sys.path.append("/suite/package")
def broken(*_words, **_more):
    raise ZeroDivisionError("what cannot happen")
{code}
from runit.boot.runit import main
posix._exit(main())
"""


def launcher(code: str) -> dict[str, str]:
    return {"spy": LAUNCHER.format(python=anyones_interpreter(), code=code)}


SPY = launcher("import os\nos.sync = lambda: open('/synced', 'w').write('yes')")["spy"]


@pytest.mark.parametrize(
    "code",
    [
        "from runit.boot import flags; flags.is_set = broken",
        "from runit.boot.runit import Process1; Process1._insists = broken",
        "from runit.boot.runit import Process1; Process1._tell_failure = broken",
        "from runit.boot import stages; stages.has_ctrl_alt_del = broken",
        "from runit.boot.children import Children; Children.pause = broken",
        "from runit.boot.children import Children; Children.wait_for_all = broken",
        "from runit.process import title; title.show = broken",
        "from runit.process import environment; environment.restore = broken",
    ],
)
def test_no_exception_ends_it(firsts: Make, code: str) -> None:
    stages = {"2": f"{STOPIT}; {WAIT}; exit 0"}
    machine = firsts(stages, program="/spy", files=launcher(code), fifos=["gate"])
    gate = machine.at("gate")
    machine.signal(signal.SIGINT, signal.SIGCONT, signal.SIGPWR)
    os.close(gate)
    assert machine.end() == OFF
    assert "Traceback" not in machine.text()
    assert "enter stage: /etc/runit/3" in machine.text()


def test_an_exception_is_told_in_one_line(firsts: Make) -> None:
    code = "from runit.boot import flags; flags.is_set = broken"
    machine = firsts(program="/spy", files=launcher(code))
    assert machine.end() == OFF
    told = [line for line in machine.text().splitlines() if "unexpected" in line]
    assert told[0].startswith("- runit: warning: unexpected: broken ")
    assert told[0].endswith(": ZeroDivisionError('what cannot happen')")


def test_it_goes_through_its_stages_without_ctypes(firsts: Make) -> None:
    code = "sys.modules['ctypes'] = None"
    machine = firsts(program="/spy", files=launcher(code))
    machine.told("power off...\n")
    assert machine.text().startswith(ALL)
    assert machine.process.poll() is None


def test_it_never_ends_where_the_kernel_refuses_everything(firsts: Make) -> None:
    code = (
        "import time\n"
        "from runit.boot import kernel\n"
        "kernel.leave = lambda command: None\n"
        "def sleep(seconds, really=time.sleep):\n"
        "    open('/asleep', 'w').close()\n"
        "    really(seconds)\n"
        "time.sleep = sleep"
    )
    machine = firsts(program="/spy", files=launcher(code))
    machine.told("system halt.\n")
    wait_for((machine.root / "asleep").exists)
    assert machine.process.poll() is None


def test_a_container_without_services_and_programs_is_told_and_ends(firsts: Make) -> None:
    machine = firsts(
        bare=True,
        program="/none/bin/spy",
        files={"none/bin/spy": launcher("")["spy"]},
        environment={"SVDIR": "/nowhere", "PATH": "/nowhere", "container": "oci"},
    )
    assert machine.end() == 0
    assert "unable to start child: /etc/runit/2" in machine.read("errors")


DAMAGED = """#!{python} -IBS
import posix, sys
sys.path.append("/suite/package")
sys.modules["runit.boot.children"] = None
{code}
from runit.boot.runit_init import main
posix._exit(main())
"""


def damaged(code: str = "") -> dict[str, str]:
    return {"spy": DAMAGED.format(python=anyones_interpreter(), code=code)}


OPENED = "posix.open('/dev/null', posix.O_RDONLY)"
"""As a library does, for itself: it closes itself at exec."""


@pytest.mark.parametrize("closed", [(), (2,), (0, 1, 2)])
@pytest.mark.parametrize("code", ["", OPENED])
def test_a_damaged_installation_lets_somebody_in_again_and_again(
    firsts: Make, closed: tuple[int, ...], code: str
) -> None:
    shell = "#!/bin/sh\nls /proc/$$/fd | grep -c '^[012]$' >>/shell\n"
    machine = firsts(program="/spy", files=damaged(code), closed=closed, shell=shell)
    for count in range(1, 4):
        wait_for(lambda count=count: len(machine.read("shell").split()) >= count)
        machine.signal(signal.SIGINT, signal.SIGTERM)
    assert {*machine.read("shell").split()} == {"3"}
    machine.kill()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("code", ["", OPENED])
def test_a_stage_has_all_descriptors_without_a_console(
    firsts: Make, number: int, code: str
) -> None:
    stages = {str(number): "ls /proc/$$/fd | grep -c '^[012]$' >/open"}
    files = launcher(code)
    machine = firsts(stages, program="/spy", files=files, closed=(0, 1, 2), console=False)
    assert machine.end() == OFF
    assert machine.read("open") == "3\n"


def test_a_damaged_installation_reaps_orphans(firsts: Make) -> None:
    orphan = "(sh -c 'echo $$ >/orphan' &)"
    reaped = 'pid=; while [ ! "$pid" ] || [ -d /proc/$pid ]; do read pid </orphan; done'
    shell = f"#!/bin/sh\n{orphan}; {reaped}; echo reaped >>/shell\n"
    machine = firsts(program="/spy", files={**damaged(), "orphan": ""}, shell=shell)
    wait_for(lambda: machine.read("shell").startswith("reaped\n"))
    machine.kill()


@needs("strace")
def test_a_damaged_installation_without_a_shell_tries_again(firsts: Make, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    no_shell = [
        word.replace("/dev/null", f"{tries}")
        for word in failing("execve:error=EACCES", paths=SHELLS)
    ]
    machine = firsts(program="/spy", files=damaged(), around=tuple(no_shell))
    wait_for(lambda: tries.read_text().count("sulogin") > 1, "two tries")
    machine.kill()


def test_a_damaged_installation_that_can_start_nothing_waits(firsts: Make) -> None:
    code = (
        "def broken(): open('/tried', 'a').write('x'); raise BlockingIOError\nposix.fork = broken"
    )
    machine = firsts(program="/spy", files=damaged(code))
    wait_for(lambda: len(machine.read("tried")) > 1)
    assert machine.process.poll() is None
    machine.kill()


def test_a_damaged_installation_ends_a_container(firsts: Make) -> None:
    environment = {**PATH, "container": "oci"}
    machine = firsts(program="/spy", files=damaged(), environment=environment)
    assert machine.end() == 111
