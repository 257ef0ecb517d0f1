"""What a service, its log, its finish and its scripts see of the world: as under runit.

Seen from outside, in /proc: `cat` reads from a pipe that nobody writes to, so nothing
stands between supervisor and service that could change what was handed on.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from interop.sides import Files, Played, Side, Step, children, parent, proc_state
from masks import INTERNAL
from support import command, pid, supervised, wait_for

CAT = "#!/bin/cat -\n"
SERVICE: Files = {
    "run": CAT,
    "finish": CAT,
    "check": "#!/usr/bin/wc -\n",  # cat would end at once: stdout is closed
    "log/run": CAT,
    "control/h": CAT,
}
FINISH: Files = {"finish": CAT, "log/run": CAT, "log/down": ""}

READERS = [os.path.realpath(program) for program in ("/bin/cat", "/usr/bin/wc")]

PATH = b"PATH=/bin"

GIVEN: dict[str, list[bytes]] = {
    "nothing": [],
    "LANG=C": [b"LANG=C", PATH],
    "LC_CTYPE=C": [PATH, b"LC_CTYPE=C", b"A=1"],
    "LC_CTYPE=C.UTF-8": [PATH, b"LC_CTYPE=C.UTF-8"],
    "LC_ALL=C": [b"LC_ALL=C", PATH],
    "en_US": [b"LANG=en_US.UTF-8", PATH],
    "odd": [b"Z=1", b"\xff=\n", PATH, b"A=", b"A==", b"x y=\xc3\x28", b"z=1"],
    "twice": [b"A=1", PATH, b"A=2", b"LC_CTYPE=C", b"LC_CTYPE=POSIX"],
    "PYTHON": [PATH, b"PYTHONHOME=/no/such", b"PYTHONMALLOC=debug", b"PYTHONUTF8=0"],
    "long": [PATH, b"X=" + b"x" * 100_000],
    "many": [PATH, *(b"N%d=%d" % (number, number) for number in range(2000))],
}

BECOME = """
import ctypes, os, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
count, words = int(sys.argv[1]), [os.fsencode(word) for word in sys.argv[2:]]
array = lambda of: (ctypes.c_char_p * (len(of) + 1))(*of, None)
ctypes.CDLL(None).execve(words[count], array(words[count:]), array(words[:count]))
"""


Prefix = list[str | bytes]


def environment(side: Side, entries: list[bytes]) -> Prefix:
    """Words to put before a command: it gets exactly ENTRIES, but for PATH the side's."""
    path = os.fsencode(f"PATH={side.root}/bin:/bin")
    given = [path if entry == PATH else entry for entry in entries]
    return [sys.executable, "-ISc", BECOME, str(len(given)), *given]


def reads(process: int) -> bool:
    """Whether a process is one that waits for something to read."""
    return bool(process) and exe(process) in READERS and proc_state(process) == "S"


def see(side: Side, what: str, process: int, runsv: int) -> None:
    """Write down all that a process was given, as soon as it reads."""
    wait_for(lambda: reads(process), f"{what} to read")
    proc = Path(f"/proc/{process}")

    def note(name: str, *words: object) -> None:
        side.note(what, name, *words)

    note("environ", (proc / "environ").read_bytes().replace(bytes(side.root), b"ROOT"))
    arguments = (proc / "cmdline").read_bytes()
    if what.startswith("control/") and side.mix["runsv"].is_reference(2, 3, 1):
        service = b"%d\0" % pid(side.service)
        assert arguments.endswith(service), arguments
        arguments = arguments.removesuffix(service)
    note("command", arguments)
    note("comm", (proc / "comm").read_bytes())
    note("cwd", side.masked(os.readlink(proc / "cwd")))
    note("root", os.readlink(proc / "root"))
    for number in sorted(os.listdir(proc / "fd"), key=int):
        if what == "check" and int(number) > 2:
            continue  # the reference's sv leaks where it was started
        flags = re.search(r"flags:\t0*(\d+)", (proc / "fdinfo" / number).read_text())
        assert flags
        note("fd", number, kind(side, os.readlink(proc / "fd" / number)), flags[1])
    fields = dict(
        line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line
    )
    # The reference's control/ scripts have TERM and CHLD blocked: see test_differences.py.
    masks = ("SigIgn", "SigCgt", "SigPnd", "ShdPnd", "SigBlk")
    for name in masks[:-1] if what.startswith("control/") else masks:
        note(name, f"{int(fields[name], 16) & ~INTERNAL:x}")
    for name in ("Umask", "Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Cpus_allowed"):
        note(name, fields.get(name))
    for name in sorted(fields):
        if name.startswith("Cap"):
            note(name, fields[name])
    note("parent is runsv", parent(process) == runsv)
    note(
        "session is runsv's",
        os.getsid(process) == os.getsid(runsv),
        os.getsid(0) == os.getsid(process),
    )
    note("group is runsv's", os.getpgid(process) == os.getpgid(runsv), os.getpgid(process) == runsv)
    for line in (proc / "limits").read_text().splitlines():
        note("limit", line)
    note("nice", os.getpriority(os.PRIO_PROCESS, process), os.sched_getscheduler(process))
    for name in ("oom_score_adj", "coredump_filter", "timerslack_ns", "personality", "cgroup"):
        with suppress(OSError):
            note(name, *(proc / name).read_text().split())


def exe(process: int) -> str:
    """The program that a process is, empty if it is gone."""
    try:
        return os.readlink(f"/proc/{process}/exe")
    except OSError:
        return ""


def kind(side: Side, target: str) -> str:
    """What a descriptor leads to, without what differs by nature."""
    return re.sub(r"\[\d+\]", "[N]", side.masked(target))


def begin(
    how: tuple[str, ...], seen: str = "run", given: list[bytes] | None = None, prefix: Prefix = ()
) -> Step:
    """Start HOW, and write down what all children see that can be seen in the state SEEN.

    They are GIVEN an environment, or PREFIX changes what they inherit.
    """

    def step(side: Side) -> None:
        read_end, write_end = os.pipe()
        try:
            words = prefix if given is None else environment(side, given)
            options = {"stdin": read_end, "prefix": words, "stdout": (side.root / "out").open("w")}
            process = side.start(how[0], *how[1:], **options)
            wait_for(lambda: supervised(side.service) and reads(pid(side.service)), "the service")
            runsv = parent(pid(side.service))
            side.note("runsv is the one started", runsv == process.pid)
            side.note("its session", os.getsid(runsv) == runsv, os.getpgid(runsv) == runsv)
            see(side, seen, pid(side.service), runsv)
            if seen == "run":
                wait_for(lambda: reads(pid(side.service / "log")), "the log service")
                see(side, "log/run", pid(side.service / "log"), runsv)
                scripts(side, runsv, read_end)
            end(side, process.pid, runsv)
        finally:
            os.close(read_end)
            os.close(write_end)

    return step


def scripts(side: Side, runsv: int, stdin: int) -> None:
    """Write down what a control/ script sees, and a check script of sv."""
    before = children(runsv)
    command(side.service, "h")
    script = wait_for(lambda: children(runsv) - before - {-1}, "the control script").pop()
    see(side, "control/h", script, runsv)
    os.kill(script, signal.SIGKILL)
    sv = side.start("sv", "-w1", "check", "s", stdin=stdin, stdout=(side.root / "out").open("w"))
    check = wait_for(lambda: children(sv.pid) - {-1}, "the check script").pop()
    see(side, "check", check, sv.pid)
    sv.kill()
    sv.wait(30)
    os.kill(check, signal.SIGKILL)


def end(side: Side, first: int, runsv: int) -> None:
    """End the tree."""
    if first != runsv:
        os.kill(first, signal.SIGTERM)
        next(one for one in side.processes if one.pid == first).wait(30)
    held = os.pidfd_open(runsv)
    command(side.service, "x")
    try:
        while not exited(held):
            if process := pid(side.service):  # run, then finish
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            wait_for(lambda: exited(held) or pid(side.service) != process)
    finally:
        os.close(held)


def exited(held: int) -> bool:
    """Whether the process behind a pidfd has ended."""
    return bool(select.select([held], [], [], 0)[0])


LIMITS = ["sh", "-c", """
ulimit -S -n 100 -c 0 -s 4096; ulimit -t 1000; umask 027
echo 100 >/proc/self/oom_score_adj; echo 0x11 >/proc/self/coredump_filter
exec nice -n 3 "$@"
""", "sh"]  # fmt: skip
PRIVILEGES = ["setpriv", "--groups=3,4", "--no-new-privs", "--bounding-set=-sys_time", "--"]

STARTED = {
    "runsv": ("runsv", "s"),
    "runsvdir": ("runsvdir", "d"),
    "runsvdir -P": ("runsvdir", "-P", "d"),
}


def linked(side: Side) -> None:
    """The services directory of runsvdir."""
    (side.root / "d").mkdir()
    (side.root / "d/s").symlink_to("../s")


def scenarios() -> Iterator[tuple[str, Files, list[Step]]]:
    """Everything that can be handed on, by everyone who hands it on."""
    for how, words in STARTED.items():
        for name, entries in GIVEN.items():
            if how == "runsv" or PATH in entries:
                steps = [linked, begin(words, given=entries)]
                yield f"{how}: environment: {name}", SERVICE, steps
        yield f"{how}: finish", FINISH, [linked, begin(words, "finish")]
        yield f"{how}: limits", SERVICE, [linked, begin(words, prefix=LIMITS)]
        if os.geteuid() == 0:
            yield f"{how}: privileges", SERVICE, [linked, begin(words, prefix=PRIVILEGES)]


SCENARIOS = {name: (files, steps) for name, files, steps in scenarios()}


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv of util-linux is not installed")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_children(scenario: str, played: Played) -> None:
    played(scenario)
