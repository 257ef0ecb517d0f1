"""The file `current` of a log directory.

It is mode 0644 while it is written and 0744 once all of it is on the disk, so one
that is not empty and not executable for its owner tells of an unclean end.  What
fails here is reported and tried again, for ever: see `runit.log.say`.
"""

from __future__ import annotations

import errno
import posix

from runit.log.oldlogs import make_room, prune, unused_name
from runit.log.say import info, insist, pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from runit.log.directory import LogDirectory

    T = TypeVar("T")

APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NONBLOCK | posix.O_CLOEXEC
CHANGE = posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC
OWNER_EXECUTES = 0o100
OPEN, CLEAN = 0o644, 0o744
"""The modes of `current` while it is written, and when it was closed cleanly."""
PIECE = 65536
"""Bytes at once when a file is copied."""


class Current:
    """The file `current` of the directory LOG, which `open` makes ready.

    size  bytes in it
    line  where in it the line begins that it ends within, if it does
    """

    __slots__ = ("_descriptor", "_log", "line", "size")

    def __init__(self, log: LogDirectory) -> None:
        self._log = log
        self._descriptor = -1
        self.size = 0
        self.line = 0

    def open(self) -> None:
        """Open it; what an unclean end left is put aside.  Raises stat(2)'s OSError."""
        log = self._log
        size = 0
        try:
            state = posix.stat(b"current", dir_fd=log.descriptor)
        except FileNotFoundError:
            found = False
        else:
            size = state.st_size
            found = not size or bool(state.st_mode & OWNER_EXECUTES)
            if not found:
                self._rename(unused_name(log, b".u"))
                prune(log)
        if not found:
            size = self.line = 0
        self.size = size
        self._create(b"unable to open current")
        if log.context.options.verbose:
            info(b"append" if found else b"new", log.name + b"/current")

    def close(self) -> None:
        """Put it on the disk, mark it as clean, and let go of it, if it is open."""
        if self._descriptor < 0:
            return
        self._insist(b"unable to fsync current logfile", lambda: posix.fsync(self._descriptor))
        self._set_mode(CLEAN)
        try:
            posix.close(self._descriptor)
        except OSError:  # fsync has told all there was to tell
            pass
        self._descriptor = -1

    def write(self, data: memoryview) -> None:
        """Append all of DATA, however long it takes."""
        while data:
            try:
                written = posix.write(self._descriptor, data)
            except OSError as error:
                if error.errno != errno.ENOSPC or not make_room(self._log):
                    pause(b"unable to write to current", self._log.name, error)
            else:
                self.size += written
                data = data[written:]

    def retire(self) -> None:
        """Make an old log of it, and begin a new one."""
        log = self._log
        name = unused_name(log, b".u" if log.config.processor else b".s")
        self.close()
        if log.context.options.verbose:
            info(b"rename", b"%b/current %b %d" % (log.name, name, self.size))
        self._rename(name)
        self.size = self.line = 0
        self._create(b"unable to create new current")

    def retire_without_line(self) -> None:
        """As `retire`, but take the line that it ends within along to the new one.

        The line is copied first and cut off then: killed in between, there are two.
        """
        start, end = self.line, self.size
        old = self._insist(
            b"unable to open current",
            lambda: posix.open(b"current", CHANGE, dir_fd=self._log.descriptor),
        )
        self.retire()
        while start + self.size < end and (piece := posix.pread(old, PIECE, start + self.size)):
            self.write(memoryview(piece))
        self._insist(b"unable to truncate old logfile", lambda: posix.ftruncate(old, start))
        posix.close(old)

    def _create(self, complaint: bytes) -> None:
        self._descriptor = self._insist(
            complaint,
            lambda: posix.open(b"current", APPEND, 0o600, dir_fd=self._log.descriptor),
        )
        self._set_mode(OPEN)

    def _rename(self, name: bytes) -> None:
        at = self._log.descriptor
        self._insist(
            b"unable to rename current",
            lambda: posix.rename(b"current", name, src_dir_fd=at, dst_dir_fd=at),
        )

    def _set_mode(self, mode: int) -> None:
        self._insist(b"unable to set mode of current", lambda: posix.fchmod(self._descriptor, mode))

    def _insist(self, complaint: bytes, call: Callable[[], T]) -> T:
        return insist(complaint, self._log.name, call)
