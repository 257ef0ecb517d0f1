"""The logger within another program: runsv's built-in one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from log.logs import current, is_ready, old_logs
from support import wait_for

from runit.log.options import parse_options
from runit.log.svlogd import serve
from runit.options import UsageError


class Child:
    """A process of its own that serves DIRECTORY/main, configured by DIRECTORY/config."""

    def __init__(self, directory: Path, *options: bytes) -> None:
        self.directory = directory
        self.main = directory / "main"
        self.main.mkdir()
        reader, self.writer = os.pipe()
        self.process = os.fork()
        if not self.process:
            self._serve(reader, list(options))
        os.close(reader)

    def _serve(self, reader: int, options: list[bytes]) -> None:
        code = 1
        try:
            os.chdir(self.directory)
            os.dup2(reader, 0)
            os.close(reader)
            os.close(self.writer)
            errors = os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(errors, 2)
            code = serve([b"main"], config=b"config", options=parse_options(options))
        finally:
            os._exit(code)

    def end(self) -> int:
        os.close(self.writer)
        self.writer = -1
        return self.wait()

    def wait(self) -> int:
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        if child.writer >= 0:
            os.close(child.writer)
        if child.process:
            os.kill(child.process, signal.SIGKILL)
            child.wait()


def test_it_reads_the_given_configuration_now_and_at_hup(
    tmp_path: Path, children: list[Child]
) -> None:
    (tmp_path / "config").write_bytes(b"p1 \n")
    child = Child(tmp_path, b"-v")
    children.append(child)
    (child.main / "config").write_bytes(b"pno \n")
    os.write(child.writer, b"a\n")
    wait_for(lambda: current(child.main) == b"1 a\n")
    (tmp_path / "config").write_bytes(b"p2 \n")
    os.kill(child.process, signal.SIGHUP)
    wait_for(lambda: (tmp_path / "stderr").read_bytes().count(b"main/current\n") == 2)
    os.write(child.writer, b"b\n")
    wait_for(lambda: current(child.main) == b"1 a\n2 b\n")
    assert child.end() == 0
    assert (child.main / "current").stat().st_mode & 0o777 == 0o744
    said = (tmp_path / "stderr").read_bytes()
    assert said.count(b"svlogd: info: read: config\n") == 2


def test_it_hears_signals_that_were_blocked_at_the_fork(
    tmp_path: Path, children: list[Child]
) -> None:
    (tmp_path / "config").write_bytes(b"!cat\n")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    try:
        child = Child(tmp_path)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    children.append(child)
    wait_for(lambda: is_ready(child.main))
    os.write(child.writer, b"a\n")
    wait_for(lambda: current(child.main) == b"a\n")
    os.kill(child.process, signal.SIGALRM)
    wait_for(lambda: [path.read_bytes() for path in old_logs(child.main, ".s")] == [b"a\n"])
    os.kill(child.process, signal.SIGTERM)
    assert child.wait() == 0


def test_options_come_from_words() -> None:
    options = parse_options([b"-tt", b"-l", b"50", b"-v"])
    assert (options.length, options.verbose, options.table) == (50, True, None)
    assert len(options.style(0)) == 26
    with pytest.raises(UsageError) as wrong:
        parse_options([b"-x"])
    assert wrong.value.sentence == b"illegal option -- x"
    with pytest.raises(UsageError):
        parse_options([b"-l", b"2000"])
