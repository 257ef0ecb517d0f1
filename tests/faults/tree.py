"""A tree of services that tell when something is wrong with it.

Each service refuses to be two: it locks a file, and leaves a mark when that is held.
Each writes numbered lines to its log and notes how far it came, so that lines can be
counted.  `Tree.wrong` asks for what must be true whenever nothing is being broken.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support import Suite, alive, build, end_service, pid, wait_for

from runit.service import status
from runit.supervise import adopt

TALKER = """\
import fcntl, os, sys, time
pause, burst = float(sys.argv[1]), int(sys.argv[2])
lock = os.open("alone", os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open("twice", "a").write("%d\\n" % os.getpid())
me = "%d.%d" % (os.getpid(), time.monotonic_ns())
said = os.open("said/" + me, os.O_WRONLY | os.O_CREAT, 0o600)
number = 0
while True:
    lines = ["%s %d\\n" % (me, number + i + 1) for i in range(burst)]
    os.write(1, "".join(lines).encode())
    number += burst
    os.pwrite(said, b"%d" % number, 0)
    time.sleep(pause)
"""
"""Lines and the note: those of one burst are written at once, or not at all."""

BLOCK = 28672 + 65536
"""Bytes that are lost at most: what svlogd(8) says of a killed one, and what is in the pipe
where a service ends because its runsv was killed as well and nobody reads."""

DEADLINE = 60.0


class Processes:
    """All processes, as they are now: by working directory, pid and name."""

    def __init__(self) -> None:
        self.at: dict[str, list[tuple[int, str]]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                with suppress(OSError):
                    where = os.readlink(f"/proc/{name}/cwd")
                    comm = Path(f"/proc/{name}/comm").read_text().rstrip("\n")
                    if alive(int(name)):
                        self.at.setdefault(where, []).append((int(name), comm))

    def runsvs(self, service: Path) -> list[int]:
        """The supervisors of SERVICE."""
        return [pid for pid, comm in self.at.get(str(service), ()) if comm == "runsv"]

    def instances(self, where: Path) -> list[int]:
        """What else works in WHERE: a service, or in log/ its log service."""
        return [pid for pid, comm in self.at.get(str(where), ()) if comm != "runsv"]


class Tree:
    """Services in ROOT/services, linked in ROOT/d, supervised by programs of SUITE.

    They are ROOT/services/0 and so on, COUNT of them, each PAUSE seconds between two
    bursts of BURST lines.  LOG is ``svlogd``, ``built-in``, or ``cat``; several words are
    taken in turn.
    Standard error of all is in ROOT/errors.
    """

    def __init__(
        self, suite: Suite, root: Path, count: int, log: str, *, pause: float = 0.02, burst: int = 5
    ) -> None:
        self.suite = suite
        self.root = root
        self.directory = root / "d"
        self.directory.mkdir()
        self.errors = root / "errors"
        self.top: subprocess.Popen[bytes] | None = None
        self.struck: dict[Path, int] = {}  # log services that were killed
        talker = root / "talker"
        talker.write_text(TALKER)
        run = f"#!/bin/sh\nexec {sys.executable} -IS {talker} {pause} {burst}\n"
        self.services = []
        for number in range(count):
            one = root / f"services/{number}"
            kind = log.split()[number % len(log.split())]
            build(one, {"run": run, "said": None, **log_service(kind, suite)})
            (self.directory / str(number)).symlink_to(one)
            self.services.append(one)

    # Up and down

    def start(self) -> None:
        """Start runsvdir, where none is."""
        with self.errors.open("ab") as errors:
            self.top = self.suite.start("runsvdir", "-P", self.directory, stderr=errors)

    def end(self) -> None:
        """Take all down; at last kill whatever works in these directories."""
        if self.top and self.top.poll() is None:
            self.top.send_signal(signal.SIGCONT)
            self.top.send_signal(signal.SIGHUP)
            with suppress(subprocess.TimeoutExpired):
                self.top.wait(10)
        if self.top:
            self.top.kill()
            self.top.wait()
        for one in self.everyone():
            send(one, signal.SIGCONT)
        for service in self.services:
            end_service(service)
        for one in self.everyone():
            send(one, signal.SIGKILL)

    def everyone(self) -> list[int]:
        """All processes that work in these services' directories."""
        inside = f"{self.root}/services/"
        at = Processes().at
        return [one for where, all in at.items() if where.startswith(inside) for one, _ in all]

    # What must be true

    def settle(self) -> None:
        """Wait until all is right."""
        said: list[str] = []

        def right() -> bool:
            said[:] = self.wrong()
            return not said

        try:
            wait_for(right, "all to be right", DEADLINE)
        except AssertionError:
            raise AssertionError("\n".join([*said, self.errors.read_text()])) from None

    def wrong(self) -> list[str]:
        """What is wrong now; empty if all is right."""
        now, locks = Processes(), adopt.locks()
        found = []
        for service in self.services:
            found += self.wrong_with(service, now, locks)
        return found

    def wrong_with(self, service: Path, now: Processes, locks: dict[int, list[int]]) -> list[str]:
        """What is wrong with one service."""
        found = []
        runsvs = now.runsvs(service)
        if len(runsvs) != 1:
            found.append(f"{service}: runsvs {runsvs}")
        for where in (service, service / "log") if (service / "log").is_dir() else (service,):
            there = now.instances(where)
            if there != [pid(where)]:
                found.append(f"{where}: instances {there}, recorded {pid(where)}")
            found += wrong_files(where)
            holders = locks.get((where / "supervise/lock").stat().st_ino, [])
            if holders != runsvs:
                found.append(f"{where}: lock held by {holders}, not {runsvs}")
        if (service / "twice").exists():
            found.append(f"{service}: ran twice at a time")
        return found

    # Lines

    def lines_lost(self, service: Path) -> list[str]:
        """Lines of SERVICE that are in its log too often, not at all, or in no order.

        To be asked when its log service has ended.  A log service that was killed may
        have taken with it what the manual says; what it left is in order.
        """
        wrong = []
        seen: dict[str, list[int]] = {}
        cut = 0
        for line in logged(service):
            words = line.split()
            try:
                seen.setdefault(words[0].decode(), []).append(int(words[1]))
            except (ValueError, IndexError):
                cut += 1
        kills = self.struck.get(service, 0)
        if cut > 2 * kills:
            wrong.append(f"{service}: {cut} lines are none, after {kills} kills")
        gone = 0
        for note in (service / "said").iterdir():
            said = int(note.read_text() or 0)
            numbers = seen.pop(note.name, [])
            if kills:
                # What a cut line says is not true: it is shorter than its neighbours.
                numbers = sorted(set(numbers))
                gone += max(0, said - len(numbers)) * len(f"{note.name} {said}\n")
            elif numbers[:said] != list(range(1, said + 1)):
                wrong.append(f"{service}: {note.name} said {said}, logged {around(numbers)}")
        if gone > kills * BLOCK:
            wrong.append(f"{service}: {gone} bytes lost in {kills} kills")
        if not kills and seen:
            wrong.append(f"{service}: nobody said {seen}")
        return wrong


@contextmanager
def tree(suite: Suite, root: Path, count: int, log: str, **more: float) -> Iterator[Tree]:
    """A tree that is up when the block starts, ended and removed after it.

    After the block every line must be in the logs.
    """
    one = Tree(suite, root, count, log, **more)  # type: ignore[arg-type]
    try:
        one.start()
        one.settle()
        yield one
    finally:
        one.end()
    wrong = [word for service in one.services for word in one.lines_lost(service)]
    assert not wrong, "\n".join([*wrong, one.errors.read_text()])
    shutil.rmtree(root / "services")


def log_service(kind: str, suite: Suite) -> dict[str, str | None]:
    """The files of a log service that throws nothing away."""
    config = {"log/main/config": "s100000\nn0\n"}
    if kind == "svlogd":
        return {**config, "log/run": f"#!/bin/sh\nexec {suite.program('svlogd')} main\n"}
    if kind == "built-in":
        return {"log/config": "s100000\nn0\n", "log/main": None}
    return {"log/main": None, "log/run": "#!/bin/sh\nexec cat >>main/current\n"}


def logged(service: Path) -> list[bytes]:
    """All that is in the log directory, oldest first."""
    directory = service / "log/main"
    if not directory.is_dir():
        return []
    old = sorted(path for path in directory.iterdir() if path.name.startswith("@"))
    current = directory / "current"
    text = b""
    for path in [*old, *([current] if current.exists() else [])]:
        content = path.read_bytes()
        text += content if not content or content.endswith(b"\n") else content + b"\n"
    return text.splitlines()


def around(numbers: list[int]) -> str:
    """Where NUMBERS do not count."""
    for at, number in enumerate(numbers):
        if number != at + 1:
            return f"{numbers[max(0, at - 3) : at + 4]} (of {len(numbers)})"
    return f"{len(numbers)}"


def wrong_files(where: Path) -> list[str]:
    """What is wrong with the files in supervise/, while nothing changes there."""
    directory = where / "supervise"
    found = [
        f"{where}: {name} is no FIFO"
        for name in ("ok", "control")
        if not stat.S_ISFIFO((directory / name).stat().st_mode)
    ]
    try:
        record = status.unpack((directory / "status").read_bytes())
    except (OSError, ValueError) as error:
        return [*found, f"{where}: status: {error}"]
    if record.pid != pid(where):
        found.append(f"{where}: status tells of {record.pid}, pid of {pid(where)}")
    said = (directory / "stat").read_text()
    if (
        not said.endswith("\n")
        or said.split(",")[0].strip().encode() != status.STATES[record.state]
    ):
        found.append(f"{where}: stat says {said!r}, status {record.state}")
    return found


def recorded(where: Path) -> int:
    """The pid, when all of supervise/ tells of it: the status file is the last."""
    try:
        return status.unpack((where / "supervise/status").read_bytes()).pid
    except (OSError, ValueError):
        return 0


def send(process: int, number: int) -> bool:
    """Signal a process; whether it was there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def growth(process: int) -> tuple[int, int]:
    """Of PROCESS, the open descriptors and the memory in KiB that is of no file.

    With what it still shares with the process that it was forked from.
    """
    text = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    memory = {name: int(value) for name, value, _ in map(str.split, text)}
    return len(os.listdir(f"/proc/{process}/fd")), memory["Anonymous:"]


def quiet(process: int) -> None:
    """Wait until PROCESS sleeps: has done all that it was told to."""
    path = Path(f"/proc/{process}/stat")
    calm = 0
    while calm < 5:
        calm = calm + 1 if path.read_text().rpartition(")")[2].split()[0] == "S" else 0
        time.sleep(0.01)
