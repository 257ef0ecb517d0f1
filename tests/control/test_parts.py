"""sv status of so many services that more than one process asks them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import down, masked, up
from support import Suite, failing, needs

from runit.control import parts
from runit.control.report import Report
from runit.control.sv import MANY

NAMES = [f"{number % 7}" for number in range(3 * MANY)]
"""Whose services say something else each, so the order shows."""

RECORDS = {
    "0": up(),
    "1": up(paused=True),
    "2": up(want=b"d"),
    "3": down(),
    "4": down(want=b"u"),
    "5": up(got_term=True),
}
MISSING = b"fail: 6: unable to change to service directory: file does not exist\n"


@pytest.fixture
def services(fake) -> dict[str, bytes]:
    """The line of each, and of one that is not there."""
    lines = {"6": MISSING}
    for name, content in RECORDS.items():
        fake(name, content)
    lines["0"] = b"run: 0: (pid N) Ns\n"
    lines["1"] = b"run: 1: (pid N) Ns, paused\n"
    lines["2"] = b"run: 2: (pid N) Ns, want down\n"
    lines["3"] = b"down: 3: Ns, normally up\n"
    lines["4"] = b"down: 4: Ns, normally up, want up\n"
    lines["5"] = b"run: 5: (pid N) Ns, got TERM\n"
    return lines


def test_the_lines_are_in_order(sv, services: dict[str, bytes]) -> None:
    code, output = sv("status", *NAMES)
    assert code == 99
    assert masked(output) == b"".join(services[name] for name in NAMES)


def test_each_that_failed_counts(sv, services: dict[str, bytes]) -> None:
    names = ["0", "6", *["0"] * MANY, "6", *["1"] * MANY, "6"]
    code, output = sv("status", *names)
    assert code == 3
    assert masked(output) == b"".join(services[name] for name in names)


def test_a_warning_comes_where_it_belongs(
    ours: Suite, services: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "5/down").symlink_to("down")
    names = [*["0"] * (2 * MANY), "5", "0"]
    done = ours.run("sv", "status", *names, env=ours.environment(SVDIR=str(tmp_path)), cwd=tmp_path)
    assert done.stderr == b"warning: unable to stat 5/down: symbolic link loop\n"
    assert masked(done.stdout).startswith(services["0"] * (2 * MANY))


@needs("strace")
@pytest.mark.parametrize(
    "call",
    [
        "clone,clone3,fork,vfork:error=EAGAIN",
        "pipe,pipe2:error=EMFILE",
        "sched_getaffinity:error=ENOSYS",
        "wait4:error=ECHILD",
    ],
    ids=["process", "pipe", "processors", "end"],
)
def test_without_help_all_are_asked(
    ours: Suite, services: dict[str, bytes], tmp_path: Path, call: str
) -> None:
    words = [*failing(call), ours.program("sv"), "status", *NAMES]
    environment = ours.environment(SVDIR=str(tmp_path))
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 99
    assert masked(done.stdout) == b"".join(services[name] for name in NAMES)


def nothing(_: parts.Aside) -> bytes:
    os._exit(0)


def trouble(_: parts.Aside) -> bytes:
    raise MemoryError


@pytest.mark.parametrize(
    "told",
    [nothing, lambda _: b"0 0 100\nrun: 0: ", lambda _: b"0 0 ", trouble],
    ids=["nothing", "a part", "a part of the first line", "trouble"],
)
def test_what_a_child_did_not_tell_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[parts.Aside], bytes]
) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: 3)
    monkeypatch.setattr(parts.Aside, "told", told)
    mine = os.getpid()
    asked = []

    def ask(names: list[bytes], report: Report) -> None:
        if os.getpid() == mine:
            asked.extend(names)
        for name in names:
            report.add(name)

    names = [b"%d " % number for number in range(3 * parts.LEAST)]
    report = Report()
    parts.ask_all(names, ask, report)
    assert asked == names
    assert report._pieces == names


@pytest.mark.parametrize("processors", [1, 2, 3, 100])
def test_each_is_asked_once(monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: processors)
    mine = os.getpid()
    asked = []

    def ask(names: list[bytes], report: Report) -> None:
        if os.getpid() == mine:
            asked.extend(names)
        for name in names:
            report.add(name)
        report.failed += 1
        report.state = 1

    names = [b"%d " % number for number in range(10 * parts.LEAST + 9)]
    report = Report()
    parts.ask_all(names, ask, report)
    assert b"".join(report._pieces) == b"".join(names)
    assert report.failed == min(processors, 10)
    assert len(asked) == -(-len(names) // min(processors, 10))
