"""Row 10, of process 1: how fast it reaps, in a PID namespace with stages that do nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.events import Service
from benchmarks.install import ROOT, install_package
from benchmarks.peers import Peer
from benchmarks.results import Results

sys.path[:0] = [str(ROOT / "tests")]

DEADLINE = 120
STAGE = "chmod 755 /storm; exec /storm storm {} >/reaped"


def reap(
    kind: type[Peer], service: Service, place: Path, results: Results, *, orphans: int
) -> None:
    """ORPHANS processes end at once: how many a second are reaped."""
    from firsts import First, has_runit, make_suite, may

    why = may() or ("" if service.compiled else "needs a C compiler")
    if not kind.process_1:
        why = "is not run as process 1 here"
    elif kind.process_1 == "reference" and not has_runit():
        why = "its process 1 is not installed"
    if why:
        results.note("reap", 0, kind.name, why)
        return
    suite, root = place / "suite", place / "root"
    if not suite.exists():
        install_package(suite)
        make_suite(suite)
    machine = First(
        root,
        suite,
        {"2": STAGE.format(orphans)},
        kind=kind.process_1,
        files={"storm": service.path.read_bytes()},
    )
    try:
        machine.process.wait(DEADLINE)
        nanoseconds = machine.read("reaped").strip()
        if nanoseconds:
            results.add("reap", 0, kind.name, orphans / int(nanoseconds) * 1e9)
        else:
            results.note("reap", 0, kind.name, "the storm could not be raised here")
    except subprocess.TimeoutExpired:
        results.note("reap", 0, kind.name, f"was not done after {DEADLINE} s")
    finally:
        machine.kill()
        shutil.rmtree(root)
