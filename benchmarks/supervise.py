"""How fast services come up, come back and go, beside the C programs, in one run.

    python3 benchmarks/supervise.py [--services N] [--rounds N] [--scratch DIR]

Every round brings up a tree of N services with the C programs and one with ours, in
turns, so that a busy machine is busy for both, and takes it down again; medians over
all rounds are printed, and ours divided by theirs.  A service counts as running when
supervise/pid names its process.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT), str(ROOT / "tests")]

from support import REFERENCE, Suite, build, has_reference, listening, pid, wait_for  # noqa: E402

from sv import install  # noqa: E402

RUN = {"run": "#!/bin/sh\nexec sleep 100000\n"}
PACE = 1.05
"""Seconds: a service older than that is started again at once."""
RESTARTS = 20
SAMPLE = 10
"""Services that are killed RESTARTS times."""
LINKED = 3
IDLE = 5
"""Seconds in which wake-ups are counted."""
PATIENCE = 120.0
"""Seconds until a tree that does not come up is given up."""

Measured = dict[str, list[float]]

UP = "all up, s"
LINK = "linked in until it runs, ms"
KILL = "SIGKILL until it runs again, ms"
RESTART = "sv restart of all, s"
STOP = "sv stop of all, s"
WAKEUPS = f"wake-ups of all supervisors in {IDLE} s"
PRIVATE = f"private memory of a runsv after {RESTARTS} restarts, KiB"
PRIVATE_FIRST = "private memory of a runsv before any, KiB"
RUNSVDIR = "private memory of runsvdir, KiB"
WHOLE = "all supervisors, shared memory counted once, MiB"
ROWS = (UP, LINK, KILL, RESTART, STOP, WAKEUPS, PRIVATE_FIRST, PRIVATE, RUNSVDIR, WHOLE)


def seconds_until(condition: Callable[[], object], nap: float) -> float:
    """Seconds until CONDITION holds, which is asked every NAP seconds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > PATIENCE:
            sys.exit("benchmark: waited in vain")
        time.sleep(nap)
    return time.perf_counter() - start


def children(process: int) -> list[int]:
    """Its children: the runsv processes, for a runsvdir."""
    return [
        int(child)
        for task in Path(f"/proc/{process}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def memory(process: int) -> dict[str, int]:
    """What smaps_rollup tells of it, in KiB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value) for name, value, _ in map(str.split, lines)}


def private(process: int) -> int:
    """KiB that it has to itself."""
    sizes = memory(process)
    return sizes["Private_Clean:"] + sizes["Private_Dirty:"]


def wakeups(processes: list[int]) -> int:
    """How often they have gone to sleep so far."""
    return sum(
        int(line.split()[1])
        for process in processes
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


class Tree:
    """NUMBER services under DIRECTORY, not yet supervised by the programs of SUITE."""

    def __init__(self, suite: Suite, directory: Path, number: int) -> None:
        self.suite = suite
        self.directory = directory
        self.enabled = build(directory / "enabled", {})
        self.services = [build(directory / f"sv/service{one}", RUN) for one in range(number)]
        for service in self.services:
            (self.enabled / service.name).symlink_to(service)

    def bring_up(self) -> tuple[subprocess.Popen[bytes], float]:
        """Start runsvdir; returns it and the seconds until all services ran."""
        start = time.perf_counter()
        process = self.suite.start("runsvdir", "-P", self.enabled)
        for service in self.services:
            seconds_until(lambda service=service: pid(service), 0.002)
        return process, time.perf_counter() - start

    def link_in(self) -> Iterator[float]:
        """Seconds that new services take from being linked in until they run.

        As many go before: the reference has no room for more than a thousand.
        """
        for service in [self.services.pop() for _ in range(LINKED)]:
            (self.enabled / service.name).unlink()
            wait_for(lambda service=service: not listening(service), "the end", PATIENCE)
        for one in range(LINKED):
            service = build(self.directory / f"sv/linked{one}", RUN)
            (self.enabled / service.name).symlink_to(service)
            yield seconds_until(lambda service=service: pid(service), 0.0002)
            self.services.append(service)

    def kill_some(self) -> Iterator[float]:
        """Seconds from the end of a service to its next start: SAMPLE of them, RESTARTS times."""
        for _ in range(RESTARTS):
            time.sleep(PACE)
            for service in self.services[:SAMPLE]:
                old = pid(service)
                os.kill(old, signal.SIGKILL)
                yield seconds_until(lambda s=service, old=old: pid(s) not in (0, old), 0.0001)

    def all_of_them(self, command: str) -> float:
        """Seconds that sv takes to do COMMAND with all services."""
        start = time.perf_counter()
        self.suite.run("sv", "-w", str(PATIENCE), command, *self.services, timeout=None)
        return time.perf_counter() - start

    def take_down(self, process: subprocess.Popen[bytes]) -> None:
        """End runsvdir and all that it runs."""
        supervisors = children(process.pid)
        process.send_signal(signal.SIGHUP)
        process.wait()
        for one in supervisors:
            wait_for(lambda one=one: not Path(f"/proc/{one}").exists() or zombie(one), "the end")


def zombie(process: int) -> bool:
    """Whether it only waits for whoever adopted it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def measure(suite: Suite, directory: Path, number: int, into: Measured) -> None:
    """One round for one suite: append all that is measured to INTO."""
    tree = Tree(suite, directory, number)
    process, seconds = tree.bring_up()
    try:
        supervisors = children(process.pid)
        into[UP].append(seconds)
        into[PRIVATE_FIRST].append(statistics.mean(map(private, supervisors)))
        into[KILL] += [1000 * taken for taken in tree.kill_some()]
        sample = [parent(pid(service)) for service in tree.services[:SAMPLE]]
        into[PRIVATE].append(statistics.mean(map(private, sample)))
        before = wakeups([process.pid, *supervisors])
        time.sleep(IDLE)
        into[WAKEUPS].append(wakeups([process.pid, *supervisors]) - before)
        into[RUNSVDIR].append(private(process.pid))
        into[WHOLE].append(sum(memory(one)["Pss:"] for one in (process.pid, *supervisors)) / 1024)
        into[LINK] += [1000 * taken for taken in tree.link_in()]
        time.sleep(PACE)
        into[RESTART].append(tree.all_of_them("restart"))
        time.sleep(PACE)
        into[STOP].append(tree.all_of_them("stop"))
    finally:
        tree.take_down(process)


def parent(process: int) -> int:
    """The process that started it."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="how fast services come up, come back and go")
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where services are; default: $TMPDIR")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as temporary:
        suites = [Suite(install(Path(temporary)), "ours")]
        if has_reference():
            suites.insert(0, Suite(REFERENCE, "C"))
        results: dict[str, Measured] = {suite.name: {row: [] for row in ROWS} for suite in suites}
        for one in range(arguments.rounds):
            for suite in suites:
                place = Path(temporary) / f"{suite.name}{one}"
                measure(suite, place, arguments.services, results[suite.name])
    print_table(arguments.services, arguments.rounds, results)
    return 0


def print_table(services: int, rounds: int, results: dict[str, Measured]) -> None:
    """Medians, and ours by theirs."""
    print(f"{services} services, medians of {rounds} rounds")
    print(f"{'':50}" + "".join(f"{name:>10}" for name in results) + f"{'ours / C':>10}")
    for row in ROWS:
        medians = [statistics.median(measured[row]) for measured in results.values()]
        ratio = f"{medians[1] / medians[0]:10.2f}" if len(medians) > 1 and medians[0] else ""
        print(f"{row:50}" + "".join(f"{value:10.2f}" for value in medians) + ratio)


if __name__ == "__main__":
    sys.exit(main())
