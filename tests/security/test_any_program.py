"""Every program, given anything: the documented exit code and one line, soon.

PYRUNIT_CASES=N tries N times as many cases, other ones in each run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from boot.test_utmpset import may_mount
from boot.test_utmpset import run as run_utmpset
from differential.cases import cases
from fakes import Fake
from hypothesis import given
from hypothesis import strategies as st
from oldworld import Machine
from security.others import NOBODY, needs_root
from security.test_any_bytes import CONFIG, LINE, RECORD, UTMP
from security.words import ARGUMENT as ARGUMENTS
from security.words import LINES, NUMBERS, TEXT
from security.words import WORDS as COMMAND_LINES
from staging import Machine as Stages
from staging import needs_namespaces
from support import Suite, build, command, pid, supervised, wait_for

from runit.boot.utmp import SIZE

ARGUMENT = ARGUMENTS.map(lambda text: text.replace(b"\n", b"\r"))
"""Messages quote names as they stand, so one without a newline is to make one line."""

WORDS = COMMAND_LINES.map(lambda words: [word.replace(b"\n", b"\r") for word in words])

NAME = ARGUMENT.map(
    lambda text: text.replace(b"/", b"").removeprefix(b".").removeprefix(b".")[:250] or b"x"
)
"""A name in a directory, not hidden."""

USAGE = re.compile(rb"^usage: [^\n]*(\n +[^\n]*)*\n\n?\Z", re.MULTILINE)


def one_line(done: CompletedProcess[bytes]) -> None:
    """One line at most, and the usage; never a traceback."""
    assert b"Traceback" not in done.stderr
    said = USAGE.sub(b"", re.sub(rb"^pyrunit [\d.]+\n", b"", done.stderr))
    assert said.count(b"\n") <= 1, said
    assert not said or said.endswith(b"\n")


def run(suite: Suite, name: str, words: list[bytes], **options: object) -> CompletedProcess[bytes]:
    """Run a program, which finds no other one on PATH."""
    options.setdefault("env", {"PATH": "/nonexistent"})
    return suite.run(name, *words, timeout=60, **options)


def no_directories(words: list[bytes], place: Path) -> list[bytes]:
    """WORDS without those that are directories, seen from PLACE: nothing is to be done there."""
    return [b"-" if os.path.isdir(place / os.fsdecode(word)) else word for word in words]


# Command lines


@cases(40)
@given(words=WORDS)
def test_chpst(ours: Suite, tmp_path: Path, words: list[bytes]) -> None:
    done = run(ours, "chpst", words, cwd=tmp_path)
    one_line(done)
    assert done.returncode in (100, 111)
    for path in tmp_path.iterdir():  # a lock
        assert path.is_file()
        path.unlink()


OTHER_NAMES = ["envdir", "envuidgid", "setuidgid", "setlock", "softlimit", "pgrphack", "dsetlock"]


@cases(25)
@given(name=st.sampled_from(OTHER_NAMES), words=WORDS)
def test_chpst_by_another_name(ours: Suite, tmp_path: Path, name: str, words: list[bytes]) -> None:
    program = build(tmp_path / "bin", {}) / name
    program.unlink(missing_ok=True)
    program.symlink_to(ours.program("chpst"))
    place = build(tmp_path / "here", {})
    done = run(Suite(tmp_path / "bin", "ours"), name, words, cwd=place)
    one_line(done)
    assert done.returncode in ((0, 100, 111) if name.endswith("setlock") else (100, 111))
    shutil.rmtree(place)


@cases(30)
@given(words=WORDS, wait=st.one_of(NUMBERS, ARGUMENT))
def test_sv(ours: Suite, tmp_path: Path, words: list[bytes], wait: bytes) -> None:
    done = run(ours, "sv", words, cwd=tmp_path, env={b"SVWAIT": wait, b"SVDIR": bytes(tmp_path)})
    one_line(done)
    assert done.returncode in (*range(6), 100)
    assert done.stdout.count(b"\n") <= len(words)


@cases(30)
@given(words=WORDS, text=st.lists(LINE, max_size=3).map(b"\n".join))
def test_svlogd(ours: Suite, tmp_path: Path, words: list[bytes], text: bytes) -> None:
    words = no_directories(words, tmp_path)
    done = run(ours, "svlogd", words, cwd=tmp_path, input=text)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 111
    assert done.stderr.count(b"\n") <= len(words) + 3  # one for each directory, and one more


@cases(20)
@given(words=st.lists(ARGUMENT, max_size=2))
@pytest.mark.parametrize("name", ["runsv", "runsvchdir"])
def test_runsv_and_runsvchdir(ours: Suite, tmp_path: Path, name: str, words: list[bytes]) -> None:
    words = no_directories(words, tmp_path)
    environment = {"PATH": "/nonexistent", "RUNSVDIR": str(tmp_path)}
    done = run(ours, name, words, cwd=tmp_path, env=environment)
    one_line(done)
    assert done.returncode in (1, 111)


@needs_root
@cases(25)
@given(words=WORDS, content=UTMP)
def test_utmpset(ours: Suite, tmp_path: Path, words: list[bytes], content: bytes) -> None:
    if not may_mount():
        pytest.skip("needs a mount namespace of its own")
    world = build(tmp_path / "world", {"run/utmp": content, "log/wtmp": content})
    done = run_utmpset(ours, world, *words)
    one_line(done)
    assert done.returncode in (0, 1, 111)
    assert len((world / "run/utmp").read_bytes()) - len(content) in (0, SIZE)


def plain(word: bytes) -> str:
    """WORD as text that json and the machine hand on."""
    return word.decode("utf-8", "ignore").replace("\0", "")


@needs_root
@cases(12)
@given(
    name=st.sampled_from(["halt", "poweroff", "reboot", "shutdown", "init", "telinit", "runlevel"]),
    words=WORDS.map(lambda words: [plain(word) for word in words]),
)
def test_commands_of_the_old_world(machine: Machine, name: str, words: list[str]) -> None:
    """By nobody, whom they refuse when they have understood."""
    code, _, said = machine.run(name, *words, user=NOBODY)
    done = CompletedProcess([], code, b"", said.encode("latin1"))
    one_line(done)
    assert code in (0, 1, 111)
    assert machine.told() == ""


# Files


@cases(40)
@given(record=RECORD, log=RECORD)
def test_any_status_record(ours: Suite, tmp_path: Path, record: bytes, log: bytes) -> None:
    service = tmp_path / "s"
    shutil.rmtree(service, ignore_errors=True)
    fakes = [Fake(service, record), Fake(service / "log", log)]
    try:
        done = run(ours, "sv", [b"status", bytes(service)])
    finally:
        for fake in fakes:
            fake.leave()
    assert done.stderr == b""
    assert done.returncode in (0, 1, 2)
    assert done.stdout.count(b"\n") in (1, 2)
    assert done.stdout.replace(b"\n", b"").decode("ascii").isprintable()


@cases(40)
@given(
    files=st.dictionaries(NAME, st.one_of(TEXT, LINES, st.binary(max_size=50)), max_size=6),
    links=st.dictionaries(NAME, ARGUMENT.map(lambda text: text[:4000] or b"."), max_size=2),
)
def test_any_environment_directory(
    ours: Suite, tmp_path: Path, files: dict[bytes, bytes], links: dict[bytes, bytes]
) -> None:
    directory = tmp_path / "env"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, content in files.items():
        Path(os.fsdecode(os.path.join(bytes(directory), name))).write_bytes(content)
    for name, target in links.items():
        if name not in files:
            os.symlink(target, os.path.join(bytes(directory), name))
    done = run(ours, "chpst", [b"-e", bytes(directory), b"/bin/cat", b"/proc/self/environ"])
    one_line(done)
    assert done.returncode in (0, 111)
    if done.returncode == 0 and not links:
        entries = done.stdout.split(b"\0")
        for name, content in files.items():
            value = content.partition(b"\n")[0].rstrip(b" \t").replace(b"\0", b"\n")
            if content and b"=" not in name:
                assert name + b"=" + value in entries


@cases(25)
@given(
    config=st.one_of(CONFIG, LINES),
    names=st.lists(
        st.one_of(NAME, st.binary(min_size=26, max_size=26).map(lambda name: b"@" + name)),
        max_size=4,
    ),
    mode=st.sampled_from([0o644, 0o744, 0o000]),
    text=st.lists(LINE, max_size=6).map(b"\n".join),
)
def test_any_log_directory(
    ours: Suite, tmp_path: Path, config: bytes, names: list[bytes], mode: int, text: bytes
) -> None:
    """Its processor, if there is one, finds no command; an address is not to be sent to."""
    config = re.sub(rb"^[uU!]", b"#", config, flags=re.MULTILINE)
    directory = tmp_path / "log"
    shutil.rmtree(directory, ignore_errors=True)
    build(directory, {"config": config, "current": "before\n"})
    (directory / "current").chmod(mode)
    for name in names:
        name = name.translate(None, b"/\0\n")
        if name not in (b"current", b"lock", b"config", b"", b".", b".."):
            Path(os.fsdecode(os.path.join(bytes(directory), name))).write_bytes(b"old")
    done = run(ours, "svlogd", [b"log"], cwd=tmp_path, input=text)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert (directory / "current").stat().st_mode & 0o777 == 0o744


@cases(3)
@given(names=st.sets(NAME, min_size=3, max_size=8))
def test_any_services_of_runsvdir(ours: Suite, tmp_path: Path, names: set[bytes]) -> None:
    directory = tmp_path / "services"
    shutil.rmtree(directory, ignore_errors=True)
    paths = [Path(os.fsdecode(os.path.join(bytes(directory), name))) for name in names]
    for path in paths:
        build(path, {"run": "#!/bin/sh\nexec sleep 1000\n"})
    (directory / "file").touch()
    (directory / "nowhere").symlink_to("nowhere else")
    with ours.runsvdir(directory):
        for path in paths:
            wait_for(lambda path=path: pid(path), repr(path))
            shown = Path(f"/proc/{pid(path)}/cwd")
            assert shown.samefile(path)
        done = run(ours, "sv", [b"status", *map(bytes, paths)])
        assert done.returncode == 0
    assert not any(map(supervised, paths))


@cases(8)
@given(sent=st.binary(max_size=60).map(lambda sent: sent.replace(b"x", b"")), log=st.booleans())
def test_any_control_characters(ours: Suite, tmp_path: Path, sent: bytes, log: bool) -> None:
    """But for x, which ends it."""
    service = tmp_path / "s"
    shutil.rmtree(service, ignore_errors=True)
    script = "#!/bin/sh\nexec sleep 1000\n"
    build(service, {"run": script, "log/run": "#!/bin/sh\nexec cat\n", "control/h": script[:10]})
    with ours.runsv(service, stderr=subprocess.PIPE) as process:
        wait_for(lambda: pid(service) and pid(service / "log"))
        command(service / "log" if log else service, sent)
        done = run(ours, "sv", [b"status", bytes(service)])
        assert (done.returncode, done.stdout.count(b"\n"), done.stderr) == (0, 1, b"")
        assert process.poll() is None
        command(service / "log", b"xcdku")  # x is not for logs
        command(service, b"x")
        assert process.wait(60) == 0
        assert process.stderr
        assert b"Traceback" not in process.stderr.read()


# The stages


CHOICES = [
    *("single", "S", "1", "multi", "softlevel=", "softlevel=multi", "softlevel=..", "softlevel=a"),
    *("fastboot", "forcefsck", "ro", "root=/dev/vda", "init=/sbin/init", "-", "--", "*", "?"),
    *("$(touch /owned)", "`touch /owned`", ";touch /owned", "'", '"', "\\", "&", "|", ">", "#"),
    *("x" * 3000, "\x1b[2J", "current", "previous", "../multi", "/etc", ".", "..", "%s", "$HOME"),
]
KERNEL = st.lists(st.one_of(st.sampled_from(CHOICES), TEXT.map(plain)), max_size=6).map(" ".join)


@needs_namespaces
@cases(8)
@given(words=KERNEL)
def test_any_command_line_of_the_kernel(tmp_path: Path, words: str) -> None:
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    machine = Stages(root)
    machine.tools("runsvdir", "mount")
    (root / "proc/cmdline").write_bytes(words.encode() + b"\n")
    done = machine.run("/etc/runit/2")
    assert done.returncode == 0
    assert machine.calls("runsvdir")[0].startswith("runsvdir -P /etc/runit/runsvdir/current log: ")
    level = os.readlink(root / "run/runit/runsvdir/current").rpartition("/")[2]
    assert level in ("multi", "single")
    assert not (root / "owned").exists()
    for line in done.stderr.splitlines():
        if line.startswith("runit: stage 2: "):
            assert line.startswith("runit: stage 2: there is no runlevel ")


VARIABLES = ["HARDWARECLOCK", "UTC", "LOGLEVEL", "KEYMAP", "FONT", "MODULES", "UNICODE", "HOSTNAME"]
VALUES = ["", "1", "yes", "'", '"a b"', "$(", "`", "x;exit 3", "\x1b[2J", "a\\"]
SHELL = [
    *("exit", "exit 7", "return", "set -e", "set -u", "false", "(", ")", "fi", "if true", "}", "{"),
    *("esac", "cd nowhere", "unset PATH", "trap - EXIT", "shift 9", "exec true", "# a comment"),
    *("nothing-called-so", "IFS=x", "set -f", "umask 777", "<<EOF", "&", ";;", "exec </dev/null"),
]
SETTINGS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(VARIABLES), st.sampled_from(VALUES)).map("=".join),
        st.sampled_from(SHELL),
        st.text(st.characters(codec="utf-8", exclude_characters="/\0.>~"), max_size=12),
    ),
    max_size=5,
).map("\n".join)


@needs_namespaces
@cases(5)
@given(
    name=st.sampled_from(["runit.conf", "rc.site", "sysconfig/clock", "sysconfig/console"]),
    settings=SETTINGS,
    listed=SETTINGS,
)
def test_any_settings(tmp_path: Path, name: str, settings: str, listed: str) -> None:
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    machine = Stages(root)
    machine.tools("mount", "udevadm", "modprobe", "hwclock", "loadkeys", "setfont", "utmpset")
    machine.files(
        {
            f"etc/{name}": settings,
            "etc/sysconfig/createfiles": listed,
            "etc/sysconfig/modules": listed,
            "etc/hostname": listed,
        }
    )
    assert machine.run("/etc/runit/1").returncode == 0
    assert "mount" in " ".join(machine.calls())
    assert (root / "run/utmp").exists()  # as far as part 75
