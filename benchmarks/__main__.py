"""This suite beside its peers, in one run: a table, JSON, charts.

    python3 -m benchmarks [--rows 1,2] [--services 1,100] [--peers s6] [--short] [--out DIR]

from the checkout, or ``make bench``.  docs/performance.md tells how to read it.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import loggers, machine, peers, processes, rows, targets, zombies
from benchmarks.events import Service
from benchmarks.install import ROOT, install
from benchmarks.peers import Ours, Peer
from benchmarks.report import Report, from_json, tables, to_json
from benchmarks.results import CHAPTERS, Results

DESCRIPTORS = 70_000
SERVICES = (1, 10, 100, 1000, 10000)
FEWER_ROUNDS = 10_000
"""From so many services on, one round has to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and what was started ends with us
    if options.again:
        report, complete = from_json(options.again.read_text()), True
    else:
        report, complete = measure(options)
    publish(report, options.out if complete else None)
    return 0 if complete else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; what --short changes, may be given, too."""
    names = [kind.name for kind in peers.ALL]
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=_numbers, default=list(CHAPTERS), help="such as 1,2,8")
    parser.add_argument("--services", type=_numbers, help="how many; such as 100,1000")
    parser.add_argument("--rounds", type=int, help="of which the median counts")
    parser.add_argument("--peers", type=_words, help=f"besides ours; of {', '.join(names)}")
    parser.add_argument("--short", action="store_true", help="a few minutes, for a first look")
    parser.add_argument("--out", type=Path, help="where table.md, results.json and charts go")
    parser.add_argument("--bin", type=Path, help="where ours are installed; default: anew")
    parser.add_argument("--scratch", type=Path, help="where services are; default: in memory")
    parser.add_argument("--samples", type=int, help="of single services in each round")
    parser.add_argument("--idle", type=float, help="seconds of watching those who idle")
    parser.add_argument("--restarts", type=int, help="before memory is measured")
    parser.add_argument("--crash", type=float, help="seconds of a crash loop")
    parser.add_argument("--megabytes", type=int, help="through each logger")
    parser.add_argument("--orphans", type=int, default=5000, help="that process 1 reaps")
    parser.add_argument("--level", type=int, default=100, help="services of a run level")
    parser.add_argument("--again", type=Path, metavar="JSON", help="report on an earlier run")
    options = parser.parse_args(arguments)
    short = options.short
    for name, long_form, short_form in (
        ("services", list(SERVICES), [100]),
        ("rounds", 3, 1),
        ("peers", names, ["C runit", "s6"]),
        ("samples", 5, 3),
        ("idle", 60.0, 5.0),
        ("restarts", 20, 3),
        ("crash", 8.0, 5.0),
        ("megabytes", 32, 16),
    ):
        if getattr(options, name) is None:
            setattr(options, name, short_form if short else long_form)
    unknown = set(options.peers) - set(names)
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}")
    return options


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def measure(options: argparse.Namespace) -> tuple[Report, bool]:
    """All that OPTIONS ask for; and whether it is all, and not what was done when interrupted."""
    left_out = {
        kind.name: kind.missing()
        for kind in peers.ALL
        if kind.name in options.peers and kind.missing()
    }
    wanted = {Ours.name, *options.peers} - set(left_out)
    kinds = [kind for kind in peers.ALL if kind.name in wanted]
    for name, why in left_out.items():
        say(f"{name} is left out: {why}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    processes.adopt()
    results = Results()
    scratch = options.scratch or machine.in_memory()
    with (
        tempfile.TemporaryDirectory(prefix="bench", dir=scratch) as temporary,
        tempfile.TemporaryDirectory(prefix="bench") as logs,
    ):
        place = Path(temporary)
        place.chmod(0o755)
        where = machine.describe(place, Path(logs))
        Ours.directory = options.bin or install(place / "ours")
        service = Service(place)
        once = rows.Once(
            place,
            Path(logs),
            service,
            results,
            samples=options.samples,
            restarts=options.restarts,
            idle=options.idle,
        )
        parameters = {"rounds:": str(options.rounds), "service:": str(service)}
        parameters["restarts before memory is measured:"] = f"{options.restarts} of {rows.SOME}"
        parameters["seconds of idling:"] = f"{options.idle:g}"
        parameters["megabytes through a logger:"] = str(options.megabytes)
        parameters["orphans:"] = str(options.orphans)
        versions = {kind.name: kind.version() for kind in kinds}
        report = Report(results, where, versions, left_out, parameters)
        try:
            take(kinds, set(options.rows), once, options)
        except (KeyboardInterrupt, SystemExit):
            say("interrupted: what there is, is shown, but not kept")
            return report, False
        finally:
            processes.end_all()
    return report, True


def take(
    kinds: list[type[Peer]], chapters: set[int], once: rows.Once, options: argparse.Namespace
) -> None:
    """Measure, peers in turns."""
    began = time.monotonic()

    def clock() -> str:
        return time.strftime("%M:%S", time.gmtime(time.monotonic() - began))

    def turns(what: str, rounds: int, some: Iterable[type[Peer]] = kinds) -> Iterable[type[Peer]]:
        for one in range(rounds):
            for kind in some:
                say(f"{clock()} {what}, round {one + 1} of {rounds}: {kind.name}")
                yield kind

    results = once.results
    for number in options.services:
        able = [kind for kind in kinds if kind.most >= number]
        for kind in kinds:
            if kind not in able and 1 in chapters:
                results.note("start", number, kind.name, kind.beyond)
        if chapters & {1, 2, 3, 4, 8}:
            rounds = options.rounds if number < FEWER_ROUNDS else 1
            failed = set()
            for kind in turns(f"{number} services", rounds, able):
                if kind in failed:
                    continue
                try:
                    rows.round_of(kind, number, chapters, once)
                except rows.Failed as error:
                    failed.add(kind)  # once is enough: that took long
                    say(f"{kind.name} failed: {error}")
    if chapters & {5, 6}:
        for group in rows.groups(kinds, options.services):
            services = ", ".join(dict.fromkeys(str(number) for _, number, _ in group))
            who = ", ".join(dict.fromkeys(kind.name for kind, _, _ in group))
            say(f"{clock()} restarted, then idle: {services} services: {who}")
            with surviving():
                rows.settled(group, chapters, once)
    if 9 in chapters:
        for kind in turns("run levels", options.rounds):
            with surviving():
                rows.switch(kind, once, each=options.level, common=options.level // 2)
    if 10 in chapters:
        for kind in turns("zombies", options.rounds):
            with surviving():
                zombies.reap(kind, once.service, once.place, results, orphans=options.orphans)
        for kind in turns("crash loop", options.rounds):
            with surviving():
                rows.crash(kind, once, seconds=options.crash)
    if 7 in chapters:
        say(f"{clock()} logs")
        rivals = loggers.loggers(kinds, once.service)
        for _ in range(options.rounds):
            for rival in rivals:
                loggers.latency(rival, once.logs, results, lines=40 * options.samples)
        size, rounds = options.megabytes, options.rounds
        loggers.throughput(rivals, once.logs, results, megabytes=size, rounds=rounds)


@contextmanager
def surviving() -> Iterator[None]:
    """The rest is measured even if this cannot be."""
    try:
        yield
    except rows.Failed as error:
        say(f"failed: {error}")
    except Exception:
        traceback.print_exc()
        processes.end_all()


def publish(report: Report, out: Path | None) -> None:
    """Print the table; write it, JSON and charts to OUT."""
    text = tables(report)
    print(text)
    print("\n".join(targets.judge(report.results)))
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(f"# Benchmarks\n\n{text}")
    (out / "results.json").write_text(to_json(report))
    try:
        from benchmarks.charts import draw
    except ImportError:
        say("no charts: matplotlib is not installed")
    else:
        draw(report, out)


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT)]
    sys.exit(main())
