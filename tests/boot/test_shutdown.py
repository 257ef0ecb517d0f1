"""shutdown, on machines of their own, with people at pseudo terminals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from oldworld import HANGUP, INTERRUPT, PROGRAMS, Machine
from support import needs, wait_for

NOLOGIN = ("run/nologin", "etc/nologin")


def barred(machine: Machine) -> list[str]:
    """The files that bar logins."""
    return [name for name in NOLOGIN if (machine.root / name).exists()]


def waiter(machine: Machine) -> int:
    """The pid of the shutdown that waits; 0: none says so."""
    content = (machine.root / "run/shutdown.pid").read_text()
    return int(content.split("\n")[0] or 0)


@pytest.mark.parametrize(
    ("words", "told", "goal"),
    [
        (("-h", "now"), "off", b"for power off"),
        (("-P", "now"), "off", b"for power off"),
        (("-hP", "+0"), "off", b"for power off"),
        (("-r", "now"), "reboot", b"for reboot"),
        (("now", "-r"), "reboot", b"for reboot"),
        (("-H", "now"), "off", b"for system halt"),
        (("-h", "-H", "0"), "off", b"for system halt"),
    ],
)
def test_now_asks_process_1_at_once(
    machine: Machine, words: tuple[str, ...], told: str, goal: bytes
) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", *words) == (0, "", "")
    assert machine.told() == told
    terminal.read(b"\r\nThe system is going down " + goal + b" NOW!\r\n")
    machine.console.read(b"going down " + goal)
    assert barred(machine) == []
    assert (machine.root / "run/runit/halt").exists() == ("halt" in goal.decode())


def test_a_later_shutdown_takes_the_wish_to_halt_back(machine: Machine) -> None:
    machine.run("shutdown", "-H", "now")
    machine.run("shutdown", "-h", "now")
    assert not (machine.root / "run/runit/halt").exists()


def test_without_a_goal_the_runlevel_is_single(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", "now") == (0, "", "")
    terminal.read(b"The system is going down to maintenance mode NOW!")
    link = machine.root / "etc/runit/runsvdir/current"
    assert os.readlink(link) == "/etc/runit/runsvdir/single"
    assert machine.told() == ""


def test_everybody_gets_the_message(machine: Machine) -> None:
    terminals = [machine.log_in("joe"), machine.log_in("ann"), machine.console]
    machine.run("shutdown", "-k", "now", "new", "disk: é", "\x1b[2J\x07")
    for terminal in terminals:
        text = terminal.read(b"NOW!\r\n")
        assert "new disk: é ?[2J?\r\n".encode() in text
        assert b"Broadcast message from " in text


def test_k_warns_only(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", "-k", "-r", "now") == (0, "", "")
    terminal.read(b"for reboot NOW!")
    assert machine.told() == ""
    assert not machine.flag("stopit")


def test_k_that_waits_bars_nobody(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", "-k", "-r", "+2") == (0, "", "")
    terminal.read(b"in 2 minutes!")
    assert barred(machine) == []


def test_a_terminal_that_is_held_makes_nobody_wait(machine: Machine) -> None:
    held, other = machine.log_in("joe"), machine.log_in("ann")
    os.set_blocking(held.slave, False)
    with suppress(BlockingIOError):
        while True:
            os.write(held.slave, b"x" * 4096)
    os.set_blocking(held.slave, True)
    assert machine.run("shutdown", "-r", "now") == (0, "", "")
    other.read(b"NOW!")
    assert machine.told() == "reboot"


@pytest.mark.parametrize("line", ["nosuch", "../etc/passwd", "null", "shm", "\x7f/.."])
def test_a_line_that_is_no_terminal_is_passed_over(machine: Machine, line: str) -> None:
    machine.log_in("joe", line)
    other = machine.log_in("ann")
    before = (machine.root / "etc/passwd").read_bytes()
    assert machine.run("shutdown", "-r", "now") == (0, "", "")
    other.read(b"NOW!")
    assert (machine.root / "etc/passwd").read_bytes() == before


def test_without_utmp_the_console_is_told(machine: Machine) -> None:
    (machine.root / "run/utmp").unlink()
    assert machine.run("shutdown", "-r", "now") == (0, "", "")
    machine.console.read(b"NOW!")


@needs("ps")
def test_it_waits_in_the_background(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", "-r", "+10", "new disk") == (0, "", "")
    text = terminal.read(b"minutes!\r\n")
    assert b"\r\nnew disk\r\nThe system is going DOWN for reboot in 10 minutes!\r\n" in text
    pid = waiter(machine)
    assert machine.alive(pid)
    assert barred(machine) == []
    session, group = machine.shell(f"ps -o sid=,pgid= -p {pid}").split()
    assert session == group
    assert machine.shell(f"ps -o comm= -p {pid}") == "shutdown\n"
    assert machine.shell(f"readlink /proc/{pid}/cwd") == "/\n"
    assert machine.shell(f"readlink /proc/{pid}/fd/[012]") == "/dev/null\n" * 3


def test_c_cancels_and_tells_people(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    machine.run("shutdown", "-h", "+3")
    pid = waiter(machine)
    wait_for(lambda: barred(machine) == [*NOLOGIN], "nologin")
    assert machine.run("shutdown", "-c", "not", "today") == (0, "", "")
    assert not machine.alive(pid)
    assert barred(machine) == []
    text = terminal.read(b"cancelled.\r\n")
    assert b"\r\nnot today\r\nShutdown cancelled.\r\n" in text
    assert text.count(b"cancelled") == 1
    assert machine.run("shutdown", "-c") == (1, "", "shutdown: not running.\n")
    assert machine.told() == ""


def test_c_with_nothing_to_cancel_leaves_nothing(machine: Machine) -> None:
    assert machine.run("shutdown", "-c") == (1, "", "shutdown: not running.\n")
    assert not (machine.root / "run/shutdown.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_waiter_cancels_too(machine: Machine, number: int) -> None:
    terminal = machine.log_in("joe")
    machine.run("shutdown", "-h", "+3")
    wait_for(lambda: barred(machine) == [*NOLOGIN], "nologin")
    pid = waiter(machine)
    machine.kill(pid, number)
    terminal.read(b"Shutdown cancelled.")
    wait_for(lambda: not machine.alive(pid), "the end of it")
    assert barred(machine) == []
    assert (machine.root / "run/shutdown.pid").read_bytes() == b""


def test_a_hangup_does_not_count(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+30")
    machine.kill(waiter(machine), signal.SIGHUP)
    assert machine.run("shutdown", "-c") == (0, "", "")


def test_a_second_one_is_one_clear_line(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+30")
    pid = waiter(machine)
    for words in (("-r", "+5"), ("-r", "now"), ("-k", "now")):
        code, output, said = machine.run("shutdown", *words)
        assert (code, output) == (1, "")
        assert said == f"shutdown: fatal: already running: process {pid}\n"
    assert machine.alive(pid)


def test_what_a_killed_one_left_is_removed_by_the_next(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+3")
    wait_for(lambda: barred(machine) == [*NOLOGIN], "nologin")
    machine.kill(waiter(machine), signal.SIGKILL)
    assert machine.run("shutdown", "-r", "+30") == (0, "", "")
    assert barred(machine) == []
    machine.kill(waiter(machine), signal.SIGKILL)
    assert machine.run("shutdown", "-c") == (1, "", "shutdown: not running.\n")


def test_the_owner_s_nologin_stays(machine: Machine) -> None:
    (machine.root / "etc/nologin").write_text("closed\n")
    machine.run("shutdown", "-h", "+3")
    wait_for(lambda: barred(machine) == [*NOLOGIN], "nologin")
    machine.run("shutdown", "-c")
    assert barred(machine) == ["etc/nologin"]
    assert (machine.root / "etc/nologin").read_text() == "closed\n"


def test_nologin_tells_why(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+3", "new disk")
    wait_for(lambda: barred(machine) == [*NOLOGIN], "nologin")
    for name in NOLOGIN:
        wait_for(lambda name=name: (machine.root / name).read_bytes(), "its text")
        assert b"going down" in (machine.root / name).read_bytes()
        assert b"new disk" in (machine.root / name).read_bytes()


def test_without_python_daemon_it_waits_in_the_foreground(
    machines: Callable[..., Machine], bare_world: Path
) -> None:
    machine = machines(bare_world)
    terminal = machine.log_in("joe")
    script = f"echo; exec {PROGRAMS}/shutdown -r +10 2>/tmp-errors"
    pid = machine.start("sh", "-c", script)
    terminal.read(b"in 10 minutes!")
    assert waiter(machine) == pid
    said = "shutdown: warning: python-daemon is not installed: waiting in the foreground\n"
    assert (machine.root / "tmp-errors").read_text() == said
    assert machine.run("shutdown", "-c") == (0, "", "")
    assert os.waitstatus_to_exitcode(machine.ask(wait=pid)) == 1


def test_f_and_big_f_leave_their_files(machine: Machine) -> None:
    assert machine.run("shutdown", "-r", "-f", "now") == (0, "", "")
    assert (machine.root / "fastboot").exists()
    assert not (machine.root / "forcefsck").exists()
    assert machine.run("shutdown", "-r", "-F", "now") == (0, "", "")
    assert (machine.root / "forcefsck").exists()


def test_t_is_handed_to_stage_3(machine: Machine) -> None:
    assert machine.run("shutdown", "-r", "-t", "30", "now") == (0, "", "")
    assert (machine.root / "run/runit/killwait").read_text() == "30\n"
    assert machine.run("shutdown", "-r", "now") == (0, "", "")
    assert not (machine.root / "run/runit/killwait").exists()


@pytest.mark.parametrize("users", [["joe"], ["eve", "root"], ["ann", "joe"]])
def test_a_goes_on_when_somebody_listed_is_at_the_console(
    machine: Machine, users: list[str]
) -> None:
    (machine.root / "etc/shutdown.allow").write_text("# who may\n\njoe\nann\n")
    for number, user in enumerate(users, 1):
        machine.log_in(user, f"tty{number}")
    assert machine.run("shutdown", "-a", "-r", "now") == (0, "", "")
    assert machine.told() == "reboot"


@pytest.mark.parametrize(("user", "line"), [("eve", "tty1"), ("joe", "pts/900"), ("#", "tty1")])
def test_a_refuses_otherwise(machine: Machine, user: str, line: str) -> None:
    (machine.root / "etc/shutdown.allow").write_text("# who may\njoe\n")
    machine.log_in(user, line)
    said = "shutdown: no authorized users logged in.\n"
    assert machine.run("shutdown", "-a", "-r", "now") == (1, "", said)
    assert machine.told() == ""
    machine.console.read(b"no authorized users logged in.\r\n")


def test_a_without_the_file_is_ignored(machine: Machine) -> None:
    assert machine.run("shutdown", "-a", "-r", "now") == (0, "", "")
    assert machine.told() == "reboot"


@pytest.mark.parametrize(("words", "end"), [(("-r",), HANGUP), (("-h",), INTERRUPT)])
def test_n_does_it_without_process_1(machine: Machine, words: tuple[str, ...], end: int) -> None:
    machine.replace_tools()
    machine.start("sh", "-c", "echo; exec sleep 1000")
    machine.ask(run=[f"{PROGRAMS}/shutdown", "-n", *words, "now"])
    assert machine.end() == end
    steps = machine.steps()
    assert [step.split()[0] for step in steps] == ["swapoff", "umount", "mount"]
    assert steps[0] == "swapoff -a"
    assert steps[1].startswith("umount -a -r -t noproc,")
    assert steps[2] == "mount -o remount,ro /"
    assert [record.user for record in machine.wtmp()] == [b"shutdown"]


@pytest.mark.parametrize("time", ["soon", "25:00", "12:60", "+x", "", "-5x"])
def test_a_bad_time_is_one_line(machine: Machine, time: str) -> None:
    words = ("--", time) if time.startswith("-") else (time,)
    said = f"shutdown: fatal: bad time: {time}\n"
    assert machine.run("shutdown", "-r", *words) == (1, "", said)
    assert machine.told() == ""


@pytest.mark.parametrize("words", [(), ("-r",), ("-x", "now"), ("-t", "x", "now"), ("-n", "now")])
def test_a_wrong_command_line_is_usage(machine: Machine, words: tuple[str, ...]) -> None:
    code, output, said = machine.run("shutdown", *words)
    assert (code, output) == (1, "")
    assert "usage: " in said
    assert machine.told() == ""


def test_a_plain_user_is_told_so(machine: Machine) -> None:
    for words in (("-r", "now"), ("-c",)):
        said = "shutdown: must be superuser.\n"
        assert machine.run("shutdown", *words, user=65534) == (1, "", said)


def test_another_process_1_is_known_before_anybody_waits(machines: Callable[..., Machine]) -> None:
    machine = machines(comm="systemd")
    said = "shutdown: fatal: process 1 is not runit: systemd\n"
    for when in ("now", "+10"):
        assert machine.run("shutdown", "-r", when) == (1, "", said)


def test_a_missing_runlevel_is_known_before_anybody_waits(machine: Machine) -> None:
    (machine.root / "etc/runit/runsvdir/single").rmdir()
    said = "shutdown: fatal: /etc/runit/runsvdir/single: file does not exist\n"
    assert machine.run("shutdown", "+10") == (1, "", said)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_do_not_matter(machine: Machine, closed: str) -> None:
    machine.shell(f"{PROGRAMS}/shutdown -h +30 {closed}")
    assert machine.alive(waiter(machine))
    machine.shell(f"{PROGRAMS}/shutdown -c {closed}")
    machine.shell(f"{PROGRAMS}/shutdown -r now {closed}")
    assert machine.told() == "reboot"
