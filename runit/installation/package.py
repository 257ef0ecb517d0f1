"""Build the private directory: the package, its dependencies, all compiled.

It is built aside and changes places with the old one in a single step, so a
program that starts meanwhile sees one version or the other.
"""

from __future__ import annotations

import compileall
import ctypes
import os
import py_compile
import shutil
from pathlib import Path

from runit.installation import dependencies
from runit.installation.layout import Layout
from runit.installation.manifest import Manifest, checksum_of

LEFT_OUT = {"installation", "launchers.py"}
"""What of the package no program needs."""

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def build(
    directory: Path, checkout: Path, layout: Layout, wheels: Path | None
) -> tuple[list[str], str]:
    """Fill DIRECTORY, which is to become LAYOUT's package directory.

    Returns the dependencies that could not be had, and why.
    """
    missing, reason = dependencies.install(directory, dependencies.declared(checkout), wheels)
    shutil.rmtree(directory / "bin", ignore_errors=True)  # pip's scripts for them
    copy(checkout / "runit", directory / "runit")
    write_paths(checkout / "runit/paths.py", directory / "runit/paths.py", layout)
    shutil.copyfile(checkout / "LICENSE", directory / "LICENSE")
    compileall.compile_dir(
        directory,
        quiet=2,
        force=True,
        stripdir=str(directory),
        prependdir=str(layout.package),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    plain_modes(directory)
    return missing, reason


def copy(source: Path, target: Path) -> None:
    """The package's modules, and nothing else that may lie about in a checkout."""
    for path in source.rglob("*.py"):
        inside = path.relative_to(source)
        if inside.parts[0] in LEFT_OUT or any(part.startswith(".") for part in inside.parts):
            continue
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / inside)


def write_paths(source: Path, target: Path, layout: Layout) -> None:
    """runit/paths.py anew, with the directories of this installation."""
    given = {
        f"{name.upper()} = ": ascii(os.fsencode(getattr(layout, name)))
        for name in ("bindir", "sbindir", "libdir", "sysconfdir", "rundir")
    }
    lines = source.read_text().splitlines()
    for number, line in enumerate(lines):
        start, quote, _ = line.partition('b"')
        if quote and start in given:
            lines[number] = start + given[start]
    target.write_text("\n".join(lines) + "\n")


def plain_modes(directory: Path) -> None:
    """Readable for all, writable for the owner, whatever the umask was."""
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o111
            path.chmod(0o755 if executable else 0o644)


def record(directory: Path, layout: Layout, manifest: Manifest) -> None:
    """Take everything in DIRECTORY into MANIFEST, by the names it will have."""
    manifest.directories.add(layout.package)
    for path in directory.rglob("*"):
        name = layout.package / path.relative_to(directory)
        if path.is_dir():
            manifest.directories.add(name)
        else:
            manifest.add(name, checksum_of(path))


def exchange(new: Path, old: Path) -> None:
    """Let two directories change places; OLD need not exist.

    In one step where the kernel and the file system can.
    """
    if not old.exists():
        new.rename(old)
        return
    library = ctypes.CDLL(None, use_errno=True)
    try:
        names = (os.fsencode(new), os.fsencode(old))
        if library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0:
            return
    except AttributeError:  # an old C library
        pass
    aside = new.with_name(new.name + ".old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def rescue(old: Path, new: Path, layout: Layout, known: Manifest) -> list[Path]:
    """Copy what OLD, the package directory in place, holds of others' into NEW.

    Returns those of KNOWN's files there that had been changed, and will be lost.
    """
    changed = []
    for path in sorted(old.rglob("*")):
        inside = path.relative_to(old)
        name = layout.package / inside
        if name == layout.manifest or (path.is_dir() and not path.is_symlink()):
            continue
        if name in known:
            if checksum_of(path) != known.files[name]:
                changed.append(name)
        elif not os.path.lexists(new / inside):
            (new / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, new / inside, follow_symlinks=False)
    return changed
