"""ifup and ifdown: addresses from a real DHCP server, by the clients of today."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from networks import Host
from staging import SHELLS
from support import wait_for

CLIENTS = {"dhclient": "isc-dhcp-client", "dhcpcd": "dhcpcd-base"}
"""The programs, and Debian's packages of them."""

IFCONFIG = "/etc/sysconfig/ifconfig.eth0"


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def with_client(host: Host, client: str) -> Host:
    """A machine that has the client, with its settings."""
    host.package(CLIENTS[client], client)
    # No check that others have the address: it takes seconds, and is not ours to test.
    # Without it, newer ones take an address of their own at once where there is no server.
    host.files({"etc/dhcpcd.conf": "noarp\nnoipv4ll\nnoipv6rs\n", "var/lib/dhcpcd/secret": ""})
    host.files({f"var/lib/{name}": None for name in ("dhcp", "dhclient")})
    return host


@pytest.fixture(params=SHELLS)
def served(request: pytest.FixtureRequest, hosts: Callable[..., Host], client: str) -> Host:
    """A machine with the client, on a network with a server."""
    host = with_client(hosts(request.param), client)
    host.dhcp_server()
    return host


def settings(client: str, more: str = "") -> str:
    return f"IFACE=eth0\nSERVICE={client}\n{more}"


def test_a_lease_is_got_and_given_back(served: Host, client: str) -> None:
    served.interface("eth0", settings(client, "PRINTALL=yes"))
    before = served.state()
    done = served.run("ifup", "eth0")
    assert (done.returncode, done.stderr) == (0, "")
    (address,) = served.addresses()
    assert address in {f"10.9.0.{number}/24" for number in range(100, 111)}
    assert address.endswith("/24")
    assert [route for route in served.routes() if route.startswith("default via 10.9.0.1 dev eth0")]
    assert done.stdout.startswith(f"eth0: address {address}, gateway 10.9.0.1")
    running = served.processes(client)
    assert running

    assert served.ifup("eth0") == ""  # once more: nothing new is started
    assert served.processes(client) == running
    assert served.addresses() == [address]

    for _ in range(2):
        assert served.ifdown("eth0") == ""
        assert served.processes(client) == []
        assert served.state() == before


@pytest.mark.parametrize("client", ["dhcpcd"])
def test_it_need_not_be_waited_for(hosts: Callable[..., Host], client: str) -> None:
    host = with_client(hosts(), client)
    host.interface("eth0", settings(client, 'DHCP_START="-b -q"\nDHCP_STOP=-x'))
    assert host.ifup("eth0") == ""
    assert host.addresses() == []
    host.dhcp_server()
    wait_for(host.addresses, "an address", deadline=120)
    assert host.ifdown("eth0") == ""
    assert host.processes(client) == []
    assert not host.is_up()


@pytest.mark.parametrize(
    ("client", "start", "said"),
    [
        ("dhclient", "-1", "unable to get a lease: eth0: dhclient: exit code 2"),
        ("dhcpcd", "-1 -q -t 2", "unable to get a lease: eth0: dhcpcd: exit code 1"),
    ],
)
def test_without_a_server_one_line_tells_and_nothing_stays(
    hosts: Callable[..., Host], client: str, start: str, said: str
) -> None:
    host = with_client(hosts(), client)
    host.files({"etc/dhcp/dhclient.conf": "timeout 2;\n"})
    host.interface("eth0", settings(client, f'DHCP_START="{start}"'))
    before = host.state()
    assert host.ifup("eth0", code=1) == f"ifup: fatal: {said}\n"
    assert host.state() == before
    wait_for(lambda: not host.processes(client), f"{client} to end")
    assert host.ifdown("eth0") == ""


def test_dhclient_goes_on_asking(hosts: Callable[..., Host]) -> None:
    host = with_client(hosts(), "dhclient")
    host.files({"etc/dhcp/dhclient.conf": "timeout 2;\nretry 2;\n"})
    host.interface("eth0", settings("dhclient"))
    said = "ifup: warning: no lease yet: eth0: dhclient goes on asking\n"
    assert host.ifup("eth0") == said
    host.dhcp_server()
    wait_for(host.addresses, "an address", deadline=120)
    assert host.ifdown("eth0") == ""
    assert host.processes("dhclient") == []


def test_dhcpcd_goes_on_asking_or_ends(hosts: Callable[..., Host]) -> None:
    """As its version does: 10 goes on."""
    host = with_client(hosts(), "dhcpcd")
    host.interface("eth0", settings("dhcpcd", 'DHCP_START="-q -t 2"'))
    version = host.run("dhcpcd", "--version").stdout.split()[1]
    if int(version.partition(".")[0]) < 10:
        said = "ifup: fatal: unable to get a lease: eth0: dhcpcd: exit code 1\n"
        assert host.ifup("eth0", code=1) == said
        return
    assert host.ifup("eth0") == "ifup: warning: no lease yet: eth0: dhcpcd goes on asking\n"
    host.dhcp_server()
    wait_for(host.addresses, "an address", deadline=120)
    assert host.ifdown("eth0") == ""
    assert host.processes("dhcpcd") == []


def test_a_bridge_gets_a_lease(hosts: Callable[..., Host], client: str) -> None:
    host = with_client(hosts(), client)
    host.dhcp_server()
    host.interface(
        "br0", f'IFACE=br0\nSERVICE="bridge {client}"\nINTERFACE_COMPONENTS="eth0 eth1"\nPRINTIP=y'
    )
    before = host.state()
    done = host.run("ifup", "br0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"br0: address {host.addresses('br0')[0]}\n"
    assert host.ifdown("br0") == ""
    assert host.processes(client) == []
    assert host.state() == before


def test_what_is_gone_is_stopped_all_the_same(hosts: Callable[..., Host], client: str) -> None:
    host = with_client(hosts(), client)
    host.dhcp_server()
    host.interface("eth0", settings(client))
    assert host.ifup("eth0") == ""
    host.ip("link", "del", "dev", "eth0")
    said = "ifdown: fatal: unable to find interface: eth0: no such device\n"
    assert host.ifdown("eth0", code=1) == said
    assert host.processes(client) == []


def test_a_client_that_is_not_installed(host: Host, client: str) -> None:
    for directory in ("sbin", "lib/services"):
        assert not (host.root / directory / f"{client}.missing").exists()
    script = (host.root / "lib/services" / client).read_text()
    host.files({f"lib/services/{client}": script.replace(f"need {client}", "need no-such-client")})
    host.interface("eth0", settings(client))
    before = host.state()
    said = "ifup: fatal: unable to run: no-such-client: file does not exist\n"
    assert host.ifup("eth0", code=1) == said
    assert host.state() == before
