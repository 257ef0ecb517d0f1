"""Several log directories, and those that cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from log.logs import current, logging, masked
from support import Suite, build, wait_for

from runit.launchers import interpreter

FATAL = b"svlogd: fatal: no functional log directories.\n"
NO_PRIVILEGES = (
    [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
)
"""Makes root mind the modes of files."""


def test_lines_go_to_each_directory_by_its_own_configuration(suite: Suite, tmp_path: Path) -> None:
    build(
        tmp_path,
        {"a/config": "-foo*\n", "b/config": "-*\n+foo*\ns10\npB \n", "c": None, "d/config": "-*"},
    )
    data = b"foo1\nbar1\nfoo2\nbar2\n"
    options = ("-l", "3", "-b", "4", "-v")
    done = suite.run("svlogd", *options, "a", "b", "c", "d", cwd=tmp_path, input=data)
    assert done.returncode == 0
    assert current(tmp_path / "a") == b"bar1\nbar2\n"
    assert [path.read_bytes() for path in sorted((tmp_path / "b").glob("@*"))] == [
        b"B foo1\n",
        b"B foo2\n",
    ]
    assert current(tmp_path / "c") == data
    assert current(tmp_path / "d") == b""
    assert masked(done.stderr).startswith(
        b"svlogd: info: read: a/config\nsvlogd: info: new: a/current\n"
        b"svlogd: info: read: b/config\nsvlogd: info: new: b/current\n"
        b"svlogd: info: new: c/current\n"
    )


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing", b"unable to open log directory: missing: file does not exist\n"),
        ("", b"unable to open log directory: : file does not exist\n"),
        ("file", b"unable to change directory: file: not a directory\n"),
        ("loop", b"unable to open log directory: loop: symbolic link loop\n"),
        ("lockdir", b"unable to lock directory: lockdir: is a directory\n"),
        ("curloop", b"unable to stat current: curloop: symbolic link loop\n"),
        ("x" * 256, b"unable to open log directory: %b: file name too long\n" % (b"x" * 256)),
        (b"\xff\n x", b"unable to open log directory: \xff\n x: file does not exist\n"),
    ],
)
def test_a_directory_that_cannot_be_used_is_a_warning_and_fatal_if_the_only_one(
    suite: Suite, tmp_path: Path, name: str | bytes, complaint: bytes
) -> None:
    build(tmp_path, {"file": "", "lockdir/lock": None, "curloop": None, "good": None})
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "curloop/current").symlink_to("current")
    warning = b"svlogd: warning: " + complaint
    done = suite.run("svlogd", name, cwd=tmp_path, input=b"x\n")
    assert (done.returncode, done.stderr) == (111, warning + FATAL)
    done = suite.run("svlogd", name, "good", cwd=tmp_path, input=b"x\n")
    assert (done.returncode, done.stderr) == (0, warning)
    assert current(tmp_path / "good") == b"x\n"


def test_the_same_directory_twice_is_locked_the_second_time(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    done = suite.run("svlogd", "log", "log/.", cwd=tmp_path, input=b"x\n")
    assert done.returncode == 0
    assert done.stderr == b"svlogd: warning: unable to lock directory: log/.: temporary failure\n"
    assert current(tmp_path / "log") == b"x\n"


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        (0o555, b"unable to lock directory: log: access denied\n"),
        (0o333, b"unable to open log directory: log: access denied\n"),
        (0o666, b"unable to change directory: log: access denied\n"),
    ],
)
def test_missing_permissions_are_told(
    suite: Suite, tmp_path: Path, mode: int, complaint: bytes
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log").chmod(mode)
    done = subprocess.run(
        [*NO_PRIVILEGES, suite.program("svlogd"), "log"],
        cwd=tmp_path,
        input=b"x\n",
        capture_output=True,
        timeout=30,
    )
    (tmp_path / "log").chmod(0o755)
    assert done.stderr == b"svlogd: warning: " + complaint + FATAL
    assert done.returncode == 111


def test_a_directory_that_is_gone_at_hup_is_left_out_until_it_is_back(
    suite: Suite, tmp_path: Path
) -> None:
    build(tmp_path, {"other": None})
    with logging(suite, tmp_path / "log", "-v", "other") as work:
        work.log(b"one\n")
        (tmp_path / "other").rename(tmp_path / "gone")
        work.signal(signal.SIGHUP)
        work.said(b"warning: unable to open log directory: other: file does not exist")
        work.log(b"two\n")
        (tmp_path / "gone").rename(tmp_path / "other")
        work.signal(signal.SIGHUP)
        work.said(b"append: other/current")
        work.log(b"three\n")
        assert work.end() == 0
    assert current(tmp_path / "other") == b"one\nthree\n"


def test_no_directory_left_at_hup_is_fatal(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        work.log(b"one\n")
        work.directory.rename(tmp_path / "gone")
        work.write(b"two\n")
        wait_for(lambda: current(tmp_path / "gone") == b"one\ntwo\n")
        work.signal(signal.SIGHUP)
        assert work.process.wait(30) == 111
        assert work.stderr.endswith(FATAL)
    assert (tmp_path / "gone/current").stat().st_mode & 0o777 == 0o744


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2), (1, 2)])
def test_closed_descriptors_do_no_harm(
    ours: Suite, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    (tmp_path / "log").mkdir()
    redirections = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    done = subprocess.run(
        ["sh", "-c", f'"$0" -v -tt log {redirections}', ours.program("svlogd")],
        cwd=tmp_path,
        input=b"x\n",
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert masked(current(tmp_path / "log")) == (b"" if 0 in closed else b"<calendar> x\n")
    assert not (tmp_path / "log/lock").read_bytes()
    if 2 not in closed:
        unreadable = b"svlogd: warning: unable to read standard input: file descriptor not open\n"
        assert (unreadable in done.stderr) == (0 in closed)


def test_an_input_that_cannot_be_read_is_a_warning_and_the_end(
    suite: Suite, tmp_path: Path
) -> None:
    (tmp_path / "log").mkdir()
    with open("/dev/null", "wb") as unreadable:
        done = suite.run("svlogd", "log", cwd=tmp_path, stdin=unreadable)
    assert done.returncode == 0
    assert done.stderr == (
        b"svlogd: warning: unable to read standard input: file descriptor not open\n"
    )


def test_what_svlogd_cannot_have_is_waited_for(suite: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    (directory / "current").mkdir(parents=True)
    (directory / "current").chmod(0o744)
    reader, writer = os.pipe()
    with (tmp_path / "stderr").open("wb") as stderr:
        process = suite.start("svlogd", "log", cwd=tmp_path, stdin=reader, stderr=stderr)
    os.close(reader)
    try:
        os.write(writer, b"x\n")
        pausing = b"svlogd: pausing: unable to open current: log: is a directory\n"
        wait_for(lambda: (tmp_path / "stderr").read_bytes() == pausing)
        (directory / "current").rmdir()
        wait_for(lambda: current(directory) == b"x\n")
    finally:
        os.close(writer)
        assert process.wait(30) == 0


@pytest.mark.parametrize("limit", [5, 6, 7, 9])
def test_a_lack_of_descriptors_loses_no_line(ours: Suite, tmp_path: Path, limit: int) -> None:
    (tmp_path / "log").mkdir()
    command = f'ulimit -n {limit}; exec "$0" log'
    done = subprocess.run(
        ["sh", "-c", command, ours.program("svlogd")],
        cwd=tmp_path,
        input=b"x\n",
        capture_output=True,
        timeout=30,
    )
    assert b"Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 111
        assert b"process cannot open more files" in done.stderr
    else:
        assert current(tmp_path / "log") == b"x\n"


def test_nothing_dear_is_imported_without_patterns(ours: Suite, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "log").mkdir()
    dear = ["os", "re", "enum", "signal", "socket", "subprocess", "argparse", "typing", "functools"]
    code = f"""
import sys
sys.path.append({str(root)!r})
sys.argv = ["svlogd", "-tt", "log"]
from runit.log.svlogd import main
main()
print([name for name in {dear!r} if name in sys.modules])
"""
    done = subprocess.run(
        [interpreter(), "-IBS", "-c", code], cwd=tmp_path, input=b"x\n", capture_output=True
    )
    assert done.stdout == b"[]\n", done.stderr
