"""The manifest: every file and directory that an installation made.

A line for each: kind, checksum, path, apart by one space.  Kinds are `file`,
`conf` (a file that the owner may edit) and `dir`, whose checksum is `-`.  That of
a symbolic link is taken of what it says, and starts with `link:`.  The paths are
those that the programs see, without DESTDIR.  A backslash or newline in a path is
written as ``\\\\`` or ``\\n``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FILE, CONF, DIR = "file", "conf", "dir"


class Manifest:
    """What belongs to an installation: path to checksum, and directories."""

    __slots__ = ("conf", "directories", "files")

    def __init__(self) -> None:
        self.files: dict[Path, str] = {}
        self.conf: set[Path] = set()
        self.directories: set[Path] = set()

    def __contains__(self, path: Path) -> bool:
        return path in self.files

    def add(self, path: Path, checksum: str, *, conf: bool = False) -> None:
        """Take in a file."""
        self.files[path] = checksum
        if conf:
            self.conf.add(path)

    def text(self) -> bytes:
        """The manifest as it stands in its file."""
        lines = [f"{DIR} - {_escape(path)}" for path in sorted(self.directories)]
        for path in sorted(self.files):
            kind = CONF if path in self.conf else FILE
            lines.append(f"{kind} {self.files[path]} {_escape(path)}")
        return os.fsencode("".join(f"{line}\n" for line in lines))


def load(path: Path) -> Manifest | None:
    """Read the manifest at PATH; None if there is none.

    Raises OSError when it cannot be read, ValueError when it is none of ours.
    """
    try:
        return parse(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def parse(data: bytes) -> Manifest:
    """A manifest from its text; raises ValueError when it is none of ours."""
    manifest = Manifest()
    for line in os.fsdecode(data).split("\n")[:-1]:
        kind, checksum, name = line.split(" ", 2)
        entry = _unescape(name)
        if kind not in (FILE, CONF, DIR) or not entry.is_absolute():
            raise ValueError(line)
        if kind == DIR:
            manifest.directories.add(entry)
        else:
            manifest.add(entry, checksum, conf=kind == CONF)
    return manifest


def checksum(data: bytes) -> str:
    """What the manifest holds of a file's content."""
    return hashlib.sha256(data).hexdigest()


def link_checksum(target: str) -> str:
    """What the manifest holds of a symbolic link."""
    return "link:" + checksum(os.fsencode(target))


def checksum_of(path: Path) -> str:
    """The same of what is in place; empty if that is neither, or not there."""
    if path.is_symlink():
        return link_checksum(os.readlink(path))
    if not path.is_file():
        return ""
    return checksum(path.read_bytes())


def _escape(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(name: str) -> Path:
    whole = "\\".join(part.replace("\\n", "\n") for part in name.split("\\\\"))
    return Path(whole)
