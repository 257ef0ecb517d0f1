"""A killed runsv: its successor goes on with what it left, and starts nothing twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import (
    Suite,
    alive,
    anyones_interpreter,
    build,
    command,
    failing,
    listening,
    needs,
    pid,
    stat,
    wait_for,
)

from runit.service import status
from runit.supervise import mark
from runit.supervise.adopt import locks

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}
SPEAKS = {
    "run": '#!/bin/sh\nn=0\nwhile read line; do echo "$line"; done <fifo\nexec sleep 1000\n',
    "log/run": "#!/bin/sh\nexec cat >>../heard\n",
}


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def recorded(service: Path) -> int:
    """The pid when all of supervise/ says that it runs.

    The status file is the last that runsv writes; a built-in logger itself writes the lock.
    """
    with suppress(OSError, ValueError, IndexError):
        record = status.unpack((service / "supervise/status").read_bytes())
        noted = (service / "supervise/lock").read_bytes().split()[0]
        if record.state == status.RUN and int(noted) == record.pid:
            return record.pid
    return 0


def wanted(service: Path) -> tuple[bool, bool]:
    """What the status file, which is written last, says of down and TERM."""
    record = status.unpack((service / "supervise/status").read_bytes())
    return record.want == b"d", record.got_term


def locks_limit(process: int) -> tuple[int, int]:
    """RLIMIT_LOCKS, which means nothing."""
    return resource.prlimit(process, mark.LOCKS)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def children_of(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def holders(service: Path) -> list[int]:
    """The runsv that holds the lock."""
    return locks().get((service / "supervise/lock").stat().st_ino, [])


def is_held_by_a_child(service: Path, process: int) -> bool:
    """Whether the only child of PROCESS holds SERVICE.

    Where the one before has ended, nobody may be told of: its pid is none in a namespace.
    """
    held = holders(service)
    return bool(held) and held == [int(child) for child in children_of(process)]


def test_the_service_goes_on_under_the_successor(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)
    with ours.runsv(one) as old:
        service = wait_for(lambda: recorded(one))
        before = (one / "supervise/status").read_bytes()
        kill(old)
        with ours.runsv(one) as new:
            wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
            assert pid(one) == service
            assert alive(service)
            assert stat(one) == "run"
            # Its age is what it was.
            assert (one / "supervise/status").read_bytes() == before
            assert children_of(new.pid) == []
            # It is signalled, ...
            command(one, "t")
            # ... and its end is noticed.
            again = wait_for(lambda: pid(one) not in (0, service) and pid(one))
            assert parent(again) == new.pid


def test_finish_is_told_that_nobody_knows(ours: Suite, tmp_path: Path) -> None:
    files = {**RUN, "finish": '#!/bin/sh\necho "$@" >finished\n'}
    one = build(tmp_path / "s", files)
    with ours.runsv(one) as old:
        service = wait_for(lambda: recorded(one))
        kill(old)
        with ours.runsv(one):
            os.kill(service, signal.SIGKILL)
            wait_for((one / "finished").exists)
            wait_for((one / "finished").read_text)
    assert (one / "finished").read_text() == "-1 0\n"


def test_both_and_their_pipe_go_on(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", SPEAKS)
    os.mkfifo(one / "fifo")
    with ours.runsv(one) as old:
        service, logger = wait_for(lambda: recorded(one)), wait_for(lambda: recorded(one / "log"))
        kill(old)
        # Open for reading too: it may be that nobody else has it open for a moment.
        with ours.runsv(one) as new, (one / "fifo").open("r+b", buffering=0) as say:
            wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
            assert (pid(one), pid(one / "log")) == (service, logger)
            assert children_of(new.pid) == []
            say.write(b"through the old pipe\n")
            wait_for(lambda: "old pipe" in (one / "heard").read_text())
            # Another log service reads from the same pipe, another service writes to it.
            os.kill(logger, signal.SIGKILL)
            wait_for(lambda: pid(one / "log") not in (0, logger))
            say.write(b"to the new reader\n")
            wait_for(lambda: "new reader" in (one / "heard").read_text())
            os.kill(service, signal.SIGKILL)
            wait_for(lambda: pid(one) not in (0, service))
            say.write(b"from the new writer\n")
            wait_for(lambda: "new writer" in (one / "heard").read_text())


@needs("strace")
def test_a_pipe_that_is_half_gone_is_not_taken_over(ours: Suite, tmp_path: Path) -> None:
    """The service that has it ends between the looks at its two ends, as far as we can see."""
    one = build(tmp_path / "s", SPEAKS)
    os.mkfifo(one / "fifo")
    with ours.runsv(one) as old:
        service, logger = wait_for(lambda: recorded(one)), wait_for(lambda: recorded(one / "log"))
        kill(old)
        os.kill(logger, signal.SIGKILL)
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", f"/proc/{service}/fd/1"]
    fails = ["-e", "trace=openat", "-e", "inject=openat:error=ENOENT:when=2"]
    process = subprocess.Popen([*trace, *fails, ours.program("runsv"), one])
    try:
        wait_for(lambda: pid(one / "log") not in (0, logger))
        os.kill(service, signal.SIGKILL)
        wait_for(lambda: pid(one) not in (0, service))
        with (one / "fifo").open("r+b", buffering=0) as say:
            say.write(b"through the new pipe\n")
            wait_for(lambda: "new pipe" in (one / "heard").read_text())
    finally:
        command(one, "x")
        assert process.wait(30) == 0


def test_what_waits_in_the_pipe_is_not_lost(ours: Suite, tmp_path: Path) -> None:
    """The log service is down, the service has spoken, then runsv is killed."""
    files = {
        "run": "#!/bin/sh\necho said before\nexec sleep 1000\n",
        "log/run": "#!/bin/sh\nexec cat >>../heard\n",
        "log/down": "",
    }
    one = build(tmp_path / "s", files)
    with ours.runsv(one) as old:
        wait_for(lambda: recorded(one))
        kill(old)
        with ours.runsv(one):
            wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
            command(one / "log", "u")
            wait_for(lambda: (one / "heard").exists() and (one / "heard").read_text())
    assert (one / "heard").read_text() == "said before\n"


def test_the_built_in_logger_goes_on(ours: Suite, tmp_path: Path) -> None:
    files = {**SPEAKS, "log/config": "", "log/main": None}
    del files["log/run"]
    one = build(tmp_path / "s", files)
    os.mkfifo(one / "fifo")
    with ours.runsv(one) as old:
        wait_for(lambda: recorded(one))
        logger = wait_for(lambda: recorded(one / "log"))
        kill(old)
        with ours.runsv(one), (one / "fifo").open("wb", buffering=0) as say:
            wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
            assert pid(one / "log") == logger
            say.write(b"one line\n")
            wait_for(lambda: (one / "log/main/current").read_text() == "one line\n")


@needs("strace")
@pytest.mark.parametrize("start", ["exec sleep 1000", "sleep 1000 & exec sleep 1000"])
@pytest.mark.parametrize("part", ["", "log"])
def test_nothing_starts_twice_when_runsv_is_killed_before_it_knows_the_pid(
    ours: Suite, tmp_path: Path, part: str, start: str
) -> None:
    """It takes a minute here until the pid of what was started is written down."""
    one = build(tmp_path / "d/s", RUN)
    there = build(one / part, {"run": f"#!/bin/sh\necho $$ >>started\n{start}\n"})
    # Each start writes twice, and that of the log service comes first.
    slowly = failing("pwrite64:delay_enter=60000000:when=2")
    tracer = subprocess.Popen([*slowly, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        process = int(wait_for((there / "started").read_text))
        os.kill(old, signal.SIGKILL)
        tracer.kill()  # which holds it still
        wait_for(lambda: not alive(old))
        assert (there / "supervise/lock").read_bytes().startswith(b"-")
        with ours.runsvdir(tmp_path / "d") as top:
            wait_for(lambda: is_held_by_a_child(one, top.pid))
            assert wait_for(lambda: recorded(there)) == process
            wait_for(lambda: recorded(one))
            assert (there / "started").read_text() == f"{process}\n"
            assert locks_limit(process) == locks_limit(os.getpid())
            for child in children_of(process):
                os.kill(int(child), signal.SIGKILL)
    finally:
        tracer.kill()
        tracer.wait()


@needs("strace")
def test_what_was_to_be_started_when_runsv_was_killed_is(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", {"run": "#!/bin/sh\necho $$ >>started\nexec sleep 1000\n"})
    slowly = failing("pwrite64:delay_exit=60000000:when=1")
    tracer = subprocess.Popen([*slowly, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        wait_for(lambda: (one / "supervise/lock").read_bytes().startswith(b"-"))
        os.kill(old, signal.SIGKILL)
        tracer.kill()  # which holds it still
        wait_for(lambda: not alive(old))
        assert (one / "supervise/lock").read_bytes().startswith(b"-")
        with ours.runsv(one):
            process = wait_for(lambda: recorded(one))
            assert wait_for((one / "started").read_text) == f"{process}\n"
    finally:
        tracer.kill()
        tracer.wait()


@needs("strace")
def test_a_pid_that_could_not_be_written_down_is_found_all_the_same(
    ours: Suite, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", RUN)
    fails = failing("pwrite64:error=ENOMEM:when=2")
    tracer = subprocess.Popen([*fails, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        process = wait_for(lambda: stat(one) == "run" and pid(one))
        os.kill(old, signal.SIGKILL)
        tracer.wait()
        with ours.runsv(one):
            wait_for(lambda: listening(one))
            assert recorded(one) == process
    finally:
        tracer.kill()
        tracer.wait()


def test_who_was_killed_is_not_taken_for_what_he_was_starting(ours: Suite, tmp_path: Path) -> None:
    """It is marked, too, and nobody has reaped it yet."""
    one = build(tmp_path / "s", {"run": "#!/bin/sh\necho $$ >>started\nexec sleep 1000\n"})
    old = ours.start("runsv", one)
    process = wait_for(lambda: recorded(one))
    entry = (one / "supervise/lock").read_bytes().split()
    number = mark.new(time.monotonic_ns())
    resource.prlimit(process, mark.LOCKS, (number, mark.USUAL[1]))
    resource.prlimit(old.pid, mark.LOCKS, (number, mark.USUAL[1]))
    entry[0] = b"-%d" % number
    entry[3] = b"0"
    os.kill(old.pid, signal.SIGKILL)
    wait_for(lambda: not alive(old.pid))
    (one / "supervise/lock").write_bytes(b" ".join(entry).ljust(95) + b"\n")
    with ours.runsv(one):
        wait_for(lambda: listening(one))
        assert recorded(one) == process
    old.wait()


def test_what_could_not_be_started_leaves_nothing_to_be_found(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "s", {"run": "nothing that could be run"})
    with ours.runsv(one):
        wait_for(lambda: (one / "supervise/lock").read_bytes().startswith(b"0 1 0 "))


def test_a_service_keeps_nothing_that_it_was_known_by(ours: Suite, tmp_path: Path) -> None:
    files = {**RUN, "finish": "#!/bin/sh\nexec sleep 1000\n", "log/run": RUN["run"]}
    one = build(tmp_path / "s", files)
    with ours.runsv(one) as runsv:
        usual = locks_limit(os.getpid())
        for place in (one, one / "log"):
            assert locks_limit(wait_for(lambda place=place: recorded(place))) == usual
        first = pid(one)
        os.kill(first, signal.SIGKILL)
        finish = wait_for(lambda: stat(one) == "finish" and pid(one))
        assert locks_limit(finish) == usual
        assert locks_limit(runsv.pid) == usual
        os.kill(finish, signal.SIGKILL)


@needs("strace")
def test_the_built_in_logger_is_not_started_twice_either(ours: Suite, tmp_path: Path) -> None:
    """It takes two seconds here until it has written down that it is there."""
    run = "#!/bin/sh\necho $$ >>started\nexec sleep 1000\n"
    one = build(tmp_path / "d/s", {"run": run, "log/config": "", "log/main": None})
    lock = one / "log/supervise/lock"
    slowly = failing("pwrite64:delay_enter=2000000", paths=(lock,), children=True)
    tracer = subprocess.Popen([*slowly, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        wait_for(lambda: len(children_of(old)) == 2)  # or its input would end with runsv
        before = int(children_of(old)[0])
        os.kill(old, signal.SIGKILL)
        with ours.runsvdir(tmp_path / "d") as top:
            wait_for(lambda: is_held_by_a_child(one, top.pid))
            assert wait_for(lambda: recorded(one / "log")) == before
            assert alive(before)
            service = wait_for(lambda: recorded(one))
            assert wait_for((one / "started").read_text) == f"{service}\n"
    finally:
        tracer.kill()
        tracer.wait()


@pytest.mark.parametrize("letter", ["o", "d"])
def test_what_was_wanted_is_wanted_still(ours: Suite, tmp_path: Path, letter: str) -> None:
    ignores = {"run": "#!/bin/sh\ntrap '' TERM\ntouch ready\nwhile :; do sleep 1000; done\n"}
    one = build(tmp_path / "s", ignores)
    with ours.runsv(one) as old:
        wait_for((one / "ready").exists)
        service = wait_for(lambda: recorded(one))
        command(one, letter)
        said = "run, got TERM, want down" if letter == "d" else "run, want down"
        wait_for(lambda: wanted(one) == (True, letter == "d"))
        assert stat(one) == said
        kill(old)
        with ours.runsv(one):
            wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"run: "))
            assert stat(one) == said
            for child in children_of(service):
                os.kill(int(child), signal.SIGKILL)
            os.kill(service, signal.SIGKILL)
            wait_for(lambda: stat(one) == "down")


@needs("strace")
def test_the_pid_of_a_log_service_is_written_by_the_successor(ours: Suite, tmp_path: Path) -> None:
    files = {**RUN, "log/run": "#!/bin/sh\ntouch ready\nexec sleep 1000\n"}
    one = build(tmp_path / "d/s", files)
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e"]
    slowly = "inject=rename:delay_enter=500000"
    tracer = subprocess.Popen([*trace, slowly, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        wait_for((one / "log/ready").exists)
        os.kill(old, signal.SIGKILL)
        with ours.runsvdir(tmp_path / "d") as top:
            wait_for(lambda: is_held_by_a_child(one, top.pid))
            wait_for(lambda: recorded(one / "log"))
            wait_for(lambda: pid(one / "log") == recorded(one / "log"))
    finally:
        tracer.kill()
        tracer.wait()


@needs("strace")
def test_once_is_once_when_runsv_is_killed_while_it_starts_it(ours: Suite, tmp_path: Path) -> None:
    """What was wanted is written before the start, all else behind it."""
    one = build(tmp_path / "d/s", {"run": "#!/bin/sh\ntouch ready\nexec sleep 1000\n", "down": ""})
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e"]
    slowly = "inject=rename:delay_enter=500000"
    tracer = subprocess.Popen([*trace, slowly, ours.program("runsv"), one])
    try:
        old = wait_for(lambda: holders(one))[0]
        wait_for(lambda: ours.run("sv", "status", one).stdout.startswith(b"down: "))
        command(one, "o")
        wait_for((one / "ready").exists)
        os.kill(old, signal.SIGKILL)
        with ours.runsvdir(tmp_path / "d") as top:
            wait_for(lambda: is_held_by_a_child(one, top.pid))
            wait_for(lambda: stat(one) == "run, want down")
    finally:
        tracer.kill()
        tracer.wait()


def test_exit_was_for_the_one_that_is_gone(ours: Suite, tmp_path: Path) -> None:
    ignores = {"run": "#!/bin/sh\ntrap '' TERM\ntouch ready\nexec sleep 1000\n"}
    one = build(tmp_path / "s", ignores)
    with ours.runsv(one) as old:
        wait_for((one / "ready").exists)
        service = wait_for(lambda: recorded(one))
        wait_for(lambda: "/sleep" in os.readlink(f"/proc/{service}/exe"))
        command(one, "x")
        wait_for(lambda: wanted(one) == (True, True))
        assert stat(one) == "run, got TERM, want exit"
        kill(old)
        with ours.runsv(one):
            wait_for(lambda: stat(one) == "run, got TERM")
            os.kill(service, signal.SIGKILL)
            wait_for(lambda: pid(one) not in (0, service))


@pytest.mark.parametrize("what", ["boot", "start"])
def test_another_process_of_that_number_is_let_alone(
    ours: Suite, tmp_path: Path, what: str
) -> None:
    """supervise/ on a disk outlives the machine's boot, and numbers come again."""
    one = build(tmp_path / "s", RUN)
    with ours.runsv(one) as old:
        service = wait_for(lambda: recorded(one))
        kill(old)
        entry = (one / "supervise/lock").read_text()
        words = entry.split()
        if what == "boot":
            words[4] = words[4][::-1]
        else:
            fields = Path(f"/proc/{service}/stat").read_text().rpartition(")")[2].split()
            words[3] = str(int(fields[19]) - 1)
        (one / "supervise/lock").write_text(" ".join(words).ljust(len(entry) - 1) + "\n")
        with ours.runsv(one):
            wait_for(lambda: pid(one) not in (0, service))
            assert alive(service)
        assert alive(service)
        os.kill(service, signal.SIGKILL)


@pytest.mark.parametrize("content", [b"", b"\0" * 96, b"1 1 0 0 x".ljust(95) + b"\n", b"x" * 5000])
def test_nonsense_in_the_lock_is_nothing(ours: Suite, tmp_path: Path, content: bytes) -> None:
    one = build(tmp_path / "s", {**RUN, "supervise/lock": content})
    with ours.runsv(one):
        wait_for(lambda: pid(one))


def test_a_tree_is_whole_again_after_its_runsvs_were_killed(ours: Suite, tmp_path: Path) -> None:
    places = [build(tmp_path / "d" / f"s{i}", SPEAKS) for i in range(5)]
    for one in places:
        os.mkfifo(one / "fifo")
    with ours.runsvdir(tmp_path / "d") as top:
        for one in places:
            wait_for(lambda one=one: recorded(one) and recorded(one / "log"))
        before = [(pid(one), pid(one / "log")) for one in places]
        killed = children_of(top.pid)
        for process in killed:
            os.kill(int(process), signal.SIGKILL)

        def back() -> bool:
            now = children_of(top.pid)
            return len(now) == len(places) and not set(now) & set(killed)

        wait_for(back)
        for one in places:
            wait_for(lambda one=one: ours.run("sv", "status", one).stdout.startswith(b"run: "))
        assert [(pid(one), pid(one / "log")) for one in places] == before


def test_one_that_nobody_has_reaped_is_none(ours: Suite, tmp_path: Path) -> None:
    """The record of its end says that it was to go, which is not said of its successor."""
    one = build(tmp_path / "s", RUN)
    begin = (
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(36, 1)\n"  # PR_SET_CHILD_SUBREAPER
        "os.waitpid(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)\n"
        "os.waitpid(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)\n"
        "os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])\n"
    )
    program = ours.program("runsv")
    reaper = [anyones_interpreter(), "-c", begin, program, one]
    with subprocess.Popen(reaper, env=ours.environment()) as process:
        try:
            first = wait_for(lambda: recorded(one))
            os.kill(int(children_of(process.pid)[0]), signal.SIGKILL)
            wait_for(lambda: len(children_of(process.pid)) == 2)  # the next, and the service
            wait_for(lambda: holders(one) and holders(one)[0] in map(int, children_of(process.pid)))
            command(one, "x")
            wait_for(lambda: recorded(one) not in (0, first))
            assert not alive(first)
        finally:
            command(one, "x")
