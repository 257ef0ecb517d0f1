"""Guests to drive: built before by `make check-boot`, started here from copies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import pytest
from guests import Boot, copy_of, lay
from qemu import BUILD, Guest


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """Start a guest from a copy of an image: NAME, and what to append to its command line.

    Before, FILES are laid into it (content by path) and, if it is to be FULL, all of its
    blocks are given away.  MORE is for QEMU.
    """
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    guests: list[Guest] = []

    def start(
        name: str,
        append: str = "",
        files: Mapping[str, str] = MappingProxyType({}),
        full: bool = False,
        more: Sequence[str] = (),
    ) -> Guest:
        directory = tmp_path_factory.mktemp(name)
        disk = copy_of(BUILD / f"{name}.ext4", directory)
        lay(disk, files, full)
        append = f"init=/sbin/runit-init {append}"
        guests.append(Guest(disk, append, log=directory / "serial.log", more=more))
        return guests[-1]

    yield start
    for guest in guests:
        guest.__exit__()
        guest.image.unlink()
