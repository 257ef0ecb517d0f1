"""Fixtures for the commands of the old world, and for process 1."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import packages
from firsts import First, has_runit, make_suite
from firsts import may as may_first
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


@pytest.fixture(scope="session")
def first_suite() -> Iterator[Path]:
    """The suite, as a machine for process 1 has it."""
    directory = Path(tempfile.mkdtemp(prefix="suite"))  # where anybody may read it
    packages(directory / "package")
    yield make_suite(directory)
    shutil.rmtree(directory)


@pytest.fixture
def firsts(first_suite: Path) -> Iterator[Callable[..., First]]:
    """Start machines with process 1 in them; they are ended after the test."""
    made: list[First] = []
    directory = Path(tempfile.mkdtemp(prefix="first"))
    directory.chmod(0o755)

    def make(stages: Mapping[str, Any] | None = None, **more: Any) -> First:
        reason = may_first(more.get("user", False))
        if reason:
            pytest.skip(reason)
        if more.get("kind") == "reference" and not has_runit():
            pytest.skip("Debian's runit package is not installed")
        fifos = more.pop("fifos", ())
        root = directory / f"root{len(made)}"
        root.mkdir()
        for name in fifos:
            os.mkfifo(root / name)
        made.append(First(root, first_suite, stages, **more))
        return made[-1]

    yield make
    for one in made:
        one.kill()
    shutil.rmtree(directory)


@pytest.fixture(params=["ours", "reference"])
def either(request: pytest.FixtureRequest, firsts: Callable[..., First]) -> Callable[..., First]:
    """The same with our process 1, then with C's: for what is the contract."""
    return partial(firsts, kind=request.param)


@pytest.fixture(params=["psutil", "proc"])
def either_world(
    request: pytest.FixtureRequest,
    machines: Callable[..., Machine],
    old_world: Path,
    bare_world: Path,
) -> Machine:
    """A machine with psutil, and one without."""
    return machines(old_world if request.param == "psutil" else bare_world)
