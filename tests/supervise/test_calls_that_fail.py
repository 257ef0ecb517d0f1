"""runsv and runsvdir where the kernel says no, and where things are that cannot be."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import (
    Suite,
    alive,
    build,
    command,
    end_service,
    failing,
    listening,
    open_files,
    pid,
    python,
    stat,
    wait_for,
)

import runit
from runit.launchers import interpreter
from runit.supervise import patience

pytestmark = pytest.mark.skipif(
    not os.access("/usr/bin/strace", os.X_OK), reason="strace is not installed"
)

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}
LOGGED = {**RUN, "log/run": "#!/bin/sh\nexec cat >>../heard\n"}
FORKS = "clone,clone3,fork,vfork"


class Started:
    """A program and what it says."""

    def __init__(self, words: list[str], errors: Path, **more) -> None:
        self.errors = errors
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=stderr, **more)

    @property
    def text(self) -> str:
        return self.errors.read_text()

    @property
    def pid(self) -> int:
        """Its own, where strace is its parent."""

        def others() -> list[int]:  # strace has children of its own for a moment
            there = children(self.process.pid)
            return [one for one in there if Path(f"/proc/{one}/comm").read_text() != "strace\n"]

        return wait_for(others)[0]

    def said(self, words: str) -> None:
        wait_for(lambda: words in self.text, f"{words!r} in {self.text!r}")


@contextmanager
def runsv(ours: Suite, service: Path, *before: str, program: str = "") -> Iterator[Started]:
    """A runsv on SERVICE, started by BEFORE; told to exit in the end."""
    words = [*before, program or ours.program("runsv"), str(service)]
    one = Started(words, service.parent / "errors", env=ours.environment())
    try:
        wait_for(lambda: listening(service) or one.process.poll() is not None, "runsv")
        yield one
    finally:
        end_service(service)
        one.process.wait(30)


@contextmanager
def runsvdir(
    ours: Suite,
    directory: Path,
    *before: str,
    program: str = "",
    options: tuple[str, ...] = (),
    log: str = "",
    **more,
) -> Iterator[Started]:
    """A runsvdir on DIRECTORY, started by BEFORE; it and all services are ended."""
    words = [*before, program or ours.program("runsvdir"), *options, str(directory)]
    words += [log] if log else []
    more.setdefault("env", ours.environment())
    one = Started(words, directory.parent / "errors", **more)
    services = set(directory.iterdir()) if directory.is_dir() else set()
    try:
        yield one
    finally:
        if directory.is_dir():
            services |= set(directory.iterdir())
        if one.process.poll() is None:
            os.kill(one.pid if before else one.process.pid, signal.SIGTERM)
        one.process.wait(30)
        for service in services:
            if service.is_dir():
                end_service(service)


def spy(ours: Suite, name: str, directory: Path, code: str) -> str:
    """The program NAME with CODE run before it begins."""
    text = Path(ours.program(name)).read_text()
    program = directory / "spy" / name
    build(
        directory,
        {f"spy/{name}": text.replace("posix._exit(main())", f"{code}\nposix._exit(main())")},
    )
    return str(program)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody else holds the lock on PATH."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as lock:
        path.chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def children(process: int) -> list[int]:
    return [
        int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def locker(process: int) -> int:
    """The child of a runsv that waits for the log service's lock; 0: there is none."""
    for child in children(process):
        if Path(f"/proc/{child}/comm").read_text() == "runsv-lock\n":
            return child
    return 0


def shown(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


# runsv


@pytest.mark.parametrize(
    ("inject", "paths", "said"),
    [
        ("flock:error=ENOLCK", (), "unable to lock supervise/lock: "),
        (
            "readlink:error=EIO",
            ("supervise",),
            "unable to readlink ./supervise: input/output error",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_told(
    ours: Suite, tmp_path: Path, inject: str, paths: tuple[str, ...], said: str
) -> None:
    one = build(tmp_path / "s", RUN)
    (one / "supervise").symlink_to("elsewhere")
    with runsv(ours, one, *failing(inject, paths=paths)) as process:
        assert process.process.wait(30) == 111
        assert process.text.startswith(f"runsv {one}: fatal: {said}")


def test_a_status_of_which_a_part_was_written_is_told(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)
    new = one / "supervise/status.new"
    with runsv(ours, one, *failing("write:retval=3", paths=(new,))) as process:
        process.said(
            f"runsv {one}: warning: unable to write supervise/status.new: partial write.\n"
        )
        wait_for(lambda: pid(one))


def test_commands_that_others_took_meanwhile_are_waited_for(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)
    control = one / "supervise/control"
    with runsv(ours, one, *failing("read:error=EAGAIN:when=1", paths=(control,))):
        wait_for(lambda: pid(one))
        command(one, "p")
        wait_for(lambda: stat(one) == "run, paused")


def test_a_service_that_cannot_be_signalled_stays(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)
    with runsv(ours, one, *failing("kill:error=EPERM:when=1")):
        first = wait_for(lambda: pid(one))
        command(one, "tp")
        wait_for(lambda: stat(one).startswith("run, paused"))
        assert pid(one) == first
        command(one, "ct")
        wait_for(lambda: pid(one) not in (0, first))


def test_a_control_script_for_which_there_is_no_process_is_told(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", {**RUN, "control/t": "#!/bin/sh\nexit 1\n"})
    with runsv(ours, one, *failing(f"{FORKS}:error=EAGAIN:when=2")) as process:
        first = wait_for(lambda: pid(one))
        command(one, "t")
        wait_for(lambda: pid(one) not in (0, first))
        process.said(f"runsv {one}: warning: unable to fork for control/t: temporary failure\n")


def test_what_cannot_be_started_at_all_is_told(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", {**RUN, "finish": "#!/bin/sh\n"})
    with runsv(ours, one, *failing(f"{FORKS}:error=EPERM")) as process:
        for file in ("./run", "./finish"):
            process.said(f"runsv {one}: fatal: unable to start {file}: permission denied\n")
        command(one, "d")


def test_a_finish_for_which_there_is_no_process_is_tried_again(ours: Suite, tmp_path: Path) -> None:
    files = {"run": "#!/bin/sh\n[ ! -e ran ] || exec sleep 1000\n: >ran\n"}
    one = build(tmp_path / "s", {**files, "finish": "#!/bin/sh\n: >finished\n"})
    code = "from runit.supervise import service; service.FORK_PAUSE = 0.1"
    program = spy(ours, "runsv", tmp_path, code)
    before = failing(f"{FORKS}:error=EAGAIN:when=2")
    with runsv(ours, one, *before, program=program) as process:
        wait_for((one / "finished").exists)
        process.said(f"runsv {one}: warning: unable to fork, sleeping: temporary failure\n")


def test_an_end_of_which_nothing_was_told_is_found_later(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)
    with runsv(ours, one, *failing("wait4:error=ECHILD:when=1")) as process:
        first = wait_for(lambda: pid(one))
        os.kill(first, signal.SIGKILL)

        def again() -> bool:
            os.kill(process.pid, signal.SIGCHLD)
            return pid(one) not in (0, first)

        wait_for(again)


@pytest.mark.parametrize(
    "what",
    [
        "service.Service._run_script",
        "runsv.Runsv._hear",
    ],
)
def test_a_lack_of_memory_anywhere_is_told_and_waited_for(
    ours: Suite, tmp_path: Path, what: str
) -> None:
    one = build(tmp_path / "s", RUN)
    code = (
        "from runit.supervise import runsv, service\n"
        f"before = {what}\n"
        "def once(*words):\n"
        f"    {what} = before\n"
        "    raise MemoryError\n"
        f"{what} = once"
    )
    program = spy(ours, "runsv", tmp_path, code)
    with runsv(ours, one, program=program) as process:
        first = wait_for(lambda: pid(one))
        command(one, "t")
        process.said(f"runsv {one}: warning: sleeping: out of memory\n")
        command(one, "t")
        wait_for(lambda: pid(one) not in (0, first))


def test_who_waits_is_told_once_for_each_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more if there is no memory for that either."""
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    short, told = [MemoryError(), MemoryError()], []

    def loop() -> int:
        if short:
            raise short.pop()
        return 7

    def complain(error: int) -> None:
        told.append(error)
        if len(told) == 1:
            raise MemoryError

    assert patience.patiently(loop, complain) == 7
    assert len(told) == 2


@pytest.mark.parametrize("name", ["runsv", "runsvdir"])
def test_the_modules_are_programs_too(name: str) -> None:
    root = Path(runit.__file__).parent.parent
    done = subprocess.run(
        [interpreter(), "-Bm", f"runit.supervise.{name}"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"usage: ")


# A log service whose lock somebody else holds


def test_the_lock_is_waited_for_however_the_waiting_ends(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", LOGGED)
    with held(one / "log/supervise/lock"), ours.runsv(one) as process:
        first = wait_for(lambda: locker(process.pid))
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: locker(process.pid) not in (0, first))
    assert pid(one / "log") == 0


def test_without_a_lock_there_is_a_log_service_all_the_same(ours: Suite, tmp_path: Path) -> None:
    """Nor does it matter that nobody can tell whether there is another."""
    one = build(tmp_path / "s", LOGGED)
    lock = "log/supervise/lock"
    injects = ("flock:error=ENOLCK:when=2", "openat:error=EMFILE:when=2+")
    with held(one / lock):
        begin = failing(*injects, paths=(lock, one / lock))
        with_log = runsv(ours, one, *begin)
        process = with_log.__enter__()
        wait_for(lambda: locker(process.pid))
    try:
        wait_for(lambda: pid(one / "log"))
        process.said("warning: unable to lock log/supervise/lock: ")
        process.said("warning: unable to tell what runs: process cannot open more files\n")
    finally:
        with_log.__exit__(None, None, None)


def test_a_log_service_left_by_another_goes_on_when_the_lock_is_free(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", LOGGED)
    with ours.runsv(one) as old:
        logger = wait_for(lambda: pid(one / "log"))
        wait_for(lambda: pid(one))
        wait_for((one / "log/supervise/lock").read_text)
        wait_for((one / "supervise/lock").read_text)
        old.kill()
        old.wait()
    with held(one / "log/supervise/lock"):
        began = ours.runsv(one)
        process = began.__enter__()
        wait_for(lambda: locker(process.pid))
    try:
        wait_for(lambda: listening(one / "log"))
        command(one / "log", "t")
        wait_for(lambda: not alive(logger))
        wait_for(lambda: pid(one / "log") not in (0, logger))
    finally:
        began.__exit__(None, None, None)


def test_a_log_service_that_cannot_be_controlled_is_told(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", LOGGED)
    with held(one / "log/supervise/lock"):
        began = runsv(ours, one)
        process = began.__enter__()
        wait_for(lambda: locker(process.process.pid))
        (one / "log/supervise/control").mkdir()
    try:
        process.said(f"runsv {one}: warning: log/supervise/control exists but is not a fifo")
        wait_for(lambda: pid(one))
    finally:
        began.__exit__(None, None, None)


def test_what_nobody_will_read_is_told(ours: Suite, tmp_path: Path) -> None:
    says = {"run": "#!/bin/sh\necho 12345; : >said; exec sleep 1000\n"}
    one = build(tmp_path / "s", {**LOGGED, **says})
    with held(one / "log/supervise/lock"), runsv(ours, one) as process:
        wait_for((one / "said").exists)
        command(one, "x")
        assert process.process.wait(30) == 0
        said = "log/supervise/lock is held, what 6 bytes say is lost"
        assert process.text == f"runsv {one}: warning: {said}\n"


# What a killed runsv left


def test_whom_a_successor_would_take_over_may_not_be_written_down(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", RUN)
    with runsv(ours, one, *failing("pwrite64:error=EIO", children=True)):
        wait_for(lambda: pid(one))
        assert (one / "supervise/lock").read_bytes() == b""


@pytest.mark.parametrize(
    ("inject", "path"),
    [("openat:error=ENOENT:when=2", "/proc/{}/stat"), ("read:error=EIO", "{}/supervise/lock")],
    ids=["process", "lock"],
)
def test_a_process_that_cannot_be_looked_at_is_not_taken_over(
    ours: Suite, tmp_path: Path, inject: str, path: str
) -> None:
    one = build(tmp_path / "s", RUN)
    with ours.runsv(one) as old:
        left = wait_for(lambda: pid(one))
        wait_for((one / "supervise/lock").read_text)
        old.kill()
        old.wait()
    about = path.format(left if "proc" in path else one)
    with runsv(ours, one, *failing(inject, paths=(about,))):
        wait_for(lambda: pid(one) not in (0, left))
        os.kill(left, signal.SIGKILL)


def test_nothing_is_started_while_nobody_can_tell_what_runs(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", {"run": "#!/bin/sh\necho $$ >>started\nexec sleep 1000\n"})
    with ours.runsv(one) as old:
        left = int(wait_for((one / "started").read_text))
        wait_for(lambda: (one / "supervise/lock").read_bytes().startswith(b"%d " % left))
        old.kill()
        old.wait()
    try:
        before = failing("openat:error=EMFILE:when=2", paths=(f"/proc/{left}/stat",))
        with runsv(ours, one, *before) as process:
            assert process.process.wait(30) == 111
            no = "unable to tell what runs: process cannot open more files"
            assert process.text == f"runsv {one}: fatal: {no}\n"
        with ours.runsv(one):
            wait_for(lambda: stat(one) == "run")
            assert (one / "started").read_text() == f"{left}\n"
            assert pid(one) == left
    finally:
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def test_what_was_wanted_is_known_if_runsv_is_killed_when_it_starts_the_service(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", {**RUN, "down": ""})
    code = (
        "import os; from runit.supervise.service import Service\n"
        "Service._running = lambda self, pid: os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen([spy(ours, "runsv", tmp_path, code), one]) as killed:
        wait_for(lambda: listening(one))
        command(one, "u")
        assert killed.wait(60) == -signal.SIGKILL
    with ours.runsv(one):
        wait_for(lambda: pid(one))
        assert ours.run("sv", "status", one).stdout.partition(b"s, ")[2] == b"normally down\n"


def test_a_service_that_has_let_go_of_its_pipe_is_taken_over_without(
    ours: Suite, tmp_path: Path
) -> None:
    silent = {"run": "#!/bin/sh\nexec >/dev/null\n: >silent\nexec sleep 1000\n"}
    one = build(tmp_path / "s", {**LOGGED, **silent})
    with ours.runsv(one) as old:
        wait_for((one / "silent").exists)
        left = wait_for(lambda: pid(one))
        wait_for(lambda: pid(one / "log"))
        old.kill()
        old.wait()
    with ours.runsv(one):
        wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
        assert pid(one) == left


# runsvdir

UNKNOWN = "from runit.supervise import adopt; adopt.locks = dict"
"""As where the kernel does not tell who holds a lock."""

NO_ROOM = "def fails(*_, **__):\n    raise MemoryError\n"

GOES = f"""{UNKNOWN}
import os, select
from runit.supervise import tree
control, wait = adopt.control, tree._wait_for_lock
def then_it_goes(name):
    descriptor = control(name)
    os.rename(name, b"../elsewhere")
    return descriptor
def then_it_ends(*given):
    child = wait(*given)
    select.select([os.pidfd_open(child)], [], [], 0.5)  # which it should not
    return child
adopt.control, tree._wait_for_lock = then_it_goes, then_it_ends
"""


@contextmanager
def left_alone(ours: Suite, directory: Path) -> Iterator[int]:
    """A service DIRECTORY/s whose runsvdir was killed; its runsv's pid."""
    one = build(directory / "s", RUN)
    old = ours.start("runsvdir", directory)
    try:
        wait_for(lambda: pid(one))
        process = children(old.pid)[0]
    finally:
        old.kill()
        old.wait()
    try:
        yield process
    finally:
        for place in (one, directory.parent / "elsewhere"):
            if place.exists():
                end_service(place)


def test_a_services_directory_that_may_not_be_entered_is_tried_again(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "d/s", RUN)
    before = failing("fchdir:error=EACCES:when=1", paths=(tmp_path / "d",))
    with runsvdir(ours, tmp_path / "d", *before) as new:
        new.said(f"runsvdir {tmp_path}/d: warning: unable to change directory to {tmp_path}/d\n")
        wait_for(lambda: pid(one))


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (failing("madvise:error=EINVAL"), "invalid argument"),
        (failing("openat:error=EACCES", paths=("/proc/self/maps",)), "access denied"),
    ],
    ids=["kernel", "proc"],
)
def test_memory_that_cannot_be_merged_is_spoken_of(
    ours: Suite, tmp_path: Path, before: list[str], why: str
) -> None:
    one = build(tmp_path / "d/s", RUN)
    with runsvdir(ours, tmp_path / "d", *before, options=("-m",)) as new:
        wait_for(lambda: pid(one))
        said = f"runsvdir {tmp_path}/d: warning: unable to have memory merged: {why}\n"
        assert new.text.endswith(said)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.modules['ctypes'] = None", "system call not available"),
        (f"{NO_ROOM}import ctypes; ctypes.CDLL = fails", "out of memory"),
    ],
    ids=["ctypes", "memory"],
)
def test_so_is_what_lacks_for_it(ours: Suite, tmp_path: Path, code: str, why: str) -> None:
    one = build(tmp_path / "d/s", RUN)
    program = spy(ours, "runsvdir", tmp_path, code)
    with runsvdir(ours, tmp_path / "d", program=program, options=("-m",)) as new:
        wait_for(lambda: pid(one))
        assert f"warning: unable to have memory merged: {why}\n" in new.text


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ("openat:error=EACCES", "/proc/locks"),
        ("newfstatat:error=ENOENT", "s/supervise/lock"),
        ("newfstatat:error=EACCES", "/proc/{}/cwd"),
    ],
)
def test_a_runsv_that_is_not_known_is_told_to_exit(
    ours: Suite, tmp_path: Path, call: str, path: str
) -> None:
    directory = tmp_path / "d"
    with left_alone(ours, directory) as old:
        before = failing(call, paths=(path.format(old),))
        with runsvdir(ours, directory, *before) as new:
            control = str(directory / "s/supervise/control")
            wait_for(lambda: control in open_files(new.pid).values())
            (directory / "s").rename(tmp_path / "elsewhere")
            wait_for(lambda: not alive(old))


def test_so_is_one_whose_directory_goes_just_then(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    program = spy(ours, "runsvdir", tmp_path, GOES)
    with left_alone(ours, directory) as old, runsvdir(ours, directory, program=program):
        wait_for(lambda: not alive(old))


def test_one_whose_lock_cannot_be_waited_for_is_not_waited_for(ours: Suite, tmp_path: Path) -> None:
    """Another is started, which says why it cannot be."""
    directory = tmp_path / "d"
    program = spy(ours, "runsvdir", tmp_path, UNKNOWN)
    before = failing("openat:error=EACCES", paths=("s/supervise/lock",))
    with (
        left_alone(ours, directory) as old,
        runsvdir(ours, directory, *before, program=program) as new,
    ):
        said = "runsv s: fatal: unable to lock supervise/lock: temporary failure\n"
        wait_for(lambda: said in new.text)
        assert alive(old)


def test_a_runsv_that_cannot_be_told_to_exit_stays(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    program = spy(ours, "runsvdir", tmp_path, UNKNOWN)
    with left_alone(ours, directory) as old:
        control = str(directory / "s/supervise/control")
        before = failing("write:error=EAGAIN", paths=(control,))
        with runsvdir(ours, directory, *before, program=program) as new:
            wait_for(lambda: control in open_files(new.pid).values())
            os.kill(new.pid, signal.SIGHUP)
            assert new.process.wait(30) == 111
            assert alive(old)


def test_an_adopted_runsv_that_is_gone_need_not_be_told(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    with (
        left_alone(ours, directory) as old,
        runsvdir(ours, directory, *failing("pidfd_send_signal:error=ESRCH")) as new,
    ):
        wait_for(lambda: "anon_inode:[pidfd]" in open_files(new.pid).values())
        os.kill(new.pid, signal.SIGHUP)
        assert new.process.wait(30) == 111
        assert alive(old)
        assert new.text == ""


def test_without_a_process_to_wait_for_a_runsv_it_is_told(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    program = spy(ours, "runsvdir", tmp_path, UNKNOWN)
    with left_alone(ours, directory):
        before = failing(f"{FORKS}:error=EAGAIN")
        with runsvdir(ours, directory, *before, program=program) as new:
            new.said("warning: unable to fork for s: temporary failure\n")


def test_a_runsv_that_cannot_be_signalled_is_told(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    one = build(directory / "s", RUN)
    with runsvdir(ours, directory, *failing("kill:error=EPERM")) as process:
        wait_for(lambda: pid(one))
        one.rename(tmp_path / "elsewhere")
        process.said("warning: unable to signal runsv s: permission denied\n")
        end_service(tmp_path / "elsewhere")


def test_a_runsv_that_cannot_be_executed_is_told(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    for name in ("one", "two"):
        build(directory / name, RUN)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/runsv").write_text("nonsense")
    (tmp_path / "bin/runsv").chmod(0o755)
    environment = ours.environment()
    environment["PATH"] = f"{tmp_path}/bin:{environment['PATH']}"
    with runsvdir(ours, directory, env=environment) as process:
        for name in ("one", "two"):
            process.said(f"runsvdir {directory}: fatal: unable to start runsv {name}: ")


def test_of_two_names_for_a_directory_one_may_go(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    one = build(tmp_path / "s", RUN)
    (directory / "first").symlink_to(one)
    with runsvdir(ours, directory) as process:
        first = wait_for(lambda: pid(one))
        (directory / "second").symlink_to(one)
        (directory / "loop").symlink_to("loop")
        process.said("unable to stat loop: ")
        (directory / "loop").unlink()
        (directory / "first").unlink()
        other = build(tmp_path / "t", RUN)
        (directory / "t").symlink_to(other)
        wait_for(lambda: pid(other))  # so it has looked since
        assert pid(one) == first
        (directory / "second").unlink()
        wait_for(lambda: not listening(one))


def test_a_name_may_stand_for_another_directory_at_once(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    first, second = (build(tmp_path / name, RUN) for name in ("first", "second"))
    (directory / "s").symlink_to(first)
    with runsvdir(ours, directory):
        wait_for(lambda: pid(first))
        (tmp_path / "new").symlink_to(second)
        (tmp_path / "new").rename(directory / "s")
        wait_for(lambda: pid(second))
        wait_for(lambda: not listening(first))


def test_its_log_tells_what_is_wrong_and_gets_a_dot(ours: Suite, tmp_path: Path) -> None:
    code = "from runit.supervise import runsvdir; runsvdir.DOT_EVERY = 0.1"
    program = spy(ours, "runsvdir", tmp_path, code)
    with runsvdir(ours, tmp_path / "none", program=program, log=f"log: {'.' * 200}") as process:
        wait_for(lambda: "file does not exist" in shown(process.process.pid))
        wait_for(lambda: shown(process.process.pid).rstrip("\0").endswith("...."))


def test_without_news_it_looks_again_and_again(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    os.utime(directory, (1, 1))
    code = "from runit.supervise import runsvdir; runsvdir.LOOK_EVERY = 0.01"
    program = spy(ours, "runsvdir", tmp_path, code)
    before = failing("inotify_init,inotify_init1:error=EMFILE")
    one = build(tmp_path / "s", RUN)
    with runsvdir(ours, directory, *before, program=program) as process:
        process.said("looking every five seconds: process cannot open more files\n")
        times = Path(f"/proc/{process.pid}/stat")

        def looked() -> bool:  # again, and there was nothing new
            return sum(map(int, times.read_text().rpartition(")")[2].split()[11:13])) > before_it

        before_it = sum(map(int, times.read_text().rpartition(")")[2].split()[11:13]))
        wait_for(looked)
        (directory / "s").symlink_to(one)
        wait_for(lambda: pid(one))
        end = directory / "s"
        end.unlink()
        wait_for(lambda: not pid(one))


def test_an_upgrade_that_cannot_be_is_told(ours: Suite, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    launcher = Path(ours.program("runsvdir")).read_text()
    before = failing("execve:error=ENOENT", paths=(launcher[2:].split()[0],))
    with runsvdir(ours, directory, *before, log=f"log: {'.' * 300}") as process:
        running = process.pid
        wait_for(lambda: shown(running).startswith("runsvdir "))
        wait_for(lambda: int(status(running, "SigCgt"), 16) >> signal.SIGUSR1 - 1 & 1)
        os.kill(running, signal.SIGUSR1)
        wait_for(lambda: "unable to exec anew: file does not exist" in shown(running))
        one = build(tmp_path / "s", RUN)
        (directory / "s").symlink_to(one)
        wait_for(lambda: listening(one))
        (directory / "s").unlink()
        wait_for(lambda: not listening(one))


def status(process: int, name: str) -> str:
    """What the kernel says of PROCESS under NAME."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


NO_REHEARSAL = "from runit.supervise import rehearsal; rehearsal.SLOW = 0"


@pytest.mark.parametrize(
    ("inject", "paths", "said"),
    [
        (
            "pipe,pipe2:error=EMFILE:when=1",
            (),
            "fatal: unable to create selfpipe: process cannot open more files\n",
        ),
        ("openat:error=EACCES", (".",), "fatal: unable to open current directory: access denied\n"),
    ],
)
def test_what_keeps_runsvdir_from_starting_is_told(
    ours: Suite, tmp_path: Path, inject: str, paths: tuple[str, ...], said: str
) -> None:
    program = spy(ours, "runsvdir", tmp_path, NO_REHEARSAL)
    with runsvdir(ours, tmp_path / "d", *failing(inject, paths=paths), program=program) as process:
        assert process.process.wait(30) == 100
        assert process.text.endswith(f"runsvdir {tmp_path}/d: {said}")


def test_it_goes_on_without_a_pipe_for_its_log(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/s", RUN)
    program = spy(ours, "runsvdir", tmp_path, NO_REHEARSAL)
    before = failing("pipe,pipe2:error=EMFILE:when=2")
    with runsvdir(ours, tmp_path / "d", *before, program=program, log="log: .....") as process:
        process.said("warning: unable to create pipe for log.: process cannot open more files\n")
        process.said("warning: log service disabled.\n")
        wait_for(lambda: listening(one))


@pytest.mark.parametrize(
    ("injects", "paths", "code"),
    [
        ("openat:error=ENOSPC", ("x/finish",), ""),
        ("", (), "rehearsal.PLENTY = 0"),
        (
            "",
            (),
            "rehearsal.HANGS = 0.1; rehearsal.Stage.life = lambda *_, **__: sleep(60)",
        ),
        ("", (), "rehearsal.PROGRAMS = ()"),
        ("", (), "rehearsal.PLACES = (b'OPEN', *rehearsal.PLACES)"),
    ],
)
def test_a_rehearsal_that_is_given_up_does_no_harm(
    ours: Suite, tmp_path: Path, injects: str, paths: tuple[str, ...], code: str
) -> None:
    one = build(tmp_path / "d/s", RUN)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    code = f"from time import sleep; from runit.supervise import rehearsal; {code}".replace(
        "OPEN", str(tmp_path / "open")
    )
    program = spy(ours, "runsvdir", tmp_path, code)
    before = failing(injects, paths=paths) if injects else []
    with runsvdir(ours, tmp_path / "d", *before, program=program) as process:
        wait_for(lambda: listening(one))
        assert process.text == ""
    assert list((tmp_path / "open").iterdir()) == []


# The way to its directory

SOON = "from runit.supervise import runsvdir; runsvdir.LOOK_EVERY = 0.1"


@pytest.mark.parametrize(
    ("inject", "code", "said"),
    [
        ("inotify_add_watch:error=ENOENT:when=1", "", ""),
        ("inotify_add_watch:error=EACCES:when=1", "", ""),
        ("", f"places.MOST_TRIES = 0; {SOON}", "it changes too fast"),
        ("", "places.SILENT = (b'',)", " does not tell of changes"),
    ],
    ids=["gone", "closed", "too fast", "silent"],
)
def test_a_way_that_cannot_be_watched_is_looked_at(
    ours: Suite, tmp_path: Path, inject: str, code: str, said: str
) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    one = build(tmp_path / "s", RUN)
    program = spy(ours, "runsvdir", tmp_path, f"from runit.supervise import places; {code}")
    before = failing(inject) if inject else []
    with runsvdir(ours, directory, *before, program=program) as process:
        if said:
            process.said(said)
        (directory / "s").symlink_to(one)
        wait_for(lambda: listening(one))
        (directory / "s").unlink()
        wait_for(lambda: not listening(one))
        assert said or not process.text


@pytest.mark.parametrize("inject", ["readlink:error=EINVAL", ""], ids=["gone", "loop"])
def test_a_way_that_breaks_off_at_a_link_is_told(ours: Suite, tmp_path: Path, inject: str) -> None:
    link = tmp_path / "link"
    link.symlink_to("link")
    before = failing(inject, paths=(link,)) if inject else []
    with runsvdir(ours, link, *before) as process:
        process.said(f"runsvdir {link}: warning: unable to stat {link}: ")


# What only a test of its own can have


def test_a_log_without_words_stays_and_finds_its_place_late() -> None:
    code = (
        "from runit.supervise.proctitle_log import ProctitleLog\n"
        "log = ProctitleLog(b'x', b'log: ....', posix.pipe()[0])\n"
        "log.read()\n"
        "print(log._area is None, log.text)\n"
        "log.show()\n"
        "print(open('/proc/self/cmdline').read().rstrip(chr(0)))\n"
    )
    late = failing("openat:error=ENOENT:when=1..2", paths=("/proc/self/stat",))
    assert python(code, *late) == "True b'log: ....'\nx log: ....\n"


def test_a_title_is_cut_to_its_place() -> None:
    code = (
        "from runit.process import title\n"
        "title.show(b'x' * 1000000, b'x', title.area())\n"
        "print(len(set(open('/proc/self/cmdline').read().strip(chr(0)))))\n"
    )
    assert python(code) == "1\n"


def test_a_title_that_the_kernel_refuses_stays() -> None:
    code = "from runit.process import title; title.show(b'x', b'x', None)\nprint('here')"
    assert python(code, *failing("write:error=EIO:when=1")) == "here\n"
