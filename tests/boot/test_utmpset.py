"""utmpset, on utmp and wtmp files of our own: in a mount namespace, so root only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import Suite, build, has_reference

from runit import __version__
from runit.boot import utmp
from runit.boot.utmp import SIZE, Record

BIND = 'mount --bind "$0/run" /run && mount --bind "$0/log" /var/log && exec "$@"'
SECONDS = slice(336 + utmp.LONG, 336 + 2 * utmp.LONG)


def may_mount() -> bool:
    """Whether a mount namespace can be had, and /var/run is /run."""
    if os.geteuid() != 0 or Path("/var/run").resolve() != Path("/run"):
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="needs a mount namespace of its own")


@pytest.fixture(params=["ours", "reference"])
def suite(request: pytest.FixtureRequest) -> Suite:
    if request.param == "reference" and not has_reference("utmpset"):
        pytest.skip("Debian's runit package is not installed")
    chosen = request.getfixturevalue(request.param)
    assert isinstance(chosen, Suite)
    return chosen


def record(kind: int, pid: int, line: bytes, user: bytes = b"", host: bytes = b"") -> Record:
    """A record with something in every byte that utmpset has no business with."""
    made = Record()
    made.raw[336:] = bytes(range(1, SIZE - 335))
    made.type, made.pid, made.line, made.id = kind, pid, line, line[-4:]
    made.user, made.host = user, host
    return made


BEFORE = [
    record(utmp.BOOT_TIME, 0, b"~", b"reboot", b"6.1"),
    record(utmp.LOGIN_PROCESS, 100, b"tty1", b"LOGIN"),
    record(utmp.DEAD_PROCESS, 150, b"tty2"),
    record(utmp.USER_PROCESS, 200, b"tty2", b"joe", b"host.example"),
    record(utmp.USER_PROCESS, 201, b"tty22", b"eve"),
    record(utmp.USER_PROCESS, 202, b"tty2", b"second"),
    record(utmp.USER_PROCESS, 203, b"pts/0", b"ann", b"far.example"),
    record(utmp.USER_PROCESS, 204, b"tty3", b"", b"host.example"),
    record(utmp.INIT_PROCESS, 205, b"tty4", b"x"),
    record(utmp.EMPTY, 206, b"tty5", b"x"),
    record(utmp.DEAD_PROCESS, 207, b"tty6", b"x"),
]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """run/utmp and log/wtmp, which stand in for the machine's."""
    before = b"".join(bytes(one.raw) for one in BEFORE)
    return build(tmp_path / "world", {"run/utmp": before, "log/wtmp": b"older"})


def run(suite: Suite, world: Path, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["unshare", "-m", "sh", "-c", BIND, world, suite.program("utmpset")]
    return subprocess.run([*command, *arguments], capture_output=True)


def logged_out(before: Record, after: Record) -> bool:
    """Whether AFTER is what a logout makes of BEFORE, the time left aside."""
    expected = Record(bytes(before.raw))
    expected.type = utmp.DEAD_PROCESS
    expected.user = expected.host = b""
    assert after.seconds > 1_700_000_000
    expected.seconds = after.seconds
    return expected.raw == after.raw


def changes(world: Path) -> list[int]:
    """The numbers of the records that utmpset changed, each rightly."""
    content = (world / "run/utmp").read_bytes()
    assert len(content) == SIZE * len(BEFORE)
    after = [Record(content[at : at + SIZE]) for at in range(0, len(content), SIZE)]
    changed = [number for number, one in enumerate(BEFORE) if one.raw != after[number].raw]
    assert all(logged_out(BEFORE[number], after[number]) for number in changed)
    return changed


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("tty1", 1),
        ("tty2", 3),
        ("tty22", 4),
        ("pts/0", 6),
        ("tty4", 8),
        ("tty5", 9),
        ("tty6", 10),
        ("~", 0),
    ],
)
def test_the_first_record_of_the_line_with_a_user_is_logged_out(
    suite: Suite, world: Path, line: str, changed: int
) -> None:
    done = run(suite, world, line)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert changes(world) == [changed]
    assert (world / "log/wtmp").read_bytes() == b"older"


def test_w_appends_an_empty_record_of_the_line_to_wtmp(suite: Suite, world: Path) -> None:
    assert run(suite, world, "-w", "tty2").returncode == 0
    assert changes(world) == [3]
    wtmp = (world / "log/wtmp").read_bytes()
    appended = Record(wtmp.removeprefix(b"older"))
    assert appended.seconds > 1_700_000_000
    appended.raw[SECONDS] = bytes(utmp.LONG)
    expected = Record()
    expected.type, expected.line = utmp.DEAD_PROCESS, b"tty2"
    assert appended.raw == expected.raw


def test_a_missing_wtmp_is_made(suite: Suite, world: Path) -> None:
    (world / "log/wtmp").unlink()
    assert run(suite, world, "-w", "tty2").returncode == 0
    assert (world / "log/wtmp").stat().st_size == SIZE
    assert (world / "log/wtmp").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("options", [(), ("-w",)])
@pytest.mark.parametrize("line", [b"nosuch", b"tty3", b"tty", b"\xff", b"x" * 40])
def test_no_entry_is_a_warning_and_leaves_both_files(
    suite: Suite, world: Path, options: tuple[str, ...], line: bytes
) -> None:
    done = run(suite, world, *options, line)
    assert done.returncode == 111
    kind, reason = b"warning", b"no such entry"
    if len(line) > 32 and suite.is_reference(2, 3):
        kind, reason = b"fatal", b"name too long"
    said = b"utmpset: %b: unable to logout line %b in utmp: %b\n" % (kind, line, reason)
    assert done.stderr == said
    assert changes(world) == []
    assert (world / "log/wtmp").read_bytes() == b"older"


def test_a_name_as_long_as_the_field_is_found(suite: Suite, world: Path) -> None:
    long = record(utmp.USER_PROCESS, 1, b"l" * 32, b"joe")
    (world / "run/utmp").write_bytes(long.raw)
    done = run(suite, world, "l" * 32)
    if suite.name == "reference" and not suite.is_reference(2, 3):
        assert done.returncode == 111
        return
    assert done.returncode == 0
    assert logged_out(long, Record((world / "run/utmp").read_bytes()))


def test_what_is_behind_the_first_line_is_ignored(suite: Suite, world: Path) -> None:
    assert run(suite, world, "tty1", "tty2").returncode == 0
    assert changes(world) == [1]


def test_a_missing_utmp_is_fatal(suite: Suite, world: Path) -> None:
    (world / "run/utmp").unlink()
    done = run(suite, world, "-w", "tty2")
    assert done.returncode == 111
    said = b"utmpset: fatal: unable to open /var/run/utmp: file does not exist\n"
    assert done.stderr == said
    assert (world / "log/wtmp").read_bytes() == b"older"


def test_a_wtmp_that_cannot_be_opened_is_fatal(suite: Suite, world: Path) -> None:
    (world / "log/wtmp").unlink()
    (world / "log/wtmp").mkdir()
    done = run(suite, world, "-w", "tty2")
    assert done.returncode == 111
    assert done.stderr == b"utmpset: fatal: unable to open /var/log/wtmp: is a directory\n"
    assert changes(world) == [3]


@pytest.mark.parametrize("arguments", [(), ("-w",), ("--",)])
def test_without_a_line_there_is_usage(suite: Suite, world: Path, arguments: tuple[str]) -> None:
    done = run(suite, world, *arguments)
    assert done.returncode == 1
    assert done.stderr == f"usage: {suite.program('utmpset')} [-w] line\n\n".encode()


def test_an_unknown_option_is_named(suite: Suite, world: Path) -> None:
    done = run(suite, world, "-w", "-q", "tty2")
    assert done.returncode == 1
    assert done.stderr.startswith(b"utmpset: illegal option -- q\nusage: ")
    assert changes(world) == []


def test_big_v_prints_the_version_and_usage(suite: Suite, world: Path) -> None:
    done = run(suite, world, "-V", "tty2")
    version, usage, empty = done.stderr.split(b"\n", 2)
    assert done.returncode == 1
    assert suite.name == "reference" or version == f"pyrunit {__version__}".encode()
    assert usage == f"usage: {suite.program('utmpset')} [-w] line".encode()
    assert empty == b"\n"


def test_b_notes_in_both_files_that_the_machine_has_started(ours: Suite, world: Path) -> None:
    (world / "run/utmp").write_bytes(b"")
    (world / "log/wtmp").write_bytes(bytes(SIZE))
    assert run(ours, world, "-b").returncode == 0
    boot = Record((world / "run/utmp").read_bytes())
    assert (boot.type, boot.pid, boot.line, boot.id) == (utmp.BOOT_TIME, 0, b"~", b"~~")
    assert (boot.user, boot.host) == (b"reboot", os.uname().release.encode())
    assert boot.seconds > 1_700_000_000
    wtmp = (world / "log/wtmp").read_bytes()
    assert wtmp[:SIZE] == bytes(SIZE)
    assert Record(wtmp[SIZE:]).user == b"reboot"


def test_b_makes_no_file(ours: Suite, world: Path) -> None:
    (world / "run/utmp").unlink()
    (world / "log/wtmp").unlink()
    done = run(ours, world, "-b")
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (world / "log/wtmp").exists()
    assert not (world / "run/utmp").exists()


def test_last_reads_what_b_wrote(ours: Suite, world: Path) -> None:
    if shutil.which("last") is None:
        pytest.skip("last is not installed")
    (world / "log/wtmp").write_bytes(b"")
    assert run(ours, world, "-b").returncode == 0
    last = subprocess.run(["last", "-f", world / "log/wtmp"], capture_output=True, text=True)
    assert last.stdout.startswith("reboot   system boot  ")
