"""The service that all peers run, and what it tells: a line in a FIFO when it starts.

The time in the line is the service's own, so neither the peer's files nor this program's
attention have a part in what is measured.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.processes import Late

SOURCE = Path(__file__).with_name("service.c")
NAP = 0.002
"""Seconds between two looks into the FIFO: whoever is measured needs the processor."""
ROOM = 1 << 20
"""Bytes that the FIFO holds, if it may: 25,000 lines."""

SCRIPT = """\
#!/bin/sh
[ -z "$BENCH_EVENTS" ] || echo "0 $$ ${PWD##*/}" >"$BENCH_EVENTS"
[ -z "$BENCH_CRASH" ] || exit 1
exec sleep 1000000
"""


class Service:
    """The program: compiled, or where there is no compiler a script, which takes longer."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "service"
        self.compiled = any(
            _runs("cc", "-O2", *how, "-o", str(self.path), str(SOURCE)) for how in (["-static"], [])
        )
        if not self.compiled:
            self.path.write_text(SCRIPT)
            self.path.chmod(0o755)

    def __str__(self) -> str:
        return "compiled" if self.compiled else "a shell script (no C compiler here)"


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Events:
    """The starts of services, read from a FIFO.

    pids     the process of each service, by name
    starts   how many there were
    """

    def __init__(self, fifo: Path) -> None:
        self.fifo = fifo
        os.mkfifo(fifo)
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, ROOM)
        except PermissionError:
            pass  # writers will wait for us
        self._rest = b""
        self.times: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self.starts = 0

    def read(self) -> None:
        """Take all that is there."""
        while True:
            try:
                data = os.read(self._descriptor, ROOM)
            except BlockingIOError:
                return
            now = time.monotonic_ns()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                when, pid, name = line.decode().split()
                self.times[name] = int(when) or now
                self.pids[name] = int(pid)
                self.starts += 1

    def all_started(
        self, names: Iterable[str], since: int, patience: float, check: Callable[[], None]
    ) -> int:
        """Wait until each of NAMES has started after SINCE; the time of the last, in ns.

        CHECK is called now and then, and may raise what it likes.  Raises Late.
        """
        names = set(names)
        missing = set(names)
        end = time.monotonic() + patience
        while True:
            self.read()
            missing = {name for name in missing if self.times.get(name, 0) <= since}
            if not missing:
                return max(self.times[name] for name in names)
            left = end - time.monotonic()
            if left <= 0:
                raise Late(f"the start of {len(missing)} services of {len(names)}")
            check()
            select.select([self._descriptor], [], [], min(left, 1.0))
            time.sleep(NAP)

    def close(self) -> None:
        os.close(self._descriptor)
