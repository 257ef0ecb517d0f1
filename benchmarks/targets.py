"""What we aim at, and whether it was reached: information, no test."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.loggers import FLOOR
from benchmarks.report import BASE, figure
from benchmarks.results import LENGTHS, PATTERNS, ROWS, STAMPS, Results, log_key

OURS = "pyrunit"
ANY: tuple[int, ...] = ()


class Target(NamedTuple):
    """Our median, by PEER's, is at most LIMIT (at least, for rows where more is better).

    services   the numbers of services for which it counts; ANY: all
    peer       None: the value itself is compared
    key_of     the row that it is compared with, if it is another
    number_of  the number of services there, if it is another
    """

    key: str
    limit: float
    peer: str | None = BASE
    services: tuple[int, ...] = ANY
    key_of: str = ""
    number_of: int = 0


TARGETS = [
    Target("start", 0.3, services=(100,)),
    Target("start", 0.8, services=(1000,)),
    Target("start", 1.2, "s6", services=(1000,)),
    Target("start", 12, OURS, services=(10000,), number_of=1000),
    *(
        Target(key, limit, peer)
        for key in ("link.in", "link.out")
        for limit, peer in ((0.01, BASE), (1.0, "s6"))
    ),
    Target("kill.one", 1.3),
    Target("kill.many", 1.3),
    Target("status.one", 1.3, OURS, key_of="status.bare"),
    Target("status.all", 4.0, OURS, services=(1000,), key_of="status.bare"),
    Target("restart.many", 1.0),
    Target("memory.supervisor", 400, None, services=(100, 1000)),
    Target("memory.logger", 450, None, services=(100, 1000)),
    Target("memory.merged", 400, None, services=(100, 1000)),
    Target("memory.merged.logger", 450, None, services=(100, 1000)),
    Target("idle.wakeups", 0, None),
    Target("idle.wakeups.logs", 0, None),
    *(
        Target(log_key("MB/s", kind, stamp, patterns), 1.0, peer)
        for peer in (BASE, "s6")
        for kind in LENGTHS
        for patterns in PATTERNS
        for stamp in STAMPS
    ),
    *(Target(log_key("MB/s", kind, "none", 0), 0.5, FLOOR) for kind in LENGTHS),
    Target("log.latency", 1.0, None),
    Target("stop", 1.0),
    Target("switch", 1.0),
    Target("crash.cpu", 1.0),
]


def judge(results: Results) -> list[str]:
    """A line for each that can be told: met or missed, and by what."""
    lines = []
    for target in TARGETS:
        row = ROWS[target.key]
        for number in target.services or results.services(target.key):
            value = results.median(target.key, number, OURS)
            if target.peer is not None and value is not None:
                key_of, number_of = target.key_of or target.key, target.number_of or number
                unit = results.median(key_of, number_of, target.peer)
                value = value / unit if unit else None
            if value is None:
                continue
            met = value >= target.limit if row.higher else value <= target.limit
            bound = f"{'at least' if row.higher else 'at most'} {figure(target.limit)}"
            if target.peer is None:
                against = f" {row.unit}".rstrip()
            else:
                against = f" of {ROWS[target.key_of].title if target.key_of else target.peer}"
                against += f" with {target.number_of}" if target.number_of else ""
            where = f"{row.title}, {number} services" if number else row.title
            word = "met   " if met else "MISSED"
            lines.append(f"{word}  {target.key}: {where}: {figure(value)}{against} ({bound})")
    return lines
