"""What sv prints: one line for each service, on standard output.

Scripts read these lines; their grammar is sv(8)'s, OUTPUT.
"""

from __future__ import annotations

import posix
import time

from runit.message import emit, line, printable, shown
from runit.service.directory import FAIL, Trouble
from runit.service.status import DOWN, STATES, Status
from runit.service.tai64n import BILLION

MOST_FAILED = 99

LSB_OK, LSB_FAILED, LSB_DOWN, LSB_UNKNOWN = 0, 1, 3, 4
"""Exit codes of the status action of an init script."""


class Report:
    """Lines that wait to be written, and what the exit code will be.

    failed  services that could not be asked or told, or did not obey in time
    state   of the service asked last, as an init script's exit code
    """

    __slots__ = ("_pieces", "_terminal", "_warned", "failed", "state")

    def __init__(self) -> None:
        self.failed = 0
        self.state = LSB_OK
        self._pieces: list[bytes] = []
        self._warned: list[bytes] = []
        self._terminal = posix.isatty(1)

    def add(self, text: bytes) -> None:
        """Keep TEXT until `flush`."""
        self._pieces.append(text)

    def flush(self) -> None:
        """Write what was kept.  What cannot be written is dropped."""
        if self._pieces:
            emit(b"".join(self._pieces), 1)
            self._pieces.clear()

    def warn(self, *parts: bytes, error: OSError | None = None) -> None:
        """A warning on standard error, after the lines before it; the same only once."""
        text = line(b"warning", *parts, error=error)
        if text not in self._warned:
            self._warned.append(text)
            self.flush()
            emit(text)

    def trouble(self, name: bytes, trouble: Trouble) -> None:
        """The line of a service that failed."""
        self.failed += 1
        self.state = LSB_FAILED if trouble.kind == FAIL else LSB_UNKNOWN
        self.add(line(trouble.kind, self.shown(name), trouble.reason, error=trouble.error))

    def service(self, name: bytes, found: Status) -> bytes:
        """NAME's status in words.  The service directory is the current one."""
        return self.status(name, self.shown(name), found)

    def status(self, name: bytes, shown: bytes, found: Status) -> bytes:
        """As `service`, for a service that is SHOWN under another name."""
        try:
            posix.stat(b"down")
            normally_down = True
        except FileNotFoundError:
            normally_down = False
        except OSError as error:
            self.state = LSB_UNKNOWN
            self.warn(b"unable to stat " + self.shown(name, 2) + b"/down", error=error)
            return b""
        self.state = LSB_OK if found.pid else LSB_DOWN
        age = max(0, int(time.time()) - found.changed // BILLION)
        text = STATES[found.state] + b": " if found.state < len(STATES) else b""
        text += shown + (b": %ds" if found.state == DOWN else b": (pid %d) %%ds" % found.pid) % age
        if not found.pid:
            if not normally_down:
                text += b", normally up"
            if found.want == b"u":
                text += b", want up"
            return text
        if normally_down:
            text += b", normally down"
        if found.paused:
            text += b", paused"
        if found.want == b"d":
            text += b", want down"
        if found.got_term:
            text += b", got TERM"
        return text

    def shown(self, name: bytes, descriptor: int = 1) -> bytes:
        """NAME as it may be written to DESCRIPTOR: a terminal obeys control characters."""
        if descriptor != 1:
            return shown(name, descriptor)
        return printable(name) if self._terminal else name
