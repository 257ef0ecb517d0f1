"""A log directory: its lock, its configuration, and when it is time to rotate.

See LOG DIRECTORY and LOG FILE ROTATION in svlogd(8).  Everything is done relative to
a descriptor of the directory, so that renaming it does no harm.
"""

from __future__ import annotations

import fcntl
import posix
import time

from runit.log.config import Config, parse
from runit.log.current import Current
from runit.log.oldlogs import prune
from runit.log.output import Output
from runit.log.processor import Processor
from runit.log.say import info, warning
from runit.service.tai64n import BILLION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.context import Context

READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
LOCK = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NONBLOCK | posix.O_CLOEXEC
PIECE = 65536
"""Bytes at once when a file is read."""


class LogDirectory:
    """The log directory NAME, which `open` makes ready.

    descriptor  of the directory; -1 while it is not open
    config      how it is configured
    output      makes of lines what is to be written
    processor   takes care of old logs
    inside      whether `current` ends within a line, the rest of which is to come
    """

    __slots__ = (
        "_current",
        "_known_as",
        "_lock",
        "_old_at",
        "config",
        "context",
        "descriptor",
        "inside",
        "name",
        "output",
        "processor",
    )

    def __init__(self, name: bytes, context: Context) -> None:
        self.name = name
        self.context = context
        self.config = Config()
        self.output = Output(self.config, context.options.length)
        self.processor = Processor(self)
        self.descriptor = self._lock = -1
        self.inside = False
        self._current = Current(self)
        self._old_at = 0  # when `current` is old enough, as time.monotonic_ns has it
        self._known_as = b""

    def open(self) -> bool:
        """Make it ready; whether that went well.  If not, it has been said why."""
        try:
            self.descriptor = posix.open(self.name, READ)
        except OSError as error:
            warning(b"unable to open log directory", self.name, error=error)
            return False
        try:
            posix.fchdir(self.descriptor)
            self.context.go_home()
        except OSError as error:
            return self._give_up(b"unable to change directory", error)
        try:
            self._lock = posix.open(b"lock", LOCK, 0o600, dir_fd=self.descriptor)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return self._give_up(b"unable to lock directory", error)
        self._known_as = self.name
        self._configure()
        try:
            self._current.open()
        except OSError as error:
            return self._give_up(b"unable to stat current", error)
        self.processor.start()
        return True

    def close(self) -> None:
        """Put everything on the disk, mark `current` as clean, and let go."""
        if self.descriptor < 0:
            return
        if self.context.options.verbose:
            info(b"close", self._known_as)
        self._current.close()
        if self._lock >= 0:
            posix.close(self._lock)
        posix.close(self.descriptor)
        self.descriptor = self._lock = -1
        self.output.close()

    def append(self, lines: bytes) -> None:
        """Write LINES, which is whole lines, rotating at the ends of lines where due.

        A line is divided only if it is larger than a file may be.
        """
        at = 0
        while at < len(lines):
            end = self._cut(lines, at)
            self._write(memoryview(lines)[at:end])
            at = end
            if at < len(lines) or self._is_large():
                self.rotate()

    def begin(self, text: bytes, goes_on: bool) -> None:
        """Write TEXT: whole lines, or if it GOES_ON, one without its end.

        (Or lines that complain, and then one without its end.)
        """
        if not goes_on:
            self.append(text)
            return
        self._current.line = self._current.size
        self.inside = True
        self.go_on(text)

    def go_on(self, piece: bytes) -> None:
        """Write PIECE, more of the line that `current` ends within, or its end."""
        current, size = self._current, self.config.size
        while piece:
            room = size - current.size if size else len(piece)
            if room > 0:
                self._write(memoryview(piece)[:room])
                self.inside = not piece.endswith(b"\n")
                piece = piece[room:]
            elif current.line:
                self.processor.wait()
                current.retire_without_line()
                self._clear_up()
            else:  # there is no file that the line fits in
                self.rotate()
        if not self.inside and self._is_large():
            self.rotate()

    def rotate(self) -> None:
        """Make an old log of `current`, unless it is empty; begin a new one."""
        if self._current.size:
            self.processor.wait()
            self._current.retire()
            self._clear_up()

    def due(self) -> int | None:
        """When to call `tick`, as time.monotonic_ns has it; None: no need to."""
        moments = []
        if self.config.age and self._current.size:
            moments.append(self._old_at)
        restart = self.processor.due()
        if restart is not None:
            moments.append(restart)
        return min(moments, default=None)

    def tick(self) -> None:
        """Do what is due: rotate what is old, start again what failed."""
        now = time.monotonic_ns()
        if self.config.age and self._current.size and self._old_at <= now:
            self.rotate()
        restart = self.processor.due()
        if restart is not None and restart <= now:
            self.processor.start()

    def _give_up(self, what: bytes, error: OSError) -> bool:
        self.close()
        warning(what, self.name, error=error)
        return False

    def _configure(self) -> None:
        """Read the configuration; what is not there or cannot be read leaves defaults."""
        text = self._read_config()
        if text is not None and self.context.options.verbose:
            info(b"read", self.context.config or self.name + b"/config")
        self.config = parse(text or b"")
        self.output = Output(self.config, self.context.options.length)
        self._old_at = time.monotonic_ns() + self.config.age * BILLION

    def _read_config(self) -> bytes | None:
        """The configuration file; None if there is none."""
        text = b""
        try:
            if self.context.config is None:
                file = posix.open(b"config", READ, dir_fd=self.descriptor)
            else:
                file = posix.open(self.context.config, READ)
            try:
                while piece := posix.read(file, PIECE):
                    text += piece
            finally:
                posix.close(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            warning(b"unable to read config", self.name, error=error)
        return text

    def _clear_up(self) -> None:
        """What there is to do after a rotation."""
        now = time.monotonic_ns()
        if self._old_at <= now:
            self._old_at = now + self.config.age * BILLION
        prune(self)
        self.processor.start()

    def _turn(self) -> int:
        """The size from which on `current` is rotated when a line ends.

        Where files are not to be larger than a line, only what does not fit any more
        makes it rotate.
        """
        size, length = self.config.size, self.context.options.length
        return size - length if size >= length else size + 1

    def _is_large(self) -> bool:
        return bool(self.config.size) and self._current.size >= self._turn()

    def _cut(self, lines: bytes, at: int) -> int:
        """How far LINES, from AT on, are to be written before the next rotation."""
        room = self.config.size - self._current.size
        if not self.config.size or self._current.size + len(lines) - at < self._turn():
            return len(lines)
        least = max(at, at + self._turn() - self._current.size - 1)
        end = lines.find(b"\n", least) + 1
        if 0 < end <= at + room:
            return end
        # The line that would be the last one does not fit any more.
        start = lines.rfind(b"\n", at, end - 1 if end else len(lines) - 1) + 1
        if start > at:
            return start
        if self._current.size:
            self.rotate()
            return self._cut(lines, at)
        return at + room

    def _write(self, data: memoryview) -> None:
        if not self._current.size:
            self._come_of_age_again()
        self._current.write(data)

    def _come_of_age_again(self) -> None:
        """After the time for a rotation went by with nothing to rotate: the next one.

        Nobody wakes up for an empty log; the times are what they were if one did.
        """
        age = self.config.age * BILLION
        late = time.monotonic_ns() - self._old_at if age else -1
        if late >= 0:
            self._old_at += (late // age + 1) * age
