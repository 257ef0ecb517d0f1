"""The check of file systems in stage 1: when, what fsck's exit codes mean, and a real one."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from staging import SHELLS, Machine, needs_namespaces

pytestmark = needs_namespaces

ROOT = "/dev/vda / ext4 defaults 0 1\n"
HOME = "/dev/vdb /home ext4 defaults 0 2\n"


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", request.param)
    made.tools("mount", "fsck.ext4", "swapon", sulogin="echo in the shell")
    (made.root / "etc/runit/reboot").symlink_to("/run/runit/reboot")
    return made


def boot(machine: Machine, code: int, fstab: str = ROOT + HOME, only: str = "") -> tuple[int, str]:
    """Run stage 1 where fsck ends with CODE (for file system ONLY); exit code and output."""
    body = f'[ "$2" = "{only}" ] || [ "$3" = "{only}" ] || exit 0\n' if only else ""
    machine.tools(fsck=f"{body}exit {code}")
    machine.files({"etc/fstab": fstab})
    done = machine.run("/etc/runit/1")
    return done.returncode, done.stdout + done.stderr


def restarts(machine: Machine) -> bool:
    """Whether stage 1 asked for a restart, by the flag of process 1."""
    flag = machine.root / "run/runit/reboot"
    return flag.exists() and bool(flag.stat().st_mode & stat.S_IXUSR)


def test_a_clean_root_and_clean_others(machine: Machine) -> None:
    assert boot(machine, 0) == (0, "")
    assert machine.calls("fsck", "mount")[-4:] == [
        "fsck -T -a /",
        "fsck -A -R -M -T -a",
        "mount -o remount,rw /",
        machine.calls("mount")[-1],
    ]


def test_corrected_errors_are_told(machine: Machine) -> None:
    code, said = boot(machine, 1)
    assert (code, restarts(machine)) == (0, False)
    assert "/: errors were found and corrected" in said


@pytest.mark.parametrize("code", [2, 3])
def test_the_machine_restarts_where_fsck_wants_it(machine: Machine, code: int) -> None:
    ended, said = boot(machine, code)
    assert (ended, restarts(machine)) == (100, True)
    assert "has to start again" in said
    assert "mount -o remount,rw /" not in machine.calls()


@pytest.mark.parametrize("code", [4, 6, 12])
def test_a_root_with_errors_gives_a_shell_and_then_restarts(machine: Machine, code: int) -> None:
    ended, said = boot(machine, code)
    assert (ended, restarts(machine)) == (100, True)
    assert f"run fsck by hand ({code})" in said
    if machine.shell != "ash":  # which has a sulogin of its own
        assert "in the shell" in said


@pytest.mark.parametrize("code", [4, 8, 16])
def test_another_one_with_errors_gives_a_shell_and_the_boot_goes_on(
    machine: Machine, code: int
) -> None:
    machine.files({"dev/fake": ""})
    (machine.root / "dev/vdb").touch()
    os.mknod(machine.root / "dev/vda", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    (machine.root / "dev/vdb").unlink()
    os.mknod(machine.root / "dev/vdb", stat.S_IFBLK | 0o600, os.makedev(7, 251))
    ended, said = boot(machine, code, only="-R")
    assert (ended, restarts(machine)) == (0, False)
    assert f"run fsck by hand ({code})" in said
    assert "mount -o remount,rw /" in machine.calls()


def test_a_device_that_is_not_there_costs_a_line(machine: Machine) -> None:
    os.mknod(machine.root / "dev/vda", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    ended, said = boot(machine, 8, ROOT + "UUID=a-b /home ext4 defaults 0 2\n", only="-R")
    assert ended == 0
    assert "/dev/disk/by-uuid/a-b of /etc/fstab is missing (8)" in said
    assert "shell" not in said


def test_a_cancelled_check_is_told(machine: Machine) -> None:
    ended, said = boot(machine, 32)
    assert (ended, restarts(machine)) == (0, False)
    assert "the check was cancelled" in said


@pytest.mark.parametrize(
    ("file", "words", "calls"),
    [
        ("forcefsck", "", ["fsck -T -a -f /"]),
        ("", "forcefsck", ["fsck -T -a -f /"]),
        ("", "fsck.mode=force", ["fsck -T -a -f /"]),
        ("fastboot", "", []),
        ("", "fastboot", []),
        ("", "fsck.mode=skip", []),
        ("", "fastbooting", ["fsck -T -a /"]),
        ("run/initramfs/fsck-root", "", []),
    ],
)
def test_a_check_can_be_forced_or_left_out(
    machine: Machine, file: str, words: str, calls: list[str]
) -> None:
    machine.files({"proc/cmdline": f"root=/dev/vda {words} ro\n"})
    if file:
        machine.files({file: ""})
    assert boot(machine, 0, ROOT)[0] == 0
    assert machine.calls("fsck") == calls


@pytest.mark.parametrize(
    ("fstab", "calls"),
    [
        ("", []),
        ("/dev/vda / ext4 defaults 0 0\n", []),
        ("/dev/vda / ext4 defaults\n", []),
        (HOME, ["fsck -A -R -M -T -a"]),
        ("/dev/vdb /home ext4 noauto 0 2\n", []),
        ("/dev/vda / xyz defaults 0 1\n", []),
    ],
)
def test_fstab_says_what_is_checked(machine: Machine, fstab: str, calls: list[str]) -> None:
    assert boot(machine, 0, fstab) == (0, "")
    assert machine.calls("fsck") == calls


def test_a_root_that_is_writable_is_made_read_only_first(machine: Machine) -> None:
    machine.files({"proc/self/mounts": "/dev/vda / ext4 rw 0 0\n"})
    boot(machine, 0, ROOT)
    calls = machine.calls("fsck", "mount")
    place = calls.index("fsck -T -a /")
    assert calls[place - 1] == "mount -o remount,ro /"
    machine.tools(mount='[ "$2" != remount,ro ]')
    machine.files({"calls": ""})
    assert "is in use: it is not checked" in boot(machine, 0, ROOT)[1]
    assert machine.calls("fsck") == []


@pytest.mark.parametrize("damage", ["none", "small", "large"])
def test_a_real_file_system_is_checked(tmp_path: Path, damage: str) -> None:
    needed = ("mke2fs", "e2fsck", "fsck", "debugfs")
    if any(shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin") is None for tool in needed):
        pytest.skip("e2fsprogs or fsck is not installed")
    machine = Machine(tmp_path / "root")
    machine.tools("mount", sulogin="echo in the shell")
    for name in ("fsck", "fsck.ext4"):
        (machine.root / "usr/sbin" / name).symlink_to(f"/real/sbin/{name}")
    disk = machine.root / "disk"
    disk.touch()
    os.truncate(disk, 4 << 20)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", disk], check=True, env=environment)
    changes = {
        "none": [],
        "small": ["set_super_value free_blocks_count 7", "set_super_value state 0"],
        "large": ["clri <2>", "set_super_value state 0"],
    }
    for change in changes[damage]:
        subprocess.run(
            ["debugfs", "-w", "-R", change, disk], check=True, env=environment, capture_output=True
        )
    machine.files({"etc/fstab": "/disk /home ext4 defaults 0 2\n"})
    done = machine.run("/etc/runit/1")
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert (": clean," in said) == (damage == "none"), said
    assert ("errors were found and corrected" in said) == (damage == "small"), said
    assert ("in the shell" in said) == (damage == "large"), said
