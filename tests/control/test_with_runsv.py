"""sv and a real runsv."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import masked, runner
from support import Suite, build, command, pid, stat, wait_for

from runit.service import tai64n
from runit.service.status import RUN as RUNS
from runit.service.status import unpack

RUN = "#!/bin/sh\nexec sleep 1000\n"
STUBBORN = "#!/bin/sh\ntrap '' TERM\necho > ready\nwhile :; do sleep 0.1; done\n"


OURS = ("ours with ours", "ours with reference")


@pytest.fixture(params=[*OURS, "reference with ours"])
def pair(request: pytest.FixtureRequest) -> tuple[Suite, Suite]:
    """Whose sv, and whose runsv: the two agree in files only."""
    sv, runsv = (request.getfixturevalue(name) for name in request.param.split(" with "))
    return sv, runsv


def runs(path: Path) -> bool:
    """Whether the record, which is written last, says so."""
    try:
        return unpack((path / "supervise/status").read_bytes()).state == RUNS
    except OSError:
        return False


def is_old(path: Path) -> bool:
    """Whether the last change was not within this second.

    The reference's sv takes such a change for the effect of its command.
    """
    return time.time_ns() // tai64n.BILLION > changed(path) // tai64n.BILLION


def changed(path: Path) -> int:
    """When the service changed last, in Unix nanoseconds."""
    return unpack((path / "supervise/status").read_bytes()).changed


@pytest.fixture
def sv(pair: tuple[Suite, Suite], tmp_path: Path) -> Callable[..., tuple[int, bytes]]:
    return runner(pair[0], tmp_path)


@pytest.fixture
def runsv(pair: tuple[Suite, Suite]) -> Suite:
    return pair[1]


@pytest.fixture
def service(runsv: Suite, tmp_path: Path) -> Iterator[Path]:
    """A service that runs, with its log service."""
    path = build(tmp_path / "a", {"run": RUN, "log/run": "#!/bin/sh\nexec cat > /dev/null\n"})
    with runsv.runsv(path):
        wait_for(lambda: runs(path) and runs(path / "log"), "the service")
        yield path


def test_down_and_up_again(sv, service: Path) -> None:
    first = pid(service)
    code, output = sv("stop", "a")
    assert (code, masked(output)) == (0, b"ok: down: a: Ns, normally up\n")
    assert stat(service) == "down"
    code, output = sv("start", "a")
    assert (code, masked(output)) == (0, b"ok: run: a: (pid N) Ns\n")
    assert pid(service) not in (0, first)


def test_the_status_of_both(sv, service: Path) -> None:
    _, output = sv("status", "a", "a/log")
    assert masked(output) == (b"run: a: (pid N) Ns; run: log: (pid N) Ns\nrun: a/log: (pid N) Ns\n")
    assert b"(pid %d)" % pid(service) in output
    assert b"(pid %d)" % pid(service / "log") in output


def test_signals_are_waited_for_with_v(sv, service: Path) -> None:
    wait_for(lambda: is_old(service), "the next second")
    for word, line in [
        ("pause", b"ok: run: a: (pid N) Ns, paused\n"),
        ("cont", b"ok: run: a: (pid N) Ns\n"),
        ("once", b"ok: run: a: (pid N) Ns, want down\n"),
        ("term", b"ok: down: a: Ns, normally up\n"),
        ("kill", b"ok: down: a: Ns, normally up\n"),
    ]:
        code, output = sv("-v", word, "a")
        assert (code, masked(output)) == (0, line)


@pytest.mark.parametrize("pair", OURS, indirect=True)
def test_a_restart_within_the_second_reports_the_new_process(sv, service: Path) -> None:
    for word in ("restart", "try-restart"):
        before = pid(service)
        code, output = sv(word, "a")
        assert (code, masked(output)) == (0, b"ok: run: a: (pid N) Ns\n")
        assert b"(pid %d)" % before not in output
        assert b"(pid %d)" % pid(service) in output


def test_shutdown_waits_for_the_end_of_runsv(sv, runsv: Suite, tmp_path: Path) -> None:
    path = build(tmp_path / "a", {"run": RUN, "log/run": "#!/bin/sh\nexec cat > /dev/null\n"})
    with runsv.runsv(path) as process:
        wait_for(lambda: runs(path), "the service")
        assert sv("shutdown", "a") == (0, b"ok: a: runsv not running\n")
        assert wait_for(lambda: process.poll() is not None)
        assert process.returncode == 0
    assert sv("status", "a") == (1, b"fail: a: runsv not running\n")
    assert sv("exit", "a") == (0, b"ok: a: runsv not running\n")


def test_force_stop_kills_what_does_not_stop(sv, runsv: Suite, tmp_path: Path) -> None:
    path = build(tmp_path / "a", {"run": STUBBORN})
    with runsv.runsv(path):
        # It may be ready before it is written down that it runs.
        wait_for(lambda: (path / "ready").exists() and runs(path), "the service")
        command(path, "d")
        wait_for(lambda: stat(path) == "run, got TERM, want down", "runsv")
        code, output = sv("-w", "0", "force-stop", "a")
        assert code == 1, output
        assert masked(output) == b"kill: run: a: (pid N) Ns, want down, got TERM\n"
        wait_for(lambda: stat(path) == "down", "the end")


def test_several_at_once(sv, runsv: Suite, tmp_path: Path) -> None:
    paths = [build(tmp_path / name, {"run": RUN}) for name in "abc"]
    with (
        runsv.runsv(paths[0]), runsv.runsv(paths[1]), runsv.runsv(paths[2]),
    ):  # fmt: skip
        code, output = sv("start", "a", "b", "c")
        assert code == 0
        assert sorted(masked(output).splitlines()) == [
            b"ok: run: " + name + b": (pid N) Ns" for name in (b"a", b"b", b"c")
        ]
        assert sv("exit", "a", "b", "c") == (0, b"")
