"""sv status of so many services that more than one process asks them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import down, masked, up
from support import DEADLINE, Suite, failing, needs

from runit.control import parts
from runit.control.report import Report
from runit.control.sv import MANY

PROCESSORS = len(os.sched_getaffinity(0))

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
    before = [*["0"] * MANY, *["1"] * MANY]
    words = [ours.program("sv"), "status", *before, "5", "2", "3"]
    environment = ours.environment(SVDIR=str(tmp_path))
    together = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    output = subprocess.run(words, env=environment, timeout=60, **together).stdout
    lines = [services[name] for name in before]
    lines += [b"warning: unable to stat 5/down: symbolic link loop\n\n"]
    assert masked(output) == b"".join([*lines, services["2"], services["3"]])


@needs("strace")
@pytest.mark.skipif(PROCESSORS < 2, reason="there is one processor, and nobody to help")
@pytest.mark.parametrize("number", [1, MANY - 1, MANY, 3 * MANY])
def test_so_many_processes_ask(
    ours: Suite, services: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    trace = ["strace", "-qq", "-o", str(tmp_path / "trace"), "-e", "trace=clone,clone3,fork,vfork"]
    words = [*trace, ours.program("sv"), "status", *["0"] * number]
    environment = ours.environment(SVDIR=str(tmp_path))
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)
    helpers = (tmp_path / "trace").read_text().count("clone")
    assert helpers == (0 if number < MANY else min(PROCESSORS, number // parts.LEAST) - 1)


@pytest.mark.parametrize("limit", [5, 6, 7, 8])
def test_those_who_help_need_no_more_descriptors(
    ours: Suite, services: dict[str, bytes], tmp_path: Path, limit: int
) -> None:
    limited = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", ours.program("sv")]
    environment = ours.environment(SVDIR=str(tmp_path))
    words = [*limited, "status", *["0"] * (3 * MANY)]
    output = subprocess.run(words, env=environment, stdout=subprocess.PIPE, timeout=60).stdout
    assert masked(output) == services["0"] * (3 * MANY)


@pytest.mark.usefixtures("services")
def test_nobody_is_left_where_it_was_ended(ours: Suite, tmp_path: Path) -> None:
    """As by ``| head``: what is told by those who help is more than a pipe holds."""
    (tmp_path / "5/down").symlink_to("down")
    names = ["./5", *["./" * 100 + "0"] * (4 * MANY)]
    unread, output = os.pipe()
    there, held = os.pipe()  # by whoever is left
    os.close(unread)
    words = [ours.program("sv"), "status", *names]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=output, stderr=output, pass_fds=[held])
    os.close(output)
    os.close(held)
    with open(there, "rb", buffering=0) as ends:
        assert process.wait(60) == -signal.SIGPIPE
        assert select.select([ends], [], [], DEADLINE)[0]


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


class Ask:
    """Says of each service its name, and counts each part as a failure.

    asked  those that the process has asked in which this was made
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._process = os.getpid()

    def __call__(self, names: list[bytes], report: Report) -> None:
        if os.getpid() == self._process:
            self.asked.extend(names)
        for name in names:
            report.add(name)
        report.failed += 1


def nothing(_: parts.Aside) -> bytes:
    os._exit(0)


def trouble(_: parts.Aside) -> bytes:
    raise MemoryError


@pytest.mark.parametrize(
    "told",
    [nothing, lambda _: b"0 100\nrun: 0: ", lambda _: b"0 ", trouble],
    ids=["nothing", "a part", "a part of the first line", "trouble"],
)
def test_what_a_child_did_not_tell_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[parts.Aside], bytes]
) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: 3)
    monkeypatch.setattr(parts.Aside, "told", told)
    ask = Ask()
    names = [b"%d " % number for number in range(3 * parts.LEAST)]
    report = Report()
    parts.ask_all(names, ask, report)
    assert ask.asked == names
    assert report._pieces == names


@pytest.mark.parametrize("processors", [1, 2, 3, 100])
def test_each_is_asked_once(monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: processors)
    ask = Ask()
    names = [b"%d " % number for number in range(10 * parts.LEAST + 9)]
    report = Report()
    parts.ask_all(names, ask, report)
    assert b"".join(report._pieces) == b"".join(names)
    assert report.failed == min(processors, 10)
    assert len(ask.asked) == -(-len(names) // min(processors, 10))
