"""The kernel's merging of equal pages (KSM), which root can switch on for a measurement.

It is the same switch for the whole machine: what was set before is set again afterwards.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.processes import Late

HERE = Path("/sys/kernel/mm/ksm")

AT_WORK = {"pages_to_scan": 5000, "sleep_millisecs": 10, "run": 1}

SCANS = 4
"""Of all memory: the first may have begun before, and what stays the same is merged."""
PATIENCE = 120.0
ITEM = 64
"""Bytes that the kernel keeps for each page that it may merge."""


def missing() -> str:
    """Why it cannot be had; empty if it can."""
    if not (HERE / "run").exists():
        return "this kernel merges no pages"
    if not os.access(HERE / "run", os.W_OK):
        return "needs root, to switch the kernel's merging on"
    return "" if _read("run") == 0 else "the kernel merges pages anyway"


def run() -> str:
    """Have the kernel merge all that it can, once; or why that cannot be.  Raises Late."""
    lock = os.open(HERE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two benchmarks one would take the other's settings
        why = missing()
        if not why:
            _run()
        return why
    finally:
        os.close(lock)


def _run() -> None:
    before = {name: _read(name) for name in AT_WORK}
    try:
        for name, value in AT_WORK.items():
            (HERE / name).write_text(str(value))
        goal = _read("full_scans") + SCANS
        end = time.monotonic() + PATIENCE
        while _read("full_scans") < goal:
            if time.monotonic() > end:
                raise Late("the kernel's merging")
            time.sleep(0.1)
    finally:
        for name, value in reversed(before.items()):
            (HERE / name).write_text(str(value))


def kept(processes: Iterable[int]) -> float:
    """KiB that the kernel itself needs for what these processes have offered."""
    items = 0
    for process in processes:
        for line in Path(f"/proc/{process}/ksm_stat").read_text().splitlines():
            name, value = line.split()
            if name == "ksm_rmap_items":
                items += int(value)
    return items * ITEM / 1024


def _read(name: str) -> int:
    return int((HERE / name).read_text())
