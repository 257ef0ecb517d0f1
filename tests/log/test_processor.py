"""Processors: what old logs go through, and what becomes of failures."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from log.logs import current, everything, log, logging, old_logs
from masks import INTERNAL
from support import Suite, build, wait_for


def processed(directory: Path) -> list[bytes]:
    """The contents of processed logs, oldest first."""
    return [path.read_bytes() for path in old_logs(directory, ".s")]


def test_an_old_log_becomes_what_the_processor_makes_of_it(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log", "-v", config=b"!tr a-z A-Z\n") as work:
        work.log(b"abc\n")
        work.rotate()
        wait_for(lambda: processed(work.directory) == [b"ABC\n"])
        work.said(b"processed:")
        assert len(old_logs(work.directory)) == 1
        assert old_logs(work.directory)[0].stat().st_mode & 0o777 == 0o744
        assert not (work.directory / "newstate").exists()
        work.write(b"def\n")
        wait_for(lambda: current(work.directory) == b"def\n")
        work.rotate()
        wait_for(lambda: processed(work.directory) == [b"ABC\n", b"DEF\n"])
        assert work.end() == 0
    assert work.stderr.startswith(
        b"svlogd: info: read: log/config\n"
        b"svlogd: info: new: log/current\n"
        b"svlogd: info: sigalarm received.\n"
        b"svlogd: info: rename: log/current <label>.u 4\n"
        b"svlogd: info: processing: log/<label>.u\n"
        b"svlogd: info: sigchild received.\n"
        b"svlogd: info: processed: log/<label>.s\n"
    )


def test_each_processor_reads_the_state_that_the_last_one_left(
    suite: Suite, tmp_path: Path
) -> None:
    config = b"!read old <&4; echo $old$(wc -l) >&5; echo before: $old\n"
    with logging(suite, tmp_path / "log", config=config) as work:
        for number in range(3):
            work.write(b"x\n")
            wait_for(lambda: current(work.directory) == b"x\n")
            work.rotate()
            wait_for(lambda number=number: len(processed(work.directory)) == number + 1)
            state = b"1" * (number + 1) + b"\n"
            wait_for(lambda state=state: (work.directory / "state").read_bytes() == state)
    assert processed(work.directory) == [b"before:\n", b"before: 1\n", b"before: 11\n"]


def test_a_processor_gets_a_clean_process(suite: Suite, tmp_path: Path) -> None:
    script = (
        "pwd; for fd in 0 1 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$fd || echo $fd closed; done; "
        # No grep: a shell that starts a command blocks signals for a moment.
        "while read line; do echo $line; done </proc/$$/status; env | grep LC_CTYPE"
    )
    with logging(suite, tmp_path / "log", config=f"!{script}; true\n".encode()) as work:
        work.log(b"abc\n")
        work.rotate()
        wait_for(lambda: processed(work.directory))
    (text,) = processed(work.directory)
    lines = text.decode().splitlines()
    log = work.directory
    label = old_logs(log)[0].stem
    assert lines[:11] == [
        str(log),
        f"{log}/{label}.u",
        f"{log}/{label}.t",
        f"{log}.stderr",
        "3 closed",
        f"{log}/state",
        f"{log}/newstate",
        *(f"{number} closed" for number in range(6, 10)),
    ]
    names = {line.split()[0]: line for line in lines[11:]}
    assert int(names["SigBlk:"].split()[1], 16) == 0
    assert int(names["SigIgn:"].split()[1], 16) & ~INTERNAL == 0
    assert names["Name:"] == "Name: sh"
    assert not any(line.startswith("LC_CTYPE") for line in lines) or "LC_CTYPE" in os.environ


def test_ignored_signals_do_not_reach_a_processor(ours: Suite, tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "" HUP INT PIPE QUIT; exec "$0" "$@"']
    config = b"!while read line; do echo $line; done </proc/$$/status\n"
    with logging(ours, tmp_path / "log", config=config, command=command) as work:
        work.log(b"abc\n")
        work.rotate()
        wait_for(lambda: processed(work.directory))
    (text,) = processed(work.directory)
    ignored = text.partition(b"SigIgn: ")[2].split()[0]
    assert int(ignored, 16) & ~INTERNAL == 0


@pytest.mark.parametrize("failure", [b"exit 1", b"exit 111"])
def test_a_processor_that_fails_is_started_again(
    suite: Suite, tmp_path: Path, failure: bytes
) -> None:
    config = b"!echo partly; test -e ../ready || %b; cat\n" % failure
    with logging(suite, tmp_path / "log", config=config) as work:
        work.log(b"abc\n")
        work.rotate()
        work.said(b"svlogd: warning: processor failed, restart: log\n")
        assert not processed(work.directory)
        (tmp_path / "ready").touch()
        wait_for(lambda: processed(work.directory) == [b"partly\nabc\n"])


def test_a_processor_that_was_killed_has_failed(ours: Suite, tmp_path: Path) -> None:
    config = b"!echo partly; test -e ../ready || kill -9 $$; cat\n"
    with logging(ours, tmp_path / "log", config=config) as work:
        work.log(b"abc\n")
        work.rotate()
        work.said(b"svlogd: warning: processor failed, restart: log\n")
        assert not processed(work.directory)
        (tmp_path / "ready").touch()
        wait_for(lambda: processed(work.directory) == [b"partly\nabc\n"])


def test_a_rotation_waits_for_the_processor_before(suite: Suite, tmp_path: Path) -> None:
    config = b"!while test ! -e ../go; do sleep .05; done; cat\n"
    with logging(suite, tmp_path / "log", "-v", config=config) as work:
        work.log(b"one\n")
        work.rotate()
        work.write(b"two\n")
        wait_for(lambda: current(work.directory) == b"two\n")
        work.signal(signal.SIGALRM)
        work.said(b"sigalarm received", 2)
        work.write(b"three\n")
        (tmp_path / "go").touch()
        wait_for(lambda: processed(work.directory) == [b"one\n", b"two\n"])
        wait_for(lambda: current(work.directory) == b"three\n")


def test_hup_ends_the_wait_and_no_log_is_forgotten(ours: Suite, tmp_path: Path) -> None:
    config = b"!while test ! -e ../go; do sleep .05; done; cat\n"
    with logging(ours, tmp_path / "log", "-v", config=config) as work:
        work.log(b"one\n")
        work.rotate()
        work.write(b"two\n")
        wait_for(lambda: current(work.directory) == b"two\n")
        work.signal(signal.SIGALRM)
        work.said(b"sigalarm received", 2)
        work.signal(signal.SIGHUP)
        work.said(b"append: log/current")
        work.write(b"three\n")
        wait_for(lambda: current(work.directory) == b"three\n")
        # The processor from before HUP is still known: it finishes, then the next log is due.
        (tmp_path / "go").touch()
        wait_for(lambda: processed(work.directory) == [b"one\n", b"two\n"])
        assert work.end() == 0


def test_a_processor_taken_away_by_hup_is_not_started_again(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", config=b"!false\n") as work:
        work.log(b"one\n")
        work.rotate()
        work.said(b"processor failed")
        (work.directory / "config").write_bytes(b"")
        work.signal(signal.SIGHUP)
        work.write(b"two\n")
        wait_for(lambda: current(work.directory) == b"two\n")
        work.rotate()
        wait_for(lambda: processed(work.directory) == [b"two\n"])
        assert [path.read_bytes() for path in old_logs(work.directory, ".u")] == [b"one\n"]
        assert work.end() == 0


def test_what_an_unclean_end_left_is_processed(ours: Suite, tmp_path: Path) -> None:
    label = "@4000000000000000000000"
    directory = build(
        tmp_path / "log",
        {
            f"{label}01.u": "one\n",
            f"{label}01.t": "half",
            f"{label}02.u": "two\n",
            f"{label}03.s": "THREE\n",
            "current": "four\n",
            "config": "!tr a-z A-Z\n",
        },
    )
    with logging(ours, directory) as work:
        wait_for(lambda: processed(directory) == [b"ONE\n", b"TWO\n", b"THREE\n", b"FOUR\n"])
        wait_for(lambda: not old_logs(directory, ".u"))
        assert not old_logs(directory, ".t")
        work.log(b"five\n")


def test_an_end_of_the_input_waits_for_the_processor(suite: Suite, tmp_path: Path) -> None:
    config = b"s4\n!sleep .3; tr a-z A-Z\n"
    done = log(suite, tmp_path / "log", b"abc\nx\n", "-l", "1", "-b", "2", config=config)
    assert (done.code, processed(done.directory)) == (0, [b"ABC\n"])
    assert done.text == b"x\n"


def test_term_waits_for_the_processor(suite: Suite, tmp_path: Path) -> None:
    config = b"!while test ! -e ../go; do sleep .05; done; cat\n"
    with logging(suite, tmp_path / "log", "-v", config=config) as work:
        work.log(b"one\n")
        work.rotate()
        work.signal(signal.SIGTERM)
        work.said(b"sigterm received")
        (tmp_path / "go").touch()
        assert work.process.wait(30) == 0
        assert processed(work.directory) == [b"one\n"]


def test_a_processor_that_always_fails_does_not_keep_svlogd_from_ending(
    ours: Suite, tmp_path: Path
) -> None:
    done = log(ours, tmp_path / "log", b"abc\n", "-l", "1", "-b", "2", config=b"s4\n!false\n")
    assert done.code == 0
    assert [path.read_bytes() for path in old_logs(done.directory)] == [b"abc\n"]
    assert old_logs(done.directory, ".u")


def test_term_ends_the_wait_for_a_processor_that_always_fails(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", "-v", config=b"!false\n") as work:
        work.log(b"one\n")
        work.rotate()
        work.write(b"two\n")
        wait_for(lambda: current(work.directory) == b"two\n")
        work.signal(signal.SIGALRM)
        work.said(b"sigalarm received", 2)
        work.signal(signal.SIGTERM)
        assert work.process.wait(30) == 0
        assert everything(work.directory) == b"one\ntwo\n"


def test_leftovers_of_processors_go_at_the_next_rotation(suite: Suite, tmp_path: Path) -> None:
    directory = build(tmp_path / "log", {"@400000000000000000000000.t": "half"})
    with logging(suite, directory) as work:
        work.log(b"one\n")
        work.rotate()
        wait_for(lambda: not old_logs(directory, ".t"))


@pytest.mark.parametrize("name", ["state", "newstate"])
def test_what_a_processor_cannot_have_is_told(suite: Suite, tmp_path: Path, name: str) -> None:
    directory = build(tmp_path / "log", {name: None, "config": "!cat\n"})
    if name == "state":
        (directory / "state").rmdir()
        (directory / "state").symlink_to("state")
    with logging(suite, directory) as work:
        work.log(b"one\n")
        work.rotate()
        what = {"state": b"open state", "newstate": b"open newstate"}[name]
        reason = {"state": b"symbolic link loop", "newstate": b"is a directory"}[name]
        work.said(b"svlogd: fatal: unable to %b for processor: log: %b\n" % (what, reason))
        work.said(b"svlogd: warning: processor failed, restart: log\n")
        if name == "state":
            (directory / "state").unlink()
        else:
            (directory / "newstate").rmdir()
        wait_for(lambda: processed(directory) == [b"one\n"])


def test_nothing_is_lost_between_many_rotations(ours: Suite, tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % number for number in range(300))
    done = log(ours, tmp_path / "log", data, "-l", "20", config=b"s200\nn0\n!cat\n")
    assert everything(done.directory) == data
    assert len(processed(done.directory)) > 5
    assert not old_logs(done.directory, ".u")
