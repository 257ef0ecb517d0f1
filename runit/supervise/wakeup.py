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

from runit.process.signals import _signal

FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
FULL = 256
"""Bytes in one read; what is more comes with the next."""


ALWAYS: tuple[int, ...] = (_signal.SIGPIPE, _signal.SIGXFSZ)


class Wakeup:
    """A pipe that the signals NUMBERS arrive in; `fileno` is what to poll.

    From then on only the signals in BLOCKED are blocked.  The caller has seen to it
    that those which are not handled have their default.
    """

    __slots__ = ("_write", "fileno", "numbers")

    def __init__(self, numbers: tuple[int, ...], blocked: tuple[int, ...] = ()) -> None:
        self.fileno, self._write = os.pipe2(FLAGS)
        self.numbers = numbers
        _write_to(self._write)
        for number in ALWAYS:
            _signal.signal(number, _nothing)
        for number in numbers:
            _signal.signal(number, _nothing)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)

    def read(self) -> bytes:
        """The signals that arrived since the last call, as bytes; never waits."""
        try:
            return os.read(self.fileno, FULL)
        except BlockingIOError:
            return b""


_written = -1  # the descriptor that the interpreter writes to


def _write_to(descriptor: int) -> None:
    """Have the interpreter write signals to DESCRIPTOR.

    In a forked child the new pipe often has the same number as the parent's had,
    and there is nothing to do, which is the cheapest: see `runit.supervise.heap`.
    """
    global _written  # noqa: PLW0603 (there is one such descriptor)
    if descriptor != _written:
        _signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        _written = descriptor


def _nothing(_number: int, _frame: object) -> None:
    """The byte in the pipe is what counts."""
