"""How many MB a second go through svlogd: ours, runit's C program, and s6-log.

All in one run, in turns, on the same input and with the same rotation (1,000,000
bytes, ten old logs), so that a busy machine is busy for everybody; the median of
several runs counts.  Programs that are not installed are left out.

    python3 benchmarks/svlogd.py [--bin DIR] [--runs N] [--megabytes N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = {"short": 60, "long": 1000}
"""Bytes of a line, its newline included."""
STAMPS = ("", "-t", "-tt")
S6_STAMPS = {"": [], "-t": ["t"], "-tt": ["T"]}
PATTERNS = [
    "-debug*",
    "-*: debug: *",
    "-*: info: keepalive*",
    "-svc: notice: *",
    "+svc: notice: important*",
    "-*: *: pid 1977 *",
    "-GET /health*",
    "-CRON+ *",
    "-*] DEBUG *",
    "-*: *: *: end*",
]
S6_PATTERNS = [
    "-^debug",
    "-^[^:]*: debug: ",
    "-^[^:]*: info: keepalive",
    "-^svc: notice: ",
    "+^svc: notice: important",
    "-^[^:]*: [^:]*: pid 1977 ",
    "-^GET /health",
    "-^CRON+ ",
    "-^[^]]*\\] DEBUG ",
    "-^[^:]*: [^:]*: [^:]*: end",
]


def generate(path: Path, length: int, size: int) -> None:
    """Write SIZE bytes of log lines of LENGTH bytes each."""
    chance = random.Random(length)
    words = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "error",
        "10.4.1.14",
        "from",
        "to",
        "accepted",
        "refused",
    ]
    lines = []
    for _ in range(1000):
        line = f"svc: info: pid {chance.randrange(30000)} from 10.4.1.{chance.randrange(255)}"
        while len(line) < length:
            line += " " + chance.choice(words)
        lines.append(line[: length - 1] + "\n")
    with path.open("w") as file:
        written = 0
        while written < size:
            chance.shuffle(lines)
            written += file.write("".join(lines))


class Program:
    """A logger: its name here, and its command for options and patterns."""

    def __init__(self, name: str, path: str, *, s6: bool = False) -> None:
        self.name = name
        self.path = path
        self.s6 = s6

    def command(self, stamp: str, patterns: bool, directory: Path) -> list[str]:
        """The command that logs to DIRECTORY, which is configured here if need be."""
        if self.s6:
            chosen = S6_PATTERNS if patterns else []
            rotation = ["s1000000", "n10"]
            return [self.path, "--", *chosen, *S6_STAMPS[stamp], *rotation, str(directory)]
        (directory / "config").write_text("".join(f"{line}\n" for line in PATTERNS * patterns))
        return [self.path, *([stamp] if stamp else []), str(directory)]


def programs(bin_directory: Path) -> list[Program]:
    """Those that are here."""
    found = [Program("ours", str(bin_directory / "svlogd"))]
    theirs = shutil.which("svlogd", path="/usr/bin:/usr/local/bin")
    if theirs and Path(theirs).read_bytes()[:4] == b"\x7fELF":
        found.append(Program("C svlogd", theirs))
    s6 = shutil.which("s6-log")
    if s6:
        found.append(Program("s6-log", s6, s6=True))
    return found


def measure(program: Program, stamp: str, patterns: bool, file: Path, scratch: Path) -> float:
    """Megabytes a second of one run."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        command = program.command(stamp, patterns, Path(directory))
        begin = time.monotonic()
        with subprocess.Popen(["cat", file], stdout=subprocess.PIPE) as source:
            subprocess.run(command, stdin=source.stdout, check=True)
        return file.stat().st_size / (time.monotonic() - begin) / 1e6


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="svlogd's throughput beside its peers'")
    parser.add_argument("--bin", type=Path, help="where our programs are; default: this checkout")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--scratch", type=Path, help="where to log; default: $TMPDIR")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as directory:
        scratch = Path(directory)
        if not arguments.bin:
            arguments.bin = scratch / "bin"
            launchers = [sys.executable, str(ROOT / "runit/launchers.py")]
            subprocess.run(
                [*launchers, f"--package={ROOT}", f"--bindir={arguments.bin}"], check=True
            )
        rivals = programs(arguments.bin)
        print(f"MB/s, median of {arguments.runs}; in brackets: ours against it")
        print("lines  stamp  patterns" + "".join(f"{rival.name:>18}" for rival in rivals))
        for kind, length in LENGTHS.items():
            file = scratch / kind
            generate(file, length, arguments.megabytes * 1_000_000)
            for patterns in (False, True):
                for stamp in STAMPS:
                    row(rivals, arguments.runs, kind, stamp, patterns, file, scratch)
    return 0


def row(
    rivals: list[Program],
    runs: int,
    kind: str,
    stamp: str,
    patterns: bool,
    file: Path,
    scratch: Path,
) -> None:
    """Measure and print one line of the table."""
    speeds: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    for _ in range(runs):
        for rival in rivals:
            speeds[rival.name].append(measure(rival, stamp, patterns, file, scratch))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    cells = [f"{medians['ours']:10.0f}        "]
    cells += [
        f"{medians[rival.name]:9.0f} ({medians['ours'] / medians[rival.name]:.1f}x) "
        for rival in rivals[1:]
    ]
    count = len(PATTERNS) * patterns
    print(f"{kind:6} {stamp or 'none':5} {count:9}" + "".join(f"{cell:>18}" for cell in cells))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
