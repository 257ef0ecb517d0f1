"""Whether memory grows: many restarts, spread over many services.

    python3 benchmarks/growth.py [--services 500] [--restarts 100000] [--bin DIR]

Each round every service is sent TERM, and the next begins when all run again.  Shown now
and then, in KiB: the anonymous memory of runsvdir, shared with its children or not, and
the private memory of one runsv; and the open descriptors of all of them.  What was so
after a few rounds ought to be so at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks import processes  # noqa: E402
from benchmarks.install import install  # noqa: E402

RUN = "#!/bin/sh\nexec sleep 100000\n"
PATIENCE = 300.0
SHOWN = 20
"""Lines of the table, about."""


def until(asked: Callable[[], bool]) -> None:
    """Wait until ASKED says so.  Raises processes.Late."""
    end = time.monotonic() + PATIENCE
    while not asked():
        if time.monotonic() > end:
            raise processes.Late("services that run again")
        time.sleep(0.02)


def pids(services: list[Path]) -> list[int]:
    """The pids that their records tell; 0 for one that does not run."""
    found = []
    for service in services:
        try:
            found.append(int((service / "supervise/pid").read_text() or 0))
        except OSError:
            found.append(0)
    return found


def anonymous(process: int) -> int:
    """KiB in memory that no file is behind."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def state(top: int, services: list[Path]) -> str:
    """A line of the table."""
    supervisors = processes.descendants(top)[1:]
    running = set(pids(services))
    supervisors = [one for one in supervisors if one not in running]
    own = anonymous(top)
    theirs, _ = processes.memory(supervisors)
    descriptors = sum(len(os.listdir(f"/proc/{one}/fd")) for one in (top, *supervisors))
    return f"{own:9} {theirs / len(supervisors):9.1f} {descriptors:12}"


def main() -> int:
    """Restart, and show what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=100_000)
    parser.add_argument("--bin", type=Path, help="where the programs are; default: anew")
    arguments = parser.parse_args()
    rounds = -(-arguments.restarts // arguments.services)
    processes.adopt()
    place = Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        programs = arguments.bin or install(place / "suite")
        services = [place / "d" / str(number) for number in range(arguments.services)]
        for service in services:
            service.mkdir(parents=True)
            (service / "run").write_text(RUN)
            (service / "run").chmod(0o755)
        environment = os.environ | {"PATH": f"{programs}:/usr/bin:/bin"}
        top = subprocess.Popen([programs / "runsvdir", place / "d"], env=environment)
        until(lambda: all(pids(services)))
        print(" restarts  runsvdir     runsv  descriptors")
        for number in range(rounds + 1):
            if number % max(1, rounds // SHOWN) == 0 or number == rounds:
                print(f"{number * len(services):9} {state(top.pid, services)}", flush=True)
            if number == rounds:
                break
            before = pids(services)
            for service in services:
                (service / "supervise/control").write_bytes(b"t")
            until(
                lambda before=before: all(
                    now and now != was for now, was in zip(pids(services), before, strict=True)
                )
            )
        top.send_signal(signal.SIGHUP)
        top.wait(PATIENCE)
    finally:
        processes.end_all()
        shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
