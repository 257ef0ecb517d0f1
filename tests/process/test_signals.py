"""runit.process.signals: what children find of signals, after either function."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import masks

import runit

ROOT = Path(runit.__file__).resolve().parent.parent


def bit(*numbers: int) -> int:
    """The mask in which the signals NUMBERS are set."""
    return sum(1 << number - 1 for number in numbers)


def masks_after(call: str, before: Callable[[], None] | None = None) -> dict[str, int]:
    """The ignored and the blocked signals of a program exec'd after CALL."""
    code = (
        f"import posix, sys; sys.path.append({str(ROOT)!r})\n"
        f"from runit.process import signals; {call}\n"
        "posix.execv('/bin/cat', ['cat', '/proc/self/status'])"
    )
    status = subprocess.run(
        [sys.executable, "-ISBc", code], preexec_fn=before, stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    return masks.masks(status)


def ignore_and_block() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGRTMAX):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN])


def test_the_interpreter_would_have_changed_something() -> None:
    assert masks_after("None")["SigIgn"] == bit(signal.SIGPIPE, signal.SIGXFSZ)


def test_as_given_takes_back_what_the_interpreter_did() -> None:
    assert masks_after("signals.as_given()") == {"SigIgn": 0, "SigBlk": 0}


def test_as_given_leaves_what_was_inherited() -> None:
    assert masks_after("signals.as_given()", ignore_and_block) == {
        "SigIgn": bit(
            signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGRTMAX
        ),
        "SigBlk": bit(signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN),
    }


def test_after_as_given_an_interrupt_kills() -> None:
    code = (
        f"import posix, sys; sys.path.append({str(ROOT)!r})\n"
        "from runit.process import signals; signals.as_given()\n"
        f"posix.kill(posix.getpid(), {int(signal.SIGINT)})"
    )
    done = subprocess.run([sys.executable, "-ISBc", code], capture_output=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_cleanse_leaves_nothing_ignored_and_what_is_blocked_to_the_caller() -> None:
    before = masks_after("pass", ignore_and_block)
    after = masks_after("signals.cleanse()", ignore_and_block)
    assert before["SigIgn"] != 0
    assert before["SigBlk"] != 0
    assert after == {"SigIgn": 0, "SigBlk": before["SigBlk"]}
