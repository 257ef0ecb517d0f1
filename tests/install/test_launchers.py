"""Launchers: whatever the interpreter and the directory are called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runit import launchers

MODULE = """\
def main():
    import os, sys
    os.write(1, b"\\0".join(map(os.fsencode, sys.argv)))
    return 7
"""


def started(directory: Path, python: str, locale: str = "C.UTF-8") -> bytes:
    """What a launcher prints whose module, in DIRECTORY, prints its arguments."""
    (directory / "shown").mkdir(parents=True)
    (directory / "shown/__init__.py").write_text(MODULE)
    launchers.write(directory / "bin", {"show": "shown"}, str(directory), python)
    ended = subprocess.run(
        [directory / "bin/show", "a b", "$c"],
        env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    assert ended.returncode == 7, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", ["plain", "with a space", "it's", "größe"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_package_may_be_anywhere(tmp_path: Path, name: str, locale: str) -> None:
    shown = started(tmp_path / name, launchers.interpreter(), locale)
    assert shown == os.fsencode(tmp_path / name / "bin/show") + b"\0a b\0$c"


@pytest.mark.parametrize("name", ["with a space", "it's here", "x" * 240])
def test_the_interpreter_may_be_anywhere(tmp_path: Path, name: str) -> None:
    python = tmp_path / name / "python3"
    python.parent.mkdir()
    python.symlink_to(launchers.interpreter())
    shown = started(tmp_path / "package", str(python))
    assert shown == os.fsencode(tmp_path / "package/bin/show") + b"\0a b\0$c"


def test_the_name_that_outlives_an_upgrade_is_preferred() -> None:
    python = Path(launchers.interpreter())
    assert not python.is_symlink() or python.name == "python3"
