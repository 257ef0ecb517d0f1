"""A copy of the checkout, and wheels of the dependencies, for all these tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from installing import PLAIN_USER, ROOT, Installed, Maker, PlainUser, copy_checkout

from runit.launchers import interpreter


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="pyrunit-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def maker(open_directory: Path) -> Maker:
    """A copy of the checkout in a directory whose name has a space."""
    return Maker(copy_checkout(open_directory / "check out"))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with wheels of the dependencies, fetched once."""
    given = os.environ.get("PYRUNIT_WHEELS")
    if given and any(Path(given).glob("*.whl")):
        return Path(given)
    directory = tmp_path_factory.mktemp("wheels")
    fetched = subprocess.run(
        [interpreter(), "-EsB", "-m", "runit.installation", "wheels", directory],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if fetched.returncode:
        pytest.skip("the dependencies are not installed and cannot be fetched")
    return directory


@pytest.fixture(scope="session")
def installed(maker: Maker, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A complete installation; tests look at it and run it, and change nothing."""
    return maker.install(tmp_path_factory.mktemp("prefix") / "x", wheels=wheels)


@pytest.fixture
def bare(maker: Maker, tmp_path: Path) -> Installed:
    """An installation of the suite alone, for a test to do with as it likes."""
    return maker.install(tmp_path / "prefix")


@pytest.fixture(scope="session")
def plain_user() -> PlainUser:
    """Whoever runs the tests, or nobody if that is root."""
    if os.geteuid() != 0:
        return PlainUser({}, interpreter())
    options = {"user": PLAIN_USER, "group": PLAIN_USER, "extra_groups": []}
    for python in (interpreter(), "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", ""], check=True, capture_output=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return PlainUser(options, python)
    pytest.skip("the interpreter is in a directory that only root may enter")
