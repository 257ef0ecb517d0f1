"""The end of a process that is nobody's child, with pidfds and without."""

from __future__ import annotations

import errno
import os
import posix
import signal
import subprocess
from collections.abc import Iterator

import pytest
from support import DEADLINE

from runit.boot.ending import Ending


@pytest.fixture(params=["pidfd", "no kernel for it", "no interpreter for it"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise OSError(errno.ENOSYS, "")

    if request.param == "no kernel for it":
        monkeypatch.setattr(posix, "pidfd_open", refused)
    elif request.param == "no interpreter for it":
        monkeypatch.delattr(posix, "pidfd_open")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its input ends; then it is a zombie until the test ends."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("way")
def test_who_lives_has_not_ended(other: subprocess.Popen[bytes]) -> None:
    with Ending(other.pid) as ending:
        assert not ending.wait(0)
        assert not ending.wait(0.05)
        assert not ending.wait(-1)


@pytest.mark.usefixtures("way")
def test_a_zombie_has_ended(other: subprocess.Popen[bytes]) -> None:
    with Ending(other.pid) as ending:
        os.kill(other.pid, signal.SIGKILL)
        assert ending.wait(DEADLINE)


@pytest.mark.usefixtures("way")
def test_who_was_reaped_has_ended(other: subprocess.Popen[bytes]) -> None:
    with Ending(other.pid) as ending:
        other.kill()
        other.wait()
        assert ending.wait(DEADLINE)


@pytest.mark.usefixtures("way")
def test_who_is_not_there_is_an_error(other: subprocess.Popen[bytes]) -> None:
    other.kill()
    other.wait()
    with pytest.raises(ProcessLookupError):
        Ending(other.pid)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("pid", [0, -1])
def test_a_group_is_no_process(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        Ending(pid)
