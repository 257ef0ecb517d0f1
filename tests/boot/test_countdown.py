"""When a shutdown happens, and at what times people are warned: with clocks of our own."""

from __future__ import annotations

import time

import pytest

from runit.boot.countdown import count_down, next_mark
from runit.boot.when import Clock, When, parse

NOON = time.mktime((2026, 11, 21, 12, 0, 30, 0, 0, -1))


class Played(Clock):
    """Clocks that go on only while they are waited for."""

    def __init__(self, wall: float = NOON) -> None:
        super().__init__()
        self.now = 1000.0
        self.offset = wall - self.now
        self.waits = 0
        self.signal_at: float | None = None
        self.set_at: dict[float, float] = {}

    def wall(self) -> float:
        return self.now + self.offset

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> int:
        assert seconds > 0
        self.waits += 1
        self.now += seconds
        for moment in sorted(self.set_at):
            if self.now - 1000 >= moment:
                self.offset += self.set_at.pop(moment)
        if self.signal_at is not None and self.now - 1000 >= self.signal_at:
            return 15
        return 0


def play(clock: Played, text: bytes) -> tuple[list[int], list[tuple[float, bool]], int]:
    """Minutes warned of, when logins were barred (seconds from the start), the signal."""
    when = parse(text, clock)
    assert when is not None
    warned: list[int] = []
    barred: list[tuple[float, bool]] = []
    bar = lambda on: barred.append((clock.now - 1000, on))  # noqa: E731
    number = count_down(when, clock, warned.append, bar)
    return warned, barred, number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"now", 0),
        (b"+0", 0),
        (b"0", 0),
        (b"+5", 300),
        (b"5", 300),
        (b"05", 300),
        (b"+1:30", 5400),
        (b"+100", 6000),
    ],
)
def test_minutes_follow_the_monotonic_clock(text: bytes, seconds: int) -> None:
    clock = Played()
    when = parse(text, clock)
    assert when is not None
    assert not when.by_wall
    assert when.left(clock) == seconds
    clock.offset += 10_000
    assert when.left(clock) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"12:01", 30),
        (b"13:00", 3570),
        (b"23:59", 12 * 3600 - 90),
        (b"12:00", 24 * 3600 - 30),
        (b"0:00", 12 * 3600 - 30),
        (b"9:15", 21 * 3600 + 15 * 60 - 30),
    ],
)
def test_a_time_of_day_follows_the_wall_clock_and_is_tomorrow_s_if_past(
    text: bytes, seconds: int
) -> None:
    clock = Played()
    when = parse(text, clock)
    assert when is not None
    assert when.by_wall
    assert when.left(clock) == seconds
    clock.offset += 20
    assert when.left(clock) == seconds - 20


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"+",
        b"-1",
        b"+-1",
        b"++1",
        b"1.5",
        b"soon",
        b"24:00",
        b"12:60",
        b"12:5",
        b"12:005",
        b"012:05",
        b":05",
        b"12:",
        b"+:05",
        b"1:2:3",
        b"+99999999",
        b"+999999999999999999999999",
        b"\xff",
        "٣".encode(),
    ],
)
def test_anything_else_is_no_time(text: bytes) -> None:
    assert parse(text, Played()) is None


def test_warnings_come_at_falling_intervals() -> None:
    warned, barred, number = play(Played(), b"+500")
    assert warned[:7] == [500, 480, 420, 360, 300, 240, 180]
    assert warned[7:] == [150, 120, 90, 60, 45, 30, 15, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert barred == [(495 * 60, True)]
    assert number == 0


def test_the_first_warning_comes_at_once_and_not_twice() -> None:
    assert play(Played(), b"+1")[0] == [1]
    assert play(Played(), b"+15")[0][:3] == [15, 10, 9]
    assert play(Played(), b"now")[0] == []


def test_logins_are_barred_at_once_in_the_last_five_minutes() -> None:
    assert play(Played(), b"+5")[1] == [(0, True)]
    assert play(Played(), b"+6")[1] == [(60, True)]
    assert play(Played(), b"12:03")[1] == [(0, True)]


def test_minutes_need_few_wake_ups() -> None:
    clock = Played()
    play(clock, b"+500")
    assert clock.waits < 30


def test_a_signal_ends_the_wait() -> None:
    clock = Played()
    clock.signal_at = 1
    assert play(clock, b"+10") == ([10], [], 15)


def test_a_clock_set_ahead_brings_the_time_of_day_closer() -> None:
    clock = Played()
    clock.set_at = {30.0: 3600.0}
    warned, barred, _ = play(clock, b"13:04")
    assert clock.now - 1000 < 300
    assert warned == [64, 3, 2, 1]
    assert barred == [(30, True)]
    assert clock.wall() == time.mktime((2026, 11, 21, 13, 4, 0, 0, 0, -1))


def test_a_clock_set_back_frees_logins_and_warns_again() -> None:
    clock = Played()
    clock.set_at = {30.0: -3600.0}
    warned, barred, _ = play(clock, b"12:04")
    assert warned == [4, 60, 45, 30, 15, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [on for _, on in barred] == [True, False, True]
    assert clock.wall() == time.mktime((2026, 11, 21, 12, 4, 0, 0, 0, -1))


def test_minutes_do_not_care_for_a_clock_that_is_set() -> None:
    clock = Played()
    clock.set_at = {30.0: 86400.0}
    assert play(clock, b"+3") == ([3, 2, 1], [(0, True)], 0)
    assert clock.now == 1180


def test_a_mark_is_always_ahead() -> None:
    for seconds in range(1, 40_000, 7):
        mark = next_mark(seconds)
        assert 0 <= mark * 60 < seconds
    assert When(5, by_wall=True).left(Played(3)) == 2
