"""This checkout's programs, as an installation has them: compiled, in one directory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from runit.launchers import BIN, SBIN, interpreter, write

ROOT = Path(__file__).resolve().parent.parent


def install(directory: Path) -> Path:
    """Install into DIRECTORY; the place of the programs.  Without inotify_simple they poll."""
    write(directory / "bin", BIN | SBIN, str(install_package(directory)), interpreter())
    return directory / "bin"


def install_package(directory: Path) -> Path:
    """The package alone, which nothing leads to yet; its place."""
    package = directory / "package"
    shutil.copytree(ROOT / "runit", package / "runit", ignore=shutil.ignore_patterns("__pycache__"))
    try:
        import inotify_simple
    except ImportError:
        pass
    else:
        shutil.copy(inotify_simple.__file__, package)
    subprocess.run([interpreter(), "-m", "compileall", "-q", package], check=True)
    return package
