"""When shutdown is to happen: a time of day, or so many minutes from now.

A time of day follows the wall clock, also one that is set meanwhile; minutes follow the
monotonic clock, which nobody sets.
"""

from __future__ import annotations

import time

from runit.process.signals import _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE = 60.0

LONGEST = 10_000_000
"""Minutes, nineteen years: what is more is a mistake."""


class Clock:
    """Both clocks, in seconds, and waiting for them; a test has its own.

    STOPS are the signals, blocked, that end waiting.
    """

    def __init__(self, stops: Iterable[int] = ()) -> None:
        self.stops = stops

    def wall(self) -> float:
        """Unix time."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()

    def wait(self, seconds: float) -> int:
        """Let SECONDS pass; the signal that ended that, or 0."""
        got = _signal.sigtimedwait(self.stops, max(seconds, 0.001))
        return 0 if got is None else int(got.si_signo)


class When:
    """A moment: AT in seconds of the wall clock, if BY_WALL, else of the monotonic one."""

    __slots__ = ("at", "by_wall")

    def __init__(self, at: float, *, by_wall: bool) -> None:
        self.at = at
        self.by_wall = by_wall

    def left(self, clock: Clock) -> float:
        """Seconds from now until then; zero or less: it has come."""
        return self.at - (clock.wall() if self.by_wall else clock.monotonic())


def parse(text: bytes, clock: Clock) -> When | None:
    """The moment that ``now``, ``+m``, ``m``, ``hh:mm`` or ``+hh:mm`` means; None: nothing.

    hh:mm is tomorrow's if today's is past, or is this very minute.
    """
    if text == b"now":
        text = b"+0"
    hours, colon, minutes = text.removeprefix(b"+").partition(b":")
    if not colon:
        hours, minutes = b"0", hours
    elif not hours or len(minutes) != 2:
        return None
    if not (hours.isdigit() and minutes.isdigit()) or len(hours) > 6 or len(minutes) > 8:
        return None
    hour, minute = int(hours), int(minutes)
    if colon and minute > 59:
        return None
    if colon and not text.startswith(b"+"):
        if hour > 23 or len(hours) > 2:
            return None
        return When(_next(hour, minute, clock.wall()), by_wall=True)
    ahead = hour * 60 + minute
    return When(clock.monotonic() + ahead * MINUTE, by_wall=False) if ahead <= LONGEST else None


def _next(hour: int, minute: int, now: float) -> float:
    """Unix time of the next HOUR:MINUTE after NOW, by the local time zone."""
    today = time.localtime(now)
    for day in (0, 1):
        moment = (today.tm_year, today.tm_mon, today.tm_mday + day, hour, minute, 0, 0, 0, -1)
        then = time.mktime(moment)
        if then > now:
            break
    return then
