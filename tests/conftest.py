"""Fixtures: the suite under test, and the reference beside it where installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from lines.marks import BESIDE, link
from support import REFERENCE, Suite, has_reference

from runit.launchers import interpreter

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """What children see is compared, so whoever started us may not have a say in it.

    nohup ignores HUP, a shell without job control lets `&` ignore INT and QUIT.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            at_start = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, at_start)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With $PYRUNIT_CI set, nothing is skipped because something is not installed."""
    report = yield
    if report.skipped and os.environ.get("PYRUNIT_CI") and "not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report


DEPENDENCIES = ("inotify_simple", "psutil", "daemon", "lockfile")


def packages(directory: Path) -> Path:
    """A private package directory as an installation has it: the suite and what it needs.

    Compiled, because launchers never write byte code and each start would compile anew.
    With $PYRUNIT_MARKED set, it is a copy of that package, compiled by `lines.marks`.
    """
    marked = os.environ.get("PYRUNIT_MARKED")
    if marked:
        shutil.copytree(marked, directory / "runit", ignore=shutil.ignore_patterns(BESIDE))
        link(Path(marked) / BESIDE, directory / "runit" / BESIDE)
    else:
        shutil.copytree(
            ROOT / "runit", directory / "runit", ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in DEPENDENCIES:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            path = Path(found.origin)
            path = path.parent if path.name == "__init__.py" else path
            (directory / path.name).symlink_to(path)
    subprocess.run([interpreter(), "-m", "compileall", "-q", directory / "runit"], check=True)
    return directory


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Our programs: the installed ones in $PYRUNIT_BIN, else launchers on this checkout."""
    installed = os.environ.get("PYRUNIT_BIN")
    if installed:
        return Suite(Path(installed), "ours")
    directory = tmp_path_factory.mktemp("bin")
    package = packages(tmp_path_factory.mktemp("package"))
    subprocess.run(
        [
            sys.executable,
            ROOT / "runit/launchers.py",
            f"--package={package}",
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


@pytest.fixture(scope="session")
def may_mount() -> None:
    """Skips a test where nothing can be mounted in a namespace of its own."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("needs root, and a system that lets it mount a tmpfs")


@pytest.fixture(params=["ours", "reference"])
def suite(request: pytest.FixtureRequest) -> Suite:
    """Both, one after the other: for behaviour that is the contract."""
    chosen = request.getfixturevalue(request.param)
    assert isinstance(chosen, Suite)
    return chosen
