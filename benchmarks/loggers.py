"""Row 7: how much goes through a logger, what that costs, and how long a line takes.

All get the same input through a pipe from cat, and start a new file after 1,000,000
bytes and keep ten.  The floor is what cat would do with that: see service.c.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmarks.events import Service
from benchmarks.peers import S6, CRunit, Daemontools, Ours, Peer
from benchmarks.results import LENGTHS, PATTERNS, STAMPS, Results, log_key

FLOOR = "only copying"
SIZE = 1_000_000
LINE = b"a line that somebody waits for\n"
GAP = 0.003
"""Seconds between them."""
SELECT = [
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
SELECT_S6 = [
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
WORDS = ["alpha", "beta", "gamma", "delta", "error", "10.4.1.14", "from", "to", "refused"]


S6_STAMPS = {"none": [], "-t": ["t"], "-tt": ["T"]}


class Logger:
    """A program that writes its input to a log directory."""

    cannot: Mapping[str, str] = MappingProxyType({})
    """Why not, for a stamp."""

    def __init__(self, name: str, program: str | Path) -> None:
        self.name = name
        self.program = str(program)

    def command(self, stamp: str, patterns: int, directory: Path) -> Sequence[str]:
        """The command that logs to DIRECTORY, which is configured here if need be."""
        (directory / "config").write_text("".join(f"{line}\n" for line in SELECT[:patterns]))
        return [self.program, *([] if stamp == "none" else [stamp]), str(directory)]


class S6Log(Logger):
    def command(self, stamp: str, patterns: int, directory: Path) -> Sequence[str]:
        rotation = [f"s{SIZE}", "n10"]
        chosen = [*SELECT_S6[:patterns], *S6_STAMPS[stamp]]
        return [self.program, "--", *chosen, *rotation, str(directory)]


class Multilog(Logger):
    cannot = MappingProxyType({"-tt": "has no such time stamp"})

    def command(self, stamp: str, patterns: int, directory: Path) -> Sequence[str]:
        stamps = ["t"] if stamp == "-t" else []
        return [self.program, *stamps, *SELECT[:patterns], f"s{SIZE}", "n10", str(directory)]


class Floor(Logger):
    cannot = MappingProxyType(dict.fromkeys(STAMPS[1:], "only copies"))

    def command(self, stamp: str, patterns: int, directory: Path) -> Sequence[str]:
        return [self.program, "copy", str(directory)]


def loggers(kinds: Sequence[type[Peer]], service: Service) -> list[Logger]:
    """Those of the suites, and the floor."""
    found: list[Logger] = []
    for kind in kinds:
        if kind in (CRunit, Ours):
            found.append(Logger(kind.name, kind.bin() / "svlogd"))
        elif kind is S6:
            found.append(S6Log(kind.name, "s6-log"))
        elif kind is Daemontools:
            found.append(Multilog(kind.name, "multilog"))
    if service.compiled:
        found.append(Floor(FLOOR, service.path))
    return found


def generate(path: Path, length: int, size: int) -> None:
    """Write SIZE bytes of log lines of LENGTH bytes each."""
    chance = random.Random(length)
    lines = []
    for _ in range(1000):
        line = f"svc: info: pid {chance.randrange(30000)} from 10.4.1.{chance.randrange(255)}"
        while len(line) < length:
            line += " " + chance.choice(WORDS)
        lines.append(line[: length - 1] + "\n")
    with path.open("w") as file:
        written = 0
        while written < size:
            chance.shuffle(lines)
            written += file.write("".join(lines))


def throughput(
    rivals: Sequence[Logger], place: Path, results: Results, *, megabytes: int, rounds: int
) -> None:
    """Megabytes and lines a second, and processor time, for each kind of lines."""
    for kind, length in LENGTHS.items():
        file = place / f"{kind}-lines"
        generate(file, length, megabytes * 1_000_000)
        for patterns in PATTERNS:
            for stamp in STAMPS:
                for _ in range(rounds):
                    for rival in rivals:
                        _through(rival, kind, stamp, patterns, file, place, results)
        file.unlink()


def _through(
    rival: Logger,
    kind: str,
    stamp: str,
    patterns: int,
    file: Path,
    place: Path,
    results: Results,
) -> None:
    speed, lines, cost = (
        log_key(unit, kind, stamp, patterns) for unit in ("MB/s", "1000 lines/s", "s/GB")
    )
    why = rival.cannot.get(stamp) or ("only copies" if patterns and rival.name == FLOOR else "")
    if why:
        for key in (speed, lines, cost):
            results.note(key, 0, rival.name, why)
        return
    directory = place / "log"
    directory.mkdir()
    command = rival.command(stamp, patterns, directory)
    began = time.monotonic_ns()
    with subprocess.Popen(["cat", file], stdout=subprocess.PIPE) as source:
        logger = subprocess.Popen(command, stdin=source.stdout, stderr=subprocess.DEVNULL)
        assert source.stdout is not None
        source.stdout.close()
        _, status, used = os.wait4(logger.pid, 0)
        logger.returncode = os.waitstatus_to_exitcode(status)
    seconds = (time.monotonic_ns() - began) / 1e9
    shutil.rmtree(directory)
    if logger.returncode:
        results.note(speed, 0, rival.name, f"exited {logger.returncode}")
        return
    size = file.stat().st_size
    results.add(speed, 0, rival.name, size / seconds / 1e6)
    results.add(lines, 0, rival.name, size / LENGTHS[kind] / seconds / 1e3)
    results.add(cost, 0, rival.name, (used.ru_utime + used.ru_stime) / size * 1e9)


def latency(rival: Logger, place: Path, results: Results, *, lines: int) -> None:
    """Milliseconds from the write into the pipe until a line is in the file: of so many LINES.

    Watching the file takes a processor for itself, but asks nothing of the logger.
    """
    directory = place / "log"
    directory.mkdir()
    command = rival.command("none", 0, directory)
    logger = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert logger.stdin is not None
    pipe = logger.stdin.fileno()
    try:
        os.write(pipe, LINE)
        while not (directory / "current").exists():
            time.sleep(0.001)
        with (directory / "current").open("rb") as current:
            while not os.fstat(current.fileno()).st_size:
                time.sleep(0.001)
            for _ in range(lines):
                time.sleep(GAP)
                size = os.fstat(current.fileno()).st_size
                began = time.monotonic_ns()
                os.write(pipe, LINE)
                while os.fstat(current.fileno()).st_size == size:
                    pass
                taken = (time.monotonic_ns() - began) / 1e6
                results.add("log.latency", 0, rival.name, taken)
    finally:
        logger.stdin.close()
        logger.wait()
        shutil.rmtree(directory)
