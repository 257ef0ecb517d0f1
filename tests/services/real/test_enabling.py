"""`make install-NAME` in a running system: no interval passes in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import STORE, Machine, machine
from staging import may_unshare
from support import wait_for

pytestmark = [
    pytest.mark.skipif(not may_unshare(), reason="needs root, and namespaces"),
    pytest.mark.skipif(
        not (STORE / "suite").exists(), reason="no root file systems: make check-services"
    ),
]

MAKE = "make -s -C /src PYTHON=/usr/bin/python3"

TIMED = r"""
import os, subprocess, sys, time, urllib.request
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
installed = time.monotonic()
while True:
    try:
        assert urllib.request.urlopen("http://127.0.0.1/page").read() == b"a page\n"
        break
    except OSError:
        time.sleep(0.001)
print(round((time.monotonic() - installed) * 1000))
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Machine]:
    with machine("main", tmp_path) as found:
        yield found


def test_nginx_serves_as_soon_as_it_is_installed(place: Machine) -> None:
    place.must("echo a page >/var/www/html/page")
    before = place.must("find /etc /run/runit | sort")
    waited = place.must(f"python3 -c '{TIMED}' {MAKE} install-nginx")
    told = f"nginx served {int(waited)} ms after make install-nginx had ended\n"
    (STORE / "served").write_text(told)  # make prints it
    place.must(f"{MAKE} uninstall-nginx")
    assert place.run("pgrep -x nginx").returncode == 1
    assert place.run("curl -s localhost").returncode == 7
    assert place.must("find /etc /run/runit | sort") == before


def test_a_daemon_that_is_not_there_leaves_the_service_down(place: Machine) -> None:
    place.must(f"{MAKE} install-fcron")
    wait_for(lambda: "not installed" in place.log("fcron"), "a word")
    wait_for(lambda: place.run("sv status fcron").stdout.startswith("down: fcron"))
    assert len(place.log("fcron").splitlines()) == 1


def test_an_enabled_service_whose_directory_is_gone_harms_nobody(place: Machine) -> None:
    place.must(f"{MAKE} install-nginx && {MAKE} install-cron")
    wait_for(lambda: place.run("pgrep -x nginx && pgrep -x cron").returncode == 0)
    place.must("rm -r /etc/sv/nginx")
    assert place.must("sv status cron").startswith("run: cron")
    place.must("rm /etc/runit/runsvdir/multi/nginx")
    wait_for(lambda: place.run("pgrep -x nginx").returncode == 1, "nginx to end")
    place.must(f"{MAKE} install-nginx")
    wait_for(lambda: place.run("curl -s localhost").returncode == 0, "nginx")


def test_another_runlevel_starts_what_is_in_it(place: Machine) -> None:
    place.must("mkdir /etc/runit/runsvdir/web")
    place.must(f"{MAKE} install-nginx RUNLEVEL=web && {MAKE} install-cron")
    place.must("ln -s /etc/sv/cron /etc/runit/runsvdir/web/")
    wait_for(lambda: place.run("pgrep -x cron").returncode == 0)
    cron = place.must("pgrep -x cron")
    assert place.run("pgrep -x nginx").returncode == 1
    place.must("runsvchdir web")
    wait_for(lambda: place.run("curl -s localhost").returncode == 0, "nginx")
    assert place.must("pgrep -x cron") == cron, "what is in both goes on"
