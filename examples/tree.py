"""A supervised tree in a directory of its own: brought up, asked, taken down.

Nothing of it outlives the program that made it.  Processes whose supervisor has
gone become children of this one (a "subreaper"), so it knows when the last has
ended; and if this one is killed, the kernel sends HUP to runsvdir, which then
takes its services down.  The files of a killed one are removed by the next.
"""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runit.service import status

INTERRUPTING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)

PATIENCE = 60.0
"""Seconds until something that should happen is said not to have happened."""


class Failure(Exception):
    """Something did not happen."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.seen = seen

    def report(self) -> str:
        """For people."""
        return f"FAILED  expected: {self.expected}\n        seen: {self.seen or 'nothing'}"


def wait(
    condition: Callable[[], object],
    expected: str,
    seen: Callable[[], str] = lambda: "it did not happen in time",
    patience: float = PATIENCE,
    pace: float = 0.0002,
) -> float:
    """Wait until CONDITION is true; returns how long it took, in milliseconds."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > patience:
            raise Failure(expected, seen())
        time.sleep(pace)
    return (time.monotonic() - start) * 1000


class Tree:
    """The services in `runsvdir/current`, and the runsvdir that runs them."""

    def __init__(self, installation: Path, services: Path) -> None:
        self.bin = installation / "bin"
        self.sbin = installation / "sbin"
        self.trees = installation / "trees"
        self.services = services
        self.port = free_port()

    def __enter__(self) -> Tree:
        self.trees.mkdir(exist_ok=True)
        with locked(self.trees):  # so that nobody sweeps what is not locked yet
            for leftover in self.trees.iterdir():
                sweep(leftover)
            self.root = Path(tempfile.mkdtemp(prefix="tree-", dir=self.trees))
            self.lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            self.lay_out()
            LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for number in INTERRUPTING:
            signal.signal(number, signal.SIG_IGN)
        left = self.end()
        messages = self.messages()
        shutil.rmtree(self.root)
        os.close(self.lock)
        if left:
            raise Failure("no process left behind", f"{', '.join(left)}; {messages}")

    def lay_out(self) -> None:
        """sv/ with all services, and two runlevels that link to them."""
        shutil.copytree(self.services, self.root / "sv")
        (self.root / "sv/web/env/PORT").write_text(f"{self.port}\n")
        for name in ("clock", "flaky"):  # the built-in logger does not make it
            (self.root / "sv" / name / "log/main").mkdir()
        runlevels = {
            "single": ["clock"],
            "multi": ["clock", "flaky", "spare", "web", "worker"],
        }
        for runlevel, names in runlevels.items():
            directory = self.root / "runsvdir" / runlevel
            directory.mkdir(parents=True)
            for name in names:
                (directory / name).symlink_to(f"../../sv/{name}")
        (self.root / "runsvdir/current").symlink_to("multi")

    @property
    def current(self) -> Path:
        """The runlevel in force."""
        return self.root / "runsvdir/current"

    @property
    def environment(self) -> dict[str, str]:
        """What the programs of this tree are told; nothing of make's leaks in."""
        given = {name: os.environ[name] for name in ("HOME", "LANG", "USER") if name in os.environ}
        python = os.path.dirname(os.path.realpath(sys.executable))
        path = os.environ.get("PATH", os.defpath)
        return given | {
            "PATH": f"{self.bin}:{self.sbin}:{python}:{path}",
            "SVDIR": str(self.current),
            "RUNSVDIR": str(self.root / "runsvdir"),
        }

    def start(self) -> None:
        """Start runsvdir, in a session of its own so that no Ctrl-C reaches it."""
        with (self.root / "messages").open("ab") as messages, undisturbed() as mask:
            self.runsvdir = subprocess.Popen(
                [self.bin / "runsvdir", "-P", self.current],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(mask),  # noqa: PLW1509 (there are no threads here)
            )

    def end(self) -> list[str]:
        """HUP, and wait for every process; returns those that had to be killed."""
        runsvdir: subprocess.Popen[bytes] | None = getattr(self, "runsvdir", None)
        if runsvdir is None:
            return []
        if runsvdir.poll() is None:
            runsvdir.send_signal(signal.SIGHUP)
            try:
                runsvdir.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                runsvdir.kill()
                runsvdir.wait()
        deadline = time.monotonic() + PATIENCE
        killed = []
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                return killed
            if time.monotonic() > deadline:
                for pid in children():
                    killed.append(f"{pid} ({command_line(pid)})")
                    os.kill(pid, signal.SIGKILL)
                deadline += 1
            time.sleep(0.005)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the suite to its end."""
        directory = self.sbin if (self.sbin / program).exists() else self.bin
        return subprocess.run(
            [directory / program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
        )

    def status(self, name: str) -> status.Status | None:
        """A service's record (`web`, `web/log`), None if there is none."""
        try:
            return status.unpack((self.root / "sv" / name / "supervise/status").read_bytes())
        except (OSError, ValueError):
            return None

    def pid(self, name: str) -> int:
        """The pid of a service's run, 0 when it is not up."""
        record = self.status(name)
        return record.pid if record and record.state == status.RUN else 0

    def supervised(self, name: str) -> bool:
        """Whether a supervisor looks after the service."""
        try:
            ok = os.open(self.root / "sv" / name / "supervise/ok", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        os.close(ok)
        return True

    def page(self) -> str:
        """The page that the web server serves; empty if it does not answer."""
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            server.request("GET", "/")
            return server.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            server.close()

    def messages(self) -> str:
        """What the supervisors had to say."""
        try:
            text = (self.root / "messages").read_text(errors="replace").strip()
        except OSError:
            return ""
        last = "\n".join(text.splitlines()[-20:])
        return f"the supervisors said:\n{last}" if last else "the supervisors said nothing"


@contextmanager
def undisturbed() -> Iterator[set[int]]:
    """Have signals wait, so that none comes between a start and the note of it.

    Yields those that waited before.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def die_with_parent(mask: set[int]) -> None:
    """In the child: have the kernel send HUP when the parent ends, however it does."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def free_port() -> int:
    """A loopback port that nobody has, below those that outgoing connections get."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def children() -> list[int]:
    """The processes that this one is the parent of."""
    pids = Path("/proc/self/task").glob("*/children")
    return [int(pid) for file in pids for pid in file.read_text().split()]


def command_line(pid: int) -> str:
    """What a process runs, as ps shows it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words if word)


@contextmanager
def locked(directory: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of DIRECTORY; BlockingIOError if HOW says not to wait for it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def sweep(root: Path) -> None:
    """Remove the tree of a demo that was killed; one in use is left alone."""
    try:
        with locked(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
            wait(lambda: not in_use(root), "the services of a killed demo end", pace=0.01)
            shutil.rmtree(root)
    except BlockingIOError:
        pass
    except Failure:
        print(f"{root}: a demo was killed, and its services still run", flush=True)


def in_use(root: Path) -> bool:
    """Whether a supervisor still holds a lock in the tree."""
    for lock in root.glob("sv/**/supervise/lock"):
        with lock.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False
