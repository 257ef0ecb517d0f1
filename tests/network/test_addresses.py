"""ifup and ifdown: addresses that are always the same, links, MTU, the default route."""

from __future__ import annotations

import pytest
from networks import Host

STATIC = """
    IFACE=eth0
    SERVICE=ipv4-static
    IP=192.0.2.2
    PREFIX=25
    BROADCAST=192.0.2.127
"""


def test_an_address_is_added_and_taken_away(host: Host) -> None:
    host.interface("eth0", STATIC)
    assert host.ifup("eth0") == ""
    assert host.addresses() == ["192.0.2.2/25"]
    assert "brd 192.0.2.127" in host.ip("addr", "show", "dev", "eth0")
    assert host.is_up()
    assert host.ifdown("eth0") == ""
    assert host.addresses() == []
    assert not host.is_up()


def test_up_twice_and_down_twice_are_once(host: Host) -> None:
    host.ip("link", "set", "eth0", "mtu", "1400")
    host.interface("eth0", STATIC + "GATEWAY=192.0.2.1\nMTU=1400")
    down = host.state()
    assert host.ifup("eth0") == ""
    up = host.state()
    assert "192.0.2.2/25" in up
    assert host.ifup("eth0") == ""
    assert host.state() == up
    for _ in range(2):
        assert host.ifdown("eth0") == ""
        assert host.state() == down


def test_an_address_that_is_there_already_is_no_error(host: Host) -> None:
    host.ip("addr", "add", "192.0.2.2/25", "dev", "eth0")
    host.interface("eth0", STATIC)
    assert host.ifup("eth0") == ""
    assert host.addresses() == ["192.0.2.2/25"]


def test_the_prefix_is_24_when_neither_it_nor_a_peer_is_set(host: Host) -> None:
    host.interface("eth0", "IFACE=eth0\nSERVICE=ipv4-static\nIP=192.0.2.2")
    said = host.ifup("eth0")
    assert said == "ifup: warning: /etc/sysconfig/ifconfig.eth0: PREFIX: not set, 24 is used\n"
    assert host.addresses() == ["192.0.2.2/24"]
    assert host.ifdown("eth0") == ""
    assert host.addresses() == []


def test_a_peer_is_the_other_end(host: Host) -> None:
    host.interface("eth0", "IFACE=eth0\nSERVICE=ipv4-static\nIP=192.0.2.2\nPEER=198.51.100.7")
    for _ in range(2):
        assert host.ifup("eth0") == ""
    assert "inet 192.0.2.2 peer 198.51.100.7/32" in host.ip("addr", "show", "dev", "eth0")
    assert host.ifdown("eth0") == ""
    assert host.addresses() == []


def test_addresses_of_both_families_are_in_one_file(host: Host) -> None:
    host.interface(
        "eth0",
        """
        IFACE=eth0
        SERVICE="ipv4-static ipv6-static"
        IP=192.0.2.2
        PREFIX=24
        IP6=2001:DB8::2
        PREFIX6=64
        GATEWAY="192.0.2.1 2001:db8::1"
        """,
    )
    for _ in range(2):
        assert host.ifup("eth0") == ""
    assert host.addresses() == ["192.0.2.2/24"]
    assert host.addresses(family=6) == ["2001:db8::2/64"]
    assert [line.strip() for line in host.routes()] == ["default via 192.0.2.1 dev eth0"]
    assert [line for line in host.routes(6) if "via 2001:db8::1 dev eth0" in line]
    for _ in range(2):
        assert host.ifdown("eth0") == ""
    assert host.routes() == host.routes(6) == []
    assert not host.is_up()


def test_an_address_of_ipv6_has_a_file_of_its_own(host: Host) -> None:
    host.interface(
        "six",
        """
        IFACE=eth0
        SERVICE=ipv6-static
        IP=2001:db8::2
        PREFIX=56
        GATEWAY=fe80::1
        """,
    )
    for _ in range(2):
        assert host.ifup("six") == ""
    assert host.addresses(family=6) == ["2001:db8::2/56"]
    assert [line for line in host.routes(6) if line.startswith("default via fe80::1 dev eth0")]
    assert host.ifdown("six") == ""
    assert host.addresses(family=6) == []
    assert host.routes(6) == []


def test_a_link_stays_up_while_it_has_addresses_of_another_file(host: Host) -> None:
    host.interface("eth0", STATIC + "GATEWAY=192.0.2.1")
    host.interface("second", STATIC.replace("192.0.2.2", "192.0.2.3"))
    host.ifup("eth0", "second")
    host.ifdown("eth0")
    assert host.addresses() == ["192.0.2.3/25"]  # though it was secondary to the other
    assert host.is_up()
    assert host.routes() == ["default via 192.0.2.1 dev eth0"]
    promote = host.root / "proc/sys/net/ipv4/conf/eth0/promote_secondaries"
    done = host.run("/usr/bin/cat", f"/{promote.relative_to(host.root)}")
    assert done.stdout == "0\n"
    host.ifdown("second")
    assert not host.is_up()
    assert host.routes() == []


@pytest.mark.parametrize(
    ("address", "gateway", "family", "other"),
    [
        ("198.51.100.2/24", "198.51.100.1", "4", "192.0.2.1"),
        ("2001:db8:1::2/64", "2001:db8:1::1", "6", "2001:db8::1"),
    ],
)
def test_a_default_route_that_is_there_stays(
    host: Host, address: str, gateway: str, family: str, other: str
) -> None:
    host.ip("link", "set", "eth1", "up")
    host.ip("addr", "add", address, "dev", "eth1")
    host.ip(f"-{family}", "route", "add", "default", "via", gateway)
    before = host.routes(int(family))
    host.interface("eth0", STATIC + f"GATEWAY={other}")
    said = f"ifup: warning: GATEWAY: {other}: not used, there is a default route already\n"
    assert host.ifup("eth0") == said
    assert host.routes(int(family)) == before
    host.ifdown("eth0")
    assert host.routes(int(family)) == before


def test_a_default_route_is_used_from_outside(one: Host) -> None:
    """A packet to elsewhere gets to the gateway and back."""
    one.interface("eth0", STATIC + "GATEWAY=192.0.2.1")
    one.ip("-n", "lan", "addr", "add", "192.0.2.1/25", "dev", "lan0")
    one.ip("-n", "lan", "addr", "add", "203.0.113.1/32", "dev", "lan1")
    one.ifup("eth0")
    code = (
        "import socket\n"
        "one = socket.create_server(('203.0.113.1', 7))\nprint('ready', flush=True)\n"
        "one.accept()[0].sendall(b'hello')\n"
    )
    one.files({"tmp/server.py": code})
    one.start("ip", "netns", "exec", "lan", "/usr/bin/python3", "-IS", "/tmp/server.py")
    client = (
        "import socket, time\nend = time.monotonic() + 30\n"
        "while True:\n"
        "    try: print(socket.create_connection(('203.0.113.1', 7), 5).recv(9)); break\n"
        "    except OSError:\n"
        "        assert time.monotonic() < end\n"
        "        time.sleep(.05)\n"
    )
    one.files({"tmp/client.py": client})
    assert one.run("/usr/bin/python3", "-IS", "/tmp/client.py").stdout == "b'hello'\n"


def test_the_mtu_is_set_before_the_link_is_up(host: Host) -> None:
    host.interface("eth0", STATIC + "MTU=68")
    assert host.ifup("eth0") == ""
    assert " mtu 68 " in host.ip("link", "show", "dev", "eth0")


def test_services_are_called_in_order_and_taken_down_in_reverse(host: Host) -> None:
    note = '#!/bin/sh\necho "$IFCONFIG ${0##*/} $*" >>/calls\n'
    host.files({"lib/services/one": note, "lib/services/two": note})
    host.interface("eth0", 'IFACE=eth1\nSERVICE="one two"')
    assert host.ifup("eth0") == ""
    assert host.ifdown("eth0") == ""
    assert (host.root / "calls").read_text().splitlines() == [
        f"/etc/sysconfig/ifconfig.eth0 {call}"
        for call in ("one eth1 up", "two eth1 up", "two eth1 down", "one eth1 down")
    ]


@pytest.mark.parametrize("setting", ["", "ONBOOT=no", "ONBOOT=YES", "ONBOOT=1"])
def test_only_yes_brings_it_up_at_boot(host: Host, setting: str) -> None:
    host.interface("eth0", STATIC + setting)
    assert host.ifup("eth0", IN_BOOT="1") == ""
    assert not host.is_up()
    assert host.ifup("eth0", IN_BOOT="0") == ""
    assert host.is_up()
    host.interface("eth0", STATIC + "ONBOOT=yes")
    host.ifdown("eth0", IN_BOOT="1")
    assert not host.is_up()
    host.ifup("eth0", IN_BOOT="1")
    assert host.is_up()


@pytest.mark.parametrize("name", ["eth0~", "eth0.bak", "eth0.new", "eth0.orig"])
def test_backups_are_skipped(host: Host, name: str) -> None:
    host.interface(name, STATIC)
    assert host.ifup(name) == host.ifdown(name) == ""
    assert not host.is_up()
    assert host.run("ifup", "-v", name).stdout == f"ifup: info: {name}: skipped: a backup\n"


def test_settings_do_not_come_from_the_environment(host: Host) -> None:
    host.interface("eth0", STATIC)
    assert host.ifup("eth0", PEER="198.51.100.7", MTU="1", GATEWAY="x", TYPE="x") == ""
    assert host.addresses() == ["192.0.2.2/25"]


def test_verbose_tells_what_is_done(host: Host) -> None:
    host.interface("eth0", STATIC + "GATEWAY=192.0.2.1")
    assert host.run("ifup", "-v", "eth0").stdout.splitlines() == [
        "ifup: info: eth0: link up",
        "ifup: info: eth0: ipv4-static up",
        "ifup: info: eth0: default route by 192.0.2.1",
    ]
    assert host.run("ifdown", "-v", "eth0").stdout.splitlines() == [
        "ifdown: info: eth0: ipv4-static down",
        "ifdown: info: eth0: link down",
    ]
