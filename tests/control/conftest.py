"""Fixtures: services to command, with the test or a real runsv behind them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import Fake, runner
from support import DEADLINE, Suite

Make = Callable[..., Fake]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Make]:
    """Make fakes: ``fake(name, record)`` in the test's directory."""
    made: list[Fake] = []

    def make(name: str | bytes, record: bytes | None = None) -> Fake:
        path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        made.append(Fake(Path(os.fsdecode(path)), record))
        return made[-1]

    yield make
    for one in made:
        one.leave()


@pytest.fixture
def sv(suite: Suite, tmp_path: Path) -> Callable[..., tuple[int, bytes]]:
    """Run sv of both suites: ``sv(*arguments)`` gives exit code and output.

    Services are looked up in the test's directory.
    """
    return runner(suite, tmp_path)


@pytest.fixture
def our_sv(ours: Suite, tmp_path: Path) -> Callable[..., tuple[int, bytes]]:
    """As `sv`, ours only: for what differs from the reference on purpose."""
    return runner(ours, tmp_path)


@pytest.fixture
def sv_together(suite: Suite, tmp_path: Path) -> Callable[..., list[tuple[int, bytes]]]:
    """Run several sv at the same time: ``sv_together(arguments, arguments, ...)``."""

    def run(*calls: tuple[str | bytes, ...]) -> list[tuple[int, bytes]]:
        environment = suite.environment(SVDIR=str(tmp_path))
        processes = [
            suite.start(
                "sv", *arguments, cwd=tmp_path, env=environment,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for arguments in calls
        ]  # fmt: skip
        outputs = [process.communicate(timeout=DEADLINE)[0] for process in processes]
        return [(one.returncode, output) for one, output in zip(processes, outputs, strict=True)]

    return run
