"""Count down to a moment, and warn at falling intervals.

Hours ahead each hour, within three hours each half, within one each quarter, and each
minute of the last ten.
"""

from __future__ import annotations

from runit.boot.when import MINUTE, Clock, When

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BARRED = 5 * MINUTE
"""Nobody logs in any more that close to the end."""

GLANCE = 10.0
"""How long the wall clock is trusted not to be set, in seconds."""


def count_down(
    when: When,
    clock: Clock,
    warn: Callable[[int], None],
    bar: Callable[[bool], None],
) -> int:
    """Wait until WHEN: 0; or until a signal cancels it: its number.

    Calls WARN with the minutes left, at once and at each interval, and BAR with whether
    logins are to be barred, whenever that changes.
    """
    barred = False
    mark = None
    before = left = when.left(clock)
    while left > 0:
        close = left <= BARRED
        if close != barred:
            barred = close
            bar(close)
        if mark is None or left <= mark * MINUTE:
            warn(-int(-left // MINUTE))
            mark = next_mark(left)
        elif left > before:  # the clock was set back
            mark = next_mark(left)
        rest = left - max(mark * MINUTE, 0.0 if close else BARRED)
        before = left
        if number := clock.wait(min(rest, GLANCE) if when.by_wall else rest):
            return number
        left = when.left(clock)
    return 0


def next_mark(left: float) -> int:
    """The greatest number of minutes below LEFT seconds at which a warning is due."""
    minutes = -int(-left // MINUTE) - 1
    if minutes <= 10:
        return minutes
    step = 15 if minutes < 60 else 30 if minutes < 180 else 60
    return max(minutes - minutes % step, 10)
