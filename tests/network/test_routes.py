"""ifup and ifdown: routes that are always the same."""

from __future__ import annotations

import pytest
from networks import Host

FILE = "/etc/sysconfig/ifconfig.route"


@pytest.fixture(autouse=True)
def addressed(request: pytest.FixtureRequest) -> None:
    """Interfaces that are up and have an address."""
    name = "host" if "host" in request.fixturenames else "one"
    host: Host = request.getfixturevalue(name)
    for number in (0, 1):
        host.ip("link", "set", f"eth{number}", "up")
        host.ip("addr", "add", f"192.0.{number + 2}.2/24", "dev", f"eth{number}")
        six = (f"2001:db8:{number}::2/64", "nodad")
        host.ip("-6", "addr", "add", *six, "dev", f"eth{number}")


def route(host: Host, settings: str, family: int = 4) -> None:
    host.interface("route", f"IFACE=eth0\nSERVICE=ipv{family}-static-route\n{settings}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("IP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=192.0.2.1", "10.1.0.0/16 via 192.0.2.1 dev eth0"),
        (
            "TYPE=network\nIP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=192.0.2.1\nSOURCE=192.0.2.2",
            "10.1.0.0/16 via 192.0.2.1 dev eth0 src 192.0.2.2",
        ),
        ("IP=10.1.0.0\nPREFIX=16", "10.1.0.0/16 dev eth0 scope link"),
        ("TYPE=default\nSTATIC_GATEWAY=192.0.2.1", "default via 192.0.2.1 dev eth0"),
        ("TYPE=host\nIP=10.1.0.9\nSTATIC_GATEWAY=192.0.2.1", "10.1.0.9 via 192.0.2.1 dev eth0"),
        ("TYPE=unreachable\nIP=10.0.0.0\nPREFIX=8", "unreachable 10.0.0.0/8"),
    ],
    ids=["network", "source", "link", "default", "host", "unreachable"],
)
def test_a_route_is_added_and_taken_away(host: Host, settings: str, expected: str) -> None:
    route(host, settings)
    for _ in range(2):
        assert host.ifup("route") == ""
        assert host.routes() == [expected]
    for _ in range(2):
        assert host.ifdown("route") == ""
        assert host.routes() == []
    assert host.is_up()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "IP=2001:db8:10::\nPREFIX=48\nSTATIC_GATEWAY=2001:db8::1",
            "2001:db8:10::/48 via 2001:db8::1 dev eth0",
        ),
        ("TYPE=default\nSTATIC_GATEWAY=fe80::1", "default via fe80::1 dev eth0"),
        (
            "TYPE=host\nIP=2001:db8:10::9\nSTATIC_GATEWAY=2001:DB8::1",
            "2001:db8:10::9 via 2001:db8::1 dev eth0",
        ),
        ("TYPE=unreachable\nIP=2001:db8:10::\nPREFIX=48", "unreachable 2001:db8:10::/48"),
    ],
    ids=["network", "default", "host", "unreachable"],
)
def test_a_route_of_ipv6_is_added_and_taken_away(host: Host, settings: str, expected: str) -> None:
    route(host, settings, family=6)
    for _ in range(2):
        assert host.ifup("route") == ""
        (found,) = host.routes(6)
        assert found.startswith(expected)
    for _ in range(2):
        assert host.ifdown("route") == ""
        assert host.routes(6) == []


def test_a_route_has_24_bits_unless_told(host: Host) -> None:
    route(host, "IP=10.1.1.0\nSTATIC_GATEWAY=192.0.2.1")
    assert host.ifup("route") == f"ifup: warning: {FILE}: PREFIX: not set, 24 is used\n"
    assert host.routes() == ["10.1.1.0/24 via 192.0.2.1 dev eth0"]
    assert host.ifdown("route") == ""
    assert host.routes() == []


@pytest.mark.parametrize(
    "other",
    [["via", "192.0.3.1", "dev", "eth1"], ["via", "192.0.2.9", "dev", "eth0"]],
    ids=["another interface", "another gateway"],
)
def test_another_route_to_the_same_place_is_an_error_and_stays(
    host: Host, other: list[str]
) -> None:
    host.ip("route", "add", "10.1.0.0/16", *other)
    before = host.routes()
    route(host, "IP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=192.0.2.1")
    said = "ifup: fatal: unable to add the route: 10.1.0.0/16: there is another one\n"
    assert host.ifup("route", code=1) == said
    assert host.routes() == before
    assert host.ifdown("route") == ""
    assert host.routes() == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("IP=10.1.0.0\nGATEWAY=192.0.2.1", "GATEWAY=192.0.2.1: not for a route, STATIC_GATEWAY is"),
        ("PREFIX=16", "IP: not set"),
        ("TYPE=default", "STATIC_GATEWAY: not set"),
        ("TYPE=net\nIP=10.1.0.0", "TYPE=net: not network, default, host or unreachable"),
        ("IP=10.1.0\nPREFIX=16", "IP=10.1.0: not an IPv4 address"),
        ("IP=10.1.0.0\nPREFIX=33", "PREFIX=33: not a number from 0 to 32"),
        ("TYPE=host\nIP=10.1.0.1\nPREFIX=24", "PREFIX=24: a host has 32"),
        ("IP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=x", "STATIC_GATEWAY=x: not an IPv4 address"),
        ("IP=10.1.0.0\nPREFIX=16\nSOURCE=::1", "SOURCE=::1: not an IPv4 address"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(host: Host, settings: str, said: str) -> None:
    route(host, settings)
    assert host.ifup("route", code=1) == f"ifup: fatal: {FILE}: {said}\n"
    assert host.routes() == []


def test_what_the_kernel_refuses_is_told_in_one_line(one: Host) -> None:
    route(one, "IP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=203.0.113.1")
    said = one.ifup("route", code=1)
    reason = "Nexthop has invalid gateway"
    assert said == f"ifup: fatal: unable to add the route: 10.1.0.0/16: {reason}\n"
    assert one.is_up()
