"""ifup and ifdown: what is wrong is told in one line, and nothing is half done."""

from __future__ import annotations

import os

import pytest
from networks import NETWORK, Host

from runit import __version__

FILE = "/etc/sysconfig/ifconfig.eth0"
GOOD = {"IFACE": "eth0", "SERVICE": "ipv4-static", "IP": "192.0.2.2", "PREFIX": "24"}


def settings(**changes: str | None) -> str:
    """Settings that are good but for CHANGES; None leaves one out."""
    chosen = {**GOOD, **changes}
    return "".join(f'{name}="{value}"\n' for name, value in chosen.items() if value is not None)


def refused(host: Host, text: str, said: str, name: str = "eth0") -> None:
    """TEXT for a file is refused in one line, and nothing has changed."""
    host.interface(name, text)
    before = host.state()
    assert host.ifup(name, code=1) == f"ifup: fatal: {said}\n"
    assert host.state() == before


@pytest.mark.parametrize("program", ["ifup", "ifdown"])
def test_a_file_that_is_missing(host: Host, program: str) -> None:
    said = f"{program}: fatal: unable to read: {FILE}: file does not exist\n"
    assert host.ok(1, program, "eth0") == said


def test_a_file_that_is_a_directory(host: Host) -> None:
    host.files({FILE[1:]: None})
    assert host.ifup("eth0", code=1) == f"ifup: fatal: unable to read: {FILE}: is a directory\n"


@pytest.mark.parametrize("program", ["ifup", "ifdown"])
@pytest.mark.parametrize(
    "text",
    [
        "IFACE='eth0",
        "if true; then",
        "IFACE = eth0",
        "exit 0",
        "IFACE=${X?}",
        "\0\1",
    ],
)
def test_a_file_that_is_no_shell(host: Host, program: str, text: str) -> None:
    host.files({FILE[1:]: settings() + text + "\n"})
    before = host.state()
    said = host.ok(1, program, "eth0")
    assert said.startswith(f"{program}: fatal: unable to read: {FILE}: ")
    assert said.count("\n") == 1
    assert len(said) > len(f"{program}: fatal: unable to read: {FILE}: \n")
    assert host.state() == before


@pytest.mark.parametrize("text", ["set -e\nfalse || :", "set -u", "IFS=x", "set -f", "cd /tmp"])
def test_what_a_file_does_to_the_shell_does_no_harm(host: Host, text: str) -> None:
    host.interface("eth0", f"{settings()}{text}\n")
    assert host.ifup("eth0") == ""
    assert host.addresses() == ["192.0.2.2/24"]


def test_an_interface_that_does_not_exist(host: Host) -> None:
    said = "unable to find interface: eth7: no such device"
    refused(host, settings(IFACE="eth7"), said)
    assert host.ifdown("eth0", code=1) == f"ifdown: fatal: {said}\n"


@pytest.mark.parametrize("name", ["../eth0", "-eth0", "eth 0", "a" * 16, ".."])
def test_what_can_be_no_interface(one: Host, name: str) -> None:
    refused(one, settings(IFACE=name), f"{FILE}: {name}: not a name of an interface")


@pytest.mark.parametrize("name", ["IFACE", "SERVICE", "IP"])
def test_a_setting_that_is_missing(host: Host, name: str) -> None:
    refused(host, settings(**{name: None}), f"{FILE}: {name}: not set")


def test_a_service_that_is_missing(host: Host) -> None:
    said = "unable to find service: /lib/services/ipv5: file does not exist"
    refused(host, settings(SERVICE="ipv4-static ipv5"), said)
    assert host.ifdown("eth0", code=1) == f"ifdown: fatal: {said}\n"


def test_a_service_that_is_not_executable(host: Host) -> None:
    host.files({"lib/services/mine": ":\n"})
    said = "unable to run service: /lib/services/mine: access denied"
    refused(host, settings(SERVICE="ipv4-static mine"), said)


@pytest.mark.parametrize("name", ["../../sbin/ifup", ".hidden"])
def test_a_service_is_a_name_in_its_directory(one: Host, name: str) -> None:
    refused(one, settings(SERVICE=name), f"{FILE}: SERVICE={name}: not names of services")


@pytest.mark.parametrize("value", ["0", "33", "-1", "x", "255.255.255.0", "24 ", "1" * 30])
def test_a_prefix_that_is_none(one: Host, value: str) -> None:
    refused(one, settings(PREFIX=value), f"{FILE}: PREFIX={value}: not a number from 1 to 32")


def test_a_prefix_and_a_peer(host: Host) -> None:
    said = f"{FILE}: PREFIX and PEER: only one may be set"
    refused(host, settings(PEER="192.0.2.9"), said)


@pytest.mark.parametrize(
    "value", ["192.0.2", "192.0.2.256", "192.0.2/24", "host", "1.2.3.4.", "::1"]
)
@pytest.mark.parametrize("name", ["IP", "PEER", "BROADCAST"])
def test_an_address_that_is_none(one: Host, name: str, value: str) -> None:
    changes = {name: value, **({"PREFIX": None} if name == "PEER" else {})}
    refused(one, settings(**changes), f"{FILE}: {name}={value}: not an IPv4 address")


@pytest.mark.parametrize(
    "value",
    [
        "192.0.2.2",
        "2001:db8",
        "1:2:3:4:5:6:7:8:9",
        "::1::",
        ":::",
        ":1:2:3:4:5:6:7:8",
        "::12345",
        "::g",
    ],
)
def test_an_address_of_ipv6_that_is_none(one: Host, value: str) -> None:
    text = settings(SERVICE="ipv6-static", IP=value, PREFIX="64")
    refused(one, text, f"{FILE}: IP={value}: not an IPv6 address")


@pytest.mark.parametrize("value", ["2001:db8::", "::2", "1:2:3:4:5:6:7:8", "2001:db8::1:0:0:2"])
def test_an_address_of_ipv6_that_is_one(one: Host, value: str) -> None:
    one.interface("eth0", settings(SERVICE="ipv6-static", IP=value, PREFIX="64"))
    assert one.ifup("eth0") == ""


@pytest.mark.parametrize("value", ["67", "65536", "x", "-1", "1500x"])
def test_an_mtu_that_is_none(one: Host, value: str) -> None:
    refused(one, settings(MTU=value), f"{FILE}: MTU={value}: not a number from 68 to 65535")


def test_an_mtu_that_the_interface_cannot_have(one: Host) -> None:
    one.interface("eth0", settings(IFACE="br0", SERVICE="bridge", INTERFACE_COMPONENTS="eth0"))
    one.ifup("eth0")
    before = one.state()
    one.interface("eth0", settings(IFACE="eth0", MTU="65535"))
    # What is the largest one is for the driver to say.
    done = one.run("ifup", "eth0")
    if done.returncode == 0:
        pytest.skip("this kernel's cables have any MTU")
    assert done.stderr.startswith("ifup: fatal: unable to set the MTU: eth0: ")
    assert done.stderr.count("\n") == 1
    assert one.state() == before


@pytest.mark.parametrize("value", ["x", "192.0.2", "192.0.2.1 x", "192.0.2.1/24"])
def test_a_gateway_that_is_none(one: Host, value: str) -> None:
    refused(one, settings(GATEWAY=value), f"{FILE}: GATEWAY={value}: not an address")


def test_a_gateway_that_is_elsewhere(host: Host) -> None:
    host.interface("eth0", settings(GATEWAY="198.51.100.1"))
    said = host.ifup("eth0", code=1)
    assert said.startswith("ifup: fatal: unable to add the default route: 198.51.100.1: ")
    assert said.count("\n") == 1
    assert host.addresses() == ["192.0.2.2/24"]  # what could be done stays
    assert host.ifdown("eth0") == ""


def test_when_the_first_service_fails_the_links_are_what_they_were(host: Host) -> None:
    host.files({"lib/services/bad": "#!/bin/sh\nexit 1\n"})
    host.interface("eth0", settings(SERVICE="bad ipv4-static", MTU="1300"))
    before = host.state()
    assert host.ifup("eth0", code=1) == ""
    assert host.state() == before


def test_a_link_that_was_up_before_stays_up(host: Host) -> None:
    host.ip("link", "set", "eth0", "up")
    host.interface("eth0", settings(PREFIX="99"))
    host.ifup("eth0", code=1)
    assert host.is_up()


def test_what_was_configured_before_the_service_that_fails_stays(host: Host) -> None:
    host.interface("eth0", settings(SERVICE="ipv4-static ipv6-static", IP6="x"))
    assert host.ifup("eth0", code=1) == f"ifup: fatal: {FILE}: IP6=x: not an IPv6 address\n"
    assert host.addresses() == ["192.0.2.2/24"]
    assert host.is_up()
    host.interface("eth0", settings(SERVICE="ipv4-static ipv6-static", IP6="::2", PREFIX6="64"))
    assert host.ifup("eth0") == ""


@pytest.mark.parametrize("code", [2, 99])
def test_a_service_that_ends_otherwise_is_told_of(host: Host, code: int) -> None:
    host.files({"lib/services/bad": f"#!/bin/sh\nexit {code}\n"})
    refused(host, settings(SERVICE="bad"), f"service bad: eth0: exit code {code}")


def test_down_goes_on_after_a_failure(host: Host) -> None:
    host.interface("eth0", settings())
    host.ifup("eth0")
    body = '#!/bin/sh\n[ "$2" = up ] || { echo "bad: no" >&2; exit 1; }\n'
    host.files({"lib/services/bad": body})
    host.interface("eth0", settings(SERVICE="ipv4-static bad"))
    assert host.ifdown("eth0", code=1) == "bad: no\n"
    assert host.addresses() == []
    assert not host.is_up()


def test_the_other_names_are_gone_on_with(host: Host) -> None:
    host.interface("eth0", settings())
    said = host.ifup("nine", "eth0", code=1)
    assert said.count("\n") == 1
    assert host.is_up()


def test_without_ip_one_line_tells(one: Host) -> None:
    one.interface("eth0", settings())
    (one.root / "empty").mkdir()
    text = (one.root / "lib/services/network.sh").read_text()
    text = "".join(line for line in text.splitlines(True) if not line.startswith("PATH="))
    one.files({"lib/services/network.sh": text})
    done = one.run("/usr/bin/env", "PATH=/empty", "/bin/sh", "/sbin/ifup", "eth0")
    assert (done.returncode, done.stderr) == (
        1,
        "ifup: fatal: unable to run: ip: file does not exist\n",
    )


@pytest.mark.parametrize("program", ["ifup", "ifdown"])
def test_options(host: Host, program: str) -> None:
    usage = f"usage: {program} [-hvV] NAME ...\n"
    for arguments, code, stdout, stderr in (
        (["-h"], 0, usage, ""),
        (["-V"], 0, f"{program} {__version__}\n", ""),
        (["-x", "eth0"], 2, "", usage),
        (["--help"], 2, "", usage),
        ([], 2, "", usage),
        (["-v"], 2, "", usage),
    ):
        done = host.run(program, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (code, stdout, stderr), arguments


@pytest.mark.parametrize("name", sorted(os.listdir(NETWORK / "services")))
def test_a_service_needs_an_interface_and_a_direction(one: Host, name: str) -> None:
    if name == "network.sh":
        assert not os.access(one.root / "lib/services" / name, os.X_OK)
        return
    for arguments in ([], ["eth0"], ["eth0", "sideways"], ["eth0", "up", "x"]):
        done = one.run(f"/lib/services/{name}", *arguments, IFCONFIG="/x")
        usage = f"usage: IFCONFIG=FILE {name} INTERFACE up|down\n"
        assert (done.returncode, done.stderr) == (2, usage)


def test_who_is_not_root_is_told(one: Host) -> None:
    one.interface("eth0", settings())
    before = one.state()
    nobody = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    one.root.chmod(0o755)
    said = one.ok(1, *nobody, "ifup", "eth0")
    assert said.startswith("ifup: fatal: ")
    assert "Operation not permitted" in said
    assert one.state() == before
