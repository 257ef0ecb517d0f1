"""Stage 2: the runlevel, the links that say which is current, rc.local, and runsvdir."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from staging import SHELLS, Machine, needs_namespaces

pytestmark = needs_namespaces

CURRENT = "/etc/runit/runsvdir/current"
LINKS = "/run/runit/runsvdir"


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """As `make install-lfs` leaves it, with a runlevel of the owner's."""
    made = Machine(tmp_path / "root", request.param)
    # Through the shell: /real/bin/env is what stage 2 itself calls.
    made.tools(runsvdir='/real/bin/env >/environment; echo "$2" >/directory; cd "$2" && pwd -P')
    made.files({"etc/runit/runsvdir/desktop": None, "run/runit": None, "etc/sv/sulogin": None})
    (made.root / CURRENT[1:]).symlink_to(f"{LINKS}/current")
    return made


def boot(machine: Machine, words: str = "", **environment: str) -> tuple[str, str]:
    """Run stage 2 until runsvdir; the directory that it is on, and standard error."""
    machine.files({"proc/cmdline": f"root=/dev/vda ro {words} quiet\n"})
    done = machine.run("/etc/runit/2", **environment)
    assert done.returncode == 0, done.stderr
    assert machine.read("directory") == CURRENT + "\n"
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ("", "multi"),
        ("desktop", "desktop"),
        ("softlevel=desktop", "desktop"),
        ("softlevel=single", "single"),
        ("desktop multi", "multi"),
        ("multi desktop", "desktop"),
        ("single desktop", "desktop"),
        ("current", "multi"),
        ("previous .. ../runsvdir *", "multi"),
        ("nosuch", "multi"),
        ("init=/sbin/runit-init", "multi"),
    ],
)
def test_the_command_line_names_the_runlevel(machine: Machine, words: str, level: str) -> None:
    assert boot(machine, words) == (f"/etc/runit/runsvdir/{level}", "")
    assert os.readlink(machine.root / CURRENT[1:]) == f"{LINKS}/current"


@pytest.mark.parametrize("name", ["nosuch", "../x", ".", "current"])
def test_a_runlevel_that_does_not_exist_is_told_and_the_machine_boots(
    machine: Machine, name: str
) -> None:
    directory, said = boot(machine, f"softlevel={name}")
    assert directory == "/etc/runit/runsvdir/multi"
    assert said == f"runit: stage 2: there is no runlevel {name}: booting to multi\n"


@pytest.mark.parametrize("word", ["single", "S", "1"])
@pytest.mark.parametrize(
    ("console", "services"),
    [
        ("tty0", {"sulogin"}),
        ("tty1", {"sulogin"}),
        ("tty0 ttyS0", {"sulogin", "agetty-tty1"}),
        ("ttyS0 tty1", {"sulogin"}),
    ],
)
def test_single_is_a_shell_on_the_console(
    machine: Machine, word: str, console: str, services: set[str]
) -> None:
    machine.files({"sys/class/tty/console/active": console + "\n"})
    directory, said = boot(machine, word)
    assert (directory, said) == (f"{LINKS}/single", "")
    links = {path.name: os.readlink(path) for path in (machine.root / directory[1:]).iterdir()}
    assert links == {name: f"/etc/sv/{name}" for name in services}


def test_a_container_knows_nothing_of_the_hosts_command_line(machine: Machine) -> None:
    assert boot(machine, "desktop single", container="x") == ("/etc/runit/runsvdir/multi", "")


def test_debians_default_is_taken_where_there_is_no_multi(machine: Machine) -> None:
    (machine.root / "etc/runit/runsvdir/multi").rmdir()
    machine.files({"etc/runit/runsvdir/default": None})
    assert boot(machine) == ("/etc/runit/runsvdir/default", "")


def test_the_runlevel_of_the_last_boot_is_forgotten(machine: Machine) -> None:
    current = machine.root / CURRENT[1:]
    current.unlink()
    current.symlink_to("single")
    (machine.root / "etc/runit/runsvdir/previous").symlink_to("multi")
    assert boot(machine) == ("/etc/runit/runsvdir/multi", "")
    assert os.readlink(current) == f"{LINKS}/current"
    assert not (machine.root / "etc/runit/runsvdir/previous").is_symlink()


def test_links_that_are_missing_are_made(machine: Machine) -> None:
    (machine.root / CURRENT[1:]).unlink()
    assert boot(machine) == ("/etc/runit/runsvdir/multi", "")


def test_a_stage_that_starts_again_changes_nothing(machine: Machine) -> None:
    machine.files({"etc/rc.local": "#!/bin/sh\necho local >>/calls\n"})
    boot(machine)
    current = machine.root / LINKS[1:] / "current"
    current.unlink()
    current.symlink_to("/etc/runit/runsvdir/desktop")
    assert boot(machine) == ("/etc/runit/runsvdir/desktop", "")
    assert machine.calls().count("local") == 1


READ_ONLY = """
mount --bind {root}/etc {root}/etc && mount -o remount,ro,bind {root}/etc && exec "$@"
"""


@pytest.mark.parametrize("link", [f"{LINKS}/current", "single", None])
def test_a_read_only_root(machine: Machine, link: str | None) -> None:
    current = machine.root / CURRENT[1:]
    current.unlink()
    if link:
        current.symlink_to(link)
    machine.prepare = READ_ONLY.format(root=shlex.quote(str(machine.root)))
    done = machine.run("/etc/runit/2")
    assert done.returncode == 0
    assert done.stdout == "/etc/runit/runsvdir/multi\n"
    if link == f"{LINKS}/current":
        assert done.stderr == ""
    else:
        told = f"{CURRENT} cannot be changed: {LINKS}/current is used"
        assert done.stderr == f"runit: stage 2: {told}\n"


# rc.local


def test_rc_local_runs_before_runsvdir_and_may_fail(machine: Machine) -> None:
    machine.files({"etc/rc.local": "#!/bin/sh\necho local >>/calls\nexit 3\n"})
    boot(machine)
    assert [call.split()[0] for call in machine.calls("local", "runsvdir")] == ["local", "runsvdir"]


def test_an_rc_local_that_is_not_executable_is_left_alone(machine: Machine) -> None:
    machine.files({"etc/rc.local": "echo local >>/calls\n"})
    assert boot(machine)[1] == ""
    assert machine.calls("local") == []


def test_an_rc_local_that_cannot_be_run_does_not_end_the_boot(machine: Machine) -> None:
    machine.files({"etc/rc.local": "#!/no/such/shell\n"})
    assert "rc.local" in boot(machine)[1]


# runsvdir


def test_services_get_a_clean_environment_and_a_log_for_ps(machine: Machine) -> None:
    boot(machine, TERM="linux", softlevel="x")
    environment = dict(line.split("=", 1) for line in machine.read("environment").splitlines())
    assert set(environment) <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert environment["PATH"].startswith("/usr/local/sbin:")
    call = machine.calls("runsvdir")[-1]
    assert call.startswith(f"runsvdir -P {CURRENT} log: ....")
    assert len(call) > 300


def test_in_a_container_the_environment_and_standard_error_are_kept(machine: Machine) -> None:
    boot(machine, container="x", GREETING="hello")
    assert "GREETING=hello" in machine.read("environment").splitlines()
    assert machine.calls("runsvdir") == [f"runsvdir -P {CURRENT}"]
