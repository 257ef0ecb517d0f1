"""What is wrong at boot: each time there is a shell, or the boot goes on."""

from __future__ import annotations

from guests import Boot


def test_single_on_the_command_line_asks_on_the_console(boot: Boot) -> None:
    guest = boot("debian", "single")
    guest.expect(r"enter stage: /etc/runit/2\n")
    guest.expect("Press Enter for maintenance[^:]*: ")
    guest.send("\n")
    guest.shell()
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
    guest.expect("Press Enter for maintenance[^:]*: ")
    guest.send("\n")
    guest.shell()
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
