"""Where it was measured: what a reader of the numbers has to know."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30
"""Bytes: a service of any suite takes less than a hundredth of a megabyte."""


def in_memory() -> Path | None:
    """Where services can be as most of them are at work, in memory like /run; None if nowhere.

    A disk's file system has its own ways: ext4 without a journal, for one, looks at each
    file that was removed in the last minutes before it makes a new one.
    """
    with suppress(OSError):
        there = os.statvfs(MEMORY)
        usable = os.access(MEMORY, os.W_OK) and not there.f_flag & os.ST_NOEXEC
        if usable and there.f_bavail * there.f_frsize >= ENOUGH:
            return MEMORY
    return None


def describe(scratch: Path, logs: Path) -> dict[str, str]:
    """The machine, the system, the date, and what else was going on.

    SCRATCH held the services, LOGS the logs.
    """
    told = {"date": time.strftime("%Y-%m-%d")}
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line for line in lines if line.startswith("model name"))
        told["processor"] = model.partition(":")[2].strip()
    told["cores"] = str(len(os.sched_getaffinity(0)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told["memory"] = f"{memory / 2**30:.0f} GiB"
    told["kernel"] = f"{platform.system()} {platform.release()}"
    with suppress(OSError):
        told["system"] = platform.freedesktop_os_release()["PRETTY_NAME"]
    told["file system"] = file_system(scratch.resolve())
    if file_system(logs.resolve()) != told["file system"]:
        told["file system"] += f" ({file_system(logs.resolve())} for logs)"
    told["load before"] = f"{os.getloadavg()[0]:.1f}"
    return told


def file_system(path: Path) -> str:
    """The kind of the one that PATH is on."""
    found = Path(), ""
    for mount in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = mount.split()
        if path.is_relative_to(place) and len(place) >= len(str(found[0])):
            found = Path(place), kind
    return found[1]


def line(machine: dict[str, str]) -> str:
    """All of it in one line."""
    words = [machine.get("processor", ""), f"{machine['cores']} cores", machine["memory"]]
    words += [machine["kernel"], machine.get("system", ""), machine.get("file system", "")]
    words += [machine["date"], f"load {machine['load before']} before"]
    return ", ".join(word for word in words if word)
