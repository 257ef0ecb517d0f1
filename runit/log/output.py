"""What becomes of log lines: which are kept, sent and shown, and what precedes them.

An Output stands between the lines that were read and one log directory.  It works
on blocks of whole lines; only lines that are sent by UDP or shown on standard error
are touched one by one.
"""

from __future__ import annotations

import posix

from runit.log.remote import Remote
from runit.log.rules import Rules
from runit.message import emit, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.config import Config

PIPE_BUF = 4096
"""Bytes that a pipe takes in one piece, so that programs sharing it do not mix lines."""
MORE = b"..."
"""Ends a copy of a line that was cut."""


class Output:
    """The way of lines to a log directory that has the configuration CONFIG.

    LENGTH is how many bytes of a line patterns see and copies have (-l).
    """

    __slots__ = ("_alerts", "_length", "_plain", "_prefix", "_remote", "_remote_only", "_rules")

    def __init__(self, config: Config, length: int) -> None:
        self._length = length
        self._prefix = config.prefix
        self._rules = Rules(config.rules, default=True)
        self._alerts = Rules(config.alerts, default=False)
        self._remote = Remote(config.address) if config.address else None
        self._remote_only = config.remote_only
        self._plain = self._remote is None and self._alerts.select_nothing()

    def close(self) -> None:
        """Give back what it holds."""
        if self._remote:
            self._remote.close()

    def lines(self, block: bytes, first: bytes, stamp: bytes) -> bytes:
        """What to write for BLOCK, which is whole lines.

        FIRST is the time stamp of the first line, STAMP that of the others.
        """
        if not self._plain:
            shown = self._alerts.select(block, self._length)
            _show(self._copies(shown, _first(shown, block, first, stamp), stamp))
        chosen = self._rules.select(block, self._length)
        if not chosen:
            return b""
        first = _first(chosen, block, first, stamp)
        if self._remote:
            return self._send(self._remote, chosen, first, stamp)
        return self._marked(chosen, first, stamp)

    def beginning(self, piece: bytes, stamp: bytes) -> tuple[bytes, bool]:
        """What to write for PIECE, the beginning of a line; whether its rest is to follow.

        For the sake of form, PIECE ends with a newline.
        """
        written = self.lines(piece, stamp, stamp)
        if not written or self._remote_only:
            return written, False
        return written[:-1], True

    def _marked(self, block: bytes, first: bytes, stamp: bytes) -> bytes:
        """BLOCK with time stamp and prefix before each line."""
        mark = stamp + self._prefix
        if not mark:
            return block
        body = block[:-1].replace(b"\n", b"\n" + mark)
        return b"".join((first, self._prefix, body, b"\n"))

    def _copies(self, block: bytes, first: bytes, stamp: bytes) -> list[bytes]:
        """The lines of BLOCK for somebody else: marked, one by one, and cut."""
        copies = []
        for line in block.split(b"\n")[:-1]:
            more = MORE if len(line) >= self._length else b""
            copies.append(b"%b%b%b%b\n" % (first, self._prefix, line[: self._length], more))
            first = stamp
        return copies

    def _send(self, remote: Remote, block: bytes, first: bytes, stamp: bytes) -> bytes:
        """Send the lines of BLOCK; returns what there is to write, complaints included."""
        written = []
        lines = self._marked(block, first, stamp).split(b"\n")[:-1]
        for copy, line in zip(self._copies(block, first, stamp), lines, strict=True):
            written.append(remote.send(copy))
            if not self._remote_only:
                written.append(line + b"\n")
        return b"".join(written)


def _first(chosen: bytes, block: bytes, first: bytes, stamp: bytes) -> bytes:
    """The stamp for the first line of CHOSEN, lines selected from BLOCK.

    It is FIRST if it is the first line of BLOCK.  (Equal lines are selected alike.)
    """
    if first == stamp or chosen.startswith(block[: block.find(b"\n") + 1]):
        return first
    return stamp


def _show(copies: list[bytes]) -> None:
    """Write them to standard error, as many at once as other writers cannot break up.

    A terminal gets no control characters: what is in a log may come from anybody.
    """
    if copies and posix.isatty(2):
        copies = [printable(copy, "\t\n") for copy in copies]
    batch = b""
    for copy in copies:
        if batch and len(batch) + len(copy) > PIPE_BUF:
            emit(batch)
            batch = b""
        batch += copy
    emit(batch)
