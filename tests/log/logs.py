"""What the tests of svlogd share: running it, and looking at log directories."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support import Suite, wait_for

LABEL = re.compile(rb"@[0-9a-f]{24}")
CALENDAR = re.compile(rb"\d{4}-\d\d-\d\d[_T]\d\d:\d\d:\d\d\.\d{5}")


def masked(text: bytes) -> bytes:
    """TEXT with every time in it made the same."""
    return CALENDAR.sub(b"<calendar>", LABEL.sub(b"<label>", text))


def old_logs(directory: Path, end: str = "") -> list[Path]:
    """The old logs, oldest first; those ending in END only."""
    return sorted(directory.glob(f"@*{end}"))


def current(directory: Path) -> bytes:
    """What `current` holds; nothing if there is none."""
    try:
        return (directory / "current").read_bytes()
    except FileNotFoundError:
        return b""


def everything(directory: Path) -> bytes:
    """All that was logged, in order."""
    return b"".join(path.read_bytes() for path in old_logs(directory)) + current(directory)


def snapshot(directory: Path) -> list[tuple[str, str, bytes]]:
    """Every file: its name (of an old log, the end only), mode and content, times masked."""
    return [
        (
            LABEL.sub(b"@", path.name.encode()).decode(),
            f"{path.stat().st_mode & 0o7777:o}",
            masked(path.read_bytes()),
        )
        for path in sorted(directory.iterdir())
    ]


class Run:
    """What came of a run: exit code, standard error with times masked, the directory."""

    def __init__(self, code: int, stderr: bytes, directory: Path) -> None:
        self.code = code
        self.stderr = masked(stderr)
        self.directory = directory

    @property
    def text(self) -> bytes:
        """What `current` holds, times masked."""
        return masked(current(self.directory))

    @property
    def sizes(self) -> list[int]:
        """The sizes of the old logs, oldest first, and of `current`."""
        return [path.stat().st_size for path in old_logs(self.directory)] + [
            len(current(self.directory))
        ]


def log(
    suite: Suite,
    directory: Path,
    data: bytes,
    *options: str,
    config: bytes | None = None,
    packets: Sequence[bytes] = (),
) -> Run:
    """Log DATA to DIRECTORY, called ``log``, with a configuration.

    With PACKETS, they are the input instead, each one read(2) of its own.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (directory / "config").write_bytes(config)
    if not packets:
        done = suite.run("svlogd", *options, directory.name, cwd=directory.parent, input=data)
        return Run(done.returncode, done.stderr, directory)
    reader, writer = os.pipe2(os.O_DIRECT)
    process = suite.start(
        "svlogd",
        *options,
        directory.name,
        cwd=directory.parent,
        stdin=reader,
        stderr=subprocess.PIPE,
    )
    os.close(reader)
    for packet in packets:
        os.write(writer, packet)
    os.close(writer)
    _, stderr = process.communicate(timeout=60)
    return Run(process.returncode, stderr, directory)


class Logging:
    """An svlogd at work on DIRECTORY, reading from a pipe whose ends are ours as well."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes]
        self.reader, self._writer = os.pipe()
        self._stderr = directory.parent / f"{directory.name}.stderr"

    def write(self, data: bytes) -> None:
        """Give it DATA at once."""
        os.write(self._writer, data)

    def log(self, data: bytes) -> None:
        """Give it DATA, whole lines, and wait until all is there."""
        self.write(data)
        wait_for(lambda: everything(self.directory).endswith(data), f"{data!r} in the log")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def rotate(self) -> Path:
        """Have it rotate, and wait until it has; returns the old log as it was then."""
        before = {path.stem for path in old_logs(self.directory)}
        self.signal(signal.SIGALRM)
        new = wait_for(
            lambda: [path for path in old_logs(self.directory) if path.stem not in before]
        )
        assert len({path.stem for path in new}) == 1
        return new[-1]

    def end(self) -> int:
        """Close its input; returns its exit code."""
        self.close_input()
        return self.process.wait(30)

    def close_input(self) -> None:
        """Let it see the end of its input, once it has read what is in the pipe."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def left(self) -> bytes:
        """What it has not read, now that it has ended."""
        self.close_input()
        return b"".join(iter(lambda: os.read(self.reader, 65536), b""))

    @property
    def stderr(self) -> bytes:
        """What it said so far, times masked."""
        return masked(self._stderr.read_bytes())

    def said(self, words: bytes, times: int = 1) -> None:
        """Wait until it has said WORDS."""
        wait_for(lambda: self.stderr.count(words) >= times, f"{words!r} on standard error")


@contextmanager
def logging(
    suite: Suite,
    directory: Path,
    *options: str,
    config: bytes | None = None,
    command: Sequence[str] = (),
) -> Iterator[Logging]:
    """An svlogd on DIRECTORY, ready when the block starts and ended after it.

    COMMAND goes before the program.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (directory / "config").write_bytes(config)
    work = Logging(directory)
    with (directory.parent / f"{directory.name}.stderr").open("wb") as stderr:
        work.process = process = subprocess.Popen(
            [*command, suite.program("svlogd"), *options, directory.name],
            cwd=directory.parent,
            stdin=work.reader,
            stderr=stderr,
            env=suite.environment(),
        )
    try:
        wait_for(lambda: is_ready(directory) or process.poll() is not None, "svlogd")
        yield work
    finally:
        work.close_input()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(work.reader)


def is_ready(directory: Path) -> bool:
    """Whether `current` is open for writing."""
    try:
        return (directory / "current").stat().st_mode & 0o777 == 0o644
    except FileNotFoundError:
        return False


@contextmanager
def logging_in_namespace(root: Path, directory: str, *words: str | Path) -> Iterator[Logging]:
    """An svlogd on ROOT/DIRECTORY of a mount namespace, where WORDS of the shell start it.

    ROOT is the current directory there, too; WORDS are the script and its arguments.
    """
    work = Logging(root / "log")
    with (root / "log.stderr").open("wb") as stderr:
        work.process = process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", *words], cwd=root, stdin=work.reader, stderr=stderr
        )
    work.directory = Path(f"/proc/{process.pid}/root{root}/{directory}")
    try:
        wait_for(lambda: is_ready(work.directory) or process.poll() is not None)
        yield work
    finally:
        process.kill()
        process.wait()
        work.close_input()
