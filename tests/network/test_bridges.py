"""ifup and ifdown: bridges."""

from __future__ import annotations

import pytest
from networks import Host
from staging import STAGES

BRIDGE = """
    IFACE=br0
    SERVICE="bridge ipv4-static"
    INTERFACE_COMPONENTS="eth0 eth1"
    IP=192.0.2.2
    PREFIX=24
"""
FILE = "/etc/sysconfig/ifconfig.br0"


def members(host: Host) -> list[str]:
    lines = host.ip("-o", "link", "show").splitlines()
    return [line.split()[1].partition("@")[0] for line in lines if " master br0 " in line]


def links(host: Host) -> list[str]:
    lines = host.ip("-o", "link", "show").splitlines()
    return [line.split()[1].rstrip(":").partition("@")[0] for line in lines]


def test_a_bridge_is_made_and_taken_away(host: Host) -> None:
    host.interface("br0", BRIDGE + "STP=no\nGATEWAY=192.0.2.1\nMTU=1400")
    down = host.state()
    for _ in range(2):
        assert host.ifup("br0") == ""
        assert members(host) == ["eth0", "eth1"]
        assert host.addresses("br0") == ["192.0.2.2/24"]
        assert host.routes() == ["default via 192.0.2.1 dev br0"]
        for name in ("br0", "eth0", "eth1"):
            assert host.is_up(name)
            assert " mtu 1400 " in host.ip("link", "show", "dev", name)
    for _ in range(2):
        assert host.ifdown("br0") == ""
        assert "br0" not in links(host)
    for name in ("eth0", "eth1"):
        host.ip("link", "set", name, "mtu", "1500")
    assert host.state() == down


@pytest.mark.parametrize(("setting", "state"), [("yes", 1), ("no", 0)])
def test_the_spanning_tree_is_as_set(one: Host, setting: str, state: int) -> None:
    one.interface("br0", BRIDGE + f"STP={setting}")
    one.ifup("br0")
    assert f"stp_state {state} " in one.ip("-d", "link", "show", "dev", "br0")


def test_packets_are_forwarded_when_that_is_set(host: Host) -> None:
    def forwarding() -> str:
        return host.run("/usr/bin/cat", "/proc/sys/net/ipv4/ip_forward").stdout

    host.interface("br0", BRIDGE)
    host.ifup("br0")
    assert forwarding() == "0\n"
    host.interface("br0", BRIDGE + "IP_FORWARD=true")
    host.ifup("br0")
    assert forwarding() == "1\n"


def test_a_bridge_joins_its_components(one: Host) -> None:
    """What one end sends gets to the other."""
    one.ip("netns", "add", "far")
    one.ip("-n", "lan", "link", "set", "lan1", "netns", "far")
    for space, name, last in (("lan", "lan0", 3), ("far", "lan1", 4)):
        one.ip("-n", space, "link", "set", name, "up")
        one.ip("-n", space, "addr", "add", f"192.0.2.{last}/24", "dev", name)
    one.interface("br0", BRIDGE)
    one.ifup("br0")
    code = (
        "import socket\none = socket.create_server(('192.0.2.4', 7))\n"
        "one.accept()[0].sendall(b'hello')\n"
    )
    client = (
        "import socket, time\nend = time.monotonic() + 30\n"
        "while True:\n"
        "    try: print(socket.create_connection(('192.0.2.4', 7), 5).recv(9)); break\n"
        "    except OSError:\n"
        "        assert time.monotonic() < end\n"
        "        time.sleep(.05)\n"
    )
    one.files({"tmp/server.py": code, "tmp/client.py": client})
    one.start("ip", "netns", "exec", "far", "/usr/bin/python3", "-IS", "/tmp/server.py")
    python = ("/usr/bin/python3", "-IS", "/tmp/client.py")
    assert one.run("ip", "netns", "exec", "lan", *python).stdout == "b'hello'\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("INTERFACE_COMPONENTS=", f"{FILE}: INTERFACE_COMPONENTS: not set"),
        ('INTERFACE_COMPONENTS="eth0 eth9"', "unable to find interface: eth9: no such device"),
        ("IFACE=eth0\nINTERFACE_COMPONENTS=eth1", "unable to make the bridge: eth0: not a bridge"),
        ("INTERFACE_COMPONENTS=lo", "unable to add to bridge br0: lo: "),
    ],
    ids=["none", "missing", "no bridge", "refused by the kernel"],
)
def test_nothing_is_left_of_a_bridge_that_cannot_be(host: Host, settings: str, said: str) -> None:
    host.interface("br0", BRIDGE + settings)
    before = host.state()
    told = host.ifup("br0", code=1)
    assert told.startswith(f"ifup: fatal: {said}")
    assert told.count("\n") == 1
    assert host.state() == before


def test_what_is_in_another_bridge_stays_there(host: Host) -> None:
    host.ip("link", "add", "name", "br9", "type", "bridge")
    host.ip("link", "set", "eth1", "master", "br9")
    host.interface("br0", BRIDGE)
    before = host.state()
    said = "ifup: fatal: unable to add to bridge br0: eth1: it is in br9\n"
    assert host.ifup("br0", code=1) == said
    assert host.state() == before


def test_what_is_no_bridge_is_not_taken_away(host: Host) -> None:
    host.interface("br0", BRIDGE + "IFACE=eth0\nINTERFACE_COMPONENTS=eth1")
    said = "ifdown: fatal: unable to remove the bridge: eth0: not a bridge\n"
    assert host.ifdown("br0", code=1) == said
    assert "eth0" in links(host)


def test_a_service_of_ones_own_can_make_the_interface(host: Host) -> None:
    body = (
        'case $2 in\nup) ip link add name "$1" type bridge ;;\n'
        'down) ip link del dev "$1" 2>/dev/null || : ;;\nesac\n'
    )
    host.files({"lib/services/mine": f"#!/bin/sh\n{body}"})
    host.interface("tun0", "IFACE=br0\nSERVICE=mine\nVIRTINT=yes\nMTU=1300")
    assert host.ifup("tun0") == ""
    assert host.is_up("br0")
    assert " mtu 1300 " in host.ip("link", "show", "dev", "br0")
    for _ in range(2):
        assert host.ifdown("tun0") == ""
    assert "br0" not in links(host)


FILES = {
    "br0": 'SERVICE="bridge dhcpcd"\nINTERFACE_COMPONENTS=eth1\n',
    "eth0": "SERVICE=ipv4-static\nINTERFACE_COMPONENTS=''\n",
    "a-route": 'ONBOOT=yes\nSERVICE="ipv4-static-route"\n',
    "eth1": "SERVICE=wpa",
    "eth1~": "SERVICE=wpa",
    "eth0.new": "SERVICE=wpa",
}


def test_stages_bring_up_what_has_components_later_and_routes_last(host: Host) -> None:
    host.files({f"etc/sysconfig/ifconfig.{name}": text for name, text in FILES.items()})
    host.files({"functions": (STAGES / "functions").read_text()})
    done = host.run("/bin/sh", "-c", ". /functions; interfaces; echo $INTERFACES")
    assert done.stdout.split() == ["eth0", "eth1", "br0", "a-route"]


def test_stages_1_and_3_do_it(host: Host) -> None:
    """With all parts of the stages' network, and what they are given."""
    for name in ("functions", "1.d/85-network.sh", "3.d/30-network.sh"):
        host.files({f"etc/runit/{name}": (STAGES / name).read_text()})
    host.interface("br0", "ONBOOT=yes" + BRIDGE + "GATEWAY=192.0.2.1")
    host.interface("eth0", "ONBOOT=no\nIFACE=eth0\nSERVICE=ipv4-static\nIP=192.0.9.2")
    route = "IP=10.1.0.0\nPREFIX=16\nSTATIC_GATEWAY=192.0.2.9"
    host.interface("a", f"ONBOOT=yes\nIFACE=br0\nSERVICE=ipv4-static-route\n{route}")
    before = host.state()
    text = "#!/bin/sh\n. /etc/runit/functions\n. /etc/runit/{}\n"
    host.files({"up": text.format("1.d/85-network.sh"), "down": text.format("3.d/30-network.sh")})
    assert host.ok(0, "/up") == ""
    assert sorted(host.routes()) == [
        "10.1.0.0/16 via 192.0.2.9 dev br0",
        "default via 192.0.2.1 dev br0",
    ]
    assert host.addresses("eth0") == []
    assert host.ok(0, "/down") == ""
    assert host.state() == before
