"""A Debian without another init: booted, used, mistreated, rebooted and powered off.

One guest for the whole module.  Each test leaves it as the next expects it: logged
in on the serial line, in the runlevel multi, with everything up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from guests import CURRENT, Boot, alarms, clean, comes_back, everything_is_up, pid
from qemu import BUILD, Guest

SERVICES = ("agetty-serial", "agetty-tty1", "agetty-tty6", "cron", "dbus", "nginx", "sshd")
SERVED = Path(__file__).with_name("served_in_guest.py").read_text()
SOURCE = "/usr/src/pyrunit"
STATE = (
    "{ find /etc/sv /etc/runit /run/runit ! -name '*.new' | sort"
    f"; head {CURRENT}/*/supervise/pid; }}"
)
"""What is installed, and what runs: compared in the guest, whose kernel talks in between."""


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    guest = boot("debian", files={"/served": SERVED})
    guest.login()
    return guest


def test_stage_1_says_nothing_that_is_wrong(guest: Guest) -> None:
    assert re.search(r"enter stage: /etc/runit/1\n", guest.transcript())
    assert re.search(r"leave stage: /etc/runit/1\n", guest.transcript())
    assert alarms(guest) == []


def test_everything_in_the_runlevel_is_up(guest: Guest) -> None:
    said = everything_is_up(guest)
    for service in SERVICES:
        assert re.search(rf"^run: {CURRENT}/{service}: \(pid \d+\)", said, re.M)


def test_process_1_is_called_runit(guest: Guest) -> None:
    assert guest.run("cat /proc/1/comm") == "runit"


def test_the_machine_is_set_up(guest: Guest) -> None:
    assert guest.run("cat /proc/sys/kernel/hostname") == "guest"
    mounts = guest.run("cat /proc/mounts")
    assert re.search(r"^\S+ / ext4 rw", mounts, re.M)
    for place in ("/proc", "/sys", "/run", "/dev", "/dev/pts", "/dev/shm", "/sys/fs/cgroup"):
        assert re.search(rf"^\S+ {place} ", mounts, re.M), place
    assert "127.0.0.1" in guest.run("ip address show dev lo up")
    assert guest.run("cat /run/rc.local") == "once"


def test_root_logs_in_by_ssh(guest: Guest) -> None:
    guest.until("ip address show eth0", "10.0.2.15")
    assert guest.ssh("cat /proc/1/comm; id -un") == "runit\nroot\n"


def test_services_answer(guest: Guest) -> None:
    said = guest.run("exec 3<>/dev/tcp/127.0.0.1/80; echo 'HEAD / HTTP/1.0\n' >&3; head -1 <&3")
    assert "200 OK" in said


@pytest.fixture
def without_nginx(guest: Guest) -> Iterator[None]:
    """The image's own service for nginx is away for a while: make would not touch it."""
    everything_is_up(guest)
    guest.run(f"rm {CURRENT}/nginx")
    guest.until("! pgrep -fx 'runsv nginx'")
    guest.run("mv /etc/sv/nginx /root/nginx")
    yield
    guest.run(f"mv /root/nginx /etc/sv/nginx && ln -s /etc/sv/nginx {CURRENT}/")
    guest.until(f"sv status {CURRENT}/nginx", "^run: ")


@pytest.mark.usefixtures("without_nginx")
def test_make_installs_nginx_and_takes_away_only_its_own(guest: Guest) -> None:
    guest.run(f"{STATE} >/run/before && ! grep nginx /run/before")
    assert "refused" in guest.run("(exec 3<>/dev/tcp/127.0.0.1/80)", code=1)

    said = guest.run(f"cd {SOURCE} && /served make install-nginx")
    told = re.search(r"make install-nginx took \d+ ms, .* answered \d+ ms later", said)
    assert told, said
    (BUILD / "served").write_text(f"in a booted guest: {told.group()}\n")  # make prints it
    up = r"^run: nginx: \(pid \d+\) \d+s; run: log: \(pid \d+\) \d+s$"
    assert re.search(up, guest.run("sv status nginx"), re.M)
    parent = f"ps -o ppid= -p {pid(guest, 'nginx')}"
    guest.run(f"ps -o args= -p $({parent}) | grep -x 'runsv nginx'")

    guest.run(f"cd {SOURCE} && make uninstall-nginx")
    guest.run("pgrep -x nginx", code=1)
    assert "refused" in guest.run("(exec 3<>/dev/tcp/127.0.0.1/80)", code=1)
    guest.run(f"{STATE} | diff /run/before -")


def test_a_killed_service_comes_back(guest: Guest) -> None:
    former = pid(guest, "sshd")
    guest.run(f"kill -9 {former}")
    comes_back(guest, "sshd", former)


def test_a_killed_runsv_comes_back_and_its_service_is_one(guest: Guest) -> None:
    guest.run("kill -9 $(pgrep -f '^runsv nginx')")
    guest.until(f"pgrep -fx 'runsv nginx' && sv status {CURRENT}/nginx", "^run: ")
    guest.until("test $(pgrep -fc '^nginx: master') = 1 && echo one", "one")


def test_a_killed_stage_2_comes_back_and_services_go_on(guest: Guest) -> None:
    guest.provoked.append(r"child crashed: /etc/runit/2|processes in stage 2|restarting")
    former = pid(guest, "sshd")
    # Not by run, which would take in what process 1 says before the next prompt.
    guest.send("cp /run/rc.local /run/rc.local.before; kill -9 $(pgrep -P 1 -x runsvdir)\n")
    guest.expect(r"enter stage: /etc/runit/2\n")
    guest.until("pgrep -P 1 -x runsvdir")
    everything_is_up(guest)
    assert pid(guest, "sshd") == former
    assert guest.run("cat /run/rc.local") == "once"


def test_a_change_of_runlevel_leaves_what_both_have(guest: Guest) -> None:
    former = pid(guest, "agetty-tty1")
    guest.run("runsvchdir single")
    guest.until("! pgrep -x sshd && ! pgrep -x cron && ! pgrep -f '^runsv nginx'")
    assert guest.run("runlevel") == "multi single"
    assert pid(guest, "agetty-tty1") == former
    assert guest.run("ls -1 /etc/runit/runsvdir/current") == "agetty-serial\nagetty-tty1"
    guest.run("telinit 3")
    everything_is_up(guest)
    assert guest.run("runlevel") == "single multi"
    assert pid(guest, "agetty-tty1") == former


def test_a_shutdown_is_announced_and_cancelled(guest: Guest) -> None:
    guest.send("shutdown -h +1 going to bed\n")
    guest.expect("going to bed")
    guest.until("ls /run/nologin /etc/nologin 2>/dev/null | grep nologin")
    guest.run("shutdown -c staying up")
    guest.until("! test -e /run/nologin && ! test -e /etc/nologin")
    guest.until("! pgrep -f shutdown")


def test_ctrl_alt_del_reboots(guest: Guest) -> None:
    guest.press("ctrl-alt-delete")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.expect(r"leave stage: /etc/runit/3\n")
    guest.expect(r"enter stage: /etc/runit/1\n")
    guest.login()
    everything_is_up(guest)


def test_shutdown_reboots_and_the_file_system_is_clean(guest: Guest) -> None:
    guest.send("shutdown -r now\n")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.expect(r"reboot: Restarting system")
    guest.expect(r"EXT4-fs \(vda\): mounted filesystem")
    assert "recovery" not in guest.transcript()
    guest.login()
    everything_is_up(guest)


def test_wtmp_tells_of_the_reboots(guest: Guest) -> None:
    said = guest.run("last -x")
    assert len(re.findall(r"^reboot +system boot ", said, re.M)) == 3
    assert len(re.findall(r"^shutdown +system down ", said, re.M)) == 2


def test_a_forced_reboot_runs_no_stage_3(guest: Guest) -> None:
    guest.run("sync")
    before = guest.transcript().count("enter stage: /etc/runit/3")
    guest.provoked.append(r"EXT4-fs \(vda\): .*recovery|recovering journal")
    guest.send("reboot -f\n")
    guest.expect(r"enter stage: /etc/runit/1\n")
    assert guest.transcript().count("enter stage: /etc/runit/3") == before
    guest.login()
    everything_is_up(guest)


def test_poweroff_ends_it_and_leaves_a_clean_file_system(guest: Guest) -> None:
    guest.send("poweroff\n")
    guest.expect(r"leave stage: /etc/runit/3\n")
    guest.wait_off()
    assert clean(guest.image)


def test_nothing_was_wrong_that_nobody_had_provoked(guest: Guest) -> None:
    assert alarms(guest) == []
