"""The base system's service directories: how each of them is run, and ends."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from staging import CHECKOUT, SHELLS, Machine, needs_namespaces

SV = CHECKOUT / "sv"
NAMES = [*(f"agetty-tty{number}" for number in range(1, 7)), "agetty-serial", "sulogin"]
NAMES += ["update-cache"]
SCRIPTS = [SV / name / script for name in NAMES for script in ("run", "finish")]
SCRIPTS = [path for path in SCRIPTS if path.exists()]
IDS = [str(path.relative_to(SV)) for path in SCRIPTS]


@pytest.mark.parametrize("name", NAMES)
def test_supervise_is_a_link_into_run(name: str) -> None:
    assert os.readlink(SV / name / "supervise") == f"/run/runit/supervise.{name}"
    assert os.access(SV / name / "run", os.X_OK)


@pytest.mark.parametrize("path", SCRIPTS, ids=IDS)
@pytest.mark.parametrize("shell", [["dash"], ["busybox", "ash"], ["bash", "--posix"]], ids=" ".join)
def test_every_shell_can_read_it(shell: list[str], path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run([*shell, "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_shellcheck_has_no_complaint() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_all_virtual_terminals_are_served_alike() -> None:
    for script in ("run", "finish"):
        assert len({(SV / f"agetty-tty{n}" / script).read_bytes() for n in range(1, 7)}) == 1


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", request.param)
    for name in NAMES:
        shutil.copytree(SV / name, made.root / "etc/sv" / name, symlinks=True)
        made.files({f"run/runit/supervise.{name}": None})
        os.mkfifo(made.root / f"run/runit/supervise.{name}/control")
    made.tools("agetty", "setsid", "utmpset", "pause", "runsvchdir", "ldconfig", "mandb")
    made.tools(setsid='exec "$@"')
    os.mknod(made.root / "dev/tty3", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    return made


def run(machine: Machine, name: str, *arguments: str, **environment: str) -> tuple[list[str], str]:
    """Run a script as runsv does; what it called, what it said and wrote to `control`.

    Somebody holds `control` open all the time, as runsv does.
    """
    machine.files({"calls": ""})
    service, _, script = name.partition("/")
    control = machine.root / f"run/runit/supervise.{service}/control"
    reader = os.open(control, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(control, os.O_WRONLY)
    try:
        command = f"cd /etc/sv/{service} && exec ./{script} {' '.join(arguments)}"
        done = machine.run("/bin/sh", "-c", command, **environment)
        os.write(writer, b"|")
        told = os.read(reader, 100).decode().rstrip("|")
    finally:
        os.close(reader)
        os.close(writer)
    machine.told = told
    return machine.calls(), done.stdout + done.stderr


def own(calls: list[str]) -> list[str]:
    """Without setsid, which busybox does itself."""
    return [call for call in calls if not call.startswith("setsid")]


@needs_namespaces
def test_a_terminal_gets_a_getty(machine: Machine) -> None:
    calls, said = run(machine, "agetty-tty3/run")
    assert (own(calls), said, machine.told) == (["agetty --noclear tty3 linux"], "", "")
    machine.files({"etc/sv/agetty-tty3/conf": "ARGS='--autologin joe'\n"})
    assert own(run(machine, "agetty-tty3/run")[0]) == ["agetty --autologin joe tty3 linux"]


@needs_namespaces
def test_a_terminal_that_is_not_there_is_down_after_one_line(machine: Machine) -> None:
    calls, said = run(machine, "agetty-tty4/run")
    assert (calls, said) == ([], "agetty-tty4: /dev/tty4 does not exist\n")
    assert machine.told == "d"


@needs_namespaces
def test_a_logout_is_noted_but_not_on_the_way_down(machine: Machine) -> None:
    assert run(machine, "agetty-tty3/finish", "0", "0")[0] == ["utmpset -w tty3"]
    machine.files({"run/runit/stopping": ""})
    assert run(machine, "agetty-tty3/finish", "0", "0")[0] == []


@needs_namespaces
@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("console=tty0 console=ttyS0,115200n8", "ttyS0 115200,38400,9600 vt102"),
        ("console=ttyS0", "ttyS0 115200,38400,9600 vt102"),
        ("console=ttyS0,9600 console=tty1", "ttyS0 9600,38400,9600 vt102"),
        ("console=hvc0", "hvc0 115200,38400,9600 vt102"),
        ("console=tty1", ""),
        ("console=ttyS9", "missing"),
        ("root=/dev/vda", ""),
    ],
)
def test_the_serial_line_that_the_kernel_uses(machine: Machine, words: str, call: str) -> None:
    for name in ("ttyS0", "hvc0"):
        os.mknod(machine.root / "dev" / name, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    machine.files({"proc/cmdline": f"ro {words} quiet\n"})
    calls, said = run(machine, "agetty-serial/run")
    if call in ("", "missing"):
        assert (calls, machine.told) == ([], "d")
        assert said == ("agetty-serial: /dev/ttyS9 does not exist\n" if call else "")
    else:
        assert (own(calls), said, machine.told) == ([f"agetty --keep-baud {call}"], "", "")
        assert run(machine, "agetty-serial/finish")[0] == [f"utmpset -w {call.split()[0]}"]


@needs_namespaces
def test_in_a_container_there_is_no_serial_line(machine: Machine) -> None:
    os.mknod(machine.root / "dev/ttyS0", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    machine.files({"proc/cmdline": "console=ttyS0\n"})
    assert run(machine, "agetty-serial/run", container="x") == ([], "")
    assert machine.told == "d"


@needs_namespaces
def test_leaving_the_rescue_shell_goes_on_to_multi(machine: Machine) -> None:
    calls, said = run(machine, "sulogin/finish", "0", "0")
    assert (calls, said) == (["runsvchdir /etc/runit/runsvdir/multi"], "")
    machine.files({"run/runit/stopping": ""})
    assert run(machine, "sulogin/finish", "0", "0")[0] == []


@needs_namespaces
def test_the_rescue_shell_is_on_the_console(machine: Machine) -> None:
    if machine.shell == "ash":
        pytest.skip("busybox has a sulogin of its own")
    machine.tools(sulogin="echo hello")
    machine.files({"dev/console": ""})
    assert own(run(machine, "sulogin/run")[0]) == ["sulogin"]
    assert machine.read("dev/console") == "hello\n"


@needs_namespaces
def test_caches_are_brought_up_to_date_one_after_the_other(machine: Machine) -> None:
    machine.tools(ldconfig="exit 1")
    calls, said = run(machine, "update-cache/run")
    assert (calls, said) == (["ldconfig", "mandb --quiet", "pause"], "")
