"""Each service with the real daemon: up, answering, back when killed, reloaded, stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import DAEMONS, Daemon
from machines import STORE, Machine, machine
from staging import may_unshare
from support import wait_for

pytestmark = [
    pytest.mark.skipif(not may_unshare(), reason="needs root, and namespaces"),
    pytest.mark.skipif(
        not (STORE / "suite").exists(), reason="no root file systems: make check-services"
    ),
]

MAKE = "make -s -C /src/sv/blfs-servicescripts PYTHON=/usr/bin/python3"
PATIENCE = 90.0


@pytest.fixture(params=DAEMONS, ids=lambda one: f"{one.target}-{one.layer}")
def daemon(request: pytest.FixtureRequest) -> Daemon:
    assert isinstance(request.param, Daemon)
    return request.param


@pytest.fixture
def place(daemon: Daemon, tmp_path: Path) -> Iterator[Machine]:
    with machine(daemon.layer, tmp_path) as found:
        found.must(daemon.before or "true")
        for needed in daemon.needs:
            found.must(f"{MAKE} install-{needed}")
            there = f"sv check {needed} && test -e /var/log/sv/{needed}/lock"
            wait_for(lambda there=there: found.run(there).returncode == 0, there, PATIENCE)
        yield found


def answers(place: Machine, daemon: Daemon) -> None:
    """Wait until the client has what it wants."""
    said = ""

    def asked() -> bool:
        nonlocal said
        done = place.run(f"timeout 20 sh -c '{daemon.ask}'")
        said = done.stdout
        return daemon.answer in said if daemon.answer else done.returncode == 0

    try:
        wait_for(asked, deadline=PATIENCE)
    except AssertionError:
        status = place.run(f"sv status {daemon.services[0]}").stdout
        raise AssertionError(
            f"{daemon.ask}\n{said}\n{status}\n{place.log(daemon.services[0])[-3000:]}"
        ) from None


def pid(place: Machine, service: str) -> int:
    return int(place.run(f"cat /etc/sv/{service}/supervise/pid 2>/dev/null").stdout.strip() or 0)


def runs(place: Machine, service: str, other_than: int = 0) -> int:
    """Wait until the service runs, in another process than one; its pid."""
    return wait_for(
        lambda: (found := pid(place, service)) != other_than and found,
        f"{service} to run: {place.log(service)}",
        PATIENCE,
    )


def test_serves_comes_back_reloads_and_stops(place: Machine, daemon: Daemon) -> None:
    before = files(place)
    idle = place.processes()
    said = place.must(f"{MAKE} install-{daemon.target}")
    assert all(f"installed: /etc/sv/{name}" in said for name in daemon.services)
    for service in daemon.services:
        runs(place, service)
    answers(place, daemon)
    assert place.run(f"sv -w 30 check {' '.join(daemon.services)}").returncode == 0

    for service in daemon.services:
        first = pid(place, service)
        assert parent(place, first).startswith("runsv"), "not exec'd"
        place.must(f"kill -KILL {first}")
        runs(place, service, first)
    answers(place, daemon)

    for service in daemon.services:
        second = pid(place, service)
        place.must(f"sv -w 60 restart {service}")
        runs(place, service, second)
    answers(place, daemon)

    if daemon.reloads:
        third = pid(place, daemon.services[0])
        place.must(f"{daemon.change or 'true'}\nsv hup {daemon.services[0]}")
        answers(place, daemon.changed)
        assert pid(place, daemon.services[0]) == third, "reloading ended it"

    logs = place.run(f"cat {daemon.log or f'/var/log/sv/{daemon.services[0]}/current'}").stdout
    assert daemon.says in logs

    for service in reversed(daemon.services):
        place.must(f"sv -w 60 stop {service}")
    supervisors = ("runsv", "svlogd")
    wait_for(
        lambda: not [one for one in place.processes() - idle if one[1] not in supervisors],
        f"nothing to be left: {place.processes() - idle}",
    )
    for service in daemon.services:
        assert place.must(f"sv status {service} || :").startswith("down: ")
        place.must(f"sv up {service}")
        runs(place, service)

    said = place.must(f"{MAKE} uninstall-{daemon.target}")
    wait_for(lambda: not place.processes() - idle, f"all to be gone: {place.processes() - idle}")
    assert files(place) == before
    record(place, daemon)


def parent(place: Machine, process: int) -> str:
    return place.run(f"ps -o comm= -p $(ps -o ppid= -p {process})").stdout


def files(place: Machine) -> str:
    return place.must("find /etc/sv /etc/runit/runsvdir /run/runit -not -name '[@.]*' | sort")


def record(place: Machine, daemon: Daemon) -> None:
    """Note what was tried, for `report`."""
    version = place.must(f"dpkg-query -W -f '${{Package}} ${{Version}}' {daemon.package}")
    directory = STORE / "tried"
    directory.mkdir(exist_ok=True)
    note = {"services": daemon.services, "daemon": version, "client": daemon.client}
    (directory / f"{daemon.target}.json").write_text(json.dumps(note | {"reload": daemon.reload}))
    print(f"{daemon.target}: {version}, {os.environ.get('PYTEST_XDIST_WORKER', '')}")
