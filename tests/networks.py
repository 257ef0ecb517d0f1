"""Machines whose interfaces a test may bring up and down: in namespaces of their own.

Each is a chroot with this machine's /usr, an /etc, /run and /var that are its own, and
two networks: its own, with eth0 and eth1, and `lan`, where the other ends of the cables
are.  Nothing here can reach an interface of the machine that runs the tests: that is
made sure of before anything is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from staging import CHECKOUT, SHELLS
from support import DEADLINE, build, wait_for

NETWORK = CHECKOUT / "stages/network"
PACKAGES = CHECKOUT / "build/network"
NAMESPACES = ("unshare", "--fork", "--pid", "--mount", "--uts", "--net", "--kill-child")

# The number that this process has outside comes from a /proc that is of the outside still.
SETUP = """
set -e
read -r number rest </proc/self/stat
mount --bind "$1" "$1"
mount --rbind /usr "$1/usr"
mount --bind /dev/null "$1/dev/null"
mount --bind /dev/urandom "$1/dev/urandom"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
echo $number
exec cat
"""

CABLES = """
set -e
ip link set lo up
ip netns add lan
for number in 0 1; do
    ip link add eth$number type veth peer name lan$number netns lan
    ip netns exec lan ip link set lan$number up
done
"""


def unable() -> str:
    """Why there can be no such machine here; empty if there can."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    if not Path("/lib").is_symlink():
        return "needs a merged /usr"
    script = (
        "ip link add name cable0 type veth peer name cable1 && "
        "ip link add name br0 type bridge && mount -t sysfs sysfs /mnt"
    )
    done = subprocess.run([*NAMESPACES, "sh", "-c", script], capture_output=True, check=False)
    return "" if done.returncode == 0 else "needs namespaces, veth and bridge of the kernel"


UNABLE = unable()


class Host:
    """A machine with its directory at `root`; /bin/sh in it is SHELL."""

    def __init__(self, root: Path, shell: str = "dash") -> None:
        program = shutil.which(SHELLS[shell])
        if program is None:
            pytest.skip(f"{SHELLS[shell]} is not installed")
        self.root = root
        self.shell = shell
        directories = ("usr", "run", "tmp", "var/lib", "var/db", "proc", "sys", "etc/sysconfig")
        build(root, {**dict.fromkeys(directories), "dev/null": "", "dev/urandom": ""})
        build(
            root, {"etc/resolv.conf": "", "etc/fstab": "", "etc/passwd": "root:x:0:0::/:/bin/sh\n"}
        )
        for name in ("bin", "sbin", "lib"):
            (root / name).mkdir()
        for name in os.listdir("/lib"):
            (root / "lib" / name).symlink_to(f"/usr/lib/{name}")
        if Path("/lib64").exists():
            (root / "lib64").symlink_to("usr/lib64")
        (root / "bin/sh").symlink_to(program)
        for name in ("bash", "true"):
            (root / "bin" / name).symlink_to(f"/usr/bin/{name}")
        for name in ("ifup", "ifdown"):
            shutil.copy(NETWORK / name, root / "sbin", follow_symlinks=False)
        (root / "lib/services").unlink(missing_ok=True)
        shutil.copytree(NETWORK / "services", root / "lib/services", symlinks=True)
        self.process = subprocess.Popen(
            [*NAMESPACES, "sh", "-c", SETUP, "-", root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.number = int(self.process.stdout.readline())
        self.make_sure()
        done = self.run("/usr/bin/dash", "-c", CABLES)
        assert done.returncode == 0, done.stderr

    def make_sure(self) -> None:
        """Refuse to go on in the network of the machine that runs the tests."""
        if os.path.samefile(f"/proc/{self.number}/ns/net", "/proc/self/ns/net"):
            self.end()
            pytest.exit("a machine for tests is in this machine's own network")

    def end(self) -> None:
        """End all that runs in it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def command(self, *command: str) -> list[str]:
        """What runs a command in it."""
        self.make_sure()
        return ["nsenter", f"--target={self.number}", "--all", "chroot", str(self.root), *command]

    @property
    def environment(self) -> dict[str, str]:
        """Of every command in it."""
        return {"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "HOME": "/"}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.  Its output goes to files: daemons may keep it open."""
        out, err = self.root / "tmp/out", self.root / "tmp/err"
        with out.open("w") as stdout, err.open("w") as stderr:
            done = subprocess.run(
                self.command(*command),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**self.environment, **environment},
                timeout=4 * DEADLINE,
                check=False,
            )
        return subprocess.CompletedProcess(
            done.args, done.returncode, out.read_text(), err.read_text()
        )

    def start(self, *command: str) -> None:
        """Start what runs until the machine ends."""
        subprocess.Popen(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        )

    def files(self, files: Mapping[str, str | bytes | None]) -> None:
        """Make files: name to content; see `build`."""
        build(self.root, files)

    def interface(self, name: str, text: str) -> None:
        """The settings of an interface; lines may be indented."""
        lines = "".join(line.strip() + "\n" for line in text.strip().splitlines())
        self.files({f"etc/sysconfig/ifconfig.{name}": lines})

    def ip(self, *words: str) -> str:
        """What iproute2's ip says; it must succeed."""
        done = self.run("/usr/bin/ip" if Path("/usr/bin/ip").exists() else "ip", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def addresses(self, name: str = "eth0", family: int = 4) -> list[str]:
        """The addresses of an interface, but for those that come by themselves."""
        lines = self.ip(f"-{family}", "-o", "addr", "show", "dev", name, "scope", "global")
        return [line.split()[3] for line in lines.splitlines()]

    def routes(self, family: int = 4) -> list[str]:
        """The routes that somebody added."""
        lines = self.ip(f"-{family}", "route", "show").splitlines()
        return [line.rstrip() for line in lines if "proto kernel" not in line]

    def is_up(self, name: str = "eth0") -> bool:
        """Whether a link was brought up."""
        return ",UP" in self.ip("-o", "link", "show", "dev", name).split(">")[0]

    def state(self) -> list[object]:
        """What can be configured of it, for comparison."""
        found: list[object] = [self.routes(), self.routes(6)]
        for line in self.ip("-o", "link", "show").splitlines():
            name = line.split()[1].rstrip(":").partition("@")[0]
            words = line.split()
            found += [name, words[words.index("mtu") + 1], "master" in words, self.is_up(name)]
            found += self.addresses(name) + self.addresses(name, 6)
        return found

    def ifup(self, *names: str, code: int = 0, **environment: str) -> str:
        """Run ifup; what it told on standard error."""
        return self.ok(code, "ifup", *names, **environment)

    def ifdown(self, *names: str, code: int = 0, **environment: str) -> str:
        """Run ifdown; what it told on standard error."""
        return self.ok(code, "ifdown", *names, **environment)

    def ok(self, code: int, *command: str, **environment: str) -> str:
        """Run a command that ends with CODE; its standard error."""
        done = self.run(*command, **environment)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stderr

    def processes(self, name: str) -> list[int]:
        """Those in it that are called NAME, by their numbers inside."""
        done = self.run("/usr/bin/dash", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || :")
        lines = [line.split() for line in done.stdout.splitlines()]
        return [
            int(words[0]) for words in lines if words[1] == f"({name})" and words[2] not in "ZX"
        ]

    def package(self, package: str, *programs: str) -> None:
        """Let programs of a Debian package be there: this machine's, or unpacked ones."""
        if all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in programs):
            for name in (*programs, "dhclient-script"):
                found = shutil.which(name, path="/usr/sbin:/usr/bin")
                if found and not (self.root / "sbin" / name).exists():
                    (self.root / "sbin" / name).symlink_to(found)
            return
        unpacked = fetch(package)
        for source, target in (
            ("sbin", "sbin"),
            ("usr/sbin", "sbin"),
            ("lib", "lib"),
            ("etc", "etc"),
        ):
            if (unpacked / source).exists():
                shutil.copytree(unpacked / source, self.root / target, dirs_exist_ok=True)

    def dhcp_server(self, *options: str) -> None:
        """Serve 10.9.0.100 to 10.9.0.110 on lan0, with busybox's server."""
        if shutil.which("busybox") is None:
            pytest.skip("busybox is not installed")
        lines = ["start 10.9.0.100", "end 10.9.0.110", "interface lan0", "max_leases 10"]
        lines += ["lease_file /run/udhcpd.leases", "pidfile /run/udhcpd.pid"]
        lines += ["option subnet 255.255.255.0", "option router 10.9.0.1"]
        lines += ["option dns 10.9.0.1", "option lease 3600", *options]
        self.files({"etc/udhcpd.conf": "\n".join(lines) + "\n", "run/udhcpd.leases": ""})
        self.ip("-n", "lan", "addr", "add", "10.9.0.1/24", "dev", "lan0")
        server = ("busybox", "udhcpd", "-f", "-a", "50", "/etc/udhcpd.conf")
        self.start("ip", "netns", "exec", "lan", *server)
        wait_for((self.root / "run/udhcpd.pid").exists, "the DHCP server")


def fetch(package: str) -> Path:
    """Where a Debian package is unpacked, fetched if it was not; the test is skipped if not."""
    place = PACKAGES / package
    if place.exists():
        return place
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip(f"{package} is not installed")
    new = PACKAGES / f".{package}.{os.getpid()}"
    new.mkdir(parents=True, exist_ok=True)
    try:
        get = ["apt-get", "-q", "download", package]
        done = subprocess.run(get, cwd=new, capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            pytest.skip(f"{package} is not installed, and cannot be fetched")
        for archive in new.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, new / "unpacked"], check=True)
        try:
            (new / "unpacked").rename(place)
        except OSError:  # another one was first
            assert place.exists()
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return place
