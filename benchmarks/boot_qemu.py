"""Seconds that a machine takes to come up and to go down, beside C's process 1.

``python3 benchmarks/boot_qemu.py [--rounds N] [--json FILE]``, as root.  Both guests
have the same image but for the programs: runit-init, runit, runsvdir, runsv, sv,
svlogd and chpst are this suite's in one and Debian's in the other.  They run in turn,
in QEMU without hardware support, so only the comparison says something.

up    from the moment at which the kernel's first program starts init until the last
      of the services has started, both by the guest's clock
down  from `init 0' until the machine is off
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/boot_qemu"), str(ROOT / "tests"), str(ROOT)]

from guests import copy_of, everything_is_up  # noqa: E402
from qemu import BUILD, Guest  # noqa: E402

IMAGES = {"pyrunit": "debian", "C runit": "reference"}

LAST_STARTED = """python3 -c '
import glob, struct, time
stamps = []
for name in glob.glob("/etc/runit/runsvdir/current/*/supervise/status"):
    seconds, nanoseconds = struct.unpack(">QI", open(name, "rb").read(12))
    stamps.append(seconds - 2**62 - 10 + nanoseconds / 1e9)
uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
started = float(open("/dev/.handed-over").read())
print(max(stamps) - (time.time() - uptime) - started)
'"""

Seconds = dict[str, float]


def measure(name: str, directory: Path) -> Seconds:
    """One boot and one halt of an image."""
    disk = copy_of(BUILD / f"{name}.ext4", directory)
    with Guest(disk, log=directory / "serial.log") as guest:
        guest.login()
        everything_is_up(guest)
        up = float(guest.run(LAST_STARTED))
        start = time.perf_counter()
        guest.send("runit-init 0\n")
        guest.wait_off()
        down = time.perf_counter() - start
    disk.unlink()
    return {"up": up, "down": down}


def main() -> int:
    """Run the rounds, in turn, and show the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    subprocess.run([sys.executable, ROOT / "tests/boot_qemu/image.py"], check=True)
    measured: dict[str, list[Seconds]] = {side: [] for side in IMAGES}
    with tempfile.TemporaryDirectory(prefix="pyrunit-boot-") as directory:
        for number in range(arguments.rounds):
            for side, image in IMAGES.items():
                seconds = measure(image, Path(directory))
                measured[side].append(seconds)
                shown = ", ".join(f"{what} {value:.2f} s" for what, value in seconds.items())
                print(f"round {number + 1}: {side}: {shown}", flush=True)
    print(f"\n{'median of ' + str(arguments.rounds):<16}{'up':>10}{'down':>10}")
    for side, rounds in measured.items():
        medians = [statistics.median(each[what] for each in rounds) for what in ("up", "down")]
        print(f"{side:<16}" + "".join(f"{value:>8.2f} s" for value in medians))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
