"""Throw-away machines: Debian's daemons, this suite as process 1, and nobody else.

A machine is a set of namespaces (processes, mounts, network, names, IPC) on an overlay
whose upper layer is in memory.  It ends, and everything in it, when its first process
does; what it stands on (see `roots`) is never written to.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import wait_for

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent.parent
STORE = CHECKOUT / "build/services"

NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child")

# Nothing in a machine may set the clock, load modules or touch hardware: those are of
# the machine outside.
HARMLESS = ("setpriv", "--bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio")

SETUP = """
set -e
mount -t tmpfs -o size=3g tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
layers="lowerdir=$lower,upperdir=$place/upper,workdir=$place/work"
mount -t overlay overlay -o "$layers" "$place/root"
cd "$place/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=755 tmpfs run
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm dev/net
mknod -m 666 dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
for name in fd:self/fd stdin:self/fd/0 stdout:self/fd/1 stderr:self/fd/2; do
    ln -s "/proc/${name#*:}" "dev/${name%%:*}"
done
mkdir src
mount --bind "$checkout" src
mount -o remount,ro,bind src
hostname machine
echo machine >etc/hostname
printf '127.0.0.1 localhost\\n192.0.2.1 machine.example.org machine\\n' >etc/hosts
: >etc/fstab
mkdir -p etc/sysconfig
rm -rf etc/sv/acpid etc/sv/ssh etc/runit/runsvdir/default
ip link set lo up
ip link add eth0 type veth peer name link0
ip link set link0 up
ip address add 192.0.2.1/24 dev eth0
ip link set eth0 up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" \\
    chroot "$place/root" /sbin/init
"""
"""Shell, run in the new namespaces; ends as process 1."""


class Machine:
    """One that runs; PROCESS is the unshare that holds it."""

    def __init__(self, process: subprocess.Popen[bytes], console: Path) -> None:
        self.process = process
        self.console = console
        self.first = 0
        """Process 1, as it is called outside."""

    def enter(self) -> list[str]:
        """The words in front of a command that is to run inside."""
        target = f"--target={self.first}"
        spaces = ("--mount", "--net", "--uts", "--ipc", "--pid", "--cgroup", "--root")
        return [
            *(
                "nsenter",
                target,
                *spaces,
                *HARMLESS,
                "env",
                "-i",
                "-C",
                "/",
                "HOME=/root",
                "LC_ALL=C.UTF-8",
            ),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]

    def run(
        self, script: str, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script inside, to its end; what it and its children printed."""
        words = [f"{name}={value}" for name, value in environment.items()]
        with open(self.console.with_name("output"), "w+b") as output:
            # A file, not a pipe: a daemon that keeps it open does not keep us waiting.
            done = subprocess.run(
                ["timeout", "-k", "1", str(timeout), *self.enter(), *words, "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        return subprocess.CompletedProcess(script, done.returncode, said, "")

    def must(self, script: str, **environment: str) -> str:
        """The same, which must succeed; what it printed."""
        done = self.run(script, **environment)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return str(done.stdout)

    def processes(self) -> set[tuple[int, str]]:
        """Pid and name of all processes inside but zombies, and the one that looks."""
        lines = self.must("ps -e -o pid=,stat=,comm=").splitlines()
        fields = [line.split(None, 2) for line in lines]
        own = {"ps", "sh", "timeout"}
        return {
            (int(pid), name) for pid, stat, name in fields if stat[0] != "Z" and name not in own
        }

    def log(self, service: str) -> str:
        """What a service has printed."""
        return str(self.run(f"cat /var/log/sv/{service}/current").stdout)


@contextmanager
def machine(layer: str, directory: Path) -> Iterator[Machine]:
    """A machine with the packages of LAYER; DIRECTORY is a place for its mounts."""
    place, console = directory / "machine", directory / "console"
    place.mkdir()
    lower = ":".join(str(STORE / name) for name in ("suite", layer, "base"))
    variables = {"place": str(place), "lower": lower, "checkout": str(CHECKOUT)}
    with open(console, "wb") as stream:
        process = subprocess.Popen(
            ["unshare", *NAMESPACES, "sh", "-c", SETUP, "-", *HARMLESS],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    found = Machine(process, console)
    try:
        wait_for(lambda: is_up(found), f"a machine: {console.read_text(errors='replace')}")
        yield found
    finally:
        process.kill()
        process.wait()


def is_up(found: Machine) -> bool:
    """Whether process 1 has a runsvdir."""
    assert found.process.poll() is None, found.console.read_text(errors="replace")
    if not found.first:
        pid = found.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return False
        found.first = int(children[0])
    first = Path(f"/proc/{found.first}")
    if (first / "comm").read_text() != "runit\n":
        return False
    below = (first / f"task/{found.first}/children").read_text().split()
    return any(Path(f"/proc/{one}/comm").read_text() == "runsvdir\n" for one in below)
