"""The stream of lines: nothing is lost or changed on the way, and times are right."""

from __future__ import annotations

import fcntl
import random
import signal
import struct
import termios
import time
from pathlib import Path

from log.logs import Logging, everything, log, logging
from support import Suite, needs, wait_for

from runit.service.tai64n import label


def lines(seed: int, size: int) -> bytes:
    """About SIZE bytes: empty lines, short ones, and some of many blocks."""
    chance = random.Random(seed)
    parts = []
    while size > 0:
        length = chance.choice((0, 1, 10, 60, 300, 1000, 5000, 90_000))
        parts.append(chance.randbytes(length).replace(b"\n", b"n") + b"\n")
        size -= length
    return b"".join(parts)


def test_signals_at_any_moment_lose_nothing(ours: Suite, tmp_path: Path) -> None:
    data = lines(1, 2_000_000)
    chance = random.Random(2)
    with logging(ours, tmp_path / "log", config=b"s50000\nn0\n") as work:
        at = 0
        while at < len(data):
            size = chance.choice((1, 100, 5000, 60_000))
            work.write(data[at : at + size])
            at += size
            if not chance.randrange(4):
                work.signal(chance.choice((signal.SIGHUP, signal.SIGALRM)))
        assert work.end() == 0
    assert everything(work.directory) == data
    assert not work.stderr


def test_after_term_the_next_svlogd_goes_on(ours: Suite, tmp_path: Path) -> None:
    data = b"".join(b"%d " % number + b"x" * (number % 500) + b"\n" for number in range(1000))
    chance = random.Random(4)
    rest = b""
    at = 0
    while at < len(data):
        with logging(ours, tmp_path / "log", config=b"n0\ns50000\n") as work:
            # Room for everything: what several of them left unread adds up.
            fcntl.fcntl(work.reader, fcntl.F_SETPIPE_SZ, 1 << 20)
            end = at + chance.choice((1, 100, 5000, 20_000))
            work.write(rest + data[at:end])
            work.signal(signal.SIGTERM)
            at = data.find(b"\n", end) + 1 or len(data)  # let a line in hand end
            work.write(data[end:at])
            assert work.process.wait(30) == 0
            rest = work.left()
    assert everything(tmp_path / "log") + rest == data


def sleeping(work: Logging) -> bool:
    """Whether it has read everything that was written, and waits for more."""
    (unread,) = struct.unpack("i", fcntl.ioctl(work.reader, termios.FIONREAD, b"\0" * 4))
    state = Path(f"/proc/{work.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return not unread and state == "S"


def test_a_line_has_the_time_of_its_beginning(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", "-t") as work:
        begin = label(time.time_ns())
        work.write(b"one\ntwo")
        wait_for(lambda: everything(work.directory) and sleeping(work))
        middle = label(time.time_ns())
        work.write(b" and more\nthree\n")
        wait_for(lambda: everything(work.directory).endswith(b"three\n"))
    stamps = [line.split()[0] for line in everything(work.directory).splitlines()]
    assert begin < stamps[0] == stamps[1] < middle < stamps[2]


def test_a_filtered_line_has_the_time_of_its_beginning(ours: Suite, tmp_path: Path) -> None:
    config = b"-drop*\ne*\n"
    with logging(ours, tmp_path / "log", "-t", config=config) as work:
        work.write(b"one\ndrop")
        wait_for(lambda: everything(work.directory) and sleeping(work))
        middle = label(time.time_ns())
        work.write(b" it\ntwo\nthr")
        wait_for(lambda: b"two" in everything(work.directory) and sleeping(work))
        late = label(time.time_ns())
        work.write(b"ee\nfour\n")
        wait_for(lambda: everything(work.directory).endswith(b"four\n"))
    one, two, three, four = (line[:25] for line in everything(work.directory).splitlines())
    assert one < middle < two == three < late < four
    stderr = (tmp_path / "log.stderr").read_bytes().splitlines()
    assert [line[:25] for line in stderr] == [one, one, two, three, four]


def test_times_never_go_back(ours: Suite, tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % number for number in range(50_000))
    log(ours, tmp_path / "log", data, "-t", config=b"s100000\nn0\n-line 7*\n")
    written = everything(tmp_path / "log").splitlines()
    assert written == sorted(written, key=lambda line: line[:25])
    expected = [line for line in data.splitlines() if not line.startswith(b"line 7")]
    assert [line[26:] for line in written] == expected


@needs("strace")
def test_it_sleeps_until_there_is_something_to_do(ours: Suite, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-o", str(trace), "-e", "trace=poll,read,write"]
    with logging(ours, tmp_path / "log", config=b"!cat\n", command=command) as work:
        work.log(b"one\n")
        wait_for(lambda: trace.read_text().endswith(", -1"))
        last = trace.read_text().partition('"one')[2].splitlines()
    assert [line.partition("(")[0] for line in last[1:]] == ["write", "poll"]
