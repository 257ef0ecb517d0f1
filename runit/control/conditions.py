"""When a command has taken effect, as far as the status record tells.

One rule for each control character; a command of several has taken effect when
all of its rules say so.  A record is new when its time is another than before the
command was sent, to the nanosecond: so a restart within the second is not taken for
the state before it, and it does not matter if the clock is set.  See sv(8), -v.
"""

from __future__ import annotations

from runit.service.status import DOWN, RUN, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[Status, bool], int]

NOT_YET, ASK, REACHED = range(3)
"""What a rule answers; ASK is REACHED provided that ./check agrees."""


def judge(letters: bytes, found: Status, new: bool) -> int:
    """Whether what LETTERS ask for has been REACHED.

    NEW: the record is of a change that came after the last one before they were sent.
    """
    return min(RULES.get(letter, _at_once)(found, new) for letter in letters)


def _up(found: Status, new: bool) -> int:
    return ASK if found.pid and found.state == RUN else NOT_YET


def _down(found: Status, new: bool) -> int:
    return NOT_YET if found.pid or found.state != DOWN else REACHED


def _once(found: Status, new: bool) -> int:
    return REACHED if (found.want == b"d" if found.pid else new) else NOT_YET


def _ended(found: Status, new: bool) -> int:
    """TERM or KILL: another process than before, or none and none wanted."""
    if not found.pid:
        return REACHED if found.want == b"d" else NOT_YET
    return ASK if new and not found.got_term else NOT_YET


def _paused(found: Status, new: bool) -> int:
    return NOT_YET if found.pid and not found.paused else REACHED


def _continued(found: Status, new: bool) -> int:
    return NOT_YET if found.pid and found.paused else REACHED


def _as_wanted(found: Status, new: bool) -> int:
    """For check.  A service that runs, unwanted and without TERM, was sent up once."""
    if found.want == b"u":
        return _up(found, new)
    if not found.pid:
        return REACHED
    return ASK if found.state == RUN and not found.got_term else NOT_YET


def _never(found: Status, new: bool) -> int:
    """For exit: as long as there is a record, runsv has not gone."""
    return NOT_YET


def _at_once(found: Status, new: bool) -> int:
    return REACHED


RULES: dict[int, Rule] = {
    ord("u"): _up,
    ord("d"): _down,
    ord("o"): _once,
    ord("t"): _ended,
    ord("k"): _ended,
    ord("p"): _paused,
    ord("c"): _continued,
    ord("C"): _as_wanted,
    ord("x"): _never,
}
