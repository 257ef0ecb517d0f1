"""A system such as Linux From Scratch 12 builds: it boots, serves and goes down."""

from __future__ import annotations

import re

import pytest
from guests import Boot, alarms, clean, everything_is_up
from qemu import Guest


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    guest = boot("lfs")
    guest.login()
    return guest


def test_everything_is_up(guest: Guest) -> None:
    everything_is_up(guest)
    assert alarms(guest) == []


def test_its_shell_is_bash_and_its_udev_is_where_lfs_has_it(guest: Guest) -> None:
    assert guest.run("readlink /bin/sh") == "bash"
    assert guest.run("readlink /proc/$(pgrep -xo udevd)/exe").endswith("udevadm")


def test_what_etc_sysconfig_says_was_done(guest: Guest) -> None:
    assert guest.run("cat /proc/sys/kernel/hostname") == "scratch"
    assert guest.run("stat -c '%a %F' /tmp/.made-at-boot /var/made-at-boot").splitlines() == [
        "1777 directory",
        "640 regular empty file",
    ]
    assert "dummy1" in guest.run("ls /sys/class/net")
    assert guest.run("cut -f1 /proc/sys/kernel/printk") == "4"
    assert re.search(r"^\s*keycode +21 = z", guest.run("dumpkeys </dev/tty1"), re.M)


def test_what_fstab_says_is_mounted_once(guest: Guest) -> None:
    mounts = guest.run("cat /proc/mounts")
    for place in ("/proc", "/sys", "/run", "/dev", "/dev/pts", "/dev/shm", "/sys/fs/cgroup"):
        assert len(re.findall(rf"^\S+ {place} ", mounts, re.M)) == 1, place


def test_syslogd_runs_without_klogd(guest: Guest) -> None:
    guest.run("logger -t test a word to syslogd")
    guest.until("grep -rh 'a word to syslogd' /var/log")


def test_it_serves(guest: Guest) -> None:
    assert guest.ssh("cat /proc/1/comm") == "runit\n"


def test_halt_goes_through_stage_3_and_leaves_it_clean(guest: Guest) -> None:
    guest.send("halt -p\n")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.wait_off()
    assert clean(guest.image)
    assert alarms(guest) == []
