"""The status record: the 20 bytes of supervise/status.

daemontools wrote the first 18, runit added two; anybody's supervisor and
anybody's control program meet in them.  See runsv(8) and sv(8).
"""

from __future__ import annotations

from runit.service import tai64n

SIZE = 20

DOWN, RUN, FINISH = 0, 1, 2
STATES = (b"down", b"run", b"finish")


class Status:
    """One record.

    changed  Unix time of the last change, in nanoseconds
    pid      of run or finish, 0 when down
    paused   STOP was sent
    want     b"u" or b"d" (b"d" also for once and exit; b"\\0" if never set)
    got_term TERM was sent, and the process has not ended yet
    state    DOWN, RUN or FINISH
    """

    __slots__ = ("changed", "got_term", "paused", "pid", "state", "want")

    def __init__(
        self,
        changed: int,
        pid: int = 0,
        *,
        paused: bool = False,
        want: bytes = b"d",
        got_term: bool = False,
        state: int = DOWN,
    ) -> None:
        self.changed = changed
        self.pid = pid
        self.paused = paused
        self.want = want
        self.got_term = got_term
        self.state = state

    def pack(self) -> bytes:
        """The record as it stands in the file."""
        return record(self.changed, self.pid, self.paused, self.want, self.got_term, self.state)


def record(changed: int, pid: int, paused: bool, want: bytes, got_term: bool, state: int) -> bytes:
    """A record as it stands in the file; the arguments are what a Status holds."""
    start = tai64n.stamp(changed)
    low, high = pid & 0xFFFF, pid >> 16
    return b"%b%c%c%c%c%c%b%c%c" % (
        start, low & 255, low >> 8, high & 255, high >> 8, paused, want, got_term, state
    )  # fmt: skip


def unpack(record: bytes) -> Status:
    """Read a record.

    Eighteen bytes, as daemontools' supervise writes them, will do: the state
    follows from the pid then.  Raises ValueError for fewer.
    """
    if len(record) < 18:
        raise ValueError("status record too short")
    pid = int.from_bytes(record[12:16], "little")
    return Status(
        tai64n.unix(record),
        pid,
        paused=record[16] != 0,
        want=record[17:18],
        got_term=len(record) > 18 and record[18] != 0,
        state=record[19] if len(record) > 19 else (RUN if pid else DOWN),
    )
