"""Signals as bytes: how a program that sleeps in poll(2) hears of them.

The interpreter's own handler writes the number of each signal that is handled
here into a pipe (signal(7) numbers, one byte each), which is polled like any
other descriptor.  No signal can come between a check and the sleep.

PIPE and XFSZ are handled rather than ignored: a write still fails instead of
killing, but exec(2) puts them back to their defaults, so no child inherits
anything.
"""

from __future__ import annotations

import os

from runit.process import signals
from runit.process.signals import _signal

FULL = 256
"""Bytes in one read; what is more comes with the next."""


class Wakeup:
    """A pipe that the signals NUMBERS arrive in; `fileno` is what to poll."""

    __slots__ = ("_write", "fileno")

    def __init__(self, *numbers: int) -> None:
        self.fileno, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signals.cleanse()
        _signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, *numbers):
            _signal.signal(number, _nothing)

    def read(self) -> bytes:
        """The signals that arrived since the last call, as bytes; never waits."""
        try:
            return os.read(self.fileno, FULL)
        except BlockingIOError:
            return b""


def _nothing(_number: int, _frame: object) -> None:
    """The byte in the pipe is what counts."""
