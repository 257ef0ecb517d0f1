"""What /proc tells of processes, and the end of those that this program has to answer for."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


class Late(Exception):
    """What was waited for did not come; says what."""


def adopt() -> None:
    """From now on whoever loses its parent below us is our child, and can be waited for."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(process: int) -> list[int]:
    """PROCESS and all below it."""
    found = [process]
    for one in found:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                found += map(int, _read(one, f"task/{task}/children").split())
    return found


def parent(process: int) -> int:
    """The process that it belongs to; 0 if it has ended."""
    words = _read(process, "stat").rpartition(")")[2].split()
    return int(words[1]) if words else 0


def memory(processes: Iterable[int]) -> tuple[int, int]:
    """KiB that they have each to itself, and KiB with their share of what is shared."""
    private = proportional = 0
    for process in processes:
        for line in _read(process, "smaps_rollup").splitlines()[1:]:
            name, value, _ = line.split()
            if name in ("Private_Clean:", "Private_Dirty:"):
                private += int(value)
            elif name == "Pss:":
                proportional += int(value)
    return private, proportional


def cpu(processes: Iterable[int]) -> float:
    """Seconds that they have computed."""
    return sum(int(text.split()[0]) for text in _of_tasks(processes, "schedstat")) / 1e9


def wakeups(processes: Iterable[int]) -> int:
    """How often they have gone to sleep so far."""
    return sum(
        int(line.split()[1])
        for text in _of_tasks(processes, "status")
        for line in text.splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def wait_until_gone(processes: Iterable[int], patience: float) -> int:
    """Wait until all have ended; the time (CLOCK_MONOTONIC, ns) at which that was so."""
    poll = select.poll()
    left = 0
    descriptors = []
    end = time.monotonic() + patience
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(process))
                poll.register(descriptors[-1], select.POLLIN)
                left += 1
        while left:
            ended = poll.poll(max(0.0, end - time.monotonic()) * 1000)
            if not ended:
                raise Late(f"the end of {left} processes")
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                left -= 1
        return time.monotonic_ns()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def wait_until_alone(patience: float) -> int:
    """Wait until we have no child any more, adopted ones included; the time, as above."""

    def give_up(*_: object) -> None:
        raise Late(f"the end of {len(descendants(os.getpid())) - 1} processes")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return time.monotonic_ns()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def end_all() -> None:
    """Kill all that is below us: nothing is left behind, whatever happened."""
    while True:
        for process in descendants(os.getpid())[:0:-1]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _of_tasks(processes: Iterable[int], name: str) -> Iterator[str]:
    """What is in the files NAME of all their threads."""
    for process in processes:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{process}/task"):
                if text := _read(process, f"task/{task}/{name}"):
                    yield text


def _read(process: int, name: str) -> str:
    """The file of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{process}/{name}").read_text(errors="replace")
    except OSError:
        return ""
