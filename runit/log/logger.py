"""The loop of svlogd: from standard input to the log directories.

What one read(2) gives is worked on as a whole, and written with one write(2) for
each directory: no line waits for another, and under load there are few of either.
The beginning of a line whose end has not come yet is held back for a while, so that
a line goes to one file in one piece.
"""

from __future__ import annotations

import posix
import time
from errno import ENOMEM

from runit.log.context import Context
from runit.log.directory import LogDirectory
from runit.log.say import fatal, insist, pause, warning
from runit.log.signals import INPUT, Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from runit.log.options import Options
    from runit.process.environment import Given

    P = ParamSpec("P")
    T = TypeVar("T")

BLOCK = 28672
"""Bytes at once: enough that system calls do not count, and few enough that all work
on a block stays in the processor's caches; larger ones were slower.  Below 30,000 the
interpreter searches bytes two or three times faster than above."""
HELD = 65536
"""Bytes of a line that are held back until its end comes, at most."""
PATIENCE = 2_000_000_000
"""Nanoseconds that a line has to end after a TERM."""
NEWLINE = b"\n"
NOTHING_WORKS = 111


def serve(
    directories: list[bytes],
    *,
    config: bytes | None = None,
    options: Options,
    environment: Given | None = None,
) -> int:
    """Log standard input to DIRECTORIES until it ends or a TERM comes; the exit code.

    CONFIG is a file, from the working directory, to read in place of the `config` in
    each directory.  ENVIRONMENT is for processors; None stands for the one that this
    program was started with.

    The caller sees to user, group, working directory and descriptors: 0 and 2 are
    open, and what is not to be inherited by processors closes at exec.  Dispositions
    of HUP, ALRM, TERM, CHLD, PIPE and XFSZ, and the wake-up descriptor, are set here.
    See svlogd(8), and runsv(8) for the built-in logger.
    """
    try:
        signals = Signals(verbose=options.verbose)
    except OSError as error:
        fatal(b"unable to create pipe", error=error)
        return NOTHING_WORKS
    try:
        context = Context(options, signals, config=config, environment=environment)
    except OSError as error:
        fatal(b"unable to open current working directory", error=error)
        return NOTHING_WORKS
    return Logger(context, directories).run()


class Logger:
    """Logs to DIRECTORIES what comes on standard input."""

    __slots__ = ("_begun", "_context", "_held", "_held_size", "_held_stamp", "_logs", "_patience")

    def __init__(self, context: Context, directories: list[bytes]) -> None:
        self._context = context
        self._logs = [LogDirectory(name, context) for name in directories]
        self._held: list[bytes] = []  # the line in hand, in pieces
        self._held_size = 0
        self._held_stamp = b""
        self._begun = False  # whether what came so far of the line in hand is written
        self._patience: int | None = None  # when to give up that line after a TERM

    def run(self) -> int:
        """Log until the input ends or a TERM comes; returns the exit code."""
        signals = self._context.signals
        working = self._open()
        while working:
            if signals.pending:
                working = self._obey()
                continue
            if signals.termination and self._is_done():
                break
            if not self._read_block(self._tick()):
                break
        if not working:
            fatal(b"no functional log directories.")
            return NOTHING_WORKS
        self._finish()
        return 0

    def _open(self) -> bool:
        """Open each log directory, closing it first; whether one or more of them works."""
        works = False
        for log in self._logs:
            log.close()
            if log.open():
                works = True
            else:
                log.inside = False
        return works

    def _obey(self) -> bool:
        """Do what signals ask for; whether there is a log directory left."""
        signals = self._context.signals
        signals.pending = False
        if signals.child:
            signals.child = False
            for log in self._logs:
                log.processor.reap()
        if signals.alarm:
            signals.alarm = False
            for log in self._logs:
                log.rotate()
        if signals.hangup and not signals.termination:
            signals.hangup = False
            return self._open()
        return True

    def _is_done(self) -> bool:
        """After a TERM, whether there is no line in hand, or it has had its time."""
        now = time.monotonic_ns()
        if self._patience is None:
            self._patience = now + PATIENCE
        return not (self._held or self._begun) or now >= self._patience

    def _tick(self) -> int | None:
        """Do what is due; returns when to do so again, as time.monotonic_ns has it."""
        moments = [] if self._patience is None else [self._patience]
        for log in self._logs:
            if log.due() is not None:
                log.tick()
                moment = log.due()
                if moment is not None:
                    moments.append(moment)
        return min(moments, default=None)

    def _read_block(self, due: int | None) -> bool:
        """Sleep until there is input, or a signal, or DUE; take the input.

        False at its end.  After a TERM, not a byte more is read than the line in hand
        needs: the rest is for whoever reads the pipe next.
        """
        signals = self._context.signals
        if self._held_size > self._context.options.length and not signals.wait_for_input(0):
            self._begin_line()
        if not signals.wait_for_input(due):
            return True
        try:
            data = _read(1 if signals.termination else BLOCK)
        except BlockingIOError:
            return True
        except OSError as error:
            warning(b"unable to read standard input", error=error)
            return False
        if data:
            self._take(data, self._context.options.style(time.time_ns()))
        return bool(data)

    def _take(self, data: bytes, stamp: bytes) -> None:
        """Log DATA, which came at the time STAMP; hold back a last line without an end."""
        if self._begun:
            rest, data = _patiently(_split, data, data.find(NEWLINE) + 1 or len(data))
            self._go_on(rest)
        lines, rest = _patiently(_split, data, data.rfind(NEWLINE) + 1)
        if lines:
            self._log(lines, stamp)
        if rest:
            if not self._held:
                self._held_stamp = stamp
            self._held.append(rest)
            self._held_size += len(rest)
            if self._held_size > max(HELD, self._context.options.length):
                self._begin_line()

    def _log(self, block: bytes, stamp: bytes) -> None:
        """Log BLOCK, which is whole lines but for what is held back of the first."""
        first = stamp
        if self._held:
            first = self._held_stamp
            block = self._release(block)
        block = _patiently(self._context.options.replace, block)
        for log in self._logs:
            if log.descriptor >= 0:
                lines = _patiently(log.output.lines, block, first, stamp)
                if lines:
                    log.append(lines)

    def _begin_line(self) -> None:
        """Write what is held back, which is at least what patterns look at."""
        piece = _patiently(self._context.options.replace, self._release(NEWLINE))
        self._begun = True
        for log in self._logs:
            if log.descriptor >= 0:
                log.begin(*_patiently(log.output.beginning, piece, self._held_stamp))

    def _go_on(self, piece: bytes) -> None:
        """Write more of a line that has begun."""
        self._begun = not piece.endswith(NEWLINE)
        for log in self._logs:
            if log.inside:
                log.go_on(piece)

    def _release(self, more: bytes) -> bytes:
        """What is held back, which from now on is not, with MORE behind it."""
        piece = _patiently(b"".join, [*self._held, more])
        self._held.clear()
        self._held_size = 0
        return piece

    def _finish(self) -> None:
        """Write a line that has no end, with one; leave everything clean."""
        if self._begun:
            self._go_on(NEWLINE)
        elif self._held:
            self._log(NEWLINE, self._held_stamp)
        for log in self._logs:
            log.processor.end()
            log.close()


def _patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What CALL returns, which only needs memory; made until there is enough."""
    return insist(b"unable to work on", b"standard input", call, *args, **kwargs)


def _split(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]


def _read(size: int) -> bytes:
    """posix.read, which takes nothing from the pipe if there is no memory for it."""
    while True:
        try:
            return posix.read(INPUT, size)
        except MemoryError:
            pause(b"unable to read", b"standard input", OSError(ENOMEM, ""))
