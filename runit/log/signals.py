"""The signals that svlogd hears, and how it sleeps without missing one.

A handler notes the signal; the interpreter, besides, writes a byte into a pipe, so
that a signal that comes just before poll(2) still wakes it.
"""

from __future__ import annotations

import posix
import select
import time

from runit.log.say import info
from runit.process.signals import _signal

LONGEST_SLEEP = (1 << 31) - 1
"""Milliseconds: the most that poll(2) can count."""
MILLISECOND = 1_000_000
INPUT = 0
HEARD = (_signal.SIGHUP, _signal.SIGALRM, _signal.SIGTERM, _signal.SIGCHLD)


class Signals:
    """Hears HUP, ALRM, TERM and CHLD from now on; a write that fails ends nothing.

    alarm, child, hangup, termination  whether one came; for the user to take back
    pending                            whether any came
    """

    __slots__ = (
        "_everything",
        "_pipe",
        "_signals",
        "_verbose",
        "alarm",
        "child",
        "hangup",
        "pending",
        "termination",
    )

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self.alarm = self.child = self.hangup = self.termination = self.pending = False
        self._pipe, end = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        self._signals = select.poll()
        self._signals.register(self._pipe, select.POLLIN)
        self._everything = select.poll()
        self._everything.register(self._pipe, select.POLLIN)
        self._everything.register(INPUT, select.POLLIN)
        _signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        for number in HEARD:
            _signal.signal(number, self._note)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, HEARD)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_IGN)

    def wait_for_input(self, due: int | None) -> bool:
        """Sleep until there is input, or a signal, or DUE; whether there is input.

        DUE is what time.monotonic_ns will say then; None: never.
        """
        return self._sleep(self._everything, due)

    def wait(self, due: int | None) -> None:
        """Sleep until there is a signal, or DUE."""
        self._sleep(self._signals, due)

    def _sleep(self, poll: select.poll, due: int | None) -> bool:
        ready = poll.poll(_milliseconds(due))
        for descriptor, _ in ready:
            if descriptor == self._pipe:
                posix.read(self._pipe, 4096)
        return any(descriptor == INPUT for descriptor, _ in ready)

    def _note(self, number: int, _frame: object) -> None:
        self.pending = True
        if number == _signal.SIGHUP:
            self.hangup, name = True, b"hangup"
        elif number == _signal.SIGALRM:
            self.alarm, name = True, b"alarm"
        elif number == _signal.SIGCHLD:
            self.child, name = True, b"child"
        else:
            self.termination, name = True, b"term"
        if self._verbose:
            info(b"sig" + name + b" received.")


def _milliseconds(due: int | None) -> int | None:
    """How long to sleep, rounded up; None: for ever."""
    if due is None:
        return None
    left = due - time.monotonic_ns()
    return max(0, min(-(-left // MILLISECOND), LONGEST_SLEEP))
