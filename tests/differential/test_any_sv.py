"""sv: any commands to any services, whatever their records say.

The services are made by hand: records with anything in them, with and without somebody
who listens, and what arrives in their FIFOs is compared with what is said.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from differential.cases import cases, compared
from hypothesis import given
from hypothesis import strategies as st
from support import Suite, build

TAI_OF_1970 = 4611686018427387914

COMMANDS = [
    "status",
    "s",
    "up",
    "u",
    "down",
    "d",
    "once",
    "pause",
    "p",
    "cont",
    "hup",
    "h",
    "alarm",
    "interrupt",
    "quit",
    "1",
    "2",
    "term",
    "kill",
    "exit",
    "e",
    "x",
    "",
    "nonsense",
    "sta",
]
WAITING = ["start", "stop", "restart", "shutdown", "force-stop", "try-restart", "reload"]
NAMES = ["one", "two", "with space", "none", "file", "sub/deep", "./one", "one/", ""]


@dataclass(frozen=True)
class Record:
    """What supervise/status holds; AGE is in seconds before now.

    pid, paused, want, term and state are its bytes; LENGTH of it are written.
    """

    age: int
    pid: int
    paused: int
    want: bytes
    term: int
    state: int
    length: int = 20

    def data(self, now: int) -> bytes:
        """The bytes, half a second away from the next full one."""
        stamp = (TAI_OF_1970 + now - self.age).to_bytes(8, "big") + (1).to_bytes(4, "big")
        flags = bytes((self.paused,)) + self.want + bytes((self.term, self.state))
        return (stamp + self.pid.to_bytes(4, "little") + flags)[: self.length]


@dataclass(frozen=True)
class Made:
    """One service directory: which of its parts there are, and what they are."""

    record: Record | None
    listened: bool
    ok: bool
    control: bool
    down: bool
    log: Record | None
    finish: bool


RECORD = st.builds(
    Record,
    # Not of this second: the reference compares whole seconds, and takes what happened
    # before the command for its effect.
    age=st.sampled_from([5, 100, 86400, 10**9]),
    pid=st.sampled_from([0, 1, 77, 2**31 - 1]),
    paused=st.sampled_from([0, 0, 0, 1]),
    want=st.sampled_from([b"u", b"d", b"\0", b"x"]),
    term=st.sampled_from([0, 0, 1]),
    state=st.sampled_from([0, 1, 1, 2, 3]),
    length=st.sampled_from([20, 20, 20, 20, 20, 19, 18, 0]),
)
# Of a log's record in part, the reference shows the rest from the service's.
LOGS_RECORD = RECORD.filter(lambda record: record.length in (0, 20))
MADE = st.builds(
    Made,
    record=st.one_of(RECORD, RECORD, RECORD, st.none()),
    listened=st.sampled_from([True, True, True, False]),
    ok=st.sampled_from([True, True, True, False]),
    control=st.sampled_from([True, True, True, False]),
    down=st.booleans(),
    log=st.one_of(st.none(), LOGS_RECORD),
    finish=st.booleans(),
)
OPTIONS = st.lists(st.sampled_from(["-v", "-w1", "-w", "-x", "-w0", "-wx", "--"]), max_size=2)
SERVICES = st.lists(st.sampled_from(NAMES), max_size=4)


def make(root: Path, name: str, made: Made, now: int) -> None:
    """Make the service directory."""
    one = build(root / name, {"run": "#!/bin/sh\n", "supervise": None})
    if made.down:
        build(one, {"down": ""})
    if made.finish:
        build(one, {"finish": "#!/bin/sh\n"})
    parts = [(one, made.record)]
    if made.log:
        build(one, {"log/supervise": None})
        parts.append((one / "log", made.log))
    for directory, record in parts:
        if record:
            (directory / "supervise/status").write_bytes(record.data(now))
        if made.ok:
            os.mkfifo(directory / "supervise/ok")
        if made.control:
            os.mkfifo(directory / "supervise/control")


@contextmanager
def listening(root: Path, services: dict[str, Made]) -> Iterator[dict[str, int]]:
    """Hold the FIFOs open as runsv does; the descriptors to read what is sent."""
    controls = {}
    opened = []
    for name, made in services.items():
        for where in (name, f"{name}/log") if made.log else (name,):
            directory = root / where / "supervise"
            if made.listened and made.ok:
                opened.append(os.open(directory / "ok", os.O_RDONLY | os.O_NONBLOCK))
            if made.listened and made.control:
                controls[where] = os.open(directory / "control", os.O_RDONLY | os.O_NONBLOCK)
                opened += [controls[where], os.open(directory / "control", os.O_WRONLY)]
    yield controls
    for descriptor in opened:
        os.close(descriptor)


def sent(controls: dict[str, int]) -> list[str]:
    """What arrived in each FIFO."""
    found = []
    for name, descriptor in controls.items():
        try:
            found.append(f"{name} got {os.read(descriptor, 1000)!r}")
        except BlockingIOError:
            found.append(f"{name} got nothing")
    return found


def play(
    suite: Suite, place: Path, services: dict[str, Made], arguments: list[str], name: str
) -> list[str]:
    """What comes of sv with ARGUMENTS, called NAME, for SERVICES made anew."""
    root = place / "services"
    shutil.rmtree(root, ignore_errors=True)
    build(root, {"file": "", "empty": None})
    # The time of a record is a whole second: half a second later no age is about to change.
    now = int(time.time() - 0.5)
    for one, made in services.items():
        make(root, one, made, now)
    program = build(root / "bin", {}) / name
    program.symlink_to(suite.program("sv"))
    with listening(root, services) as controls:
        environment = suite.environment(SVDIR=str(root))
        done = subprocess.run(
            [program, *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return [
            f"exit code {done.returncode}",
            *masked(done.stdout).splitlines(),
            *(f"error: {line}" for line in masked(done.stderr).splitlines()),
            *sent(controls),
        ]


def masked(text: bytes) -> str:
    """The text; a second more or less in an age does not count, nor does the version."""
    text = re.sub(rb"\$Id: \w+ \$|pyrunit [\d.]+", b"VERSION", text)
    return re.sub(rb"(?<=\d)\ds", b"Ns", re.sub(rb"\b\ds", b"Ns", text)).decode("latin1")


def compare(
    both: tuple[Suite, Suite],
    place: Path,
    services: dict[str, Made],
    arguments: list[str],
    name: str = "sv",
) -> None:
    compared()
    one, two = (play(suite, place, services, arguments, name) for suite in both)
    difference = list(unified_diff(one, two, "reference", "ours", lineterm=""))
    replay = f"cd {place}/services; SVDIR=$PWD {name} {shlex.join(arguments)}"
    assert not difference, "\n".join([replay, repr(services), *difference])


SOME_SERVICES = st.dictionaries(st.sampled_from(["one", "two", "with space"]), MADE, max_size=3)


@cases(100)
@given(services=SOME_SERVICES, options=OPTIONS, what=st.sampled_from(COMMANDS), names=SERVICES)
def test_any_command(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    services: dict[str, Made],
    options: list[str],
    what: str,
    names: list[str],
) -> None:
    compare(both, tmp_path, services, [*options, what, *names])


@cases(12)
@given(services=SOME_SERVICES, what=st.sampled_from(WAITING), names=SERVICES, wait=st.booleans())
def test_any_command_that_waits(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    services: dict[str, Made],
    what: str,
    names: list[str],
    wait: bool,
) -> None:
    compare(both, tmp_path, services, [*(["-w0"] if wait else ["-w1"]), what, *names])


@cases(30)
@given(services=SOME_SERVICES, arguments=st.lists(st.sampled_from([*COMMANDS, "one"]), max_size=2))
def test_any_use_as_an_init_script(
    both: tuple[Suite, Suite], tmp_path: Path, services: dict[str, Made], arguments: list[str]
) -> None:
    compare(both, tmp_path, services, arguments, name="two")
