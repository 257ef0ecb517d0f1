"""A full disk: svlogd waits, makes room if it may, and drops nothing.

The disk is a small tmpfs in a mount namespace of the program's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from log.logs import Logging, everything, logging_in_namespace, old_logs
from support import Suite, wait_for

MOUNT = 'mount -t tmpfs -o size=512k tmpfs log && cp -R filled/. log && exec "$0" log'
DATA = b"".join(b"%07d " % number + b"x" * 1000 + b"\n" for number in range(100))
PAUSING = b"svlogd: pausing: unable to write to current: log: out of disk space\n"


pytestmark = pytest.mark.usefixtures("may_mount")


@contextmanager
def small_disk(suite: Suite, root: Path, files: dict[str, bytes]) -> Iterator[Logging]:
    """An svlogd on a disk of 512 KiB that holds FILES."""
    (root / "filled").mkdir()
    (root / "log").mkdir()
    for name, content in files.items():
        (root / "filled" / name).write_bytes(content)
    with logging_in_namespace(root, "log", MOUNT, suite.program("svlogd")) as work:
        yield work


def test_it_waits_for_room_and_drops_nothing(suite: Suite, tmp_path: Path) -> None:
    files = {"filler": b"x" * 450_000, "@400000000000000000000000.s": b""}
    with small_disk(suite, tmp_path, files) as work:
        for at in range(0, len(DATA), 50_000):
            work.write(DATA[at : at + 50_000])
        work.said(PAUSING)
        assert len(everything(work.directory)) < len(DATA)
        (work.directory / "filler").unlink()
        wait_for(lambda: everything(work.directory) == DATA)
        assert len(old_logs(work.directory)) == 1


def test_with_n_set_the_oldest_logs_make_room(suite: Suite, tmp_path: Path) -> None:
    files = {f"@40000000000000000000000{number}.s": b"x" * 80_000 for number in range(6)}
    files["config"] = b"n20\nN4\n"
    with small_disk(suite, tmp_path, files) as work:
        for at in range(0, len(DATA), 50_000):
            work.write(DATA[at : at + 50_000])
        current = work.directory / "current"
        wait_for(lambda: current.read_bytes() == DATA)
        assert [path.name[-3] for path in old_logs(work.directory)] in (
            ["1", "2", "3", "4", "5"],
            ["2", "3", "4", "5"],
        )
        assert work.stderr.startswith(
            b"svlogd: warning: out of disk space, delete: log/<label>.s\n"
        )
        assert PAUSING not in work.stderr


@pytest.mark.parametrize("config", [b"n20\nN6\n", b"n4\nN5\n", b"n0\nN1\n", b"N10\n"])
def test_no_log_makes_room_that_is_to_be_kept(suite: Suite, tmp_path: Path, config: bytes) -> None:
    files = {f"@40000000000000000000000{number}.s": b"x" * 80_000 for number in range(6)}
    files["config"] = config
    with small_disk(suite, tmp_path, files) as work:
        work.write(DATA[:50_000])
        work.said(PAUSING)
        assert len(old_logs(work.directory)) == 6


def test_without_n_set_no_log_makes_room(ours: Suite, tmp_path: Path) -> None:
    files = {f"@4000000000000000000000{number}.s": b"x" * 40_000 for number in range(10, 22)}
    files["config"] = b"n20\n"
    with small_disk(ours, tmp_path, files) as work:
        work.write(DATA[:50_000])
        work.said(PAUSING)
        assert len(old_logs(work.directory)) == 12
