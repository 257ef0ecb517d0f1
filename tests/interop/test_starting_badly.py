"""What keeps runsv from starting, or almost: the same words, and the same exit code.

Each scenario lays something of the wrong kind in the way.  Where runsv starts all the
same, what it says and leaves is compared too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.sides import (
    Files,
    Played,
    Side,
    Step,
    children,
    chmod,
    in_poll,
    proc_state,
    runsv,
    send,
    stat,
)
from support import wait_for

SLEEP = "#!/bin/sh\nexec sleep 1000\n"
DRAIN = "#!/bin/sh\nexec cat >/dev/null\n"
ONE: Files = {"run": SLEEP}
BOTH: Files = {"run": SLEEP, "log/run": DRAIN}

Prefix = tuple[str, ...]
Scenarios = Iterator[tuple[str, Files, list[Step]]]

POWERLESS: Prefix = ()
if os.geteuid() == 0:
    POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
"""Makes root, who may do anything, heed the modes of its own files as anybody has to."""

NAMESPACE = os.geteuid() == 0 and Path("/proc/self/ns/mnt").exists()


def mounted(*commands: str) -> Prefix:
    """Run COMMANDS of the shell, which mount something, in a mount namespace first."""
    script = "\n".join(["set -e", *commands, 'exec "$@"'])
    return ("unshare", "--mount", "sh", "-c", script, "sh")


def attempt(*arguments: str, prefix: Prefix = ()) -> Step:
    """Start runsv; what became of it, what it said, and what it left.

    If it runs, it is ended as soon as its services sleep.
    """

    def step(side: Side) -> None:
        services = 2 if os.path.exists(side.service / "log/run") else 1  # False if out of reach
        process = side.start("runsv", *(arguments or ("s",)), prefix=prefix)

        def settled() -> bool:
            if not in_poll(process.pid):
                return False
            found = children(process.pid)
            return len(found) == services and all(proc_state(one) == "S" for one in found)

        wait_for(lambda: process.poll() is not None or settled(), "runsv to settle")
        if process.poll() is None:
            side.note("it runs")
            process.terminate()
        side.note("exit", process.wait(30))
        for line in dict.fromkeys(side.error_lines()):  # ours tries to write fewer records
            side.note("error", line)
        for where in (side.service, side.service / "log"):
            place = where / "supervise"
            if os.path.isdir(place) and os.access(place, os.R_OK):
                for line in side.supervise_files(where):
                    side.note(where.relative_to(side.root), line)

    return step


def make(name: str, kind: str | None) -> Step:
    """Put something of a KIND in the service directory; None puts nothing."""

    def step(side: Side) -> None:
        path = side.service / name
        path.parent.mkdir(exist_ok=True, parents=True)
        match kind:
            case "file":
                path.touch()
            case "directory":
                path.mkdir()
            case "full directory":
                (path / "something").mkdir(parents=True)
            case "FIFO":
                os.mkfifo(path)
            case "dangling":
                path.symlink_to("nowhere")
            case "deeply dangling":
                path.symlink_to("no/where")
            case "loop":
                path.symlink_to(path.name)
            case "symlink to a file":
                (path.parent / "elsewhere").touch()
                path.symlink_to("elsewhere")
            case "symlink to a FIFO":
                os.mkfifo(path.parent / "elsewhere")
                path.symlink_to("elsewhere")

    return step


KINDS = (
    "file",
    "directory",
    "full directory",
    "FIFO",
    "dangling",
    "deeply dangling",
    "loop",
    "symlink to a file",
    "symlink to a FIFO",
)
FILES = ("lock", "control", "ok", "pid", "stat", "status", "pid.new", "stat.new", "status.new")


def ours_follows(name: str, kind: str) -> bool:
    """Whether ours does with a KIND at supervise/NAME what the reference does.

    It follows no link there, and writes to no file that it has not made itself: see
    tests/security.
    """
    if name.endswith(".new"):
        return kind in ("directory", "full directory")
    link = kind in ("dangling", "deeply dangling", "loop", "symlink to a file", "symlink to a FIFO")
    return not link or name not in ("lock", "control", "ok")


def the_wrong_kind() -> Scenarios:
    """Something else stands where one of runsv's files belongs."""
    for kind in KINDS:
        yield f"supervise is a {kind}", ONE, [make("supervise", kind), attempt()]
        yield f"log/supervise is a {kind}", BOTH, [make("log/supervise", kind), attempt()]
        if kind not in ("directory", "full directory"):
            yield f"log is a {kind}", ONE, [make("log", kind), attempt()]
        yield f"down is a {kind}", ONE, [make("down", kind), runsv(), *ended(kind)]
        for name in FILES:
            path = f"supervise/{name}"
            if ours_follows(name, kind):
                yield f"{path} is a {kind}", ONE, [make(path, kind), attempt()]
    for kind in ("file", "directory", "deeply dangling"):
        for name in FILES:
            path = f"log/supervise/{name}"
            # For control see test_differences.py; whether the reference tries to write the
            # pid again depends on what the service next to it does.
            if name not in ("control", "pid", "pid.new") and ours_follows(name, kind):
                yield f"{path} is a {kind}", BOTH, [make(path, kind), attempt()]


def ended(kind: str) -> list[Step]:
    """What runsv makes of `down`, whose existence is all that counts."""
    there = kind not in ("dangling", "deeply dangling", "loop")
    return [stat("down" if there else "run"), send("x"), attempt_ends]


def attempt_ends(side: Side) -> None:
    """Wait for the end of runsv."""
    assert side.process is not None
    side.note("exit", side.process.wait(30))


def names() -> Scenarios:
    """What is given for the service directory."""
    for name, argument in {
        "nothing": "",
        "nowhere": "nowhere",
        "a file": "s/run",
        "below a file": "s/run/s",
        "a loop": "s/loop",
        "a name that is too long": "x" * 256,
        "a path that is too long": "x/" * 2048 + "s",
        "a dash": "-",
        "an option": "-V",
    }.items():
        yield f"the directory is {name}", ONE, [make("loop", "loop"), attempt(argument)]
    for arguments in (("s", "s"), ("", ""), ("-x", "s"), ("--", "s")):
        yield f"arguments {arguments}", ONE, [attempt(*arguments)]


def modes() -> Scenarios:
    """What may not be read, written or searched, by a plain user."""
    for mode in (0o000, 0o444, 0o555, 0o666):
        for name in ("", "log", "supervise", "log/supervise"):
            steps = [make("supervise", "directory"), make("log/supervise", "directory")]
            steps = [*steps, chmod(name, mode), attempt(prefix=POWERLESS), chmod(name, 0o755)]
            if not name.startswith("log") or mode not in (0o000, 0o666):
                yield f"{name or 'the directory'} has mode {mode:o}", BOTH, steps
        for name in FILES:
            path = f"supervise/{name}"
            kind = "FIFO" if name in ("control", "ok") else "file"
            steps = [make(path, kind), chmod(path, mode), attempt(prefix=POWERLESS)]
            if ours_follows(name, kind):
                yield f"{path} has mode {mode:o}", ONE, steps
    steps = [chmod("", 0o555), attempt(prefix=POWERLESS), chmod("", 0o755)]
    yield "nothing can be made", ONE, steps


def file_systems() -> Scenarios:
    """What can be written is limited by the file system."""
    read_only = mounted("mount --bind s s", "mount -o remount,ro,bind s")
    supervise = mounted(
        "mount --bind s/supervise s/supervise", "mount -o remount,ro,bind s/supervise"
    )
    log = mounted("mount --bind s/log s/log", "mount -o remount,ro,bind s/log")
    before = [runsv(), stat("run"), send("x"), attempt_ends]
    yield "read-only", ONE, [attempt(prefix=read_only)]
    yield "read-only, with a log", BOTH, [attempt(prefix=read_only)]
    yield "read-only log", BOTH, [attempt(prefix=log)]
    yield "read-only, once supervised", ONE, [*before, attempt(prefix=read_only)]
    yield "read-only supervise", ONE, [*before, attempt(prefix=supervise)]
    for inodes in range(1, 8):
        small = mounted(
            "mkdir s/supervise", f"mount -t tmpfs -o nr_inodes={inodes},mode=700 none s/supervise"
        )
        yield f"{inodes} inodes", ONE, [attempt(prefix=small)]


SCENARIOS = {
    name: (files, steps)
    for more in (the_wrong_kind(), names(), modes(), *([file_systems()] if NAMESPACE else ()))
    for name, files, steps in more
}


@pytest.mark.skipif(
    not shutil.which("setpriv") or not shutil.which("unshare"),
    reason="setpriv and unshare of util-linux are not installed",
)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_starting_badly(scenario: str, played: Played) -> None:
    played(scenario)
