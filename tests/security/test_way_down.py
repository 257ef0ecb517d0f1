"""shutdown: nobody else holds it up, and its messages go to terminals and are only read."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from pathlib import Path

import pytest
from oldworld import PROGRAMS, Machine
from security.others import NOBODY, needs_root
from support import wait_for

from runit.boot import wall

pytestmark = needs_root

AS_NOBODY = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
FILES = ("run/shutdown.pid", "run/nologin", "etc/nologin")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def waits(machine: Machine) -> bool:
    return bool((machine.root / "run/shutdown.pid").read_text())


def test_nobody_else_can_take_the_lock(machine: Machine) -> None:
    assert machine.run("shutdown", "-h", "+30")[0] == 0
    wait_for(lambda: waits(machine))
    assert machine.run("shutdown", "-c")[0] == 0
    assert mode(machine.root / "run/shutdown.pid") == 0o600
    said = machine.shell(f"{AS_NOBODY} flock -n /run/shutdown.pid true 2>&1 || echo refused")
    assert said.endswith("Permission denied\nrefused\n")
    assert machine.run("shutdown", "-r", "now")[0] == 0
    assert machine.told() == "reboot"


def test_a_lock_that_everybody_could_open_is_closed(machine: Machine) -> None:
    """As a version of before has left it."""
    path = machine.root / "run/shutdown.pid"
    path.touch(mode=0o644)
    assert machine.run("shutdown", "-h", "+30")[0] == 0
    assert mode(path) == 0o600
    assert machine.run("shutdown", "-c")[0] == 0


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(machine: Machine, umask: int) -> None:
    machine.shell(f"umask {umask:o}; {PROGRAMS}/shutdown -h -t 9 +3")
    for name in FILES:
        wait_for((machine.root / name).exists)
        assert not mode(machine.root / name) & 0o022, name
    assert machine.run("shutdown", "-c")[0] == 0
    machine.shell(f"umask {umask:o}; {PROGRAMS}/shutdown -f -F -t 9 -H now")
    for path in ((machine.root / "run"), machine.root / "etc/runit", machine.root):
        for one in path.glob("*" if path == machine.root else "**/*"):
            if one.is_file() and not one.is_symlink():
                assert not mode(one) & 0o022, one
    assert mode(machine.root / "run/runit") in (0o755, 0o700)


@pytest.mark.parametrize("name", FILES)
def test_no_link_is_followed(machine: Machine, name: str) -> None:
    """Nobody can put one there; but if, then what it leads to stays as it is."""
    victim = machine.root / "victim"
    victim.write_text("mine\n")
    (machine.root / name).symlink_to("/victim")
    code, _, said = machine.run("shutdown", "-h", "+3")
    if name == "run/shutdown.pid":
        refused = "shutdown: fatal: unable to open: /run/shutdown.pid: symbolic link loop\n"
        assert (code, said) == (1, refused)
    else:
        assert code == 0
        assert machine.run("shutdown", "-c")[0] == 0
    assert victim.read_text() == "mine\n"
    assert (machine.root / name).is_symlink()


def test_a_pid_that_is_none_is_no_process_to_signal(machine: Machine) -> None:
    """Root alone can write it; all the same no process but the one that waits is meant."""
    path = machine.root / "run/shutdown.pid"
    holder = machine.start(
        "sh", "-c", f"exec 9>>{'/run/shutdown.pid'} && flock 9 && echo && exec sleep 1000"
    )
    for content in ("-1\n", "0\n", "1" * 4000 + "\n", "x\n", "", "\0\n", "99999999999\n"):
        path.write_text(content)
        said = "shutdown: fatal: cannot find pid of running shutdown\n"
        assert machine.run("shutdown", "-c") == (1, "", said)
    assert machine.alive(holder)


HOSTILE = "\x1b]0;x\x07\x1b[2J\x9b1m\rfine"


def test_the_message_commands_no_terminal(machine: Machine) -> None:
    terminal = machine.log_in("joe")
    assert machine.run("shutdown", "-k", "now", HOSTILE)[0] == 0
    text = terminal.read(b"NOW!\r\n")
    assert b"?]0;x??[2J?1m?fine\r\n" in text
    head = text.replace(b"\a\r\nBroadcast", b"Broadcast", 1)
    assert all(line.decode().isprintable() for line in head.split(b"\r\n"))


# Other devices than terminals: utmp may have been written by anybody's program


def opened(path: Path, line: str) -> bool:
    """Whether PATH is opened when something is told to LINE."""
    library = ctypes.CDLL(None, use_errno=True)
    inotify = library.inotify_init1(os.O_NONBLOCK)
    in_open = 0x20
    assert library.inotify_add_watch(inotify, os.fsencode(path), in_open) > 0
    try:
        wall.tell(os.fsencode(line), b"text")
        return struct.unpack("iIII", os.read(inotify, 16))[1] == in_open
    except BlockingIOError:
        return False
    finally:
        os.close(inotify)


def test_other_devices_are_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /dev/watchdog, which restarts the machine then, or /dev/mem."""
    monkeypatch.setattr(wall, "DEVICES", os.fsencode(tmp_path) + b"/")
    for name, kind, numbers in (
        ("null", stat.S_IFCHR, (1, 3)),
        ("watchdog", stat.S_IFCHR, (10, 130)),
        ("loop", stat.S_IFBLK, (7, 99)),
    ):
        os.mknod(tmp_path / name, kind | 0o666, os.makedev(*numbers))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    for name in ("null", "watchdog", "loop", "fifo", "file", "directory"):
        assert not opened(tmp_path / name, name)
        assert not opened(tmp_path / name, f"{tmp_path}/{name}")
    master, slave = os.openpty()
    (tmp_path / "terminal").symlink_to(os.ttyname(slave))
    assert opened(Path(os.ttyname(slave)), "terminal")
    assert os.read(master, 100) == b"text"
    assert not opened(Path(os.ttyname(slave)), "directory/../terminal")
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    "line", ["mem", "../etc/passwd", "/dev/../victim", "kmsg", "shm", "x" * 32]
)
def test_a_line_of_utmp_is_a_terminal_or_nothing(machine: Machine, line: str) -> None:
    machine.log_in("eve", line)
    terminal = machine.log_in("joe")
    (machine.root / "victim").write_text("mine")
    assert machine.run("shutdown", "-k", "now") == (0, "", "")
    terminal.read(b"NOW!\r\n")
    assert (machine.root / "victim").read_text() == "mine"
