"""Rows 1 to 6 and 8 to 10: a function for each, which measures a tree of one peer."""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from benchmarks import merging, processes
from benchmarks.events import Service
from benchmarks.peers import PATIENCE, CRunit, Ended, Ours, Peer
from benchmarks.processes import Late
from benchmarks.results import Results

PACE = 1.1
"""Seconds: all suites start a service that is older at once."""
SOME = 100
"""Services that are killed, or restarted, together."""
ENOUGH = 3.0
"""Seconds after which one more sample is not worth the time that it takes."""
SETTLING = 6.0
"""Seconds after which even those poll as when nothing happens that look every five."""
MANY, TOO_MANY = 1000, 2000
"""Services: trees with logs and without, or any two trees, cannot be there together."""
RESTARTING = 60.0
"""Seconds for all the restarts before memory is measured."""

Tree = TypeVar("Tree", bound=Peer)


class Once:
    """What all functions get: where to work, what to run, where values go.

    place      where services are
    logs       where what is logged goes
    samples    single services that are linked, killed and asked for in a round
    restarts   of all services before memory is measured
    idle       seconds for which those who idle are watched
    """

    def __init__(
        self,
        place: Path,
        logs: Path,
        service: Service,
        results: Results,
        *,
        samples: int,
        restarts: int,
        idle: float,
    ) -> None:
        self.place = place
        self.logs = logs
        self.service = service
        self.results = results
        self.samples = samples
        self.restarts = restarts
        self.idle = idle
        self._numbers = count()

    def tree(
        self, kind: type[Tree], number: int, *, logs: bool = False, crash: bool = False
    ) -> Tree:
        """A tree that is not started."""
        place = self.place / str(next(self._numbers))
        return kind(place, number, self.service, logs=logs, crash=crash)


@contextmanager
def noting(results: Results, keys: tuple[str, ...], number: int, peer: str) -> Iterator[None]:
    """Note for KEYS why a peer failed, if it does, and go on with all that it has begun ended."""
    try:
        yield
    except (Ended, Late, OSError, subprocess.SubprocessError) as error:
        for key in keys:
            if (key, number, peer) not in results.values:
                results.note(key, number, peer, explain(error))
        raise Failed(explain(error)) from error


class Failed(Exception):
    """A peer did not do what it should; it is noted."""


def explain(error: Exception) -> str:
    """A word about a failure."""
    if isinstance(error, Late):
        return f"waited {PATIENCE:.0f} s in vain for {error}"
    if isinstance(error, subprocess.CalledProcessError):
        return f"{Path(error.cmd[0]).name} exited {error.returncode}"
    return str(error)


def start(tree: Peer) -> float:
    """Row 1: seconds from the start until all services run."""
    began = tree.start()
    return (tree.started(tree.names, began) - began) / 1e9


def link(tree: Peer, once: Once) -> None:
    """Row 2: some go, and as many others come: there may not be room for more."""
    number, add = len(tree.names), once.results.add
    for one in _samples(min(once.samples, number)):
        old, new = tree.names[-1], f"new{one}"
        pid = tree.events.pids[old]
        own = processes.parent(pid)
        began = time.monotonic_ns()
        tree.unlink(old)
        ended = processes.wait_until_gone([pid, own] if own != tree.root else [pid], PATIENCE)
        add("link.out", number, tree.name, (ended - began) / 1e6)
        del tree.names[-1]
        tree.define(new)
        began = time.monotonic_ns()
        tree.link(new)
        tree.names.insert(0, new)
        ran = tree.started([new], began)
        add("link.in", number, tree.name, (ran - began) / 1e6)


def kill(tree: Peer, once: Once) -> None:
    """Row 3: services that are older than a second end, one by one and together."""
    number, add = len(tree.names), once.results.add
    time.sleep(PACE)
    for one in _samples(once.samples):
        if one >= number:
            time.sleep(PACE)
        add("kill.one", number, tree.name, kill_these(tree, [tree.names[one % number]]))
    if number >= SOME:
        time.sleep(PACE)
        add("kill.many", number, tree.name, kill_these(tree, tree.names[:SOME]))


def _samples(number: int) -> Iterator[int]:
    """Count to NUMBER, or until that took long."""
    end = time.monotonic() + ENOUGH
    for one in range(number):
        if one and time.monotonic() > end:
            return
        yield one


def kill_these(tree: Peer, names: list[str]) -> float:
    """Milliseconds until all are back."""
    pids = [tree.events.pids[name] for name in names]
    began = time.monotonic_ns()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return (tree.started(names, began) - began) / 1e6


def control(tree: Peer, once: Once) -> None:
    """Row 4: the suite's own client, until it has ended, or until services are up again."""
    number, add = len(tree.names), once.results.add

    def took(what: Callable[[], object]) -> float:
        began = time.monotonic_ns()
        what()
        return (time.monotonic_ns() - began) / 1e6

    for _ in _samples(once.samples):
        if isinstance(tree, Ours):
            bare = [tree.interpreter(), "-IS", "-c", "pass"]
            add("status.bare", number, tree.name, took(partial(tree.run, *bare)))
        add("status.one", number, tree.name, took(lambda: tree.status(tree.names[:1])))
        if number > 1:
            add("status.all", number, tree.name, took(lambda: tree.status(tree.names)))
        if isinstance(tree, CRunit):
            add("pause", number, tree.name, took(partial(tree.pause, tree.names[0])))
            tree.go_on(tree.names[0])
    for key, names in (("restart.one", tree.names[:1]), ("restart.many", tree.names[:SOME])):
        if key == "restart.many" and number < SOME:
            continue
        time.sleep(PACE)
        began = time.monotonic_ns()
        tree.restart(names)
        ran = tree.started(names, began)
        add(key, number, tree.name, (ran - began) / 1e6)


def stop(tree: Peer) -> float:
    """Row 8: seconds until nothing is left."""
    began = time.monotonic_ns()
    tree.stop()
    return (processes.wait_until_alone(PATIENCE) - began) / 1e9


STEPS: dict[int, tuple[Callable[[Peer, Once], None], tuple[str, ...]]] = {
    2: (link, ("link.in", "link.out")),
    3: (kill, ("kill.one", "kill.many")),
    4: (control, ("status.one", "status.all", "restart.one", "restart.many")),
}


def round_of(kind: type[Peer], number: int, chapters: set[int], once: Once) -> None:
    """Rows 1 to 4 and 8: one tree from its start to its end.  Raises Failed."""
    results = once.results
    tree = once.tree(kind, number)
    try:
        with noting(results, ("start",), number, kind.name):
            seconds = start(tree)
            if 1 in chapters:
                results.add("start", number, kind.name, seconds)
        for chapter, (step, keys) in STEPS.items():
            if chapter in chapters:
                with noting(results, keys, number, kind.name):
                    step(tree, once)
        with noting(results, ("stop",), number, kind.name):
            seconds = stop(tree)
            if 8 in chapters:
                results.add("stop", number, kind.name, seconds)
    finally:
        processes.end_all()
        tree.close()


Wanted = tuple[type[Peer], int, bool]
"""A tree that does not exist yet: of whom, with how many services, and with logs."""


def groups(kinds: list[type[Peer]], numbers: list[int]) -> list[list[Wanted]]:
    """What may idle at the same time: all with few services, then so many that it is enough."""
    able = [(kind, number) for number in numbers for kind in kinds if kind.most >= number]
    few = [(*one, logs) for one in able if one[1] < MANY for logs in (False, True)]
    many = [
        [(*one, logs) for one in able if one[1] == number]
        for number in numbers
        if MANY <= number < TOO_MANY
        for logs in (False, True)
    ]
    too_many = [[(*one, False)] for one in able if one[1] >= TOO_MANY]
    return [group for group in (few, *many, *too_many) if group]


def settled(group: list[Wanted], chapters: set[int], once: Once) -> None:
    """Rows 5 and 6: trees at the same time, services restarted and then left alone.

    They have nothing to do, so they do not disturb each other.
    """
    trees: list[Peer] = []
    try:
        for kind, number, logs in group:
            suffix = ".logs" * logs
            keys = tuple(f"{key}{suffix}" for key in ("memory.private", "idle.cpu"))
            tree = once.tree(kind, number, logs=logs)
            trees.append(tree)
            if isinstance(tree, Ours) and 5 in chapters and number < TOO_MANY:
                tree.offers = True  # which changes nothing until the kernel is told to merge
            try:
                with noting(once.results, keys, number, kind.name):
                    start(tree)
            except Failed:
                _end(trees.pop())
        if 5 in chapters:
            _restart_some(trees, once)
            _memory(trees, once)
            _merged([tree for tree in trees if isinstance(tree, Ours) and tree.offers], once)
        if 6 in chapters:
            _idle(trees, once)
    finally:
        processes.end_all()
        for tree in trees:
            tree.close()


def _end(tree: Peer) -> None:
    """Kill all of a tree that is not wanted any more."""
    for process in tree.everybody()[::-1]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    tree.close()


def _restart_some(trees: list[Peer], once: Once) -> None:
    """Kill up to SOME services of each tree again and again.

    Each goes at its own pace: as soon as its services are back and old enough.
    """
    left = dict.fromkeys(trees, once.restarts)
    due = dict.fromkeys(trees, time.monotonic_ns() + int(PACE * 1e9))
    killed: dict[Peer, int] = {}
    end = time.monotonic() + RESTARTING
    while any(left.values()) and time.monotonic() < end:
        time.sleep(0.02)
        for tree in [tree for tree in trees if left[tree]]:
            tree.events.read()
            if tree in killed:
                if all(tree.events.times[name] > killed[tree] for name in tree.names[:SOME]):
                    del killed[tree]
                    left[tree] -= 1
                    due[tree] = time.monotonic_ns() + int(PACE * 1e9)
            elif time.monotonic_ns() > due[tree]:
                killed[tree] = time.monotonic_ns()
                for name in tree.names[:SOME]:
                    with suppress(ProcessLookupError):
                        os.kill(tree.events.pids[name], signal.SIGKILL)
    for tree in trees:
        if left[tree]:
            why = f"after {once.restarts - left[tree]} restarts, not {once.restarts}"
            key = "memory.private" + ".logs" * tree.logs
            once.results.note(key, len(tree.names), tree.name, why)
    time.sleep(PACE)
    for tree in trees:
        with suppress(Late, Ended):
            tree.started(tree.names, killed.get(tree, 0))


def _memory(trees: list[Peer], once: Once) -> None:
    """Of all supervisors, by the number of services; of one, if its service was restarted."""
    results = once.results
    for tree in trees:
        number = len(tree.names)
        own, proportional = (kib / number for kib in processes.memory(tree.supervisors()))
        suffix = ".logs" * tree.logs
        results.add(f"memory.private{suffix}", number, tree.name, own)
        results.add(f"memory.proportional{suffix}", number, tree.name, proportional)
        if not tree.logs:
            each = tree.supervisors_of(tree.names[:SOME])
            if each:
                size = statistics.median(processes.memory([one])[0] for one in each)
                results.add("memory.supervisor", number, tree.name, size)
            else:
                results.note("memory.supervisor", number, tree.name, "one process has them all")
    for tree in trees:
        if tree.logs:
            number = len(tree.names)
            without, with_logs = (
                results.median(f"memory.private{suffix}", number, tree.name)
                for suffix in ("", ".logs")
            )
            if without and with_logs:
                results.add("memory.logger", number, tree.name, with_logs - without)


def _merged(trees: list[Ours], once: Once) -> None:
    """The same of TREES, which offer their pages, when the kernel has merged what is equal."""
    if not trees:
        return
    try:
        why = merging.run()
    except (Late, OSError) as error:
        why = explain(error)
    for tree in trees:
        number = len(tree.names)
        each = tree.supervisors_of(tree.names)
        if tree.logs:
            each = sorted(set(tree.supervisors()) - {tree.root, *each})
        key = "memory.merged" + ".logger" * tree.logs
        try:
            kib = processes.memory(each)[0] + merging.kept(each)
        except OSError as error:  # Linux tells of it since 6.1
            why = why or explain(error)
        if why:
            once.results.note(key, number, tree.name, why)
        else:
            once.results.add(key, number, tree.name, kib / number)


def _idle(trees: list[Peer], once: Once) -> None:
    """Processor time and wake-ups of whole trees, as of a minute."""
    time.sleep(min(SETTLING, once.idle))
    everybody = {tree: tree.everybody() for tree in trees}

    def state() -> dict[Peer, tuple[float, float]]:
        return {
            tree: (processes.cpu(pids), processes.wakeups(pids)) for tree, pids in everybody.items()
        }

    before = state()
    time.sleep(once.idle)
    after = state()
    for tree in trees:
        number = len(tree.names)
        seconds, wakeups = (
            (new - old) * 60 / once.idle for old, new in zip(before[tree], after[tree], strict=True)
        )
        suffix = ".logs" * tree.logs
        once.results.add(f"idle.cpu{suffix}", number, tree.name, seconds * 1000)
        once.results.add(f"idle.wakeups{suffix}", number, tree.name, wakeups)


def switch(kind: type[Peer], once: Once, *, each: int, common: int) -> None:
    """Row 9: there and back again between two run levels, until the change is done."""
    if not issubclass(kind, CRunit):
        once.results.note("switch", 0, kind.name, "has no run levels")
        return
    if why := kind.cannot_switch():
        once.results.note("switch", 0, kind.name, why)
        return
    tree = once.tree(kind, 2 * each - common)
    names = tree.names
    tree.names = names[:each]
    for name in names[each:]:
        tree.disable(name)
    for name in names[-each:]:
        (tree.levels / "b" / name).symlink_to(tree.definitions / name)
    ways = (
        ("b", names[: each - common], names[each:]),
        ("a", names[each:], names[: each - common]),
    )
    try:
        with noting(once.results, ("switch",), 0, kind.name):
            start(tree)
            for level, leaving, coming in ways:
                time.sleep(PACE)
                pids = [tree.events.pids[name] for name in leaving]
                began = time.monotonic_ns()
                tree.switch(level)
                gone = processes.wait_until_gone(pids, PATIENCE)
                ran = tree.started(coming, began)
                once.results.add("switch", 0, kind.name, (max(gone, ran) - began) / 1e6)
    finally:
        processes.end_all()
        tree.close()


def crash(kind: type[Peer], once: Once, *, seconds: float) -> None:
    """Row 10: what 100 services cost that end as soon as they run.

    Of two trees, one goes on for so many SECONDS longer: what that costs is what counts.
    To the microsecond the kernel tells only the time of processes that have ended.
    """
    with noting(once.results, ("crash.cpu", "crash.each", "crash.starts"), 0, kind.name):
        short, long = (_crash(kind, once, more) for more in (0.0, seconds))
    cpu, starts = long[0] - short[0], long[1] - short[1]
    once.results.add("crash.cpu", 0, kind.name, cpu / seconds * 1000)
    once.results.add("crash.starts", 0, kind.name, starts / seconds)
    if starts > 0:
        once.results.add("crash.each", 0, kind.name, cpu / starts * 1000)
    else:
        once.results.note("crash.each", 0, kind.name, "nothing was started in that time")


def _crash(kind: type[Peer], once: Once, more: float) -> tuple[float, int]:
    """Seconds of processor time of a tree from its start to its end, and starts of services."""
    before = _processor()
    tree = once.tree(kind, SOME, crash=True)
    try:
        start(tree)
        time.sleep(PACE + more)
        tree.events.read()
        processes.end_all()
        return _processor() - before, tree.events.starts
    finally:
        processes.end_all()
        tree.close()


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
