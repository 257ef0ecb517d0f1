"""Fixtures: a suite that every user may run, and machines to bring down."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot.conftest import machine, machines, old_world
from conftest import packages
from support import Suite, anyones_interpreter

from runit.launchers import BIN, LFS, SBIN, write

__all__ = ["machine", "machines", "old_world"]


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="pyrunit-security-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def everyones(open_directory: Path) -> Suite:
    """All of our programs, where every user may run them."""
    package = packages(open_directory / "package")
    for programs in (BIN, SBIN, LFS):
        write(open_directory / "bin", programs, str(package), anyones_interpreter())
    return Suite(open_directory / "bin", "ours")


@pytest.fixture(params=["ours", "reference"])
def each(request: pytest.FixtureRequest) -> Suite:
    """Both suites, where every user may run them: for behaviour that is the contract."""
    chosen = request.getfixturevalue("everyones" if request.param == "ours" else "reference")
    assert isinstance(chosen, Suite)
    return chosen


@pytest.fixture
def place(open_directory: Path) -> Iterator[Path]:
    """A directory for one test that every user may enter."""
    directory = Path(tempfile.mkdtemp(dir=open_directory))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
