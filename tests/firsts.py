"""A machine for process 1: PID and mount namespaces of its own, and a chroot.

Its /etc/runit is the test's, its console a pseudo terminal that the test reads, its
/proc shows what runs in it, and nothing in it says that it is a container.  In a PID
namespace reboot(2) ends the namespace: how tells what process 1 asked for.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from oldworld import Terminal
from support import DEADLINE, anyones_interpreter, build, has_reference, wait_for

from runit.launchers import BIN, SBIN, write

RESTARTED, OFF = -signal.SIGHUP, -signal.SIGINT
"""How the namespace ends when its process 1 restarts the machine, or turns it off."""

NOBODY = 65534
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

PROGRAMS = {
    "ours": {"runit": "/suite/bin/runit", "runit-init": "/suite/bin/runit-init"},
    "reference": {"runit": "/sbin/runit", "runit-init": "/usr/lib/runit/runit-init"},
}

AGENT = r"""
import ctypes, json, os, signal, sys
told = json.loads(sys.argv[1])
root = os.fsencode(told["root"])
libc = ctypes.CDLL(None, use_errno=True)
READ_ONLY, REMOUNT, BIND, RECURSIVE = 1, 32, 4096, 16384
def mount(source, place, kind=None, flags=0, data=None):
    if libc.mount(source, place, kind, flags, data):
        sys.exit("mount %r: %s" % (place, os.strerror(ctypes.get_errno())))
def bind(source, place):
    mount(os.fsencode(source), root + os.fsencode(place), None, BIND | RECURSIVE)
mount(root, root, None, BIND)
for source, place in told["links"]:
    os.symlink(source, root + os.fsencode(place))
for source, place in told["binds"]:
    bind(source, place)
if told["proc"]:
    mount(b"proc", root + b"/proc", b"proc")
    if os.path.exists(root + b"/proc/sysrq-trigger"):  # not even by mistake
        bind("/dev/null", "/proc/sysrq-trigger")
if told["run"]:
    mount(b"run", root + b"/run", b"tmpfs", 0, told["run"].encode())
    if told["full"]:
        os.symlink("x", root + b"/run/full")
        try:
            with open(root + b"/run/content", "wb", buffering=0) as stream:
                while stream.write(b"x" * 512):
                    pass
        except OSError:
            pass
if told["read_only"]:
    mount(b"none", root, None, REMOUNT | BIND | READ_ONLY)
os.chroot(root)
os.chdir(told["directory"])
if told["powerless"]:
    libc.prctl(24, 22, 0, 0, 0)
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN if number in told["ignored"] else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, told["ignored"])
for number in told["closed"]:
    os.close(number)
environment = {name.encode("latin1"): value.encode("latin1")
               for name, value in told["environment"].items()}
os.execve(told["command"][0], told["command"], environment)
"""


def may(user: bool = False) -> str:
    """Why such a machine cannot be had: nothing if it can."""
    if os.geteuid() != 0 and not user:
        return "needs root"
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    done = subprocess.run([*_unshare(user), "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "needs PID and mount namespaces of its own"


def has_runit() -> bool:
    """Whether Debian's process 1 is there."""
    return has_reference("runit") and all(map(os.path.exists, PROGRAMS["reference"].values()))


def keeps_flags_in_run() -> bool:
    """Whether Debian's process 1 has its flags in /run: from 2.2 on it has upstream's paths."""
    return b"/run/runit.stopit" in Path(PROGRAMS["reference"]["runit"]).read_bytes()


def _unshare(user: bool) -> list[str]:
    words = [
        "unshare",
        "--fork",
        "--pid",
        "--mount",
        "--net",
        "--propagation=private",
        "--kill-child",
    ]
    if user:
        words += ["--user", "--map-root-user"]
        if os.geteuid() == 0:
            words[:0] = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return words


def make_suite(directory: Path) -> Path:
    """The programs in bin, beside the package, that a machine has as /suite."""
    directory.chmod(0o755)
    write(directory / "bin", BIN | SBIN, "/suite/package", anyones_interpreter())
    return directory


class First:
    """A machine with process 1 in it, running.

    STAGES      name to content of what is in /etc/runit; a shell script where nothing
                else is said, None for none; stages that are not named succeed at once
    FILES       what else there is: name to content
    program     runit or runit-init, or the path of another
    console     whether there is a /dev/console
    closed      the descriptors that process 1 does not get
    ignored     the signals that are ignored, and blocked, when it starts
    run         options of a tmpfs for /run; with full there is no room in it
    links       target to place, of symbolic links
    shell       a script that is /sbin/sulogin
    powerless   without CAP_SYS_BOOT
    user        in a user namespace, made by an ordinary user
    """

    def __init__(
        self,
        root: Path,
        suite: Path,
        stages: Mapping[str, str | bytes | None] | None = None,
        *,
        files: Mapping[str, str | bytes | None] | None = None,
        kind: str = "ours",
        program: str = "runit",
        environment: Mapping[str, str] = PATH,
        console: bool = True,
        closed: tuple[int, ...] = (),
        ignored: tuple[int, ...] = (),
        proc: bool = True,
        run: str = "",
        full: bool = False,
        read_only: bool = False,
        powerless: bool = False,
        user: bool = False,
        bare: bool = False,
        links: Mapping[str, str] = MappingProxyType({}),
        shell: str = "",
        around: tuple[str, ...] = (),
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.root = root
        self._pid = 0
        self.ended = False
        self.console = Terminal()
        build(root, dict.fromkeys(("dev", "proc", "run", "tmp", "etc", "suite")))
        build(root, {"dev/null": "", "etc/passwd": "root:x:0:0::/:/bin/sh\n", "errors": ""})
        (root / "etc/ld.so.cache").write_bytes(Path("/etc/ld.so.cache").read_bytes())
        if not bare:
            given: dict[str, str | bytes | None] = {"1": "", "2": "", "3": "", "nosync": b""}
            self.write({**given, **(stages or {})})
        if kind == "reference" and not keeps_flags_in_run():
            for name in ("stopit", "reboot"):
                (root / "etc/runit" / name).symlink_to(f"/run/runit.{name}")
        build(root, files or {})
        binds = [("/dev/null", "/dev/null"), (str(suite), "/suite")]
        if console:
            build(root, {"dev/console": ""})
            binds.append((self.console.name, "/dev/console"))
        binds += self._system()
        if shell:
            build(root, {"sulogin": shell})
            binds.append((str(root / "sulogin"), os.path.realpath("/sbin/sulogin")))
        if user and os.geteuid() == 0:
            for path in (root, *root.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            os.chown(self.console.name, NOBODY, NOBODY)
        told = {
            "root": str(root),
            "binds": binds,
            "links": list(links.items()),
            "proc": proc,
            "run": run,
            "full": full,
            "read_only": read_only,
            "powerless": powerless,
            "ignored": [int(number) for number in ignored],
            "closed": closed,
            "directory": "/tmp",
            "environment": environment,
            "command": [PROGRAMS[kind].get(program, program), *arguments],
        }
        words = [
            *around,
            *_unshare(user),
            anyones_interpreter(),
            "-IBS",
            "-c",
            AGENT,
            json.dumps(told),
        ]
        with (root / "errors").open("ab") as errors:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                cwd="/",
            )

    def _system(self) -> list[tuple[str, str]]:
        """The directories of the machine around it that programs need."""
        binds = []
        for name in ("usr", "lib", "lib32", "lib64", "bin", "sbin"):
            path = Path("/", name)
            if path.is_symlink():
                (self.root / name).symlink_to(os.readlink(path))
            elif path.is_dir():
                (self.root / name).mkdir()
                binds.append((str(path), str(path)))
        if not Path(anyones_interpreter()).is_relative_to("/usr"):
            (self.root / sys.base_prefix[1:]).mkdir(parents=True)
            binds.append((sys.base_prefix, sys.base_prefix))
        return binds

    def write(self, stages: Mapping[str, str | bytes | None]) -> None:
        """Make files in /etc/runit; see the class."""
        build(self.root / "etc/runit", {})
        for name, content in stages.items():
            if content is None:
                continue
            if isinstance(content, str) and not content.startswith("#!"):
                content = "#!/bin/sh\n" + content + "\n"
            build(self.root / "etc/runit", {name: content})

    def fifo(self, name: str) -> None:
        """Make a FIFO: what opens it, waits there for the test."""
        if not (self.root / name).exists():
            os.mkfifo(self.root / name)

    def at(self, name: str) -> int:
        """Wait until a script reads the FIFO NAME; a descriptor, whose end lets it go on."""
        found: list[int] = []

        def opened() -> bool:
            try:
                found.append(os.open(self.root / name, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                assert self.process.poll() is None, (self.process.poll(), self.text())
                return False
            return True

        wait_for(opened, f"somebody at {name}")
        return found[0]

    def go_on(self, name: str) -> None:
        """Wait until a script reads the FIFO NAME, and let it go on."""
        os.close(self.at(name))

    @property
    def pid(self) -> int:
        """The pid of process 1, as it is outside."""
        if self._pid:
            return self._pid
        assert self.process.poll() is None, "the machine has ended"
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self._pid = int(wait_for(lambda: path.read_text().split(), "process 1")[0])
        return self._pid

    def signal(self, *numbers: int) -> None:
        """Send signals to process 1, each when the one before was taken."""
        for number in numbers:
            if self.process.poll() is None:  # it may end of the one before
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            self.settle()

    def send_from_inside(self, number: int) -> int:
        """Send a signal to process 1 as a process of its machine would; kill's exit code."""
        inside = ["nsenter", f"--target={self.pid}", "--pid", "sh", "-c", f"kill -{number} 1"]
        return subprocess.run(inside, check=False).returncode

    def wait_until_alone(self, count: int) -> None:
        """Wait until COUNT processes are left, with process 1 and zombies."""

        def left() -> bool:
            return len(self.processes()) == count

        wait_for(left, f"{count} processes")

    def processes(self) -> list[int]:
        """The pids, as they are outside, of all processes of the machine."""
        found = [self.pid]
        for pid in found:
            path = Path(f"/proc/{pid}/task/{pid}/children")
            with suppress(OSError):
                found += map(int, path.read_text().split())
        return found

    def status(self) -> dict[str, str]:
        """What the kernel says of process 1, by name with its colon."""
        words = [line.split() for line in Path(f"/proc/{self.pid}/status").open()]
        return {line[0]: line[1] for line in words if len(line) > 1}

    def settle(self) -> None:
        """Wait until process 1 has nothing left to do but to wait."""

        def asleep() -> bool:
            if self.process.poll() is not None:
                return True
            try:
                status = self.status()
            except OSError:
                return True  # it has just ended
            pending = int(status["ShdPnd:"], 16) | int(status["SigPnd:"], 16)
            return status["State:"] in "SZX" and not pending & ~int(status["SigBlk:"], 16)

        wait_for(asleep, "process 1 to be idle")

    def read(self, name: str) -> str:
        """What is in a file, nothing if it is not there."""
        try:
            return (self.root / name).read_text()
        except FileNotFoundError:
            return ""

    def text(self) -> str:
        """What was written to the console so far, but for the first line, the banner's.

        Not to be asked while process 1 may write: it does not wait for who writes, too.
        """
        seen = b"\0seen\0"
        os.write(self.console.slave, seen)
        text = self.console.read(seen)
        self.console.text = text = text.replace(seen, b"")
        first, _, rest = text.decode().partition("\n")
        return rest if first.endswith("booting.") else first + _ + rest

    def told(self, line: str) -> None:
        """Wait for a line on the console."""
        self.console.read(line.encode())

    def end(self) -> int:
        """Wait for the end of the machine; how it ended."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None:  # what is written must not wait for us
            if select.select([self.console.master], [], [], 0.05)[0]:
                self.console.text += os.read(self.console.master, 65536)
            assert time.monotonic() < end, (self.console.text, self.read("errors"))
        return int(self.process.returncode)

    def kill(self) -> None:
        """End it, however it is; once more does no harm."""
        if self.ended:
            return
        self.ended = True
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.console.close()


def lines(*texts: str) -> str:
    """The lines that process 1 writes: each in its form."""
    return "".join(f"- runit: {text}\n" for text in texts)


def stage(number: int, *between: str) -> tuple[str, ...]:
    """The texts about a stage from its start to its end."""
    path = f"/etc/runit/{number}"
    return (f"enter stage: {path}", *between, f"leave stage: {path}")


KILL = "sending KILL signal to all processes..."
DOWN = (KILL, "power off...")
RESTART = (KILL, "system reboot.")
SKIP = "warning: skipping stage 2..."
REFUSED = "warning: signals only work in stage 2."
