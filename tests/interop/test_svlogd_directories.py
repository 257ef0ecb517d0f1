"""Log directories go from one svlogd to the other and back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from log.logs import current, everything, log, logging, old_logs
from support import Suite, wait_for


@pytest.fixture(params=["ours to reference", "reference to ours"])
def pair(request: pytest.FixtureRequest, ours: Suite, reference: Suite) -> tuple[Suite, Suite]:
    """Who has a log directory first, and who gets it then."""
    return (ours, reference) if request.param.startswith("ours") else (reference, ours)


def test_a_log_is_continued(pair: tuple[Suite, Suite], tmp_path: Path) -> None:
    first, second = pair
    expected = b""
    for round_, suite in enumerate((first, second, first, second)):
        data = b"".join(b"%d %05d line\n" % (round_, number) for number in range(100))
        expected += data
        done = log(suite, tmp_path / "log", data, "-v", config=b"s1500\nn0\n")
        assert done.code == 0
        assert (b"append: log/current" in done.stderr) == (round_ > 0)
    assert everything(tmp_path / "log") == expected
    assert all(size <= 1500 for size in done.sizes)


def test_a_killed_one_leaves_what_the_other_puts_aside(
    pair: tuple[Suite, Suite], tmp_path: Path
) -> None:
    first, second = pair
    with logging(first, tmp_path / "log") as work:
        work.log(b"one\n")
        work.process.kill()
        work.process.wait()
    done = log(second, tmp_path / "log", b"two\n")
    assert done.text == b"two\n"
    assert [path.read_bytes() for path in old_logs(tmp_path / "log", ".u")] == [b"one\n"]


def test_each_locks_the_other_out(pair: tuple[Suite, Suite], tmp_path: Path) -> None:
    first, second = pair
    with logging(first, tmp_path / "log") as work:
        work.log(b"one\n")
        done = log(second, tmp_path / "log", b"two\n")
        assert done.code == 111
        assert done.stderr == (
            b"svlogd: warning: unable to lock directory: log: temporary failure\n"
            b"svlogd: fatal: no functional log directories.\n"
        )


def test_the_state_of_processors_is_handed_on(pair: tuple[Suite, Suite], tmp_path: Path) -> None:
    config = b"!read old <&4; echo $old$(wc -l) >&5; echo before: $old\n"
    directory = tmp_path / "log"
    for number, suite in enumerate((*pair, *pair)):
        with logging(suite, directory, config=config) as work:
            work.write(b"x\n")
            wait_for(lambda: current(directory) == b"x\n")
            work.signal(signal.SIGALRM)
            wait_for(lambda number=number: len(old_logs(directory, ".s")) == number + 1)
            assert work.end() == 0
    said = [path.read_bytes() for path in old_logs(directory)]
    assert said == [b"before:\n", b"before: 1\n", b"before: 11\n", b"before: 111\n"]


def test_old_logs_of_both_count_together(pair: tuple[Suite, Suite], tmp_path: Path) -> None:
    for round_ in range(6):
        data = b"".join(b"%d %d\n" % (round_, number) for number in range(3))
        done = log(
            pair[round_ % 2], tmp_path / "log", data, "-l", "1", "-b", "2", config=b"s4\nn4\n"
        )
        assert done.code == 0
    assert everything(tmp_path / "log") == b"4 2\n5 0\n5 1\n5 2\n"
