"""The readproctitle log: the last words of all supervisors, for ps(1) to show.

Standard error becomes a pipe that we read; what comes out of it moves through the
last argument on our command line, from right to left.  See runsvdir(8).
"""

from __future__ import annotations

import os

from runit.process import title

SHORTEST = 7
"""Characters that the argument needs at least."""

KEPT = 5
"""Characters at its beginning that stay, such as ``log: ``."""

DOT_EVERY = 900.0
"""Seconds after which a dot moves in, so that old words go some day."""


class ProctitleLog:
    """The log in the argument TEXT, behind COMMAND on the command line.

    READER is the read end of a pipe whose write end is standard error; by default
    such a pipe is made.  Raises OSError if it cannot be.
    """

    def __init__(self, command: bytes, text: bytes, reader: int | None = None) -> None:
        self.command = command
        self.text = text
        self._area = title.area()
        if reader is None:
            reader, writer = os.pipe()
            os.dup2(writer, 2)
            os.close(writer)
        os.set_blocking(reader, False)
        self.fileno = reader
        self.show()

    def add(self, words: bytes) -> None:
        """Move WORDS in."""
        words = words.replace(b"\0", b"")  # which would end the command line
        size = len(self.text) - KEPT
        self.text = self.text[:KEPT] + (self.text[KEPT:] + words)[-size:]
        self.show()

    def read(self) -> None:
        """Take in what was written to standard error."""
        try:
            self.add(os.read(self.fileno, 65536))
        except BlockingIOError:
            pass

    def show(self) -> None:
        """Write the command line anew."""
        if self._area is None:
            self._area = title.area()
        title.show(self.command + b" " + self.text, b"runsvdir", self._area)
