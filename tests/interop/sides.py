"""The same operations on several mixes of programs, and what there is to see of each.

A `Side` is a mix of programs that works in a directory of its own.  It writes down
whatever anybody could see, with process ids and times masked: P1 is the first pid
that was seen, T1 the first time stamp.  `play` has all sides do the same at the same
time, and compares what they wrote down.
"""

from __future__ import annotations

import array
import difflib
import errno
import fcntl
import os
import platform
import re
import signal
import stat as modes
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from support import Suite, build, command, command_quietly, pid, supervised, wait_for

PROGRAMS = ("runsv", "runsvdir", "sv", "svlogd", "chpst", "runsvchdir")

STATES = ("down", "run", "finish")

POLLS = {"x86_64": (7, 271), "i686": (168, 309), "aarch64": (73,)}
"""System calls that wait in poll(2)."""

SIGNALS = {"HUP": "h", "ALRM": "a", "INT": "i", "QUIT": "q", "USR1": "1", "USR2": "2"}
"""What can be caught, and has no other meaning to runsv; and its letter."""

RECORDER = f"""#!{sys.executable} -IS
import os, signal, sys
catch = signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}}
signal.pthread_sigmask(signal.SIG_BLOCK, catch)
did = os.open("did", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
word = " ".join(["begin", os.path.basename(sys.argv[0]), *sys.argv[1:]])
while True:
    os.write(did, word.encode() + b"\\n")
    word = signal.Signals(signal.sigwaitinfo(catch).si_signo).name[3:]
"""
"""Records its name, its arguments and every signal that it gets; only KILL ends it."""

DID = ("did", "control.did", "log.did")
"""What services record in: what they themselves do, their control/ scripts, their logs.

These three run at the same time, so the order counts within each only.
"""

MISSING = os.strerror(errno.ENOENT)

Played = Callable[[str], None]
Step = Callable[["Side"], None]
Files = Mapping[str, "str | bytes | None"]


class Side:
    """A mix of programs, NAME, in the directory ROOT.

    MIX says whose program each is; `service` is where the service directory of most
    plays is; `seen` is what was written down.
    """

    def __init__(self, name: str, root: Path, mix: Mapping[str, Suite]) -> None:
        self.name = name
        self.root = root
        self.mix = mix
        self.service = root / "s"
        self.seen: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.errors = root / "errors"
        self._pids: list[int] = []
        self._stamps: list[bytes] = []
        self._did = dict.fromkeys(DID, 0)
        (root / "bin").mkdir(parents=True)
        for program, suite in mix.items():
            (root / "bin" / program).symlink_to(suite.program(program))
        self.errors.touch()

    def __repr__(self) -> str:
        return self.name

    # Programs

    def environment(self, **more: str) -> dict[str, str]:
        """The programs of the mix come first on PATH; services are in ROOT."""
        path = f"{self.root}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"PATH": path, "SVDIR": str(self.root), "HOME": "/", **more}

    def start(
        self,
        program: str,
        *arguments: str | bytes | Path,
        prefix: Iterable[str] = (),
        **options: object,
    ) -> subprocess.Popen[bytes]:
        """Start a program of the mix in ROOT; standard error goes to `errors`."""
        options.setdefault("env", self.environment())
        options.setdefault("cwd", self.root)
        options.setdefault("stdin", subprocess.DEVNULL)
        with self.errors.open("ab") as errors:
            process = subprocess.Popen(
                [*prefix, self.root / "bin" / program, *arguments], **{"stderr": errors, **options}
            )
        self.processes.append(process)
        return process

    def run(
        self, program: str, *arguments: str | bytes, prefix: Iterable[str] = (), **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program of the mix in ROOT to its end; output and errors together."""
        options.setdefault("env", self.environment())
        options.setdefault("cwd", self.root)
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            [*prefix, self.root / "bin" / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
            **options,
        )

    def close(self) -> None:
        """End what was started here; the services too, whatever state they are in."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    # Writing down

    def note(self, *words: object) -> None:
        """Write down one line."""
        self.seen.append(" ".join(str(word) for word in words))

    def masked(self, output: bytes | str) -> str:
        """Output without what differs by nature: where this side is, pids, ages."""
        text = output if isinstance(output, str) else output.decode(errors="backslashreplace")
        text = text.replace(f"{self.root}/bin/", "").replace(str(self.root), "ROOT")
        text = re.sub(r"\b\d+s\b", "Ns", re.sub(r"\(pid \d+\)", "(pid N)", text))
        return re.sub(r"@4[0-9a-f]{23}", "@TAI64N", text)

    def look(self, *places: str) -> None:
        """Write down the records in PLACES: empty for the service, or ``log``."""
        for place in places:
            where = self.service / place
            if (where / "supervise/status").exists():
                self.note(where.relative_to(self.root), *self._records(where))

    def look_at_did(self) -> None:
        """Write down what was recorded since the last look."""
        for name in DID:
            new = self.new_did(name)
            self._did[name] += len(new)
            for line in new:
                self.note(name, self._as_before(line) if name == "control.did" else line)

    def _as_before(self, line: str) -> str:
        """What a control/ script said, ``NAME COUNT ...``: of no argument, as in 2.1.2."""
        if not self.mix["runsv"].is_reference(2, 3, 1) or not line.startswith("control/"):
            return line
        name, count, *rest = line.split()
        assert count == "1", line
        return " ".join([name, "0", *rest])

    def _records(self, where: Path) -> list[str]:
        record = (where / "supervise/status").read_bytes()
        number = _text(where / "supervise/pid")  # a log service that never ran has none
        words = (where / "supervise/stat").read_bytes()
        assert len(record) == 20
        stamp, process = record[:12], int.from_bytes(record[12:16], "little")
        if stamp not in self._stamps:
            assert not self._stamps or stamp[:1] == b"@"
            self._stamps.append(stamp)
        if process and process not in self._pids:
            self._pids.append(process)
        pid_file = repr(number)
        if process and number == f"{process}\n":
            pid_file = "the same"
        return [
            f"T{self._stamps.index(stamp) + 1}",
            f"P{self._pids.index(process) + 1}" if process else "no pid",
            repr(record[16:]),
            "stat",
            repr(words),
            "pid",
            pid_file,
        ]

    def new_did(self, name: str = "did") -> list[str]:
        """What was recorded in the file NAME since the last look."""
        try:
            text = (self.service / name).read_text(errors="backslashreplace")
        except OSError:
            return []
        return text.split("\n")[:-1][self._did[name] :]

    def error_lines(self) -> list[str]:
        """Standard error of all that was started, line by line."""
        return self.masked(self.errors.read_bytes()).split("\n")[:-1]

    def supervise_files(self, where: Path) -> list[str]:
        """Names, types and modes under supervise/, in order; and of supervise itself."""
        place = where / "supervise"
        return [
            f"{path.relative_to(where)} {modes.filemode(path.lstat().st_mode)}"
            for path in [place, *sorted(place.iterdir())]
        ]

    # What is going on

    def quiet(self) -> bool:
        """Whether nothing more will happen by itself.

        runsv has read all commands and sleeps, nothing is to be started, its children
        are the recorded ones, and they wait or are stopped; and it has slept all the
        while that this was looked at.
        """
        assert self.process is not None
        if self.process.poll() is not None:
            return True
        before = switches(self.process.pid)
        places = [self.service]
        if (self.service / "log/supervise/status").exists():
            places.append(self.service / "log")
        records = [(place / "supervise/status").read_bytes() for place in places]
        processes = [int.from_bytes(record[12:16], "little") for record in records]
        return (
            all(_waiting_bytes(place) == 0 for place in places)
            and in_poll(self.process.pid)
            and all(record[17:] != b"u\0\0" for record in records)
            and children(self.process.pid) == {*processes} - {0}
            and all(not process or proc_state(process) in "ST" for process in processes)
            and switches(self.process.pid) == before
        )


def _waiting_bytes(place: Path) -> int:
    """How many bytes wait in the control FIFO of a service."""
    try:
        descriptor = os.open(place / "supervise/control", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return 0
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
    finally:
        os.close(descriptor)
    return count[0]


def switches(process: int) -> list[str]:
    """How often it went to sleep or was made to wait: the same as long as it sleeps."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return [line for line in lines if "ctxt_switches" in line]


def in_poll(process: int) -> bool:
    """Whether a process sleeps in poll(2)."""
    try:
        call = Path(f"/proc/{process}/syscall").read_text().split()[0]
    except OSError:
        return False
    return call.isdigit() and int(call) in POLLS.get(platform.machine(), (7, 271))


def sleeps_long(process: int) -> bool:
    """Whether it sleeps in poll(2) with nothing to do in the next minutes.

    The third argument says so; it is not seen where the call is ppoll(2).
    """
    try:
        words = Path(f"/proc/{process}/syscall").read_text().split()
    except OSError:
        return False
    if words[0] not in ("7", "168") or len(words) < 4:
        return in_poll(process)
    milliseconds = int(words[3], 16) & 0xFFFFFFFF
    return milliseconds >= 100_000  # -1, for ever, too


def children(process: int) -> set[int]:
    """The living children of a process; a zombie, which will be reaped, is -1."""
    found = set()
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        found.add(-1 if proc_state(int(child)) in "ZX" else int(child))
    return found


def proc_state(process: int) -> str:
    """The letter of proc(5) for the state of a process, X if there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"


def parent(process: int) -> int:
    """The pid of a process's parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def play(sides: list[Side], files: Files, steps: Iterable[Step]) -> list[str]:
    """All SIDES do STEPS on a service of FILES, at the same time, and are closed.

    Returns what was wrong: nothing if all saw what the first one saw.
    """
    steps = list(steps)

    def act(side: Side) -> Exception | None:
        try:
            build(side.service, files)
            for step in steps:
                step(side)
        except Exception as error:
            return error
        finally:
            side.close()
        return None

    with ThreadPoolExecutor(len(sides)) as pool:
        failures = list(pool.map(act, sides))
    problems = []
    for side, failure in zip(sides, failures, strict=True):
        if failure is not None:
            problems.append(f"{side}: {type(failure).__name__}: {failure}")
            problems += ["    " + line for line in side.seen[-12:] + side.error_lines()[-5:]]
    first = sides[0]
    for side in sides[1:]:
        problems += difflib.unified_diff(first.seen, side.seen, first.name, side.name, lineterm="")
    return problems


# Steps


def runsv(name: str = "s", **options: object) -> Step:
    """Start runsv on the service directory NAME, and wait until it listens."""

    def step(side: Side) -> None:
        side.process = process = side.start("runsv", name, **options)
        wait_for(lambda: supervised(side.service) or process.poll() is not None, "runsv")
        if process.poll() is not None:
            side.note("runsv ended at once", process.returncode)

    return step


def stat(words: str, log: bool = False) -> Step:
    """Wait until the records say WORDS, all three of them."""
    record = words.replace("want exit", "want down")

    def step(side: Side) -> None:
        where = side.service / "log" if log else side.service

        def says() -> bool:
            try:
                text = (where / "supervise/stat").read_text()
                now = (where / "supervise/status").read_bytes()
                number = _text(where / "supervise/pid")
            except OSError:
                return False
            process = int.from_bytes(now[12:16], "little")
            return (
                text == words + "\n"
                and in_words(now) == record
                and number in ([f"{process}\n"] if now[19] else ["", MISSING])
            )

        wait_for(says, f"{words!r}, it is {_text(where / 'supervise/stat')!r}")
        side.note(f"[{words}]")
        side.look("log" if log else "")

    return step


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        return error.strerror or "?"


def in_words(record: bytes) -> str:
    """What supervise/stat says for a record, as far as the record tells."""
    words = [STATES[record[19]]]
    if record[16]:
        words.append("paused")
    if record[18]:
        words.append("got TERM")
    if record[17:18] == b"d" and record[19]:
        words.append("want down")
    return ", ".join(words)


def send(letters: str | bytes, log: bool = False) -> Step:
    """Write control characters to the service, or to its log service."""

    def step(side: Side) -> None:
        side.note("send", letters, "to the log" if log else "")
        if side.process and side.process.poll() is not None:
            return  # it has ended already, of which its end tells
        command(side.service / "log" if log else side.service, letters)

    return step


def did(*lines: str) -> Step:
    """Wait until LINES are what was recorded since the last look, in this order."""

    def step(side: Side) -> None:
        try:
            wait_for(lambda: len(side.new_did()) >= len(lines), f"{lines} to be recorded")
        finally:
            side.look_at_did()
        recorded = [line.removeprefix("did ") for line in side.seen if line.startswith("did ")]
        assert recorded[-len(lines) :] == [*lines]

    return step


def did_all(*lines: str) -> Step:
    """As `did`, in any order: signals that come together are not taken in order."""

    def step(side: Side) -> None:
        wait_for(lambda: sorted(side.new_did()) == sorted(lines), f"{lines} to be recorded")
        side._did["did"] += len(lines)

    return step


def quiet(side: Side) -> None:
    """Wait until runsv has done what it was told, and look."""
    wait_for(side.quiet, "runsv to be quiet")
    side.note("[quiet]")
    side.look("", "log")
    side.look_at_did()


def state(letter: str) -> Step:
    """Wait until the process of the service is in the state LETTER of proc(5)."""

    def step(side: Side) -> None:
        process = pid(side.service)
        wait_for(lambda: proc_state(process) == letter, f"the state {letter}")

    return step


def kill(name: str, log: bool = False) -> Step:
    """Send a signal to the process of the service itself."""

    def step(side: Side) -> None:
        side.note("kill", name, "the log service" if log else "the service")
        process = pid(side.service / "log" if log else side.service)
        assert process
        os.kill(process, signal.Signals["SIG" + name])

    return step


def term(side: Side) -> None:
    """Send TERM to runsv."""
    assert side.process is not None
    side.note("TERM to runsv")
    side.process.terminate()


def ends(side: Side) -> None:
    """Wait for the end of runsv, and look at everything that is left."""
    assert side.process is not None
    side.note("runsv ends", side.process.wait(30))
    side.look("", "log")
    side.look_at_did()
    for where in (side.service, side.service / "log"):
        if (where / "supervise").is_dir():
            for line in side.supervise_files(where):
                side.note(where.relative_to(side.root), line)
    for line in side.error_lines():
        side.note("error", line)


def sv(*arguments: str) -> Step:
    """Run sv, and write down what it says and its exit code."""

    def step(side: Side) -> None:
        done = side.run("sv", *arguments)
        side.note("sv", *arguments, "->", done.returncode, side.masked(done.stdout))

    return step


def go(side: Side) -> None:
    """Let a script that reads from the FIFO `go` end."""
    (side.service / "go").write_text("")


def fifo(side: Side) -> None:
    """Make the FIFO `go` in the service directory."""
    os.mkfifo(side.service / "go")


def told(lines: int) -> Step:
    """Wait until that many LINES stand on standard error."""

    def step(side: Side) -> None:
        wait_for(lambda: len(side.error_lines()) >= lines, "a message")

    return step


def errors(side: Side) -> None:
    """Write down standard error."""
    for line in side.error_lines():
        side.note("error", line)


def link(name: str, target: str) -> Step:
    """Make a symlink in the service directory; {root} in its target is the side's."""

    def step(side: Side) -> None:
        (side.service / name).symlink_to(target.format(root=side.root))

    return step


def chmod(name: str, mode: int) -> Step:
    """Change the mode of a file in the service directory."""

    def step(side: Side) -> None:
        (side.service / name).chmod(mode)

    return step


def replace(name: str, content: str | None) -> Step:
    """Put CONTENT in the place of an executable file; a directory, if None."""

    def step(side: Side) -> None:
        path = side.service / name
        path.unlink()
        if content is None:
            path.mkdir()
        else:
            build(side.service, {name: content})
            path.chmod(0o755)

    return step


def relink(name: str, target: str) -> Step:
    """Put a symlink in the place of a file."""

    def step(side: Side) -> None:
        (side.service / name).unlink()
        (side.service / name).symlink_to(target)

    return step


def executable(name: str) -> Step:
    """Make a file executable."""
    return chmod(name, 0o755)


def touch(name: str) -> Step:
    """Make an empty file in the service directory."""

    def step(side: Side) -> None:
        (side.service / name).touch()

    return step


EXIT: list[Step] = [send("x"), ends]
"""The end of a service that obeys TERM."""


def end(side: Side) -> None:
    """End whatever runs, whatever it takes."""
    assert side.process is not None
    while side.process.poll() is None:
        command_quietly(side.service, "x")
        wait_for(side.quiet, "runsv to be quiet")
        process = pid(side.service)
        if process and side.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            wait_for(lambda: pid(side.service) != process)  # noqa: B023
    ends(side)


KILL: list[Step] = [send("x"), did("TERM", "CONT"), kill("KILL"), ends]
"""The end of a recorder."""
