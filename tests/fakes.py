"""Services whose runsv is played by the test."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from support import Suite

from runit.service.status import DOWN, FINISH, RUN, Status


class Fake:
    """A service directory as runsv keeps it, the test being the runsv.

    It reads the FIFOs and writes the records, so that what is sent can be seen and
    what is answered is up to the test.
    """

    def __init__(self, directory: Path, record: bytes | None) -> None:
        self.directory = directory
        self.supervise = directory / "supervise"
        self.supervise.mkdir(parents=True)
        os.mkfifo(self.supervise / "control")
        os.mkfifo(self.supervise / "ok")
        self.control = os.open(self.supervise / "control", os.O_RDWR | os.O_NONBLOCK)
        self.ok = os.open(self.supervise / "ok", os.O_RDONLY | os.O_NONBLOCK)
        if record is not None:
            self.write(record)

    def write(self, record: bytes) -> None:
        """Replace supervise/status, as runsv does."""
        (self.supervise / "status.new").write_bytes(record)
        (self.supervise / "status.new").rename(self.supervise / "status")

    def sent(self) -> bytes:
        """The control characters that came since the last time."""
        try:
            return os.read(self.control, 4096)
        except BlockingIOError:
            return b""

    def leave(self) -> None:
        """End, as far as anybody can see."""
        for descriptor in (self.control, self.ok):
            if descriptor >= 0:
                os.close(descriptor)
        self.control = self.ok = -1


def record(
    state: int = DOWN, pid: int = 0, want: bytes = b"d", *, age: float = 5, **flags: bool
) -> bytes:
    """A status record whose service changed AGE seconds ago (in whole seconds, if whole)."""
    now = time.time_ns() if age % 1 else time.time_ns() // 10**9 * 10**9
    return Status(now - int(age * 10**9), pid, want=want, state=state, **flags).pack()


def up(**more: object) -> bytes:
    """The record of a service that runs, as it is wanted."""
    return record(**{"state": RUN, "pid": 77, "want": b"u", **more})


def finishing(**more: object) -> bytes:
    """The record of a service whose finish runs."""
    return record(**{"state": FINISH, "pid": 78, "want": b"u", **more})


down = record


def masked(output: bytes) -> bytes:
    """Status lines without ages and process ids."""
    return re.sub(rb"\b\d+s\b", b"Ns", re.sub(rb"\(pid \d+\)", b"(pid N)", output))


def runner(suite: Suite, services: Path) -> Callable[..., tuple[int, bytes]]:
    """A function that runs sv: standard output, with standard error in it."""

    def run(*arguments: str | bytes, **variables: str) -> tuple[int, bytes]:
        environment = suite.environment(**{"SVDIR": str(services), **variables})
        done = suite.run("sv", *arguments, cwd=services, env=environment)
        return done.returncode, done.stdout + done.stderr

    return run
