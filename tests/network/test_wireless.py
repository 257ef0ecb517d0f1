"""ifup and ifdown: wpa, with a stand-in for wpa_supplicant that is a real process."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import Host

SUPPLICANT = """\
#!/bin/bash
echo "$*" >>/calls
while [ $# -gt 0 ]; do
    [ "$1" != -P ] || pid_file=$2
    shift
done
[ ! -e /broken ] || exit 255
bash -c 'printf wpa_supplicant >/proc/self/comm; while :; do read -r <>/fifo; done' &
echo $! >$pid_file
until [ "$(cat /proc/$!/comm)" = wpa_supplicant ]; do :; done
"""

SETTINGS = """
    IFACE=eth0
    SERVICE=wpa
    WPA_ARGS="-D nl80211,wext"
    WPA_SERVICE=ipv4-static
    IP=192.0.2.2
    PREFIX=24
    GATEWAY=192.0.2.1
"""

CALL = (
    "-B -P /run/wpa_supplicant-eth0.pid -i eth0 "
    "-c /etc/sysconfig/wpa_supplicant-eth0.conf -D nl80211,wext"
)


@pytest.fixture(autouse=True)
def supplicant(host: Host) -> None:
    host.files({"sbin/wpa_supplicant": SUPPLICANT, "calls": ""})
    host.files({"etc/sysconfig/wpa_supplicant-eth0.conf": "network={}\n"})
    assert host.run("/usr/bin/mkfifo", "/fifo").returncode == 0
    host.interface("eth0", SETTINGS)


def calls(host: Host) -> list[str]:
    return Path(host.root / "calls").read_text().splitlines()


def refused(host: Host, said: str) -> None:
    before = host.state()
    assert host.ifup("eth0", code=1) == f"ifup: fatal: {said}\n"
    assert host.state() == before
    assert host.processes("wpa_supplicant") == []


def test_the_service_on_top_comes_up_after_it_and_goes_before_it(host: Host) -> None:
    before = host.state()
    for _ in range(2):
        assert host.ifup("eth0") == ""
        assert calls(host) == [CALL]
        assert len(host.processes("wpa_supplicant")) == 1
        assert host.addresses() == ["192.0.2.2/24"]
        assert host.routes() == ["default via 192.0.2.1 dev eth0"]
    for _ in range(2):
        assert host.ifdown("eth0") == ""
        assert host.processes("wpa_supplicant") == []
        assert host.state() == before


def test_services_beside_it_will_do_as_well(host: Host) -> None:
    host.interface("eth0", SETTINGS + 'SERVICE="wpa ipv4-static"\nWPA_SERVICE=')
    assert host.ifup("eth0") == ""
    assert host.addresses() == ["192.0.2.2/24"]
    assert host.ifdown("eth0") == ""
    assert host.processes("wpa_supplicant") == []


def test_without_its_settings(host: Host) -> None:
    place = "etc/sysconfig/wpa_supplicant-eth0.conf"
    (host.root / place).unlink()
    refused(host, f"unable to read: /{place}: file does not exist")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wpa", "/etc/sysconfig/ifconfig.eth0: WPA_SERVICE=wpa: not the name of another service"),
        ("x", "unable to find service: /lib/services/x: file does not exist"),
        ("network.sh", "unable to run service: /lib/services/network.sh: access denied"),
    ],
)
def test_a_service_on_top_that_is_none(host: Host, name: str, said: str) -> None:
    host.interface("eth0", f"{SETTINGS}WPA_SERVICE={name}")
    refused(host, said)
    assert calls(host) == []


def test_when_it_cannot_be_started(host: Host) -> None:
    host.files({"broken": ""})
    refused(host, "unable to start wpa_supplicant: eth0: exit code 255")


def test_when_the_service_on_top_fails_it_is_stopped(host: Host) -> None:
    host.interface("eth0", SETTINGS + "IP=x")
    refused(host, "/etc/sysconfig/ifconfig.eth0: IP=x: not an IPv4 address")


def test_a_pid_file_of_another_process_stops_nothing(host: Host) -> None:
    host.files({"run/wpa_supplicant-eth0.pid": "1\n"})
    assert host.ifdown("eth0") == ""
    assert host.ifup("eth0") == ""
    assert calls(host) == [CALL]
