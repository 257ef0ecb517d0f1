"""Where the files under supervise/ are: on a disk their blocks are reserved, in memory not."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Suite, build, end_service, failing, needs, stat, wait_for

from runit.supervise import files

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}
TRACE = ("strace", "-qq", "-e", "trace=fallocate", "-o")


def is_tmpfs(directory: Path) -> bool:
    """What stat(1) says."""
    words = ["stat", "-f", "-c", "%T", directory]
    return subprocess.run(words, capture_output=True, check=True).stdout == b"tmpfs\n"


@pytest.fixture(params=["/dev/shm", "/tmp", "/var/tmp"])
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    if not os.access(request.param, os.W_OK):
        pytest.skip(f"nobody may write to {request.param} here")
    with tempfile.TemporaryDirectory(dir=request.param) as directory:
        yield Path(directory)


def test_a_file_in_memory_is_told(place: Path) -> None:
    with (place / "file").open("wb") as file:
        assert files.in_memory(file.fileno()) == is_tmpfs(place)


@needs("strace")
def test_blocks_are_reserved_on_a_disk(ours: Suite, place: Path, tmp_path: Path) -> None:
    one = build(place / "s", RUN)
    program = [*TRACE, str(tmp_path / "trace"), ours.program("runsv"), str(one)]
    runsv = subprocess.Popen(program, env=ours.environment(), stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: stat(one) == "run")
    finally:
        end_service(one)
        runsv.wait(30)
    reserved = (tmp_path / "trace").read_text().count("fallocate(")
    assert (reserved == 0) == is_tmpfs(place)


@needs("strace")
@pytest.mark.parametrize("error", ["ENOSPC", "EOPNOTSUPP"])
def test_blocks_that_cannot_be_reserved_are_done_without(
    ours: Suite, place: Path, tmp_path: Path, error: str
) -> None:
    if is_tmpfs(place):
        pytest.skip("nothing is reserved in memory")
    one = build(place / "s", RUN)
    program = [*failing(f"fallocate:error={error}"), ours.program("runsv"), str(one)]
    with (tmp_path / "errors").open("wb") as errors:
        runsv = subprocess.Popen(
            program, env=ours.environment(), stdin=subprocess.DEVNULL, stderr=errors
        )
    try:
        wait_for(lambda: stat(one) == "run")
    finally:
        end_service(one)
        runsv.wait(30)
    assert (tmp_path / "errors").read_bytes() == b""


def test_what_is_there_is_not_missing_where_newer_calls_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a filter that does not know of faccessat2(2)."""
    access = os.access

    def refused(path: bytes, mode: int, *, follow_symlinks: bool = True) -> bool:
        return follow_symlinks and access(path, mode)

    monkeypatch.setattr(os, "access", refused)
    assert not files.missing(bytes(tmp_path))
    assert files.missing(bytes(tmp_path / "s"))
