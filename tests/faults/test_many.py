"""Very many of everything: nothing is lost, and nobody grows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from faults.chance import MINUTES, Chance
from faults.tree import Processes, growth, quiet, recorded
from support import Suite, build, command, listening, pid, stat, wait_for

GROWTH = 256
"""KiB of memory that a supervisor may take to get used to its work."""

CRASHES = {"run": "#!/bin/sh\necho >>began\n", "finish": "#!/bin/sh\necho >>ended\n"}

WRITERS = """\
import os, random, sys
path, writers, letters = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for writer in range(writers):
    if os.fork() == 0:
        chance = random.Random(writer)
        fifo = os.open(path, os.O_WRONLY)
        left = b"h" + b"1" * (letters - 1)
        while left:
            size = chance.randint(1, 100)
            os.write(fifo, left[-size:])
            left = left[:-size]
        os._exit(0)
for writer in range(writers):
    if os.wait()[1]:
        sys.exit(1)
"""

ONCE = "#!/bin/sh\nexec 9>alone\nflock -n 9 || echo >>twice\nexec sleep 100000\n"


def times(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


def same(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Nobody has grown."""
    assert after[0] == before[0], "descriptors"
    assert after[1] <= before[1] + GROWTH, "memory"


def test_crashes(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    """Each service ends at once, and is started again after a second: 10,000 in 100 seconds."""
    services = [
        build(tmp_path / f"d/{number}", CRASHES) for number in range(100 if MINUTES else 10)
    ]
    with ours.runsvdir(tmp_path / "d") as top:
        for service in services:
            wait_for(lambda service=service: times(service / "ended") > 1)
        supervisors = [top.pid, *(Processes().runsvs(service)[0] for service in services)]
        before = [growth(process) for process in supervisors]
        for _ in chance.rounds(1, 0.4):
            goal = times(services[0] / "ended") + 2
            wait_for(lambda goal=goal: times(services[0] / "ended") >= goal)
        for service in services:
            command(service, "d")
        for service in services:
            wait_for(lambda service=service: stat(service) == "down")
            # Whichever the last command ended may not have come to say anything.
            assert abs(times(service / "began") - times(service / "ended")) <= 1
            chance.count("crash", times(service / "began"))
        for process, was in zip(supervisors, before, strict=True):
            quiet(process)
            same(was, growth(process))


def test_commands_of_many_writers(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    """Each of them ends with one whose script leaves a mark: all that was before is read."""
    writers, letters = 50, 2000 if MINUTES else 100
    script = "#!/bin/sh\necho >>hangups\n"
    run = "#!/bin/sh\ntrap '' USR1\nexec sleep 100000\n"
    one = build(tmp_path / "s", {"run": run, "control/h": script})
    with ours.runsv(one) as runsv:
        process = wait_for(lambda: recorded(one))
        wait_for(lambda: Path(f"/proc/{process}/comm").read_text() == "sleep\n")
        command(one, "h1")
        wait_for(lambda: times(one / "hangups") == 1)
        quiet(runsv.pid)
        before = growth(runsv.pid)
        arguments = [str(one / "supervise/control"), str(writers), str(letters)]
        subprocess.run([sys.executable, "-c", WRITERS, *arguments], check=True, timeout=250)
        command(one, "p")
        wait_for(lambda: stat(one) == "run, paused", deadline=120)
        assert times(one / "hangups") == 1 + writers
        assert recorded(one) == process
        chance.count("command", writers * letters)
        command(one, "c")
        wait_for(lambda: stat(one) == "run")
        same(before, growth(runsv.pid))


def test_links_that_come_and_go(ours: Suite, tmp_path: Path, chance: Chance) -> None:
    """A thousand each second, and whatever they were, those that stay are supervised."""
    services = [build(tmp_path / f"services/{number}", {"run": ONCE}) for number in range(12)]
    links = [tmp_path / f"d/{service.name}" for service in services]
    (tmp_path / "d").mkdir()
    with ours.runsvdir(tmp_path / "d") as top:
        for link, service in zip(links, services, strict=True):
            link.symlink_to(service)
        for service in services:
            wait_for(lambda service=service: recorded(service))
        quiet(top.pid)
        before = growth(top.pid)
        for _ in chance.rounds(1, 0.1):
            end = time.monotonic() + 0.5
            for change in range(500):
                number = chance.randrange(len(services))
                turn(links[number], services[number])
                time.sleep(max(0.0, (end - time.monotonic()) / (500 - change)))
            chance.count("link or unlink", 500)
        for link, service in zip(links, services, strict=True):
            if link.is_symlink():
                wait_for(lambda service=service: len(Processes().instances(service)) == 1)
            else:
                wait_for(lambda service=service: not listening(service))
                wait_for(lambda service=service: not Processes().at.get(str(service)))
        for link, service in zip(links, services, strict=True):
            if not link.is_symlink():
                link.symlink_to(service)
            wait_for(lambda service=service: listening(service) and pid(service))
            assert not (service / "twice").exists()
        quiet(top.pid)
        same(before, growth(top.pid))


def turn(link: Path, service: Path) -> None:
    """Make the link, or remove it."""
    if link.is_symlink():
        os.unlink(link)
    else:
        os.symlink(service, link)
