"""Log directories on a disk that lets one down: svlogd waits, says so, and loses nothing.

The disk is a small tmpfs in a mount namespace of svlogd's own; the test looks in through
/proc.  What a full disk alone does is in log/test_full_disk.py.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from log.logs import Logging, everything, logging, logging_in_namespace, old_logs
from support import Suite, needs, open_files, wait_for

FULL = "out of disk space"
READ_ONLY = "read-only file system"
LINE = b"%07d " + b"x" * 91 + b"\n"


pytestmark = pytest.mark.usefixtures("may_mount")


@contextmanager
def on_a_disk(
    suite: Suite, root: Path, mount: str, config: str = "s4096\nn0\n"
) -> Iterator[Logging]:
    """An svlogd on log/main, log being a disk of its own that MOUNT mounts."""
    (root / "log").mkdir()
    script = f"{mount} && mkdir log/main && printf '%s' '{config}' >log/main/config && exec \"$@\""
    with logging_in_namespace(
        root, "log/main", script, "-", suite.program("svlogd"), "log/main"
    ) as work:
        yield work


def inside(work: Logging, *command: str) -> None:
    """Run COMMAND in svlogd's namespace."""
    subprocess.run(["nsenter", "-m", "-t", str(work.process.pid), *command], check=True)


def pausing(what: str, why: str) -> bytes:
    return f"svlogd: pausing: {what}: log/main: {why}\n".encode()


class Lines:
    """Numbered lines that were written to WORK."""

    def __init__(self, work: Logging) -> None:
        self.work = work
        self.number = itertools.count()
        self.data = b""

    def write(self, count: int) -> None:
        """COUNT more."""
        data = b"".join(LINE % next(self.number) for _ in range(count))
        self.data += data
        self.work.write(data)

    def are_there(self) -> None:
        """Wait until every one of them has come to the disk, once and in order."""
        wait_for(lambda: everything(self.work.directory) == self.data, "all lines")


def test_it_waits_for_inodes(suite: Suite, tmp_path: Path) -> None:
    with on_a_disk(suite, tmp_path, "mount -t tmpfs -o size=1m,nr_inodes=32 none log") as work:
        lines = Lines(work)
        lines.write(10)
        lines.are_there()
        many = work.directory / "many"
        many.mkdir()
        with suppress(OSError):
            for number in itertools.count():
                (many / str(number)).touch()
        lines.write(60)
        work.said(pausing("unable to create new current", FULL))
        lines.write(60)
        shutil.rmtree(many)
        lines.are_there()
        assert len(old_logs(work.directory)) >= 3


CALLS = {
    "write": "write to current",
    "renameat,renameat2,rename": "rename current",
    "fchmod": "set mode of current",
    "fsync": "fsync current logfile",
}
"""What svlogd does to a log when it is large, and its words for it."""


@needs("strace")
def test_it_waits_for_a_disk_that_is_read_only(ours: Suite, tmp_path: Path) -> None:
    """Each call fails once.  (A file system with files open for writing is not made
    read-only when somebody asks, only when it is broken, and that one stays so.)
    """
    with ExitStack() as stack:
        working = {}
        for number, calls in enumerate(CALLS):
            inject = f"inject={calls}:error=EROFS:when={2 if calls == 'fchmod' else 1}"
            directory = tmp_path / str(number) / "main"
            directory.parent.mkdir()
            command = ["strace", "-qqo/dev/null", f"-etrace={calls}", "-e", inject]
            if calls == "write":
                command.append(f"-P{directory}/current")
            working[calls] = stack.enter_context(
                logging(ours, directory, config=b"s4096\nn0\n", command=command)
            )
        written = {calls: Lines(work) for calls, work in working.items()}
        for lines in written.values():
            lines.write(60)
        for calls, work in working.items():
            work.said(f"svlogd: pausing: unable to {CALLS[calls]}: main: {READ_ONLY}\n".encode())
        for lines in written.values():
            lines.write(60)
            lines.are_there()


def test_it_goes_on_where_its_disk_was_unplugged(suite: Suite, tmp_path: Path) -> None:
    """What is open stays so; what is to be opened anew cannot be, and waits in the pipe."""
    with on_a_disk(suite, tmp_path, "mount -t tmpfs -o size=1m none log") as work:
        lines = Lines(work)
        lines.write(60)
        lines.are_there()
        held = open_files(work.process.pid)
        number = next(one for one in held if held[one] == str(tmp_path / "log/main"))
        directory = os.open(f"/proc/{work.process.pid}/fd/{number}", os.O_RDONLY)
        work.directory = Path(f"/proc/self/fd/{directory}")
        inside(work, "umount", "-l", str(tmp_path / "log"))
        lines.write(60)
        lines.are_there()
        work.signal(signal.SIGHUP)
        work.said(b"svlogd: fatal: no functional log directories.\n")
        assert work.process.wait(30) == 111
        assert everything(work.directory) == lines.data
        os.write(work._writer, b"in the pipe\n")
        assert work.left() == b"in the pipe\n"
        os.close(directory)
