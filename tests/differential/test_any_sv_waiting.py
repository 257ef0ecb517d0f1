"""sv: any command that is waited for, whatever becomes of the services meanwhile.

All that is changed, is changed once sv has looked at every service as it was: a service
more, the last that it is told of, does what it is told, and sv says so when it has seen
all that come before.  So no case differs by chance.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from differential.cases import PARTS, cases
from differential.made import (
    AGES,
    DOWN,
    FUTURE,
    ODD,
    ODDITIES,
    SCRIPTS,
    STAMP,
    Made,
    Record,
    Services,
    records,
    services,
    unprivileged,
)
from differential.scripts import heading
from differential.together import compare_all
from differential.versions import alike
from hypothesis import given
from hypothesis import strategies as st
from interop.sides import Side
from support import Suite, wait_for

LAST = "zz"
"""The service that does what it is told."""

ALWAYS = ["start", "stop", "restart", "try-restart", "shutdown", "reload"]
FORCED = ["force-stop", "force-reload", "force-restart", "force-shutdown", "D", "T", "E", "X"]
WITH_V = ["up", "down", "once", "pause", "cont", "term", "kill", "hup", "exit", "1", "u", "d", "x"]
RESTARTS = ["restart", "try-restart", "force-reload", "force-restart", "T"]
COMMANDS = [*ALWAYS, *FORCED, *WITH_V]

CHANGES = ["leave", "status missing", "status short", "ok missing", "itself missing"]
"""What may become of a service, besides another record."""

AGREES = ["agrees", "is slow", "has no interpreter", "file", "directory", "denied"]
"""Kinds of ./check that may only be asked about a record that stays."""


@dataclass(frozen=True)
class Case:
    """A command, services in their order, what they become, and how long it is waited for.

    told is where the last comes from: ``-w``, ``-v`` and ``$SVWAIT``, or ``$SVWAIT`` only.
    """

    what: str
    made: dict[str, Made]
    becomes: list[Record | str]
    seconds: int
    told: str
    again: bool

    def alike(self) -> Case:
        """One that all versions of the reference treat alike."""
        return replace(
            self, made={name: alike(one, [self.what]) for name, one in self.made.items()}
        )

    @property
    def waits(self) -> bool:
        return self.what not in WITH_V or self.told != "$SVWAIT"

    @property
    def changes(self) -> dict[str, Record | str]:
        """What is changed: nothing while an answer about another record is awaited."""
        if not self.waits:
            return {}
        return {
            name: what
            for (name, made), what in zip(self.made.items(), self.becomes, strict=False)
            if not _may_be_asked(made)
        }

    def words(self, seconds: int) -> list[str]:
        """The command line."""
        before = {"-w": [f"-w{seconds}"], "-v": ["-v"]}.get(self.told, [])
        twice = list(self.made)[:1] if self.again else []
        return [*before, self.what, *self.made, *twice, *([LAST] if self.changes else [])]

    def variables(self, seconds: int) -> dict[str, str]:
        """Its environment."""
        return {"SVDIR": ".", **({} if self.told == "-w" else {"SVWAIT": str(seconds)})}


def _may_be_asked(made: Made) -> bool:
    record = made.status
    runs = isinstance(record, Record) and record.pid and record.state == 1
    return bool(runs) and made.check in AGREES


def does(letter: bytes) -> Record:
    """The record of a service that has done what LETTER says."""
    up = Record(FUTURE, 99, 0, b"u", 0, 1)
    down = Record(FUTURE, 0, 0, b"d", 0, 0)
    others = {b"d": down, b"o": replace(up, want=b"d"), b"p": replace(up, paused=1)}
    return others.get(letter, up)


def play(side: Side, case: Case) -> None:
    """Have sv do it; once more and with more time, where time was over too early."""
    for seconds in (case.seconds, 8, 30, 100):
        side.seen.clear()
        made = dict(case.made)
        if case.changes:
            made[LAST] = Made(Record(5, 0, 0, b"\0", 0, 0))
        place = Services(side.root / "services", made, int(time.time()))
        try:
            if attempt(side, place, case, seconds):
                return
        finally:
            place.close()
    raise AssertionError("no time was enough")


def attempt(side: Side, place: Services, case: Case, seconds: int) -> bool:
    """Have sv do it with SECONDS of patience; whether all changes came in time."""
    before = time.monotonic()
    side.errors.write_bytes(b"")
    process = side.start(
        "sv",
        *case.words(seconds),
        cwd=place.root,
        prefix=unprivileged(),
        env={**side.environment(), **case.variables(seconds)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    output = b""
    with process.stdout:
        if case.changes:
            output = obey(place, process.stdout.fileno())
            for name, what in case.changes.items():
                change(place, name, what)
        changed = time.monotonic()
        output += process.stdout.read()
    side.note("exit code", process.wait(60))
    if case.changes and changed > before + seconds - 0.3:
        return False  # the last look may have come before
    lines = [line for line in masked(output) if f": {LAST}: " not in line]
    # Those that come true at the same moment are reported in any order.
    if case.changes or any(made.check in SCRIPTS for made in case.made.values()):
        lines.sort()
    for line in lines:
        side.note(line)
    errors = [f"error: {line}" for line in set(masked(side.errors.read_bytes()))]
    for line in [*sorted(errors), *place.seen()]:  # of errors some come once, or each time
        # The reference asks ./check though the service is paused, and no answer would do.
        restart = case.what in RESTARTS and ("asked" in line or "/check: " in line)
        if not line.startswith(LAST) and not restart:
            side.note(line)
    return True


def obey(place: Services, output: int) -> bytes:
    """Have the last service do what it is told; OUTPUT until sv has said so, or ended."""
    control = place.control(LAST)

    def letter() -> bytes:
        try:
            return os.read(control, 1)
        except BlockingIOError:
            return b""

    told = wait_for(letter)
    if told == b"x":
        place.leave(LAST)
    else:
        place.write(LAST, does(told))
    text = b""
    while f": {LAST}: ".encode() not in text:
        more = os.read(output, 65536)
        if not more:
            break
        text += more
    return text


def change(place: Services, name: str, what: Record | str) -> None:
    """Have WHAT become of service NAME."""
    service = place.root / name
    supervise = service / "supervise"
    if isinstance(what, Record):
        if supervise.is_dir() and not (supervise / "status").is_dir():
            place.write(name, what)
        return
    part, _, how = what.partition(" ")
    if what == "leave":
        place.leave(name)
    elif what == "itself missing":
        if service.exists():
            service.rename(place.root / f"{name}.gone")
    elif how == "short":
        if (supervise / part).is_file():
            os.truncate(supervise / part, 19)
    elif (supervise / part).exists():
        shutil.move(supervise / part, supervise / f"{part}.gone")


def masked(text: bytes) -> list[str]:
    """The lines of TEXT without ages, which depend on how long it took."""
    return re.sub(r"\b\d+s\b", "Ns", text.decode("latin1")).splitlines()


def script(case: Case, seen: list[str]) -> list[str]:
    """The case, for a person to do it again."""
    variables = [f"{name}={value}" for name, value in case.variables(case.seconds).items()]
    command = [*unprivileged(), *variables, "sv", *case.words(case.seconds)]
    lines = [
        *heading(),
        STAMP,
        *(line for name, one in case.made.items() for line in one.shell(name)),
    ]
    if case.changes:
        lines += Made(Record(5, 0, 0, b"\0", 0, 0)).shell(LAST)
        lines += [f"env {shlex.join(command)} & sleep 0.3", does(b"u").shell(f"{LAST}/new")]
        lines += [f"mv {LAST}/new {LAST}/supervise/status # see does()", "sleep 0.5"]
    else:
        lines.append(f"env {shlex.join(command)}; echo exit code $?")
    for name, what in case.changes.items():
        if isinstance(what, Record):
            lines += [what.shell(f"{name}/new"), f"mv {name}/new {name}/supervise/status"]
        else:
            lines.append(f"# then, of {name}: {what}")
    return [*lines, *(["wait $!; echo exit code $?"] if case.changes else [])]


PARTS_ODD = [one for one in ODDITIES if one[0] != "log" and one != ("down", "loop")]
CHECKS = st.one_of(st.just("missing"), st.sampled_from([*SCRIPTS, *ODD]))
MADE = services(records(*AGES), PARTS_ODD, down=DOWN, check=CHECKS)
NAMES = ["one", "two", "with space", "./four"]
# As it was, or newer than what was: whatever else is seen by the reference in whole seconds.
BECOMES = st.one_of(records(FUTURE), records(FUTURE), st.sampled_from(CHANGES))


CASE = st.builds(
    Case,
    what=st.sampled_from(COMMANDS),
    made=st.dictionaries(st.sampled_from(NAMES), MADE, min_size=1, max_size=3),
    becomes=st.lists(BECOMES, max_size=3),
    seconds=st.just(1),
    told=st.sampled_from(["-w", "-v", "$SVWAIT"]),
    again=st.sampled_from([False, False, False, True]),
)


@pytest.mark.parametrize("part", range(PARTS))
@cases(5, PARTS)
@given(some=st.lists(st.tuples(CASE, CASE), min_size=1, max_size=8))
def test_any_wait(
    both: tuple[Suite, Suite], tmp_path: Path, part: int, some: list[tuple[Case, Case]]
) -> None:
    everyone = [case.alike() for pair in some for case in pair]
    plays = [partial(play, case=case) for case in everyone]
    compare_all(both, tmp_path, plays, lambda number: partial(script, everyone[number]))
