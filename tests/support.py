"""What tests share: the programs under test, service directories, waiting.

Tests run real processes.  They wait for what they expect with a deadline that is
only reached when something is broken; nothing here measures time.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import runit
from runit.launchers import interpreter

if TYPE_CHECKING:
    import pytest

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds until a wait is given up: far longer than a loaded machine needs."""

CHILD_TO_WAIT_FOR = "[ -p hold ] || mkfifo hold; cat hold >/dev/null & exec 3>hold\n"
"""For a shell script that sleeps in ``wait $!``, where no signal is missed.

Unlike a ``sleep`` in the background, this child ends when the shell does, however that
ends: it reads from a FIFO that only the shell holds open.
"""

REFERENCE = Path("/usr/bin")
"""Where Debian puts the programs of its runit package."""


def anyones_interpreter() -> str:
    """The interpreter that launchers name, if not only its owner may run it; else Debian's."""
    own, debian = interpreter(), "/usr/bin/python3"
    if all(parent.stat().st_mode & 0o001 for parent in Path(own).resolve().parents):
        return own
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    if Path(debian).exists() and subprocess.run([debian, "-IS", "-c", version]).returncode == 0:
        return debian
    return own


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where PROGRAM is not installed."""
    import pytest  # benchmarks do without

    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def has_reference(*programs: str) -> bool:
    """Whether the C programs are there (an ELF file, not a script of ours)."""
    for program in programs or ("runsv", "runsvdir", "sv", "svlogd", "chpst"):
        found = shutil.which(program, path="/usr/bin:/usr/sbin")
        if found is None or Path(found).read_bytes()[:4] != b"\x7fELF":
            return False
    return True


@functools.cache
def reference_version() -> tuple[int, ...]:
    """The version of the C programs, such as (2, 1, 2): Debian's stable one, if nobody knows."""
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${source:Upstream-Version}", "runit"],
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return 2, 1, 2
    return tuple(map(int, re.findall(r"\d+", done.stdout))) or (2, 1, 2)


def wait_for(condition: Callable[[], T], what: str = "", deadline: float = DEADLINE) -> T:
    """Ask CONDITION until it is true; returns its value, fails at the deadline.

    A file or a process that is not there, or went while CONDITION looked, is no answer.
    """
    end = time.monotonic() + deadline
    while True:
        late = time.monotonic() >= end
        try:
            value = condition()
        except (FileNotFoundError, ProcessLookupError):
            if late:
                raise
        else:
            if value:
                return value
            assert not late, f"waited in vain for {what or condition}"
        time.sleep(0.005)


def build(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Make a tree: name to content; None makes a directory.

    What starts with ``#!`` becomes executable.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        if data.startswith(b"#!"):
            path.chmod(0o755)
        wait_until_written(path)
    return root


def root_with_a_shell(directory: Path) -> Path:
    """Make a root directory with a shell, and what the shell needs."""
    shell = shutil.which("dash") or "/bin/sh"
    linked = subprocess.run(["ldd", shell], capture_output=True, text=True).stdout
    for file in [shell, *re.findall(r"(/\S+) \(0x", linked)]:
        copy = directory / file.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    (directory / "bin").mkdir(exist_ok=True)
    shutil.copy(shell, directory / "bin/sh")
    return directory


def wait_until_written(path: Path) -> None:
    """Wait until nobody has PATH open for writing: who has, keeps it from being executed.

    That may be a child that another thread is about to start, which still holds a copy
    of the writer's descriptor.  The kernel gives out no lease for reading meanwhile.
    """
    if not path.is_file():
        return
    descriptor = os.open(path, os.O_RDONLY)

    def leased() -> bool:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        except OSError:  # not on this file system, or not by us
            return True
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True

    try:
        wait_for(leased, f"{path} to be closed by its writers")
    finally:
        os.close(descriptor)


def stat(service: Path) -> str:
    """supervise/stat without its newline, empty when there is none."""
    try:
        return (service / "supervise/stat").read_text().rstrip("\n")
    except OSError:
        return ""


def pid(service: Path) -> int:
    """The service's pid from supervise/pid, 0 when down."""
    try:
        return int((service / "supervise/pid").read_text() or 0)
    except (OSError, ValueError):
        return 0


def command(service: Path, letters: str | bytes) -> None:
    """Write control characters to a service, as printf would."""
    data = letters.encode() if isinstance(letters, str) else letters
    control = os.open(service / "supervise/control", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(control, data)
    finally:
        os.close(control)


def alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def open_files(process: int) -> dict[int, str]:
    """What PROCESS holds open, by descriptor; what it closes meanwhile is left out."""
    found = {}
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[int(link.name)] = os.readlink(link)
    return found


def run_with_environment(entries: list[bytes], *command: str) -> bytes:
    """What COMMAND prints when its environment is ENTRIES, which may be anything."""
    code = (
        "import ctypes, os, sys; count = int(sys.argv[1]); words = sys.argv[2:]\n"
        "array = lambda of: (ctypes.c_char_p * (len(of) + 1))(*map(os.fsencode, of), None)\n"
        "entries, command = array(words[:count]), array(words[count:])\n"
        "ctypes.CDLL(None).execve(command[0], command, entries)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(len(entries)), *entries, *command],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


class Suite:
    """One set of programs: ours, or the reference's."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def is_reference(self, *version: int) -> bool:
        """Whether it is the reference, of VERSION or newer: see docs/differences.md."""
        return self.name == "reference" and reference_version() >= version

    def code_of_status(self, code: int, output: bytes) -> int:
        """What CODE is, of an init script's ``status`` that said OUTPUT, in newer versions.

        In older ones it is about the log service, if there is one.
        """
        words = re.fullmatch(rb"(run|finish|down): .*; (run|finish|down): log: .*\n", output, re.S)
        if self.name != "reference" or self.is_reference(2, 3) or not words:
            return code
        assert code == (3 if words[2] == b"down" else 0), (code, output)
        return 3 if words[1] == b"down" else 0

    def program(self, name: str) -> str:
        """The path of a program."""
        for directory in (self.directory, Path("/usr/sbin")):
            if (directory / name).exists():
                return str(directory / name)
        raise FileNotFoundError(name)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment for it: its own programs come first on PATH."""
        environment = {**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}", **more}
        for variable in ("SVDIR", "SVWAIT", "RUNSVDIR"):
            if variable not in more:
                environment.pop(variable, None)
        return environment

    def run(
        self, name: str, *arguments: str | bytes | Path, **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; output as bytes; pass subprocess's options."""
        options.setdefault("env", self.environment())
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        options.setdefault("timeout", 60)
        if options["stdin"] is None:
            del options["stdin"]
        return subprocess.run(
            [self.program(name), *arguments], capture_output=True, check=False, **options
        )

    def start(
        self, name: str, *arguments: str | bytes | Path, **options: object
    ) -> subprocess.Popen[bytes]:
        """Start a program in the background; the caller ends it."""
        options.setdefault("env", self.environment())
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([self.program(name), *arguments], **options)

    @contextmanager
    def runsv(self, service: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
        """A runsv on SERVICE, up when the block starts, ended after it.

        Up means that its FIFO is read: whether the service runs is for the test
        to wait for.
        """
        process = self.start("runsv", service, **options)
        try:
            wait_for(lambda: supervised(service) or process.poll() is not None, "runsv")
            yield process
        finally:
            end_runsv(process, service)

    @contextmanager
    def runsvdir(
        self, directory: Path, *arguments: str, **options: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A runsvdir on DIRECTORY; after the block it and all its services are ended.

        ARGUMENTS come before DIRECTORY, but for the log, which comes behind it.
        """
        log = [one for one in arguments if not one.startswith("-")]
        flags = [one for one in arguments if one.startswith("-")]
        process = self.start("runsvdir", *flags, directory, *log, **options)
        try:
            yield process
        finally:
            end_runsvdir(process, directory)


def end_runsvdir(process: subprocess.Popen[bytes], directory: Path) -> None:
    """HUP, and wait until no runsv is left in the directories that DIRECTORY lists."""
    services = [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
    if process.poll() is None:
        process.send_signal(signal.SIGHUP)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for service in services:
        end_service(service)


def end_service(service: Path) -> None:
    """Tell whatever runsv holds SERVICE to exit, and wait for that; at last kill its service."""
    command_quietly(service, "x")
    end = time.monotonic() + 5
    while listening(service):
        if time.monotonic() > end:
            for one in (pid(service), pid(service / "log")):
                if one:
                    with suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
            end += 5
        time.sleep(0.005)


def listening(service: Path) -> bool:
    """Whether a runsv holds the read end of supervise/ok."""
    try:
        os.close(os.open(service / "supervise/ok", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def supervised(service: Path) -> bool:
    """Whether a runsv holds the read end of supervise/ok and has written a status."""
    try:
        os.close(os.open(service / "supervise/ok", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return (service / "supervise/status").exists()


def end_runsv(process: subprocess.Popen[bytes], service: Path) -> None:
    """TERM; whatever does not go in time is killed, the service's processes too."""
    if process.poll() is None:
        process.terminate()
        command_quietly(service, "c")
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pids = [pid(service), pid(service / "log")]
            process.kill()
            process.wait()
            for one in pids:
                if one:
                    try:
                        os.kill(one, signal.SIGKILL)
                    except ProcessLookupError:
                        pass


def command_quietly(service: Path, letters: str) -> None:
    """As `command`, but a dead runsv is no error."""
    try:
        command(service, letters)
    except OSError:
        pass


def failing(*injects: str, paths: tuple[str | Path, ...] = (), children: bool = False) -> list[str]:
    """What a program is started by to have its calls fail, each as strace(1) is told.

    With PATHS only those that are about them; with CHILDREN those of its children, too.
    """
    calls = ",".join(inject.partition(":")[0] for inject in injects)
    flags = ["-f"] if children else []
    return (
        ["strace", *flags, "-qqo/dev/null", *(f"-P{path}" for path in paths), f"-etrace={calls}"]
        + [f"-einject={inject}" for inject in injects]
    )  # fmt: skip


def python(code: str, *before: str, **environment: str) -> str:
    """What CODE prints in an interpreter of its own, started by BEFORE."""
    root = Path(runit.__file__).parent.parent
    begin = f"import posix, sys; sys.path.append({str(root)!r})\n"
    return subprocess.run(
        [*before, sys.executable, "-ISBc", begin + code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment or None,
        timeout=60,
    ).stdout
