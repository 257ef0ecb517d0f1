"""Log directories: which files come out of an input, and how a log begins and ends."""

from __future__ import annotations

import fcntl
import os
import random
import signal
from pathlib import Path

import pytest
from log.logs import current, everything, log, logging, old_logs, snapshot
from support import Suite, wait_for


def lines(seed: int, count: int, longest: int) -> bytes:
    """COUNT lines of up to LONGEST bytes, newline included."""
    chance = random.Random(seed)
    return b"".join(
        b"%05d " % number + b"x" * chance.randrange(max(1, longest - 7)) + b"\n"
        for number in range(count)
    )


INPUTS = {
    "short": lines(1, 3000, 30),
    "mixed": lines(2, 1500, 70),
    "equal": b"0123456789abcde\n" * 2000,
    "empty": b"\n" * 5000,
}
# Sizes with room for a whole line between size less length and size: there the
# reference does not divide lines.
SIZES = [(2000, 1000), (2048, 100), (5000, 300), (4999, 130), (1131, 131), (65536, 1000)]


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("options", [[], ["-t"], ["-tt"]])
def test_the_same_input_gives_the_same_files(
    ours: Suite, reference: Suite, tmp_path: Path, kind: str, options: list[str]
) -> None:
    for size, length in SIZES:
        results = []
        for suite in (ours, reference):
            directory = tmp_path / f"{suite}{size}"
            done = log(
                suite,
                directory,
                INPUTS[kind],
                *options,
                *("-l", str(length), "-b", "2000"),
                config=b"s%d\nn0\np: \n" % size,
            )
            results.append((done.code, done.stderr, snapshot(directory)))
        assert results[0] == results[1], (size, length)


def test_the_default_size_is_a_million(ours: Suite, reference: Suite, tmp_path: Path) -> None:
    data = lines(3, 12000, 400)
    results = [log(suite, tmp_path / repr(suite), data).sizes for suite in (ours, reference)]
    assert results[0] == results[1]
    assert len(results[0]) > 2


@pytest.mark.parametrize("size", [100, 700, 1000, 1999, 3000])
def test_a_line_is_divided_only_if_it_alone_exceeds_the_size(
    ours: Suite, tmp_path: Path, size: int
) -> None:
    data = b"".join(b"%04d" % n + b"y" * (n * 37 % 900) + b"\n" for n in range(100))
    done = log(ours, tmp_path / "log", data, config=b"s%d\nn0\n" % size)
    assert everything(done.directory) == data
    assert max(done.sizes) <= size
    for path in old_logs(done.directory):
        content = path.read_bytes()
        assert content.endswith(b"\n") or len(content) == size
        if not content.endswith(b"\n"):  # it is all one line
            assert b"\n" not in content


def test_a_line_that_comes_in_pieces_is_divided_as_little(ours: Suite, tmp_path: Path) -> None:
    first, long, huge = b"a" * 3000 + b"\n", b"b" * 3500 + b"\n", b"c" * 12000 + b"\n"
    with logging(ours, tmp_path / "log", config=b"s5000\nn0\n") as work:
        work.log(first)
        for line in (long, huge):
            for at in range(0, len(line), 1400):
                # What is longer than patterns look at is written while it comes.
                work.write(line[at : at + 1400])
                so_far = line[: at + 1400]
                wait_for(lambda so_far=so_far: everything(work.directory).endswith(so_far))
        assert work.end() == 0
    assert everything(work.directory) == first + long + huge
    contents = [path.read_bytes() for path in old_logs(work.directory)]
    assert contents[0] == first
    assert contents[1] == long
    assert [len(content) for content in contents[2:]] == [5000, 5000]


def test_a_line_of_many_blocks_stays_in_one_file_if_it_fits(ours: Suite, tmp_path: Path) -> None:
    first, long = b"a" * 600_000 + b"\n", b"b" * 900_000 + b"\n"
    done = log(ours, tmp_path / "log", first + long + b"c\n")
    contents = [path.read_bytes() for path in old_logs(done.directory)]
    assert contents == [first]
    assert current(done.directory) == long + b"c\n"


def test_a_single_line_is_in_the_file_as_soon_as_it_came(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        for number in range(5):
            work.log(b"line %d\n" % number)


def test_an_unterminated_last_line_is_written_with_a_newline(ours: Suite, tmp_path: Path) -> None:
    done = log(ours, tmp_path / "log", b"one\ntwo", "-tt")
    assert done.text == b"<calendar> one\n<calendar> two\n"
    done = log(ours, tmp_path / "empty", b"")
    assert done.text == b""
    done = log(ours, tmp_path / "long", b"x" * 100_000)
    assert done.text == b"x" * 100_000 + b"\n"


def test_modes_tell_an_open_log_from_a_closed_one(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        work.log(b"one\n")
        assert (work.directory / "current").stat().st_mode & 0o777 == 0o644
        assert (work.directory / "lock").stat().st_mode & 0o777 == 0o600
        assert work.rotate().stat().st_mode & 0o777 == 0o744
        wait_for((work.directory / "current").exists)
        assert work.end() == 0
    assert (work.directory / "current").stat().st_mode & 0o777 == 0o744


def test_a_clean_log_is_continued(suite: Suite, tmp_path: Path) -> None:
    log(suite, tmp_path / "log", b"one\n")
    done = log(suite, tmp_path / "log", b"two\n", "-v")
    assert done.text == b"one\ntwo\n"
    assert b"append: log/current" in done.stderr


@pytest.mark.parametrize("content", [b"", b"old\n"])
def test_a_log_that_was_not_closed_is_put_aside_unless_empty(
    suite: Suite, tmp_path: Path, content: bytes
) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / "current").write_bytes(content)
    (directory / "current").chmod(0o644)
    for number in range(5):
        (directory / f"@40000000000000000000000{number}.s").touch()
    done = log(suite, directory, b"new\n", "-v", config=b"n3\n")
    assert done.text == b"new\n"
    # As at any rotation, no more than one goes.
    assert len(old_logs(directory)) == 5
    assert [path.read_bytes() for path in old_logs(directory, ".u")] == [content] * bool(content)


def test_what_was_large_already_is_rotated_first(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    log(ours, directory, b"x" * 50 + b"\n", config=b"s0\n")
    done = log(ours, directory, b"new\n", "-l", "5", config=b"s10\n")
    assert done.sizes == [51, 4]


def test_alrm_rotates_what_is_not_empty(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log", "-v") as work:
        work.signal(signal.SIGALRM)
        work.said(b"sigalarm received.\n")
        work.log(b"one\n")
        assert work.rotate().read_bytes() == b"one\n"
        work.signal(signal.SIGALRM)
        work.said(b"sigalarm received.\n", 3)
        work.log(b"two\n")
    assert work.stderr.count(b"rename:") == 1


def test_a_line_in_hand_goes_to_the_next_log_as_a_whole(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        work.write(b"one\ntw")
        wait_for(lambda: everything(work.directory) == b"one\n")
        assert work.rotate().read_bytes() == b"one\n"
        work.log(b"o\n")
    assert current(work.directory) == b"two\n"


def test_term_reads_to_the_end_of_the_line_in_hand(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", "-v") as work:
        work.write(b"one\ntwo")
        wait_for(lambda: everything(work.directory) == b"one\n")
        work.signal(signal.SIGTERM)
        work.said(b"sigterm received.")
        work.write(b" and more\nthree\nfour")
        assert work.process.wait(30) == 0
        assert current(work.directory) == b"one\ntwo and more\n"
        assert work.left() == b"three\nfour"


def test_term_does_not_wait_for_ever_for_the_end_of_a_line(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log") as work:
        work.write(b"one\ntwo")
        wait_for(lambda: everything(work.directory) == b"one\n")
        work.signal(signal.SIGTERM)
        assert work.process.wait(30) == 0
    assert current(work.directory) == b"one\ntwo\n"


def test_term_leaves_the_rest_in_the_pipe(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log") as work:
        work.log(b"one\n")
        os.kill(work.process.pid, signal.SIGSTOP)
        work.signal(signal.SIGTERM)
        work.write(b"two\n")
        os.kill(work.process.pid, signal.SIGCONT)
        assert work.process.wait(30) == 0
        assert everything(work.directory) + work.left() == b"one\ntwo\n"


def test_hup_closes_and_opens_all_logs(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log", "-v") as work:
        work.log(b"one\n")
        work.directory.rename(tmp_path / "old")
        work.directory.mkdir()
        work.signal(signal.SIGHUP)
        work.said(b"new: log/current", 2)
        work.log(b"two\n")
        assert current(tmp_path / "old") == b"one\n"
        assert (tmp_path / "old/current").stat().st_mode & 0o777 == 0o744


def test_a_second_svlogd_is_locked_out(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        done = log(suite, tmp_path / "log", b"two\n", "-v")
        assert done.code == 111
        # Older versions have not got its name yet.
        name = b"log" if suite.is_reference(2, 3, 1) else b""
        assert done.stderr == (
            b"svlogd: info: close: " + name + b"\n"
            b"svlogd: warning: unable to lock directory: log: temporary failure\n"
            b"svlogd: fatal: no functional log directories.\n"
        )
        work.log(b"three\n")


def test_the_lock_goes_with_its_holder(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        work.log(b"one\n")
        work.process.kill()
        work.process.wait()
    with (tmp_path / "log/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_is_newest_stays_when_the_clock_has_been_set_back(ours: Suite, tmp_path: Path) -> None:
    """Here all old logs are of the year 2107, but for what only looks like one."""
    directory = tmp_path / "log"
    directory.mkdir()
    last = "@4000000101c2d60a3b9ac9ff.s"
    for name in ("@4000000101c2d60a3b9ac9fe.s", last, "@no-label-but-just-as-long.s"):
        (directory / name).write_text(f"{name}\n")
    with logging(ours, directory, config=b"n4\n") as work:
        kept = []
        for number in range(4):
            work.log(b"%d\n" % number)
            kept.append(work.rotate())
            assert kept[-1].name > last
        assert [path.read_text() for path in kept[1:]] == ["1\n", "2\n", "3\n"]
        assert kept == sorted(kept)
        assert not (directory / last).exists()
