"""Running make from a copy of the checkout, and looking at what it made."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from support import Suite

from runit.launchers import BIN, SBIN, interpreter

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "Makefile",
    "pyproject.toml",
    "README.md",
    "INSTALL",
    "LICENSE",
    "CHANGELOG.md",
    "docs",
    "examples",
    "runit",
    "stages",
    "sv",
)
PROGRAMS = (*BIN, *SBIN)
ANSWERING = tuple(name for name in PROGRAMS if name != "pause")
"""Those that print their usage when told nothing; pause waits, whatever it is told."""
PLAIN_USER = 65534


def copy_checkout(target: Path) -> Path:
    """A copy of what make needs, readable for everybody."""
    target.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / part, symlinks=True, ignore=ignored)
        else:
            shutil.copyfile(source, target / part)
    for path in (target, *target.rglob("*")):
        if path.is_symlink():
            continue
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return target


class PlainUser:
    """Somebody who is not root: subprocess's options, and an interpreter within reach."""

    def __init__(self, options: dict[str, object], python: str) -> None:
        self.options = options
        self.python = python


class Maker:
    """A checkout to run make in."""

    def __init__(self, checkout: Path, python: str = "") -> None:
        self.checkout = checkout
        self.python = python or interpreter()

    def run(
        self,
        target: str,
        *variables: str,
        environment: dict[str, str] | None = None,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        """make TARGET VARIABLES, with nothing of a make around the tests."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "PYRUNIT", "PYTHON"))
        }
        return subprocess.run(
            ["make", "-s", target, f"PYTHON={self.python}", *variables],
            cwd=self.checkout,
            env=clean | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **options,
        )

    def install(
        self, prefix: Path, *variables: str, wheels: str | Path = "none", **options: object
    ) -> Installed:
        """make install, which must succeed."""
        done = self.run("install", f"PREFIX={prefix}", f"WHEELS={wheels}", *variables, **options)
        assert done.returncode == 0, done.stderr
        return Installed(prefix, done)


class Installed:
    """A prefix that the suite was installed in."""

    def __init__(self, prefix: Path, done: subprocess.CompletedProcess[str]) -> None:
        self.prefix = prefix
        self.bin = prefix / "bin"
        self.sbin = prefix / "sbin"
        self.package = prefix / "lib/pyrunit"
        self.runsvdir = prefix / "etc/runit/runsvdir"
        self.said = done.stdout
        self.warned = done.stderr
        self.suite = Suite(self.bin, "ours")

    def program(self, name: str) -> Path:
        """The path of a program."""
        return (self.bin if name in BIN else self.sbin) / name

    def run(
        self, name: str, *arguments: str | Path, **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end."""
        environment = {"PATH": f"{self.bin}:{self.sbin}:/usr/bin:/bin"}
        environment |= options.pop("environment", {})
        return subprocess.run(
            [self.program(name), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
            **options,
        )


def tree(top: Path) -> dict[str, tuple[int, int, int]]:
    """Everything under TOP with its mode, inode and time of change."""
    return {
        str(path.relative_to(top)): (found.st_mode, found.st_ino, found.st_mtime_ns)
        for path in (top, *sorted(top.rglob("*")))
        for found in (path.lstat(),)
    }


def writable_for_others(top: Path) -> list[Path]:
    """What its group or others may write to."""
    return [
        path
        for path in (top, *top.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]
