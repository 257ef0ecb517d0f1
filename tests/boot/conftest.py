"""Fixtures for the commands of the old world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import packages
from oldworld import Machine, may, write_programs


@pytest.fixture(scope="session")
def old_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite: programs in bin, and the package."""
    suite = tmp_path_factory.mktemp("suite")
    suite.chmod(0o755)
    packages(suite / "package")
    return write_programs(suite)


@pytest.fixture(scope="session")
def bare_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where no package from elsewhere is installed."""
    suite = tmp_path_factory.mktemp("suite")
    suite.chmod(0o755)
    package = packages(suite / "package")
    for path in package.iterdir():
        if path.is_symlink():
            path.unlink()
    return write_programs(suite)


@pytest.fixture
def machines(tmp_path: Path, old_world: Path) -> Iterator[Callable[..., Machine]]:
    """Make machines; they are ended after the test."""
    if not may():
        pytest.skip("needs PID and mount namespaces of its own")
    made: list[Machine] = []

    def make(suite: Path = old_world, comm: str = "runit", **more: Any) -> Machine:
        made.append(Machine(tmp_path / f"root{len(made)}", suite, comm, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def machine(machines: Callable[..., Machine]) -> Machine:
    """A machine whose process 1 is called runit."""
    return machines()
