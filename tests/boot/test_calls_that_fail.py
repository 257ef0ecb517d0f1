"""The commands of the old world where the kernel, or what is in their way, says no."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from oldworld import INTERRUPT, PROGRAMS, Machine
from support import needs, wait_for

pytestmark = needs("strace")

LINK = "/etc/runit/runsvdir/current"
FORKS = "clone,clone3,fork,vfork"


def failing(
    machine: Machine, inject: str, *words: str, path: str = "", user: int | None = None
) -> tuple[int, str, str] | None:
    """Run one of the programs where calls fail as INJECT says, those about PATH only.

    None if the machine ends.
    """
    trace = ["strace", "-f", "-qqo/dev/null", *([f"-P{path}"] if path else [])]
    trace += [f"-etrace={inject.partition(':')[0]}", f"-einject={inject}"]
    done = machine.ask(run=[*trace, f"{PROGRAMS}/{words[0]}", *words[1:]], user=user)
    return done and tuple(done)


def make_directory(machine: Machine, name: str) -> None:
    """Have a directory where the file NAME was: it can be opened, but not written."""
    (machine.root / name).unlink()
    (machine.root / name).mkdir()


def waiter(machine: Machine) -> int:
    """The pid of the shutdown that waits."""
    return int((machine.root / "run/shutdown.pid").read_text().split("\n")[0] or 0)


# halt


def test_halt_tells_that_the_kernel_refuses(machine: Machine) -> None:
    make_directory(machine, "var/log/wtmp")
    said = (
        "halt: warning: unable to write: /var/log/wtmp: is a directory\n"
        "halt: fatal: unable to halt: permission denied\n"
    )
    assert failing(machine, "reboot:error=EPERM", "halt", "-f") == (1, "", said)


def test_h_stops_the_motors_of_disks_only(machine: Machine) -> None:
    disks = ("loop0", "sda", "sdb", "hdc")
    for name in disks:
        (machine.root / "sys/block" / name).mkdir(parents=True)
    (machine.root / "devices").mkdir()
    for name in ("null", "loop0", "sda", "hdc"):
        (machine.root / "devices" / name).touch()
    machine.shell("mount --bind /devices /dev")
    trace = ["strace", "-yyqqo/calls", "-eioctl", f"{PROGRAMS}/halt", "-fhd"]
    machine.ask(run=trace)
    assert machine.end() == INTERRUPT
    calls = [
        line
        for line in (machine.root / "calls").read_text().splitlines()
        if "0x31f" in line.lower() or "HDIO" in line
    ]
    assert sorted(line.partition("<")[2].partition(">")[0] for line in calls) == [
        "/dev/hdc",
        "/dev/sda",
    ]


@needs("ip")
def test_i_takes_interfaces_down_but_for_the_loopback(machine: Machine) -> None:
    made = "ip link set lo up; ip link add one type bridge && ip link set one up"
    if machine.ask(run=["sh", "-c", made])[0]:
        pytest.skip("no interface can be made here")
    inject = ["strace", "-qqo/dev/null", "-ereboot", "-einject=reboot:error=EPERM"]
    machine.ask(run=[*inject, f"{PROGRAMS}/halt", "-fid"])
    up = [line.split()[1] for line in machine.shell("ip -o link show up").splitlines()]
    assert up == ["lo:"]


def test_i_goes_on_where_interfaces_cannot_be_had(machine: Machine) -> None:
    failing(machine, "socket:error=EAFNOSUPPORT", "halt", "-fid")
    assert machine.end() == INTERRUPT


def test_i_goes_on_where_interfaces_cannot_be_changed(machine: Machine) -> None:
    machine.ask(run=["sh", "-c", "ip link add one type bridge"])
    machine.ask(run=["setpriv", "--bounding-set=-net_admin", f"{PROGRAMS}/halt", "-fid"])
    assert machine.end() == INTERRUPT


@pytest.mark.parametrize("inject", ["write:error=ENOSPC", "write:retval=10"])
def test_a_record_for_which_there_is_no_room_is_none(machine: Machine, inject: str) -> None:
    said = "halt: fatal: unable to write: /var/log/wtmp: out of disk space\n"
    assert failing(machine, inject, "halt", "-w", path="/var/log/wtmp") == (1, "", said)
    assert machine.wtmp() == []


def test_a_user_is_told_so_too_where_nobody_knows_whose_process_1_is(machine: Machine) -> None:
    inject = "stat,newfstatat,statx:error=ENOENT"
    done = failing(machine, inject, "halt", path="/proc/1", user=65534)
    assert done == (1, "", "halt: must be superuser.\n")


def test_process_1_is_asked_where_nobody_knows_its_name(machine: Machine) -> None:
    assert failing(machine, "openat:error=ENOENT", "halt", path="/proc/1/comm") == (0, "", "")
    assert machine.told() == "off"


def test_a_process_1_that_cannot_be_signalled_is_told(machine: Machine) -> None:
    said = "halt: fatal: unable to signal process 1: permission denied\n"
    assert failing(machine, "kill:error=EPERM", "halt") == (1, "", said)


# telinit


def test_the_runlevel_changes_where_it_can_be_noted_nowhere(machine: Machine) -> None:
    make_directory(machine, "run/utmp")
    assert machine.run("telinit", "1") == (0, "", "")
    assert machine.run("runlevel") == (0, "multi single\n", "")


def test_the_time_for_stage_3_is_written_anew(machine: Machine) -> None:
    for seconds in ("10", "5"):
        assert machine.run("telinit", "-t", seconds, "0") == (0, "", "")
    assert (machine.root / "run/runit/killwait").read_text() == "5\n"


# shutdown


def test_n_tells_that_the_kernel_refuses(machine: Machine) -> None:
    """And goes on until then, whatever fails on the way."""
    make_directory(machine, "var/log/wtmp")
    trace = ["strace", "-fqqo/calls", f"-etrace=reboot,{FORKS}", "-einject=reboot:error=EPERM"]
    trace += [f"-einject={FORKS}:error=EAGAIN"]
    words = [f"{PROGRAMS}/shutdown", "-n", "-H", "-t", "0", "now"]
    code, _, said = machine.ask(run=[*trace, *words])
    assert (code, said) == (1, "shutdown: fatal: unable to go down: permission denied\n")
    assert "LINUX_REBOOT_CMD_HALT" in (machine.root / "calls").read_text()


def test_n_ends_where_the_kernel_takes_its_time(machine: Machine) -> None:
    machine.replace_tools()
    assert failing(machine, "reboot:retval=0", "shutdown", "-nht0", "now") == (0, "", "")


def test_people_are_told_that_it_failed_where_nobody_reads_its_errors(machine: Machine) -> None:
    said = "shutdown: fatal: unable to signal process 1: permission denied\n"
    trace = ["strace", "-fqqo/dev/null", "-ekill", "-einject=kill:error=EPERM", "setsid", "-w"]
    code, _, errors = machine.ask(run=[*trace, f"{PROGRAMS}/shutdown", "-h", "now"])
    assert (code, errors) == (1, said)
    machine.console.read(said.replace("\n", "\r\n").encode())


def test_a_list_of_users_that_cannot_be_read_is_told(machine: Machine) -> None:
    (machine.root / "etc/shutdown.allow").symlink_to("shutdown.allow")
    code, _, said = machine.run("shutdown", "-a", "-h", "now")
    assert code == 1
    assert said.startswith("shutdown: fatal: unable to open: /etc/shutdown.allow: ")
    assert machine.told() == ""


@pytest.mark.parametrize(
    ("inject", "words"),
    [
        (f"{FORKS}:error=EAGAIN", "unable to fork: temporary failure"),
        ("umask:error=EPERM", "unable to wait in the background"),
        ("flock:error=ENOLCK", "unable to lock: /run/shutdown.pid: "),
    ],
)
def test_what_keeps_it_from_waiting_is_told(machine: Machine, inject: str, words: str) -> None:
    code, _, said = failing(machine, inject, "shutdown", "-h", "+5")
    assert (code, said.partition(words)[0]) == (1, "shutdown: fatal: "), said
    assert machine.run("shutdown", "-c") == (1, "", "shutdown: not running.\n")


def test_it_goes_on_without_dev_null(machine: Machine) -> None:
    done = failing(machine, "openat:error=ENOENT", "shutdown", "-r", "now", path="/dev/null")
    assert done == (0, "", "")
    assert machine.told() == "reboot"


def test_it_goes_on_where_its_pid_cannot_be_written(machine: Machine) -> None:
    inject = "pread64,pwrite64:error=ENOSPC"
    assert failing(machine, inject, "shutdown", "-r", "now", path="/run/shutdown.pid")[0] == 0
    assert machine.told() == "reboot"


def test_a_file_that_cannot_be_made_is_a_warning(machine: Machine) -> None:
    (machine.root / "fastboot").mkdir()
    said = "shutdown: warning: unable to create: /fastboot: is a directory\n"
    assert machine.run("shutdown", "-f", "-h", "now") == (0, "", said)
    assert machine.told() == "off"


def test_a_time_of_day_is_waited_for(machine: Machine) -> None:
    assert machine.run("shutdown", "-k", "12:34") == (0, "", "")
    assert machine.run("shutdown", "-c") == (0, "", "")


def test_the_console_is_told_where_utmp_cannot_be_read(machine: Machine) -> None:
    make_directory(machine, "run/utmp")
    assert machine.run("shutdown", "-k", "now") == (0, "", "")
    machine.console.read(b"NOW!\r\n")


def test_a_terminal_that_takes_nothing_is_no_reason_to_stay(machine: Machine) -> None:
    done = failing(machine, "write:error=EIO", "shutdown", "-h", "now", path="/dev/console")
    assert done == (0, "", "")
    assert machine.told() == "off"


def test_logins_are_barred_where_that_can_be_done(machine: Machine) -> None:
    machine.shell("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    barring = machine.root / "run/nologin"
    machine.run("shutdown", "-h", "+3")
    wait_for(barring.exists, "nologin")
    assert not (machine.root / "etc/nologin").exists()
    barring.unlink()  # whoever did that does not keep it from being cancelled
    assert machine.run("shutdown", "-c") == (0, "", "")


def test_c_tells_that_it_cannot_find_whom_to_cancel(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+30")
    said = "shutdown: fatal: cannot find pid of running shutdown\n"
    assert failing(machine, "pidfd_open:error=ESRCH", "shutdown", "-c") == (1, "", said)
    assert machine.run("shutdown", "-c") == (0, "", "")


def test_c_tells_who_does_not_end(machine: Machine) -> None:
    machine.run("shutdown", "-h", "+30")
    pid = waiter(machine)
    machine.kill(pid, signal.SIGSTOP)
    said = f"shutdown: fatal: process {pid} does not end\n"
    assert failing(machine, "poll:retval=0", "shutdown", "-c") == (1, "", said)
    machine.kill(pid, signal.SIGKILL)


# killall5


@pytest.mark.parametrize(
    ("inject", "what"),
    [
        ("kill:error=ESRCH", ""),
        ("getsid:error=ESRCH:when=2+", ""),
        ("openat:error=ESRCH", "stat"),
        ("openat:error=ESRCH:when=2+", "stat"),
    ],
)
def test_who_ends_meanwhile_is_not_counted(either_world: Machine, inject: str, what: str) -> None:
    pid = either_world.start("sh", "-c", "echo; exec sleep 1000")
    path = f"/proc/{pid}/{what}" if what else ""
    code, output, said = failing(either_world, inject, "killall5", "-t", "1", path=path)
    assert code in (0, 2), (output, said)
    assert (output, said) == ("", "")


def test_who_ends_before_he_is_waited_for_is_looked_for_again(
    machines: Callable[..., Machine], bare_world: Path
) -> None:
    machine = machines(bare_world)
    pid = machine.start("sh", "-c", "trap '' TERM; echo; while :; do sleep 1000; done")
    done = failing(machine, "pidfd_open:error=ESRCH", "killall5", "-t", "1")
    assert done == (0, "", "")
    assert not machine.alive(pid)


# runlevel


def test_runlevel_looks_where_runsvdir_is_told_to(machine: Machine) -> None:
    (machine.root / "levels").mkdir()
    (machine.root / "levels/current").symlink_to("some")
    done = machine.ask(run=[f"{PROGRAMS}/runlevel"], env={"RUNSVDIR": "/levels"})
    assert done == [0, "N some\n", ""]
