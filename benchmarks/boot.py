"""How long process 1 itself takes, beside Debian's C runit, in one run.

    python3 benchmarks/boot.py [--rounds N]

As root.  Each round starts a machine with either, in PID and mount namespaces of its
own, whose stages do nothing.  What is measured is the time from the exec of runit-init
to what stage 2 does first, so both have the start of two shells in it; and from the
end of stage 2 to the end of the machine.  How long a whole machine takes to boot is
for boot_qemu.py.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from firsts import OFF, PROGRAMS, First, has_runit, make_suite, may  # noqa: E402

from benchmarks.install import install_package  # noqa: E402
from benchmarks.processes import wait_until_gone  # noqa: E402

SIDES = {"C runit": "reference", "pyrunit": "ours"}

BEGIN = "#!/bin/sh\ndate +%s%N >/began\nexec {}\n"
STAGE_2 = "date +%s%N >/up; exit 0"


def measure(kind: str, suite: Path, root: Path) -> tuple[float, float]:
    """Milliseconds up and down of one machine."""
    root.mkdir()
    machine = First(
        root,
        suite,
        {"2": STAGE_2},
        kind=kind,
        program="/begin",
        files={"begin": BEGIN.format(PROGRAMS[kind]["runit-init"])},
    )
    try:
        wait_until_gone([machine.process.pid], 60)  # subprocess would look now and then
        end = time.time_ns()
        ended = machine.process.wait()
        assert ended == OFF, (ended, machine.read("errors"))
        began, up = (int(machine.read(name)) for name in ("began", "up"))
    finally:
        machine.kill()
    shutil.rmtree(root)
    return (up - began) / 1e6, (end - up) / 1e6


def main() -> int:
    """Run the rounds, in turn, and show the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    reason = may() or ("" if has_runit() else "Debian's runit package is not installed")
    if reason:
        print(f"boot: fatal: {reason}", file=sys.stderr)
        return 1
    measured: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="pyrunit-boot-") as place:
        directory = Path(place)
        install_package(directory / "suite")
        suite = make_suite(directory / "suite")
        for number in range(rounds):
            for side, kind in SIDES.items():
                measured[side].append(measure(kind, suite, directory / f"root{number}"))
    print(f"median of {rounds}, ms{'to stage 2':>16}{'to the end':>14}")
    for side, each in measured.items():
        up, down = (statistics.median(one) for one in zip(*each, strict=True))
        print(f"{side:<14}{up:>20.1f}{down:>14.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
