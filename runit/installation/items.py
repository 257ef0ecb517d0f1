"""What is put into place: files, and links, and how that is done in one step."""

from __future__ import annotations

import os
from pathlib import Path

from runit.installation.manifest import checksum, link_checksum


class Item:
    """A file to put into place, or a link to TARGET; CONF if its owner may edit it."""

    __slots__ = ("checksum", "conf", "data", "mode", "path", "target")

    def __init__(
        self,
        path: Path,
        data: bytes = b"",
        mode: int = 0o644,
        *,
        target: str = "",
        conf: bool = False,
    ) -> None:
        self.path = path
        self.data = data
        self.mode = mode
        self.target = target
        self.conf = conf
        self.checksum = link_checksum(target) if target else checksum(data)

    def put(self, place: Path) -> None:
        """Make it, at PLACE."""
        if self.target:
            link(place, self.target)
        else:
            write(place, self.data, self.mode)

    def beside(self) -> Item:
        """The same file by the name that it has beside an edited one."""
        return Item(self.path.with_name(self.path.name + ".new"), self.data, self.mode)


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file and move it into its place in one step."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(data)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def link(path: Path, target: str) -> None:
    """Make a link and move it into its place in one step."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        new.symlink_to(target)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
