"""What is wrong at boot: each time there is a shell, or the boot goes on."""

from __future__ import annotations

from guests import Boot, comes_back, pid


def test_single_on_the_command_line_asks_on_the_console(boot: Boot) -> None:
    guest = boot("debian", "single")
    guest.expect(r"enter stage: /etc/runit/2\n")
    guest.maintain()
    guest.until("sv status sulogin", "^run: ")
    guest.run("! pgrep -x sshd")
    assert guest.run("runlevel") == "N single"
    guest.send("poweroff\n")
    guest.wait_off()


def test_without_a_stage_1_there_is_a_shell_on_the_console(boot: Boot) -> None:
    guest = boot("debian")
    guest.login()
    guest.run("mv /etc/runit/1 /etc/runit/1.aside")
    guest.send("reboot\n")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.expect("reboot: Restarting system")
    guest.expect("booting")
    guest.maintain()
    guest.run("mount -o remount,rw / && mv /etc/runit/1.aside /etc/runit/1")
    guest.send("sync; exec reboot -f\n")
    guest.login()
    guest.send("poweroff\n")
    guest.wait_off()


def test_a_stage_1_that_says_so_ends_in_stage_3(boot: Boot) -> None:
    guest = boot("debian")
    guest.login()
    guest.run("mv /etc/runit/1 /etc/runit/1.aside")
    guest.run("printf '#!/bin/sh\\nexit 100\\n' >/etc/runit/1; chmod 755 /etc/runit/1")
    guest.send("reboot\n")
    guest.expect("booting")
    guest.expect("skipping stage 2")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.wait_off()
    assert "going on without" not in guest.transcript()


def test_a_stage_1_that_hangs_is_left_by_two_ctrl_alt_dels(boot: Boot) -> None:
    guest = boot("debian")
    guest.login()
    guest.run("mv /etc/runit/1 /etc/runit/1.aside")
    guest.run("printf '#!/bin/sh\\necho hanging\\nexec sleep 100000\\n' >/etc/runit/1")
    guest.run("chmod 755 /etc/runit/1; sync")
    guest.send("reboot\n")
    guest.expect(r"\nhanging\n")
    guest.press("ctrl-alt-delete")
    guest.expect(r"runit: .*\n")
    guest.press("ctrl-alt-delete")
    guest.expect(r"enter stage: /etc/runit/3\n")
    guest.expect("reboot: ")


WRONG = {
    "/etc/fstab": (
        "/dev/vda / ext4 defaults 0 1\n"
        "/dev/vdz9 /mnt ext4 defaults 0 0\n"
        "tmpfs /srv tmpfs nosuchoption=1 0 0\n"
        "nonsense\n"
    ),
    "/etc/runit.conf": "LOGLEVEL=4\nKEYMAP='us\nMODULES=(\n",
    "/etc/runit/3.d/15-hang.sh": "[ ! -e /run/hang ] || { echo hanging; sleep 100000; }\n",
}


def test_much_is_wrong_at_once_and_the_machine_boots_and_goes_down(boot: Boot) -> None:
    """A full disk, the year 1970, no sense in the files, and a stage 3 that hangs."""
    guest = boot(
        "debian", "softlevel=nonsense", WRONG, full=True, more=["-rtc", "base=1970-01-02T03:04:05"]
    )
    guest.login()
    said = guest.transcript()
    assert "there is no runlevel nonsense: booting to multi" in said
    assert "not every file system of /etc/fstab could be mounted" in said
    assert "/etc/runit.conf" in said
    assert "Traceback" not in said
    # Those with a place in /run for what runsv writes, as all that we ship have.
    for service in ("agetty-serial", "agetty-tty1", "agetty-tty6", "update-cache"):
        guest.until(f"sv status {service}", "^run: ")
    assert guest.run("date +%Y") == "1970"
    guest.run("echo much >/much", code=1)
    # A clock that jumps, forwards and back.
    for year in ("2033", "1975"):
        guest.run(f"date -s {year}-06-01")
        former = pid(guest, "agetty-tty2")
        guest.run(f"kill -9 {former}")
        comes_back(guest, "agetty-tty2", former)
    guest.run(": >/run/hang")
    guest.send("poweroff\n")
    guest.expect(r"\nhanging\n")
    guest.press("ctrl-alt-delete")
    guest.expect("signals only work in stage 2")
    guest.press("ctrl-alt-delete")
    guest.expect("killing all processes in stage 3")
    guest.wait_off()
    assert "reboot: Power down" in guest.transcript()


def test_a_root_that_stays_read_only_boots_and_goes_down(boot: Boot) -> None:
    guest = boot("debian", files={"/etc/fstab": "/dev/vda / ext4 ro 0 1\n"})
    guest.login()
    guest.run(": >/written", code=1)
    guest.until("sv status agetty-tty1", "^run: ")
    guest.run("runsvchdir single")
    assert guest.run("runlevel") == "multi single"
    guest.send("poweroff\n")
    guest.expect(r"enter stage: /etc/runit/3\n")
    before = len(guest.transcript())
    guest.wait_off()
    down = guest.transcript()[before:]
    assert "reboot: Power down" in down
    assert "wtmp" not in down
    assert "warning" not in down
