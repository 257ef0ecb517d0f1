"""A machine for the commands of the old world: PID and mount namespaces of its own.

A stand-in for process 1 runs in it.  It is called runit, runs what the test asks for,
and counts the signals that the real one would act on.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support import DEADLINE, anyones_interpreter, build

from runit.boot import utmp
from runit.launchers import LFS, write

# Its own network, too: some of these commands take interfaces down.
NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork")

AGENT = r"""
import json, os, signal, subprocess, sys
root, comm, console, suite = sys.argv[1:]
def mount(*words):
    subprocess.run(["mount", *words], check=True)
for name in os.listdir("/"):
    place = os.path.join(root, name)
    if os.path.lexists(place):
        continue
    if os.path.islink("/" + name):
        os.symlink(os.readlink("/" + name), place)
    elif name == "proc":
        os.mkdir(place)
        mount("-t", "proc", "proc", place)
    elif os.path.isdir("/" + name):
        os.mkdir(place)
        if name != "sys":  # no disk of the real machine is to be found there
            mount("--rbind" if name == "dev" else "--bind", "/" + name, place)
os.mkdir(root + "/suite")
mount("--bind", suite, root + "/suite")
mount("--bind", console, root + "/dev/console")
os.chroot(root)
os.chdir("/")
if comm.startswith("/"):
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)
    os.execv(comm, ["runit"])
open("/proc/self/comm", "w").write(comm)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
signal.signal(signal.SIGTSTP, lambda number, frame: open("/idle", "w").close())
def unblock():
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "run" in asked:
        user = asked.get("user")
        done = subprocess.run(asked["run"], capture_output=True, preexec_fn=unblock,
                              stdin=subprocess.DEVNULL, env=asked["env"], user=user,
                              close_fds=True)
        answer = [done.returncode, done.stdout.decode("latin1"), done.stderr.decode("latin1")]
    elif "start" in asked:
        child = subprocess.Popen(asked["start"], preexec_fn=unblock, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, env=asked["env"])
        child.stdout.readline()
        answer = child.pid
    elif "kill" in asked:
        os.kill(asked["kill"], asked["signal"])
        answer = None
    elif "await" in asked:
        got = signal.sigtimedwait([signal.SIGCONT], asked["await"])
        answer = got is not None
    elif "wait" in asked:
        answer = os.waitpid(asked["wait"], 0)[1]
    elif "state" in asked:
        try:
            stat = open("/proc/%d/stat" % asked["state"]).read()
            answer = stat.rpartition(")")[2].split()[0]
        except OSError:
            answer = ""
    print(json.dumps(answer), flush=True)
"""


SUITE = "/suite"
"""Where the machine has the suite: anybody may read it there."""

PROGRAMS = f"{SUITE}/bin"


def may() -> bool:
    """Whether such a machine can be had."""
    if os.geteuid() != 0:
        return False
    command = [*NAMESPACES, "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


class Terminal:
    """A pseudo terminal, that somebody may be logged in on."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self.line = self.name.removeprefix("/dev/")
        self.text = b""

    def read(self, expected: bytes) -> bytes:
        """What was written so far, once EXPECTED is in it."""
        end = time.monotonic() + DEADLINE
        while expected not in self.text:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, (expected, self.text)
            self.text += os.read(self.master, 65536)
        return self.text

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


class Machine:
    """Its root is a directory of the test's; /usr and the like are the real ones.

    COMM is the name of the stand-in, or the path of a real process 1, for which STAGES
    are.
    """

    def __init__(
        self,
        root: Path,
        suite: Path,
        comm: str = "runit",
        stages: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.root = root
        self.console = Terminal()
        self.terminals = [self.console]
        runlevels = "etc/runit/runsvdir"
        files: dict[str, str | bytes | None] = {
            "etc/passwd": "root:x:0:0::/:/bin/sh\n",
            f"{runlevels}/single": None,
            f"{runlevels}/multi": None,
            "var/log/wtmp": b"",
            "run/utmp": b"",
        }
        build(root, files)
        (root / runlevels / "current").symlink_to("/etc/runit/runsvdir/multi")
        (root / "var/run").symlink_to("/run")
        for name in ("ld.so.cache", "localtime", "alternatives"):
            if Path("/etc", name).exists():
                (root / "etc" / name).symlink_to(Path("/usr/lib", name))
        (root / "etc/ld.so.cache").unlink(missing_ok=True)
        (root / "etc/ld.so.cache").write_bytes(Path("/etc/ld.so.cache").read_bytes())
        build(root, stages)
        self.process = subprocess.Popen(
            [*NAMESPACES, "--propagation=private", "--kill-child"]
            + [anyones_interpreter(), "-IS", "-c", AGENT, root, comm, self.console.name, suite],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert comm.startswith("/") or self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 2 * DEADLINE)
        assert ready, "the machine does not answer"
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        request.setdefault("env", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC0"})
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def run(self, *words: str, user: int | None = None) -> tuple[int, str, str]:
        """Run one of the programs to its end: exit code, output, errors."""
        code, output, errors = self.ask(run=[f"{PROGRAMS}/{words[0]}", *words[1:]], user=user)
        return code, output, errors

    def shell(self, script: str) -> str:
        """What a script prints."""
        code, output, errors = self.ask(run=["sh", "-c", script])
        assert code == 0, errors
        return str(output)

    def start(self, *words: str) -> int:
        """Start something that prints a line when it is ready; its pid in the machine."""
        return int(self.ask(start=list(words)))

    def kill(self, pid: int, number: int) -> None:
        self.ask(kill=pid, signal=number)

    def alive(self, pid: int) -> bool:
        return self.ask(state=pid) not in ("", "Z", "X")

    def told(self, seconds: float = 0) -> str:
        """What process 1 was told: ``reboot``, ``off`` or nothing."""
        if not self.ask(**{"await": seconds}):
            return ""
        assert self.flag("stopit")
        return "reboot" if self.flag("reboot") else "off"

    def flag(self, name: str) -> bool:
        """Whether a flag is set, where runit's own or Debian's runit looks for it."""
        for path in (self.root / "etc/runit" / name, self.root / "run" / f"runit.{name}"):
            if path.is_symlink():
                path = self.root / os.readlink(path).lstrip("/")
            if path.exists() and path.stat().st_mode & 0o100:
                return True
        return False

    def log_in(self, user: str, line: str | None = None) -> Terminal:
        """Somebody with a terminal, and a record in utmp of that or of another LINE."""
        terminal = Terminal()
        self.terminals.append(terminal)
        record = utmp.Record()
        record.type, record.pid = utmp.USER_PROCESS, 1
        record.line = (line or terminal.line).encode()
        record.user = user.encode()
        with (self.root / "run/utmp").open("ab") as stream:
            stream.write(record.raw)
        return terminal

    def wtmp(self) -> list[utmp.Record]:
        content = (self.root / "var/log/wtmp").read_bytes()
        return [
            utmp.Record(content[at : at + utmp.SIZE]) for at in range(0, len(content), utmp.SIZE)
        ]

    def replace_tools(self) -> None:
        """Let what changes file systems only note its arguments: they are the host's here."""
        build(self.root, {"tool": '#!/bin/sh\necho "${0##*/} $*" >>/steps\n'})
        self.shell(
            "trigger=/proc/sysrq-trigger; [ ! -e $trigger ] || mount --bind /dev/null $trigger"
            " || exit; for tool in swapoff umount mount;"
            ' do mount --bind /tool "$(readlink -f "$(command -v $tool)")" || exit; done'
        )

    def steps(self) -> list[str]:
        """What those were called with."""
        return (self.root / "steps").read_text().splitlines()

    def end(self) -> int:
        """Wait for its end, or end it; what became of process 1."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()
            for terminal in self.terminals:
                terminal.close()
            self.terminals = []


def write_programs(suite: Path) -> Path:
    """The programs that only a machine's installation has, beside SUITE/package."""
    write(suite / "bin", LFS, f"{SUITE}/package", anyones_interpreter())
    return suite


HANGUP, INTERRUPT = -signal.SIGHUP, -signal.SIGINT
"""How a PID namespace's process 1 ends when reboot(2) restarts it, or turns it off."""
