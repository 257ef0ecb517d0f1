"""pause: it waits, and ends when told."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Suite, wait_for


def ready(process: subprocess.Popen[bytes]) -> bool:
    """Whether HUP is ignored, which is the last thing that pause does before it waits."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = re.search(r"^SigIgn:\t(\w+)", status, re.M)
    return ignored is not None and bool(int(ignored[1], 16) & 1 << signal.SIGHUP - 1)


@pytest.fixture
def paused(ours: Suite) -> Iterator[subprocess.Popen[bytes]]:
    process = ours.start(
        "pause",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: ready(process), "pause to wait")
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_end_it_with_zero(paused: subprocess.Popen[bytes], number: int) -> None:
    paused.send_signal(number)
    assert paused.communicate(timeout=30) == (b"", b"")
    assert paused.returncode == 0


def test_hup_does_nothing(paused: subprocess.Popen[bytes]) -> None:
    paused.send_signal(signal.SIGHUP)
    paused.send_signal(signal.SIGTERM)
    assert paused.wait(30) == 0


def test_any_other_signal_does_what_it_always_does(paused: subprocess.Popen[bytes]) -> None:
    paused.send_signal(signal.SIGUSR1)
    assert paused.wait(30) == -signal.SIGUSR1


def test_it_ends_where_an_interrupt_was_ignored(ours: Suite) -> None:
    def before() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    process = ours.start("pause", preexec_fn=before)
    try:
        wait_for(lambda: ready(process), "pause to wait")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
