"""pip install into a virtual environment: the programs are there and start."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from installing import ANSWERING, Maker

from runit.installation import dependencies


@pytest.fixture(scope="module")
def environment(maker: Maker, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with this suite in it."""
    directory = tmp_path_factory.mktemp("pip")
    # A copy, because setuptools writes there.
    source = shutil.copytree(maker.checkout, directory / "source", symlinks=True)
    venv = directory / "venv"
    subprocess.run([maker.python, "-m", "venv", "--without-pip", venv], check=True, timeout=60)
    try:
        with dependencies.pip(maker.python) as pip:
            done = subprocess.run(
                [*pip, f"--python={venv}/bin/python", "install", f"--find-links={wheels}", source],
                capture_output=True,
                text=True,
                timeout=300,
            )
    except dependencies.NoPip as error:
        pytest.skip(f"pip is not installed: {error}")
    if done.returncode and "setuptools" in done.stderr:
        pytest.skip("setuptools is not installed and cannot be fetched")
    assert done.returncode == 0, done.stderr
    return venv


@pytest.mark.parametrize("name", ANSWERING)
def test_a_console_script_starts(environment: Path, name: str) -> None:
    ended = subprocess.run(
        [environment / "bin" / name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert b"Traceback" not in ended.stderr
    assert ended.returncode in (0 if name == "runit-init" else 1, 100, 111)


def test_manual_pages_come_with_it(environment: Path, maker: Maker) -> None:
    pages = {page.name for page in (maker.checkout / "docs/man").glob("*.8")}
    assert pages <= set(os.listdir(environment / "share/man/man8"))


def test_the_installer_does_not(environment: Path) -> None:
    (package,) = (environment / "lib").glob("python*/site-packages/runit")
    assert not (package / "installation").exists()
