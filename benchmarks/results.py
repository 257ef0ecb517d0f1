"""What is measured, in which unit, and where the values are kept."""

from __future__ import annotations

import statistics
from typing import NamedTuple

CHAPTERS = {
    1: "From start until all services run",
    2: "Linking a service in and out",
    3: "A killed service comes back",
    4: "Asking and restarting",
    5: "Memory of all supervisors, per service",
    6: "Idling",
    7: "Logging",
    8: "Stopping all",
    9: "Changing the run level",
    10: "Zombies and crash loops",
}


class Row(NamedTuple):
    """One thing that is measured."""

    key: str
    chapter: int
    title: str
    unit: str
    higher: bool = False
    """Whether more is better."""


LENGTHS = {"short": 60, "long": 1000}
"""Bytes of a line, its newline included."""
STAMPS = ("none", "-t", "-tt")
PATTERNS = (0, 10)


def _logging() -> list[Row]:
    """The rows of chapter 7: for each kind of lines, stamps and number of patterns."""
    found = []
    for unit, title, higher in (
        ("MB/s", "", True),
        ("1000 lines/s", "", True),
        ("s/GB", "processor time, ", False),
    ):
        for kind, length in LENGTHS.items():
            for patterns in PATTERNS:
                for stamp in STAMPS:
                    text = f"{title}{length} byte lines, stamp {stamp}, {patterns} patterns"
                    key = log_key(unit, kind, stamp, patterns)
                    found.append(Row(key, 7, text, unit, higher))
    return [*found, Row("log.latency", 7, "one line, from write to file", "ms")]


def log_key(unit: str, kind: str, stamp: str, patterns: int) -> str:
    return f"log.{unit.split('/')[0].split()[-1]}.{kind}.{stamp}.{patterns}"


ROWS = {
    row.key: row
    for row in [
        Row("start", 1, "from start until all run", "s"),
        Row("link.in", 2, "linked in until it runs", "ms"),
        Row("link.out", 2, "unlinked until it and its supervisor are gone", "ms"),
        Row("kill.one", 3, "SIGKILL of one until its successor runs", "ms"),
        Row("kill.many", 3, "SIGKILL of 100 at once until all are back", "ms"),
        Row("status.one", 4, "status of one", "ms"),
        Row("status.all", 4, "status of all", "ms"),
        Row("status.bare", 4, "start of the bare interpreter", "ms"),
        Row("pause", 4, "pause of one until the client knows that it was done", "ms"),
        Row("restart.one", 4, "restart of one until it is up again", "ms"),
        Row("restart.many", 4, "restart of 100 until all are up again", "ms"),
        Row("memory.private", 5, "private", "KiB"),
        Row("memory.proportional", 5, "proportional", "KiB"),
        Row("memory.private.logs", 5, "private, with logs", "KiB"),
        Row("memory.proportional.logs", 5, "proportional, with logs", "KiB"),
        Row("memory.supervisor", 5, "private, of one service's own supervisor", "KiB"),
        Row("memory.logger", 5, "private, that a log adds", "KiB"),
        Row("memory.merged", 5, "of a supervisor, equal pages merged, all in all", "KiB"),
        Row("memory.merged.logger", 5, "of a logger, equal pages merged, all in all", "KiB"),
        Row("idle.cpu", 6, "processor time in a minute", "ms"),
        Row("idle.wakeups", 6, "wake-ups in a minute", ""),
        Row("idle.cpu.logs", 6, "processor time in a minute, with logs", "ms"),
        Row("idle.wakeups.logs", 6, "wake-ups in a minute, with logs", ""),
        *_logging(),
        Row("stop", 8, "from the signal until all processes are gone", "s"),
        Row("switch", 9, "two run levels of 100, 50 in common, until the change is done", "ms"),
        Row("reap", 10, "orphans that end at once, reaped by process 1", "1/s", True),
        Row("crash.cpu", 10, "100 services in a crash loop, processor time in a second", "ms"),
        Row("crash.each", 10, "100 services in a crash loop, processor time of a start", "ms"),
        Row("crash.starts", 10, "100 services in a crash loop, starts in a second", "1/s", True),
    ]
}


class Results:
    """Values by row, number of services (0 where that says nothing) and peer."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, int, str], list[float]] = {}
        self.notes: dict[tuple[str, int, str], str] = {}

    def add(self, key: str, services: int, peer: str, *values: float) -> None:
        assert key in ROWS, key
        self.values.setdefault((key, services, peer), []).extend(values)

    def note(self, key: str, services: int, peer: str, why: str) -> None:
        """Why there is no value, or what is to be said of it."""
        assert key in ROWS, key
        self.notes.setdefault((key, services, peer), why)

    def median(self, key: str, services: int, peer: str) -> float | None:
        values = self.values.get((key, services, peer))
        return statistics.median(values) if values else None

    def services(self, key: str) -> list[int]:
        """For which numbers of services the row has something to say."""
        return sorted({number for one, number, _ in (*self.values, *self.notes) if one == key})

    def ratio(self, key: str, services: int, peer: str, base: str) -> float | None:
        """PEER's median by BASE's."""
        value, unit = self.median(key, services, peer), self.median(key, services, base)
        return value / unit if value is not None and unit else None
