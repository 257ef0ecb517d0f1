"""runsvdir and runsvchdir: any changes to the directories of services.

What is to be supervised follows from the directories alone, so each side is waited for
until it supervises that; how often each service was started is compared besides: what
stays must not have been touched.  The reference looks every five seconds only, and where
the directory's time of change differs: it is given a time and told to look at once.
"""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from differential.cases import cases
from differential.scripts import heading, shell
from differential.together import compare_all
from hypothesis import given
from hypothesis import strategies as st
from interop.sides import Side
from support import Suite, build, end_runsvdir, end_service, listening, stat, supervised, wait_for

SERVICE = "#!/bin/sh\necho begin >>did\nexec sleep 100000\n"

LEVELS = ["one", "two"]
LINKED = ["a", "b", "c"]
"""Services in a directory of their own, to which levels link."""
MOVED = ["r", "s"]
"""Services that are moved into a level themselves, and out of it."""
NAMES = ["x", "y", "z", ".hidden"]
BASE = "base"
"""A service of both levels, which stays."""
ALL = [*LINKED, *MOVED, BASE]

LEVEL = st.sampled_from(LEVELS)
NAME = st.sampled_from(NAMES)
CHANGE = st.one_of(
    st.tuples(st.just("link"), LEVEL, NAME, st.sampled_from(LINKED)),
    st.tuples(st.just("link"), LEVEL, NAME, st.sampled_from(LINKED)),
    st.tuples(st.just("move in"), LEVEL, NAME, st.sampled_from(MOVED)),
    st.tuples(st.just("take out"), LEVEL, NAME, st.just("")),
    st.tuples(st.just("rename"), LEVEL, NAME, NAME),
    st.tuples(st.just("replace"), LEVEL, NAME, st.sampled_from(LINKED)),
    st.tuples(st.just("swap"), LEVEL, NAME, NAME),
    st.tuples(st.just("file"), LEVEL, NAME, st.just("")),
    st.tuples(st.just("switch"), LEVEL, st.just(""), st.just("")),
    st.tuples(st.just("switch"), LEVEL, st.just(""), st.just("")),
    st.tuples(st.just("end"), st.just(""), st.just(""), st.sampled_from(ALL)),
    st.tuples(st.just("end all"), st.just(""), st.just(""), st.just("")),
)
Change = tuple[str, str, str, str]
CHANGES = st.lists(CHANGE, min_size=1, max_size=6)
PLAIN_FILE = "a file"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the reference knows one directory only")


class World:
    """What there is, and what follows from it.

    `levels` has the services of each level by name, `begun` how often each was started.
    """

    def __init__(self) -> None:
        self.levels = {level: {BASE: BASE} for level in LEVELS}
        self.current = "one"
        self.begun = {**dict.fromkeys(ALL, 0), BASE: 1}

    def wanted(self) -> set[str]:
        """The services that are to be supervised."""
        level = self.levels[self.current]
        return {one for name, one in level.items() if name[0] != "." and one != PLAIN_FILE}

    def plan(self, change: Change) -> list[str]:
        """Commands for sh(1) that make CHANGE, which is done here too; none if it cannot be.

        Of two names for one directory the reference makes two runsvs: that is left out.
        """
        what, level, name, other = change
        before = self.wanted()
        commands = self._change(what, self.levels.get(level, {}), f"levels/{level}", name, other)
        for one in self.wanted() - before:
            self.begun[one] += 1
        if what == "switch" and self.current != level:
            before = self.wanted()
            self.current = level
            commands = [f"runsvchdir {level}"]
            for one in self.wanted() - before:
                self.begun[one] += 1
        elif what == "end" and other in self.wanted():
            self.begun[other] += 1
            commands = [f"kill {other}"]
        elif what == "end all" and self.wanted():
            for one in self.wanted():
                self.begun[one] += 1
            commands = [f"kill {' '.join(sorted(self.wanted()))}"]
        return commands

    def _change(
        self, what: str, there: dict[str, str], path: str, name: str, other: str
    ) -> list[str]:
        held = there.get(name)
        if what == "link" and held is None and other not in there.values():
            there[name] = other
            return [f"ln -s $PWD/pool/{other} {path}/{name}"]
        if what == "move in" and held is None:
            for level, services in self.levels.items():
                for old, service in services.items():
                    if service == other:
                        del services[old]
                        there[name] = other
                        return [f"mv levels/{level}/{old} {path}/{name}"]
            there[name] = other
            return [f"mv pool/{other} {path}/{name}"]
        if what == "take out" and held is not None:
            del there[name]
            if held in MOVED:
                return [f"mv {path}/{name} pool/{held}"]
            return [f"rm {path}/{name}"]
        if what == "rename" and held is not None and other not in there:
            there[other] = there.pop(name)
            return [f"mv {path}/{name} {path}/{other}"]
        if what == "replace" and held in LINKED and other not in there.values():
            there[name] = other
            return [f"ln -s $PWD/pool/{other} {path}/.new", f"mv -T {path}/.new {path}/{name}"]
        if what == "swap" and held is not None and other in there and name != other:
            there[name], there[other] = there[other], there[name]
            moves = ((name, ".old"), (other, name), (".old", other))
            return [f"mv {path}/{one} {path}/{two}" for one, two in moves]
        if what == "file" and held is None:
            there[name] = PLAIN_FILE
            return [f": >{path}/{name}"]
        return []

    def where(self, root: Path, service: str) -> Path:
        """The directory of a service."""
        if service in MOVED:
            for level, services in self.levels.items():
                for name, one in services.items():
                    if one == service:
                        return root / "levels" / level / name
        return root / "pool" / service


def switch(side: Side, level: str) -> None:
    """Have the side's runsvchdir switch."""
    levels = side.root / "levels"
    program = side.root / "bin/runsvchdir"
    bind = 'mount --bind "$0" /etc/runit/runsvdir && exec "$@"'
    # The reference knows one directory only: there it sees this one.
    elsewhere = ["unshare", "--mount", "sh", "-c", bind, levels]
    done = subprocess.run(
        [*(elsewhere if side.name == "reference" else []), program, level],
        env=side.environment(RUNSVDIR=str(levels)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    side.note("runsvchdir", done.returncode, side.masked(done.stdout), side.masked(done.stderr))
    links = {path.name: os.readlink(path) for path in levels.iterdir() if path.is_symlink()}
    side.note(sorted(links.items()))


def play(side: Side, changes: list[Change]) -> None:
    """Do CHANGES under a runsvdir, and see each come true."""
    world = World()
    root = side.root
    build(root, {f"pool/{one}/run": SERVICE for one in ALL})
    build(root / "levels", dict.fromkeys(LEVELS))
    for level in LEVELS:
        (root / "levels" / level / BASE).symlink_to(root / "pool" / BASE)
    (root / "levels/current").symlink_to("one")
    times = itertools.count(1_000_000_000)
    process = side.start("runsvdir", "levels/current")
    try:
        converge(side, world, BASE)  # from now on it hears signals
        for change in changes:
            commands = world.plan(change)
            side.seen += [f"$ {one}" for one in commands]
            for one in commands:
                words = shlex.split(one)
                if words[0] == "runsvchdir":
                    switch(side, words[1])
                elif words[0] == "kill":
                    end_some(world, root, words[1:])
                else:
                    subprocess.run(["sh", "-c", one], cwd=root, check=True)
            for level in LEVELS:
                moment = next(times)
                os.utime(root / "levels" / level, (moment, moment))
            process.send_signal(signal.SIGALRM)
            for service in ALL:
                converge(side, world, service)
            side.note("supervised:", sorted(world.wanted()), world.begun)
        process.send_signal(signal.SIGHUP)
        side.note("runsvdir ends", process.wait(30))
        for service in ALL:
            where = world.where(root, service)
            wait_for(lambda: not listening(where), f"{side}: the end of {service}")  # noqa: B023
            did = where / "did"
            side.note(service, did.read_text().split() if did.exists() else None)
        side.seen += side.error_lines()
    finally:
        with suppress(OSError):
            end_runsvdir(process, root / "levels/current/")
        for service in ALL:
            end_service(world.where(root, service))


def end_some(world: World, root: Path, services: list[str]) -> None:
    """End the runsvs of SERVICES, which are started again then."""
    for service in services:
        where = world.where(root, service)
        control = os.open(where / "supervise/control", os.O_WRONLY | os.O_NONBLOCK)
        os.write(control, b"x")
        os.close(control)


def converge(side: Side, world: World, service: str) -> None:
    """Wait until SERVICE is supervised, or not, and was started as often as it should be."""
    where = world.where(side.root, service)
    wanted = service in world.wanted()

    def so() -> bool:
        did = where / "did"
        begun = did.read_text().count("\n") if did.exists() else 0
        if begun != world.begun[service]:
            return False
        return supervised(where) and stat(where) == "run" if wanted else not listening(where)

    what = f"{side}: {service} to be {'' if wanted else 'un'}supervised, after {side.seen[-3:]}"
    wait_for(so, what)


def script(changes: list[Change], _: list[str]) -> list[str]:
    """What was done, for a person to do it again."""
    world = World()
    lines = heading()
    lines += shell(".", {f"pool/{one}/run": SERVICE for one in ALL})
    lines += ["mkdir -p levels/one levels/two; ln -s one levels/current"]
    lines += ["for one in one two; do ln -s $PWD/pool/base levels/$one/base; done"]
    lines += ["export RUNSVDIR=$PWD/levels # the reference needs it at /etc/runit/runsvdir"]
    lines += ["runsvdir levels/current & sleep 2"]
    for change in changes:
        for command in world.plan(change):
            words = command.split()
            if words[0] == "kill":
                wheres = (world.where(Path(), one) for one in words[1:])
                command = "; ".join(f"printf x >{one}/supervise/control" for one in wheres)
            lines.append(command)
        lines.append(f"sleep 7 # then: supervised {sorted(world.wanted())}, begun {world.begun}")
    return [*lines, "kill -HUP $!; wc -l pool/*/did levels/*/*/did"]


@needs_root
@cases(1)
@given(some=st.lists(CHANGES, min_size=4, max_size=8))
def test_any_changes(both: tuple[Suite, Suite], tmp_path: Path, some: list[list[Change]]) -> None:
    plays = [partial(play, changes=changes) for changes in some]
    compare_all(both, tmp_path, plays, lambda number: partial(script, some[number]))
