"""How long sv takes, beside the bare interpreter and the C program, in one run.

    python3 benchmarks/sv.py [--rounds N] [--services 1,100,1000]

Every round runs each command once, in turn, so that whatever else the machine does
hits all alike; the medians are printed, and their ratios.  The services are
directories with FIFOs that this program holds open, as runsv would; for waiting, a
real runsv of either suite holds one service.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import Fake, up  # noqa: E402
from support import wait_for  # noqa: E402

from runit.launchers import BIN, interpreter, write  # noqa: E402

REFERENCE = Path("/usr/bin/sv")


def install(directory: Path) -> Path:
    """Our programs with a compiled package, as an installation has it; returns their place."""
    package = directory / "package"
    shutil.copytree(ROOT / "runit", package / "runit", ignore=shutil.ignore_patterns("__pycache__"))
    try:
        import inotify_simple
    except ImportError:
        print("inotify_simple is not installed: sv will poll", file=sys.stderr)
    else:
        shutil.copy(inotify_simple.__file__, package)
    python = interpreter()
    subprocess.run([python, "-m", "compileall", "-q", package], check=True)
    write(directory / "bin", BIN, str(package), python)
    return directory / "bin"


def services(directory: Path, number: int) -> tuple[list[str], list[Fake]]:
    """NUMBER services that run, linked into a services directory behind two links."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * number + 100), hard))
    (directory / "runsvdir/default").mkdir(parents=True)
    (directory / "runsvdir/current").symlink_to("default")
    (directory / "service").symlink_to("runsvdir/current")
    names = [f"service{one}" for one in range(number)]
    fakes = [Fake(directory / "sv" / name, up()) for name in names]
    for name in names:
        (directory / "runsvdir/default" / name).symlink_to(directory / "sv" / name)
    return names, fakes


def medians(
    commands: dict[str, list[str]], rounds: int, after: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Milliseconds that each of COMMANDS takes; AFTER is called after each, unmeasured."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            taken[name].append((time.perf_counter() - start) * 1000)
            after()
    return {name: statistics.median(values) for name, values in taken.items()}


def report(title: str, measured: dict[str, float], unit: str) -> None:
    print(f"\n{title}")
    for name, value in measured.items():
        print(f"  {name:40} {value:9.2f} ms {value / measured[unit]:8.2f} x")


def status(place: Path, directory: Path, numbers: list[int], rounds: int) -> None:
    """Report on some of the services."""
    names, fakes = services(directory, max(numbers))
    os.environ["SVDIR"] = str(directory / "service")
    bare = "python3 -IS -c pass"
    commands = {bare: [interpreter(), "-IS", "-c", "pass"]}
    for number in numbers:
        if REFERENCE.exists():
            commands[f"C: status of {number}"] = [str(REFERENCE), "status", *names[:number]]
        commands[f"ours: status of {number}"] = [str(place / "sv"), "status", *names[:number]]
    report("sv status, and the bare interpreter", medians(commands, rounds), bare)
    for fake in fakes:
        fake.leave()


def waiting(place: Path, directory: Path, rounds: int) -> None:
    """Pause and continue a service of a real runsv: waited for, so polled for by C."""
    service = directory / "waiting"
    service.mkdir()
    (service / "run").write_text("#!/bin/sh\nexec sleep 100000\n")
    (service / "run").chmod(0o755)
    programs = {"ours": place, **({"C": REFERENCE.parent} if REFERENCE.exists() else {})}
    for whose, programs_of_runsv in programs.items():
        runsv = subprocess.Popen([programs_of_runsv / "runsv", service])
        try:
            wait_for((service / "supervise/pid").exists)
            wait_for((service / "supervise/pid").read_text)
            for word, undo in (("pause", "cont"), ("cont", "pause")):
                commands = {
                    f"{name}: sv -v {word}": [str(where / "sv"), "-v", word, str(service)]
                    for name, where in programs.items()
                }
                back = [str(place / "sv"), "-v", undo, str(service)]

                def again(back: list[str] = back) -> None:
                    subprocess.run(back, stdout=subprocess.DEVNULL, check=True)

                again()
                title = f"sv -v {word}, runsv being {whose}"
                report(title, medians(commands, rounds, again), next(iter(commands)))
        finally:
            subprocess.run([place / "sv", "force-shutdown", service], stdout=subprocess.DEVNULL)
            runsv.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="how long sv takes")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--services", default="1,100,1000", help="numbers, with commas")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.services.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        place = install(Path(temporary))
        status(place, Path(temporary) / "status", numbers, arguments.rounds)
        waiting(place, Path(temporary), max(3, arguments.rounds // 4))
    return 0


if __name__ == "__main__":
    sys.exit(main())
