"""The suites that are measured: how each starts services, takes them in, and is asked.

A peer is one tree: an object of its class has a directory of its own, all services
defined and enabled in it, and knows the suite's own way to do what rows.py measures.
Where a suite's clients take one service at a time, a shell loops over them, as it would
have to anywhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from benchmarks import processes
from benchmarks.events import Events, Service
from runit.launchers import interpreter

PATIENCE = 120.0
"""Seconds until a peer is given up."""
EACH = 'do=$1; shift; for one; do $do "$one"; done'


class Ended(Exception):
    """A tree has ended by itself; says with which last words."""


class Peer:
    """A tree of NUMBER services that are SERVICE, under PLACE; not started yet.

    logs    each has a log, kept by the suite's own logger
    crash   each exits 1 at once
    """

    name = ""
    programs: tuple[str, ...] = ()
    package = ""
    """Of Debian, which tells the version."""
    most = 1000
    """Services that it can have."""
    beyond = "has room for 1000 services"
    """Why there cannot be more."""
    process_1 = ""
    """As which `firsts` knows its process 1."""

    def __init__(
        self, place: Path, number: int, service: Service, *, logs: bool = False, crash: bool = False
    ) -> None:
        self.place = place
        self.service = service
        self.logs = logs
        self.definitions = place / "sv"
        self.enabled = place / "enabled"
        self.definitions.mkdir(parents=True)
        self.events = Events(place / "events")
        self.environment = {**os.environ, "BENCH_EVENTS": str(self.events.fifo)}
        for variable in ("SVDIR", "SVWAIT", "BENCH_CRASH"):
            self.environment.pop(variable, None)
        if crash:
            self.environment["BENCH_CRASH"] = "1"
        path = [str(self.bin()), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment["PATH"] = ":".join(path)
        self.names = [f"s{one:05}" for one in range(number)]
        self.configure(number)
        for name in self.names:
            self.define(name)
            self.enable(name)
        self.root = 0

    @classmethod
    def bin(cls) -> Path:
        """Where its programs are, before all others."""
        return Path("/usr/bin")

    @classmethod
    def missing(cls) -> str:
        """Why it is left out; empty if it is not."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        gone = [one for one in cls.programs if not shutil.which(one, path=path)]
        return f"{', '.join(gone)} not installed" if gone else ""

    @classmethod
    def version(cls) -> str:
        """What is measured."""
        query = ["dpkg-query", "--showformat=${Version}", "--show", cls.package]
        try:
            done = subprocess.run(query, capture_output=True, text=True, check=False)
        except OSError:
            return "of unknown version"
        return done.stdout or "of unknown version"

    def configure(self, number: int) -> None:
        """Write what is not of one service."""
        self.enabled.mkdir()

    def define(self, name: str) -> None:
        """Make a service directory."""
        directory = self.definitions / name
        directory.mkdir()
        (directory / "run").symlink_to(self.service.path)
        if self.logs:
            self.define_log(directory)

    def define_log(self, directory: Path) -> None:
        """Give the service a log, in log/main."""
        (directory / "log/main").mkdir(parents=True)
        run = directory / "log/run"
        run.write_text(f"#!/bin/sh\nexec {self.logger}\n")
        run.chmod(0o755)

    logger = ""
    """The command for a log's run file."""

    def enable(self, name: str) -> None:
        """Say that the service is wanted: at the next start, or when the suite looks."""
        (self.enabled / name).symlink_to(self.definitions / name)

    def disable(self, name: str) -> None:
        (self.enabled / name).unlink()

    def command(self) -> Sequence[str | Path]:
        """What starts the tree, and stays."""
        raise NotImplementedError

    def start(self) -> int:
        """Start the tree; the time before that (CLOCK_MONOTONIC, ns)."""
        command = self.command()
        with (self.place / "errors").open("ab") as errors:
            start = time.monotonic_ns()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=self.environment,
                start_new_session=True,
            )
        self.root = process.pid
        return start

    def link(self, name: str) -> None:
        """Take a service in that is defined."""
        self.enable(name)

    def unlink(self, name: str) -> None:
        """Take a service away, so that it ends."""
        self.disable(name)

    def status(self, names: Sequence[str]) -> None:
        """Have the client tell of them."""
        raise NotImplementedError

    def restart(self, names: Sequence[str]) -> None:
        """Have the client end them and start them again; may return before that is done."""
        raise NotImplementedError

    def stop(self) -> None:
        """Begin to end all services and the tree."""
        self.signal(signal.SIGTERM)

    def run(self, *command: str | Path) -> None:
        """Run a client.  Raises CalledProcessError, Late.

        Without a timeout of subprocess, which looks at times that double: it would tell
        1.5, 3.5, 7.5 and 15.5 ms, and nothing between.
        """
        with (self.place / "errors").open("ab") as errors:
            client = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=self.environment,
            )
        try:
            processes.wait_until_gone([client.pid], PATIENCE)
        except processes.Late:
            client.kill()
            raise
        finally:
            code = client.wait()
        if code:
            raise subprocess.CalledProcessError(code, command)

    def each(self, do: str, names: Sequence[str]) -> None:
        """Run DO for each service's directory, with that behind it."""
        if len(names) == 1:
            self.run(*do.split(), *self.paths(names))
        else:
            self.run("sh", "-c", EACH, "sh", do, *self.paths(names))

    def paths(self, names: Sequence[str]) -> list[Path]:
        return [self.enabled / name for name in names]

    def signal(self, number: int) -> None:
        """Send a signal to the tree's first process."""
        os.kill(self.root, number)

    def everybody(self) -> list[int]:
        """All its processes."""
        return processes.descendants(self.root)

    def supervisors(self) -> list[int]:
        """All its processes that are no services."""
        services = set(self.events.pids.values())
        return [one for one in self.everybody() if one not in services]

    def started(self, names: Sequence[str], since: int) -> int:
        """Wait until all have started after SINCE; the time of the last, in ns.

        Raises Late, and Ended if the tree has.
        """
        return self.events.all_started(names, since, PATIENCE, self._check)

    def _check(self) -> None:
        with suppress(ChildProcessError):
            if os.waitid(os.P_PID, self.root, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                said = (self.place / "errors").read_text(errors="replace").splitlines()
                raise Ended(f"{self.name} ended: {said[-1] if said else 'without a word'}")

    def supervisors_of(self, names: Sequence[str]) -> list[int]:
        """Those that have one of these services each, if it is so."""
        parents = {processes.parent(self.events.pids[name]) for name in names}
        return sorted(parents - {self.root, 0})

    def close(self) -> None:
        """Leave nothing on disk; all processes have ended."""
        self.events.close()
        shutil.rmtree(self.place)


class CRunit(Peer):
    name = "C runit"
    programs = ("runsvdir", "runsv", "sv", "svlogd")
    package = "runit"
    process_1 = "reference"
    logger = "svlogd ./main"

    @classmethod
    def missing(cls) -> str:
        for program in cls.programs:
            path = Path("/usr/bin", program)
            if not path.exists() or path.read_bytes()[:4] != b"\x7fELF":
                return f"{path} is not the C program"
        return ""

    def configure(self, number: int) -> None:
        """Make two run levels, a and b."""
        self.levels = self.place / "runsvdir"
        self.enabled = self.levels / "current"
        (self.levels / "a").mkdir(parents=True)
        (self.levels / "b").mkdir()
        self.enabled.symlink_to("a")

    def command(self) -> Sequence[str | Path]:
        return [self.bin() / "runsvdir", "-P", self.enabled]

    def status(self, names: Sequence[str]) -> None:
        self.run(self.bin() / "sv", "status", *self.paths(names))

    def restart(self, names: Sequence[str]) -> None:
        self.run(self.bin() / "sv", "-w", str(PATIENCE), "restart", *self.paths(names))

    def pause(self, name: str) -> None:
        """Stop a service's process, and wait until that is known."""
        self.run(self.bin() / "sv", "-v", "pause", *self.paths([name]))

    def go_on(self, name: str) -> None:
        """Undo `pause`."""
        self.run(self.bin() / "sv", "cont", *self.paths([name]))

    def switch(self, level: str) -> None:
        """Change the run level: its program knows one directory, so that is put there."""
        script = 'mount --bind "$1" /etc/runit/runsvdir && exec runsvchdir "$2"'
        self.run("unshare", "--mount", "sh", "-c", script, "sh", self.levels, level)

    @classmethod
    def cannot_switch(cls) -> str:
        """Why `switch` will not do; empty if it will."""
        if os.geteuid():
            return "needs root, because runsvchdir knows /etc only"
        return "" if Path("/etc/runit/runsvdir").is_dir() else "/etc/runit/runsvdir is missing"

    def stop(self) -> None:
        self.signal(signal.SIGHUP)


class Ours(CRunit):
    name = "pyrunit"
    most = 1_000_000
    process_1 = "ours"
    directory = Path()
    """Where our programs are."""
    offers = False
    """Its memory, to be merged by the kernel."""

    def command(self) -> Sequence[str | Path]:
        program, *more = super().command()
        return [program, *(["-m"] if self.offers else []), *more]

    @classmethod
    def bin(cls) -> Path:
        return cls.directory

    @classmethod
    def missing(cls) -> str:
        return ""

    @classmethod
    def interpreter(cls) -> str:
        """The one that its programs name."""
        named = (cls.directory / "sv").open().readline()[2:].split()[0]
        return interpreter() if named == "/bin/sh" else named

    @classmethod
    def version(cls) -> str:
        from runit import __version__

        version = [cls.interpreter(), "-IS", "-c", "import sys; print(sys.version.split()[0])"]
        return f"{__version__}, CPython {subprocess.check_output(version, text=True).strip()}"

    def define_log(self, directory: Path) -> None:
        """A log without a run file is kept by the built-in logger."""
        (directory / "log/main").mkdir(parents=True)
        (directory / "log/config").write_text("s1000000\n")

    def switch(self, level: str) -> None:
        self.run("env", f"RUNSVDIR={self.levels}", self.bin() / "runsvchdir", level)

    @classmethod
    def cannot_switch(cls) -> str:
        return ""


class S6(Peer):
    name = "s6"
    programs = ("s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "s6-svscanctl", "s6-log")
    package = "s6"
    most = 40_000
    beyond = "has room for 40000 services"
    logger = "s6-log n10 s1000000 ./main"

    def command(self) -> Sequence[str | Path]:
        room = 2 * len(self.names) + 500
        return ["s6-svscan", "-c", str(room), self.enabled]

    def link(self, name: str) -> None:
        self.enable(name)
        self.run("s6-svscanctl", "-a", self.enabled)

    def unlink(self, name: str) -> None:
        self.disable(name)
        self.run("s6-svscanctl", "-an", self.enabled)

    def status(self, names: Sequence[str]) -> None:
        self.each("s6-svstat", names)

    def restart(self, names: Sequence[str]) -> None:
        self.each("s6-svc -r", names)

    def stop(self) -> None:
        self.run("s6-svscanctl", "-t", self.enabled)


class Daemontools(Peer):
    name = "daemontools"
    programs = ("svscan", "supervise", "svc", "svstat", "multilog")
    package = "daemontools"
    logger = "multilog n10 s1000000 ./main"

    def define_log(self, directory: Path) -> None:
        super().define_log(directory)
        directory.chmod(0o1755)  # how svscan knows

    def command(self) -> Sequence[str | Path]:
        return ["svscan", self.enabled]

    def unlink(self, name: str) -> None:
        self.disable(name)
        self.run("svc", "-dx", self.definitions / name)

    def status(self, names: Sequence[str]) -> None:
        self.run("svstat", *self.paths(names))

    def restart(self, names: Sequence[str]) -> None:
        self.run("svc", "-t", *self.paths(names))

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        self.run("svc", "-dx", *self.paths(self.names))
        if self.logs:
            self.run("svc", "-dx", *(path / "log" for path in self.paths(self.names)))


class Supervisor(Peer):
    name = "supervisord"
    programs = ("supervisord", "supervisorctl")
    beyond = "was not tried: a thousand take it long enough"

    @classmethod
    def version(cls) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        program = shutil.which("supervisord", path=path)
        return subprocess.check_output([str(program), "--version"], text=True).strip()

    def configure(self, number: int) -> None:
        self.enabled.mkdir()
        self.configuration = self.place / "conf"
        self.configuration.write_text(
            f"""\
[supervisord]
nodaemon=true
logfile={self.place}/log
pidfile={self.place}/pid
minfds={4 * number + 1000}
minprocs=1
[unix_http_server]
file={self.place}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{self.place}/socket
[include]
files={self.enabled}/*
"""
        )

    def define(self, name: str) -> None:
        """Without a log, output goes nowhere; its client waits `startsecs` for each start."""
        directory = self.definitions / name
        directory.mkdir()
        crash = "BENCH_CRASH" in self.environment
        log = directory / "log" if self.logs else "NONE"
        (directory / "conf").write_text(
            f"""\
[program:{name}]
command={self.service.path}
directory={directory}
autorestart=true
startsecs={int(crash)}
startretries=1000000
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=1000000
"""
        )

    def enable(self, name: str) -> None:
        (self.enabled / name).symlink_to(self.definitions / name / "conf")

    def command(self) -> Sequence[str | Path]:
        return ["supervisord", "-c", self.configuration]

    def link(self, name: str) -> None:
        self.enable(name)
        self.control("update")

    def unlink(self, name: str) -> None:
        self.disable(name)
        self.control("update")

    def status(self, names: Sequence[str]) -> None:
        self.control("status", *(names if len(names) == 1 else ()))

    def restart(self, names: Sequence[str]) -> None:
        self.control("restart", *(["all"] if len(names) == len(self.names) else names))

    def control(self, *words: str) -> None:
        self.run("supervisorctl", "-c", self.configuration, *words)


class Circus(Peer):
    name = "circus"
    programs = ("circusd", "circusctl")
    beyond = "was not tried: a thousand take it long enough"

    @classmethod
    def version(cls) -> str:
        from importlib.metadata import version

        return version("circus")

    def configure(self, number: int) -> None:
        self.enabled.mkdir()
        self.configuration = self.place / "conf"
        self.configuration.write_text(
            f"""\
[circus]
endpoint=ipc://{self.place}/c
pubsub_endpoint=ipc://{self.place}/p
statsd=False
include={self.enabled}/*.ini
"""
        )

    def define(self, name: str) -> None:
        directory = self.definitions / name
        directory.mkdir()
        stream = ""
        if self.logs:
            stream = f"stdout_stream.class=FileStream\nstdout_stream.filename={directory}/log\n"
        (directory / "conf").write_text(
            f"""\
[watcher:{name}]
cmd={self.service.path}
working_dir={directory}
copy_env=True
{stream}"""
        )

    def enable(self, name: str) -> None:
        (self.enabled / f"{name}.ini").symlink_to(self.definitions / name / "conf")

    def disable(self, name: str) -> None:
        (self.enabled / f"{name}.ini").unlink()

    def command(self) -> Sequence[str | Path]:
        return ["circusd", self.configuration]

    def link(self, name: str) -> None:
        self.enable(name)
        self.control("reloadconfig")

    def unlink(self, name: str) -> None:
        self.disable(name)
        self.control("reloadconfig")

    def status(self, names: Sequence[str]) -> None:
        self.control("status", *(names if len(names) == 1 else ()))

    def restart(self, names: Sequence[str]) -> None:
        """One by name, or those whose names begin alike: see `rows.SOME`."""
        if len(names) == 1:
            self.control("restart", *names)
        else:
            self.control("restart", "--match", "glob", f"{_beginning(names)}*")

    def control(self, *words: str) -> None:
        self.run(
            "circusctl",
            "--timeout",
            str(int(PATIENCE)),
            "--endpoint",
            f"ipc://{self.place}/c",
            *words,
        )


def _beginning(names: Sequence[str]) -> str:
    """What all NAMES have in front."""
    first, last = min(names), max(names)
    same = (one == other for one, other in zip(first, last, strict=False))
    return first[: sum(takewhile(bool, same))]


ALL: tuple[type[Peer], ...] = (CRunit, Ours, S6, Daemontools, Supervisor, Circus)
