"""What a process is known by that was started by a runsv which is no more."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import alive, wait_for

from runit.supervise import mark


@pytest.fixture
def number() -> int:
    """One that no process has: those that nobody has reaped have theirs for a while."""
    return mark.new(time.monotonic_ns())


@contextmanager
def marked(number: int, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is marked from its start."""
    mark.put(number)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    finally:
        mark.remove()
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def test_it_is_found_by_its_mark(number: int) -> None:
    assert mark.find(number, 0) == 0
    with marked(number, "cat") as process:
        assert mark.find(number, 0) == process.pid
        assert mark.find(number + 1, 0) == 0
    assert mark.find(number, 0) == 0


def test_not_those_that_it_has_started_itself(number: int) -> None:
    with marked(number, "sh", "-c", "echo; cat; :") as process:
        assert process.stdout
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        child = int(wait_for(children.read_text))
        assert resource.prlimit(child, mark.LOCKS)[0] == number
        assert mark.find(number, 0) == process.pid
        assert alive(child)
    wait_for(lambda: not alive(child))  # its input has ended


def test_without_the_mark_it_is_as_it_was(number: int) -> None:
    with marked(number, "cat") as process:
        mark.remove(process.pid)
        assert resource.prlimit(process.pid, mark.LOCKS) == mark.USUAL
        assert mark.find(number, 0) == 0
    assert resource.getrlimit(mark.LOCKS) == mark.USUAL


def test_who_has_ended_has_none(number: int) -> None:
    with marked(number, "sh", "-c", "sleep 1000 & echo $!") as process:
        assert process.stdout
        child = int(process.stdout.readline())
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # nobody has reaped it
        assert mark.has(number, process.pid)
        assert mark.find(number, 0) == child
        os.kill(child, signal.SIGKILL)
    assert not mark.has(number, process.pid)
    assert mark.about(process.pid) == (b"X", 0, 0)
    mark.remove(process.pid)


def test_who_was_there_before_is_not_meant(number: int) -> None:
    with marked(number, "cat") as process:
        started = mark.about(process.pid)[2]
        assert mark.find(number, started) == process.pid
        assert mark.find(number, started + 1) == 0


def test_numbers_are_such_that_they_can_be_told() -> None:
    numbers = {mark.new(now) for now in range(0, 10**10, 10**7 + 1)}
    assert len(numbers) == 1000
    assert all(1 << 30 <= one < 1 << 31 for one in numbers)


def test_one_that_was_marked_itself_knows_better(number: int) -> None:
    code = "from runit.supervise import mark; print(mark.USUAL)"
    with marked(number, sys.executable, "-c", code) as process:
        assert process.stdout
        assert process.stdout.read() == b"%b\n" % str((mark.USUAL[1],) * 2).encode()


def test_where_there_is_a_limit_nothing_happens(number: int) -> None:
    code = (
        "import resource; resource.setrlimit(10, (5, 7))\n"
        "from runit.supervise import mark\n"
        f"mark.put({number}); print(resource.getrlimit(10))\n"
        "mark.remove(); print(resource.getrlimit(10))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=os.getcwd(), check=True)
    assert done.stdout == "(5, 7)\n(5, 7)\n"
