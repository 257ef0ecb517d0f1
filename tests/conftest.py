"""Fixtures: the suite under test, and the reference beside it where installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import REFERENCE, Suite, has_reference

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Our programs: the installed ones in $PYRUNIT_BIN, else launchers on this checkout."""
    installed = os.environ.get("PYRUNIT_BIN")
    if installed:
        return Suite(Path(installed), "ours")
    directory = tmp_path_factory.mktemp("bin")
    subprocess.run(
        [
            sys.executable,
            ROOT / "runit/launchers.py",
            f"--package={ROOT}",
            f"--bindir={directory}",
            f"--sbindir={directory}",
        ],
        check=True,
    )
    return Suite(directory, "ours")


@pytest.fixture(scope="session")
def reference() -> Suite:
    """The C programs of Debian's runit package."""
    if not has_reference():
        pytest.skip("Debian's runit package is not installed")
    return Suite(REFERENCE, "reference")


@pytest.fixture(params=["ours", "reference"])
def suite(request: pytest.FixtureRequest) -> Suite:
    """Both, one after the other: for behaviour that is the contract."""
    chosen = request.getfixturevalue(request.param)
    assert isinstance(chosen, Suite)
    return chosen
