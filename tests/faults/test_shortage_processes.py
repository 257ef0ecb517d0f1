"""No process to be had: what runs, runs on, one line tells, and all comes right afterwards."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.plain_user import User, hogging
from support import build, command, end_runsvdir, listening, pid, stat, wait_for

RUN = "#!/bin/sh\nexec sleep 1000\n"
LOG = "#!/bin/sh\nexec cat\n"
LIMIT = 16


@pytest.fixture
def services(user: User) -> Iterator[Path]:
    """An empty directory of the user's."""
    with tempfile.TemporaryDirectory(dir=user.home) as name:
        Path(name).chmod(0o755)
        yield Path(name)
    wait_for(lambda: not user.processes(), "the end of all processes of the user")


def up(service: Path, former: int = 0) -> int:
    """The pid of SERVICE once it runs, as another process than FORMER."""
    return wait_for(lambda: pid(service) not in (0, former) and pid(service), f"{service} to run")


def wake_ups(process: int) -> int:
    """How often a process has gone to sleep so far."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise ProcessLookupError(process)


def tries_again(process: int, times: int = 3) -> None:
    """Wait until a process that only looks whether things are better has done so TIMES."""
    start = wake_ups(process)
    wait_for(lambda: wake_ups(process) >= start + times, f"{process} to try again")


def test_a_tree_starts_when_there_are_processes_at_last(user: User, services: Path) -> None:
    names = [f"s{number}" for number in range(7)]
    build(services, {f"d/{name}/run": RUN for name in names})
    user.own(services)
    errors = services / "errors"
    with hogging(user, LIMIT):
        with errors.open("wb") as stderr:
            limits = {resource.RLIMIT_NPROC: LIMIT + 1}
            process = user.start("runsvdir", services / "d", limits=limits, stderr=stderr)
        try:
            wait_for(errors.read_bytes)
            tries_again(process.pid)
            said = errors.read_text()
        except BaseException:
            process.kill()
            raise
    try:
        for name in names:
            up(services / "d" / name)
        assert said.startswith(f"runsvdir {services}/d: warning: unable to fork for s")
        assert said.partition("\n")[0].endswith(": temporary failure")
        assert said.count("\n") == 1
    finally:
        end_runsvdir(process, services / "d")


def test_a_tree_goes_on_without_processes(user: User, services: Path) -> None:
    """What runs is left alone; what is new or has ended is started when that can be."""
    run = {"run": RUN}
    build(services, {"d/one/run": RUN, "d/one/down": "", "d/two/run": RUN, "d/two/log/run": LOG})
    new = [build(services / name, run) for name in ("three", "four", "five")]
    user.own(services)
    errors = services / "errors"
    limits = {resource.RLIMIT_NPROC: LIMIT}
    with errors.open("wb") as stderr:
        process = user.start("runsvdir", services / "d", limits=limits, stderr=stderr)
    one, two = services / "d/one", services / "d/two"
    try:
        before = {service: up(service) for service in (two, two / "log")}
        wait_for(lambda: stat(one) == "down" and listening(one))
        with hogging(user, LIMIT):
            command(one, "u")
            for service in new:
                (services / "d" / service.name).symlink_to(service)
            wait_for(lambda: errors.read_bytes().count(b"\n") > 1)
            tries_again(process.pid)
            said = sorted(errors.read_text().splitlines())
            command(two, "t")
        for service in (*new, one):
            up(service)
        assert pid(two / "log") == before[two / "log"]
        up(two, before[two])
        assert len(said) == 2
        assert said[0] == "runsv one: warning: unable to fork, sleeping: temporary failure"
        assert said[1].startswith(f"runsvdir {services}/d: warning: unable to fork for ")
    finally:
        end_runsvdir(process, services / "d")
