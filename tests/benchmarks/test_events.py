"""The service that tells when it starts, and those that wait for it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import alive, wait_for

from benchmarks.events import SCRIPT, Events, Service
from benchmarks.peers import Peer
from benchmarks.processes import Late


@pytest.fixture(params=["compiled", "script"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Both kinds: a machine has one of them."""
    if request.param == "compiled":
        made = Service(tmp_path)
        if not made.compiled:
            pytest.skip("there is no C compiler")
        return made.path
    path = tmp_path / "service"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    made = Events(tmp_path / "events")
    yield made
    made.close()


def nothing() -> None:
    """Nothing to check."""


def environment(events: Events, **more: str) -> dict[str, str]:
    return {**os.environ, "BENCH_EVENTS": str(events.fifo), **more}


def test_a_service_tells_its_name_its_process_and_the_time(
    service: Path, events: Events, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    began = time.monotonic_ns()
    process = subprocess.Popen([service], cwd=tmp_path / "web", env=environment(events))
    try:
        ran = events.all_started(["web"], began, 30, nothing)
        assert began < ran < time.monotonic_ns()
        assert events.pids == {"web": process.pid}
        assert events.starts == 1
        assert alive(process.pid)
    finally:
        process.kill()
        process.wait()


def test_a_service_that_shall_crash_tells_it_and_exits_1(
    service: Path, events: Events, tmp_path: Path
) -> None:
    done = subprocess.run([service], cwd=tmp_path, env=environment(events, BENCH_CRASH="1"))
    assert done.returncode == 1
    events.read()
    assert events.starts == 1


def test_the_floor_copies_all_and_rotates(tmp_path: Path) -> None:
    made = Service(tmp_path)
    if not made.compiled:
        pytest.skip("there is no C compiler")
    (tmp_path / "log").mkdir()
    data = os.urandom(2_500_000)
    subprocess.run([made.path, "copy", tmp_path / "log"], input=data, check=True)
    names = ["@0", "@1", "current"]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == names
    assert b"".join((tmp_path / "log" / name).read_bytes() for name in names) == data


def test_who_does_not_start_is_not_waited_for_forever(events: Events) -> None:
    with pytest.raises(Late, match="the start of 1 services of 1"):
        events.all_started(["web"], 0, 0.0, nothing)


def test_a_start_before_does_not_count(events: Events) -> None:
    events.fifo.write_text("5 1 web\n")
    assert events.all_started(["web"], 4, 30, nothing) == 5
    with pytest.raises(Late):
        events.all_started(["web"], 5, 0.0, nothing)


def test_a_peer_that_is_not_installed_says_what_is_missing() -> None:
    class Other(Peer):
        programs = ("sh", "no-such-program")

    assert Other.missing() == "no-such-program not installed"


def test_a_line_may_come_in_pieces(events: Events) -> None:
    with events.fifo.open("w") as stream:
        stream.write("5 1 w")
        stream.flush()
        wait_for(lambda: events.read() or True, "a read")
        assert events.starts == 0
        stream.write("eb\n")
    events.read()
    assert events.times == {"web": 5}
