"""The file config of a log directory: each line, and lines that make no sense."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from log.logs import current, everything, log, logging, old_logs
from support import Suite, needs, wait_for

SCAN_ADDRESS = b"svlogd: warning: unable to scan ip address: "
SCAN_PORT = b"svlogd: warning: unable to scan port number: "


@pytest.mark.parametrize(
    ("config", "stderr"),
    [
        (b"", b""),
        (b"\n\n#x\n # y\nzzz\n garbage\n\xff\xfe\n", b""),
        (b"s\nn\nN\nt\n!\np\n+\n", b""),
        (b"s0\nn0\n", b""),
        (b"s-1\nnx\nN-\ntx\n", b""),
        (b"s abc\n", b""),
        (b"\0-foo\n", b""),
        (b"u\n", SCAN_ADDRESS + b"\n"),
        (b"uhost\n", SCAN_ADDRESS + b"host\n"),
        (b"u1.2.3\n", SCAN_ADDRESS + b"1.2.3\n"),
        (b"u 127.0.0.1\n", SCAN_ADDRESS + b" 127.0.0.1\n"),
        (b"u127.0.0.1:\n", SCAN_PORT + b"\n"),
        (b"u127.0.0.1:0\n", SCAN_PORT + b"0\n"),
        (b"u127.0.0.1:x\n", SCAN_PORT + b"x\n"),
        (b"u127.0.0.1:65536\n", b""),
    ],
)
def test_lines_that_make_no_sense_do_no_harm(
    suite: Suite, tmp_path: Path, config: bytes, stderr: bytes
) -> None:
    done = log(suite, tmp_path / "log", b"foo\nab\n", config=config)
    assert (done.code, done.text, done.stderr) == (0, b"foo\nab\n", stderr)


@pytest.mark.parametrize("address", [b"", b"host", b"1.2.3", b"127.0.0.1:0", b"127.0.0.1:65536"])
def test_lines_are_not_lost_to_an_address_that_makes_no_sense(
    ours: Suite, tmp_path: Path, address: bytes
) -> None:
    done = log(ours, tmp_path / "log", b"foo\n", config=b"U%b\n" % address)
    assert done.text == b"foo\n"


@pytest.mark.parametrize("config", [b"-foo*", b"-bar\n-foo*\n", b"-zzz\0-foo*\n", b"e\0-foo*"])
def test_the_last_line_needs_no_newline_and_a_pattern_ends_at_nul(
    suite: Suite, tmp_path: Path, config: bytes
) -> None:
    assert log(suite, tmp_path / "log", b"foo\nfoobar\nab\n", config=config).text == b"ab\n"


@pytest.mark.parametrize("stamp", ["-t", "-tt", "-ttt"])
def test_the_prefix_stands_between_time_stamp_and_line(
    suite: Suite, tmp_path: Path, stamp: str
) -> None:
    config = b"p\np one: \np two: \n-two*\n"
    done = log(suite, tmp_path / "log", b"a\ntwo\n\n", stamp, config=config)
    mark = b"<label>" if stamp == "-t" else b"<calendar>"
    assert done.text == mark + b"  two: a\n" + mark + b"  two: \n"


def test_a_prefix_ends_at_nul(suite: Suite, tmp_path: Path) -> None:
    assert log(suite, tmp_path / "log", b"a\n", config=b"pab\0cd\n").text == b"aba\n"


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (b"s20\n", [20, 20, 10]),
        (b"s1k\n", [50]),
        (b"s1K\n", [1] * 10 + [0]),  # not a suffix: one byte
        (b"s0\n", [50]),
        (b"s99999999999999999999999\n", [50]),
        (b"s20\ns0\n", [50]),
    ],
)
def test_the_size_has_suffixes(
    suite: Suite, tmp_path: Path, config: bytes, sizes: list[int]
) -> None:
    done = log(suite, tmp_path / "log", b"123456789\n" * 5, "-l", "1", "-b", "2", config=config)
    assert done.sizes == sizes


@pytest.mark.parametrize(
    ("config", "left"), [(b"", 10), (b"n3\n", 3), (b"n0\n", 20), (b"nx\n", 20), (b"n30\n", 20)]
)
def test_so_many_old_logs_are_kept(suite: Suite, tmp_path: Path, config: bytes, left: int) -> None:
    data = b"".join(b"%03d\n" % number for number in range(20))
    done = log(suite, tmp_path / "log", data, "-l", "1", "-b", "2", config=b"s4\n" + config)
    assert everything(done.directory) == data[-4 * left :]
    assert len(old_logs(done.directory)) == left


def test_one_old_log_too_many_goes_at_each_rotation_whatever_it_is_called(
    suite: Suite, tmp_path: Path
) -> None:
    names = [f"@40000000000000000000000{number}.{end}" for number in range(4) for end in "sux"]
    directory = tmp_path / "log"
    directory.mkdir()
    for name in [*names, "@40000000000000000000000.s", "@400000000000000000000000.t", "@x"]:
        (directory / name).touch()
    log(suite, directory, b"a\n", "-l", "1", "-b", "2", config=b"s2\nn2\n")
    left = [path.name for path in old_logs(directory)][:-1]
    gone = set(names) - set(left)
    assert gone == {"@400000000000000000000000.s"}
    assert "@40000000000000000000000.s" in left
    assert "@x" in [*left, old_logs(directory)[-1].name]
    assert "@400000000000000000000000.t" not in left


def test_a_log_is_rotated_when_it_is_old(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log", config=b"t1\n") as work:
        work.log(b"one\n")
        (old,) = wait_for(lambda: old_logs(work.directory))
        assert old.read_bytes() == b"one\n"
        wait_for(lambda: current(work.directory) == b"")


def test_the_age_of_what_was_there_before_does_not_count(suite: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / "current").write_bytes(b"old\n")
    (directory / "current").chmod(0o744)
    os.utime(directory / "current", (0, 0))
    with logging(suite, directory, config=b"t1h\n") as work:
        work.log(b"new\n")
        assert not old_logs(directory)


@needs("strace")
def test_nobody_wakes_up_for_an_empty_log(ours: Suite, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-e", "trace=poll", "-o", str(trace)]
    with logging(ours, tmp_path / "log", config=b"t1\n", command=command) as work:
        work.log(b"one\n")
        wait_for(lambda: old_logs(work.directory))
        wait_for(lambda: trace.read_text().endswith(", -1"))  # asleep until something happens
        work.write(b"two\n")
        wait_for(lambda: len(old_logs(work.directory)) == 2)
    assert everything(work.directory) == b"one\ntwo\n"


def test_hup_reads_it_again(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log", "-v", config=b"p1 \n") as work:
        work.write(b"a\n")
        wait_for(lambda: current(work.directory) == b"1 a\n")
        (work.directory / "config").write_bytes(b"p2 \n")
        work.signal(signal.SIGHUP)
        work.said(b"append: log/current")
        work.write(b"b\n")
        wait_for(lambda: current(work.directory) == b"1 a\n2 b\n")
        (work.directory / "config").unlink()
        work.signal(signal.SIGHUP)
        work.said(b"append: log/current", 2)
        work.write(b"c\n")
        wait_for(lambda: current(work.directory) == b"1 a\n2 b\nc\n")
    assert work.stderr.count(b"read: log/config\n") == 2


def test_a_config_that_cannot_be_read_is_a_warning(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "log/config").mkdir(parents=True)
    done = log(suite, tmp_path / "log", b"a\n", "-v")
    assert (done.code, done.text) == (0, b"a\n")
    assert done.stderr.startswith(
        b"svlogd: warning: unable to read config: log: is a directory\n"
        b"svlogd: info: read: log/config\n"
    )
