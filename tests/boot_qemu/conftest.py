"""Guests to drive: built before by `make check-boot`, started here from copies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from guests import Boot, copy_of
from qemu import BUILD, Guest


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """Start a guest from a copy of an image: NAME, and what to append to its command line."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    guests: list[Guest] = []

    def start(name: str, append: str = "") -> Guest:
        directory = tmp_path_factory.mktemp(name)
        disk = copy_of(BUILD / f"{name}.ext4", directory)
        guests.append(Guest(disk, f"init=/sbin/runit-init {append}", log=directory / "serial.log"))
        return guests[-1]

    yield start
    for guest in guests:
        guest.__exit__()
        guest.image.unlink()
