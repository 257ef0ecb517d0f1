"""runsv: any service directory, under any commands, signals and deaths of the service.

Both suites do the same at the same time, each in a directory of its own, and what anybody
could see is compared: see `interop.sides`.  After each action both are waited for until
nothing more happens by itself, and an action that could come out in two ways there (a
signal to a process that may or may not have ended) is left out or cut short, by what both
see alike.  So no case differs by chance.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from differential.cases import PARTS, cases
from differential.scripts import heading, shell
from differential.together import compare_all
from hypothesis import given
from hypothesis import strategies as st
from interop.sides import Side, proc_state, runsv, sleeps_long, switches
from support import Suite, build, command, pid, wait_for

HELPER = f"""#!{sys.executable} -IS
# Does what the next line of the file plan.NAME says, and the last line from then on;
# writes down what it was given, and every signal that it gets.
import posix, sys, _signal
every = _signal.valid_signals() - {{9, 19, 17}}
_signal.pthread_sigmask(_signal.SIG_SETMASK, every)
name = sys.argv[0].rpartition("/")[2]
def add(file, text):
    to = posix.open(file, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o644)
    posix.write(to, text.encode())
    return posix.fstat(to).st_size
start = add("starts." + name, ".")
plan = open("plan." + name).read().splitlines()
mood, _, what = plan[min(start, len(plan)) - 1].partition(" ")
def end(how):
    if how < 128:
        posix._exit(how)
    how -= 128
    if how not in (9, 19):
        _signal.signal(how, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    posix.kill(posix.getpid(), how)
    _signal.pause()
with open("mood", "w") as file:
    file.write(mood)
posix.write(1, f"{{name}} {{start}}\\n".encode())
if mood == "forks":
    import select
    hold = select.poll()
    fifo = posix.open("hold", posix.O_RDONLY | posix.O_NONBLOCK)
    hold.register(fifo)  # which says nothing until a writer has come and gone
    if not posix.fork():
        hold.poll()
        posix.write(1, b"a child\\n")
        posix._exit(0)
    posix.close(fifo)
add("did", " ".join(["begin", name, *sys.argv[1:]]) + "\\n")
if mood == "ends":
    end(int(what))
if mood == "closes":
    posix.close(1)
if mood == "obeys":
    _signal.signal(2, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
while mood == "obeys":
    _signal.pause()
while True:
    number = _signal.sigwaitinfo(every).si_signo
    add("did", _signal.strsignal(number) + "\\n")
    if mood == "later" and number == 10:
        end(int(what))
"""

LISTENER = f"""#!{sys.executable} -IS
# A log service that ends with its input only, whatever signals it gets.
import posix, select, _signal
mine, wake = posix.pipe()
posix.set_blocking(wake, False)
_signal.set_wakeup_fd(wake)
for number in (1, 2, 3, 10, 12, 14, 15, 18):
    _signal.signal(number, lambda *_: None)
did = posix.open("../log.did", posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o644)
posix.write(did, b"begin log\\n")
poll = select.poll()
poll.register(0, select.POLLIN)
poll.register(mine, select.POLLIN)
while True:
    for ready, _ in poll.poll():
        if ready == mine:
            # Of those that come at once, the handlers' order is another one.
            for number in sorted(posix.read(mine, 100)):
                posix.write(did, _signal.strsignal(number).encode() + b"\\n")
            continue
        data = posix.read(0, 4096)
        posix.write(did, data or b"end of log\\n")
        if not data:
            posix._exit(0)
"""

CAT = "#!/bin/sh\necho begin log >>../log.did\nexec cat >>../log.did\n"

# run, line by line of its plan: what each start does.
ENDING = st.sampled_from([0, 1, 3, 100, 111, 255, 128 + 9, 128 + 15, 128 + 1, 128 + 64])
SHORT = ENDING.map(lambda how: f"ends {how}")
LASTING = st.one_of(
    st.sampled_from(["ignores", "ignores", "obeys", "obeys", "closes", "forks"]),
    ENDING.map(lambda how: f"later {how}"),
)
# No more than one start is made to wait a second for.
PLAN = st.one_of(
    st.tuples(LASTING),
    st.tuples(LASTING, LASTING),
    st.tuples(LASTING, SHORT, LASTING),
    st.tuples(SHORT, LASTING),
)
BROKEN = [
    None,
    "",
    "#!/nonexistent\n",
    "#!directory",
]
"""Of a run that cannot be started: none, not executable, no interpreter, a directory."""

FINISH = st.lists(
    st.one_of(SHORT, SHORT, SHORT, st.just("ignores"), st.just("obeys")), min_size=1, max_size=3
)
LETTERS = "udopchaiq12tkx"

CONTROL = st.dictionaries(
    st.sampled_from(LETTERS),
    st.sampled_from([0, 1, 1, 100]),
    max_size=4,
    # Forgetful in the reference: what it runs is taken for down, and started once more.
).filter(lambda scripts: scripts.get("k") != 0)


@dataclass(frozen=True)
class Made:
    """A service directory.

    `broken` is put in the place of run, if it is not False; `finish` may be the plan of
    finish, or what stands in its place; `log` is the log service's run.
    """

    plan: tuple[str, ...]
    broken: str | bool | None
    down: bool
    finish: list[str] | str | None
    control: dict[str, int]
    log: str | None
    log_down: bool

    def files(self) -> dict[str, str | None]:
        """As `build` takes them."""
        files: dict[str, str | None] = {"plan.run": "\n".join(self.plan) + "\n"}
        if self.broken is False:
            files["run"] = HELPER
        elif self.broken == "#!directory":
            files["run"] = None
        elif isinstance(self.broken, str):
            files["run"] = self.broken
        # A run that always fails is started once each second, and never at rest.
        if self.down or self.broken is not False:
            files["down"] = ""
        if isinstance(self.finish, list):
            files["finish"] = HELPER
            files["plan.finish"] = "\n".join(self.finish) + "\n"
        elif self.finish is not None:
            files["finish"] = self.finish
        for letter, code in self.control.items():
            say = 'echo "$0 $#" >>control.did; echo "a script"'
            files[f"control/{letter}"] = f"#!/bin/sh\n{say}\nexit {code}\n"
        if self.log is not None:
            files["log/run"] = self.log
            if self.log_down:
                files["log/down"] = ""
        return files


MADE = st.builds(
    Made,
    plan=PLAN,
    broken=st.sampled_from([False] * 12 + BROKEN),
    down=st.sampled_from([False, False, False, True]),
    finish=st.one_of(st.none(), FINISH, FINISH, st.sampled_from(["true\n", "#!/nonexistent\n"])),
    control=st.one_of(st.just({}), CONTROL),
    log=st.sampled_from([None, CAT, LISTENER]),
    log_down=st.sampled_from([False, False, False, True]),
)

ORDER = "hiq12at"
"""Letters in the order of their signals' numbers: those that wait are taken in it."""

TOGETHER = (
    st.tuples(
        st.text("uoz?", max_size=2),
        st.sets(st.sampled_from(ORDER), max_size=4).map(lambda some: sorted(some, key=ORDER.index)),
        st.sampled_from(["", "", "u", "o", "d", "x"]),
    )
    .map(lambda parts: parts[0] + "".join(parts[1]) + parts[2])
    .filter(
        # Two TERM at once may arrive as one.
        lambda letters: letters and not ("t" in letters and letters[-1] in "dx")
    )
)


def action(what: str, how: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    """WHAT to do, and of what it is done with any."""
    return st.tuples(st.just(what), how)


ACTION = st.one_of(
    action("send", st.sampled_from(LETTERS)),
    action("send", st.sampled_from("uotdkx")),
    action("send", TOGETHER),
    action("send to log", st.sampled_from(LETTERS)),
    action("kill service", st.sampled_from(["KILL", "TERM", "HUP", "STOP", "CONT", "USR1"])),
    action("kill log", st.sampled_from(["KILL", "TERM", "STOP", "CONT"])),
    action("kill runsv", st.sampled_from(["TERM", "CHLD", "CONT", "WINCH"])),
    action("hold runsv", TOGETHER),
    action("release", st.just("")),
    action("start", st.just("")),
)
ACTIONS = st.lists(ACTION, min_size=1, max_size=9)


def rest(side: Side) -> None:
    """Wait until nothing more happens by itself, and write down what there is."""
    process = side.process
    assert process is not None

    def rests() -> bool:
        if process.poll() is not None:
            return True
        before = switches(process.pid)
        return sleeps_long(process.pid) and side.quiet() and switches(process.pid) == before

    wait_for(rests, f"{side} to be at rest")
    if process.poll() is not None:
        side.note("runsv has ended", process.returncode)
    side.look("", "log")
    side.look_at_did()


def sendable(side: Side, made: Made, letters: str) -> str:
    """What of LETTERS comes out one way only, as the service is now."""
    record = (side.service / "supervise/status").read_bytes()
    state = record[19]
    mood = (side.service / "mood").read_text() if state else ""
    if made.broken is not False:
        letters = letters.replace("u", "o")
    # There the reference forgets that finish runs, or goes before the service.
    if state == 2 or "want exit" in (side.service / "supervise/stat").read_text():
        letters = letters.replace("k", "")
    steady = mood in ("ignores", "closes", "forks", "later")
    stopped = state and proc_state(pid(side.service)) == "T"
    if not steady or stopped or (mood == "later" and "1" in letters):
        letters = letters[:1]
    return letters


def act(side: Side, made: Made, what: str, how: str) -> None:
    """Do WHAT, if there is somebody to do it to."""
    process = side.process
    assert process is not None
    over = process.poll() is not None
    if what == "start":
        if over:
            side.note("$ runsv s")
            runsv(stdout=(side.root / "out").open("ab"))(side)
    elif what == "release":
        release(side)
    elif over:
        return
    elif what == "send to log":
        if made.log is not None:
            side.note(f"$ printf {how} >s/log/supervise/control")
            command(side.service / "log", how)
    elif what == "send":
        letters = sendable(side, made, how)
        if letters:
            side.note(f"$ printf '{letters}' >s/supervise/control")
            command(side.service, letters)
    elif what == "hold runsv":
        letters = sendable(side, made, how)
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: proc_state(process.pid) == "T")
        side.note("$ kill -STOP $runsv")
        for letter in letters:
            side.note(f"$ printf '{letter}' >s/supervise/control")
            command(side.service, letter)
        process.send_signal(signal.SIGCONT)
        side.note("$ kill -CONT $runsv")
    elif what == "kill runsv":
        side.note(f"$ kill -{how} $runsv")
        process.send_signal(signal.Signals["SIG" + how])
    else:
        name = "s" if what == "kill service" else "s/log"
        number = pid(side.root / name)
        if number:
            side.note(f"$ kill -{how} $(cat {name}/supervise/pid)")
            os.kill(number, signal.Signals["SIG" + how])
            if how == "STOP":
                wait_for(lambda: proc_state(number) in "TX")


def release(side: Side) -> bool:
    """Let the children end that the service has left behind; were there any?"""
    if not held(side):
        return False
    side.note("$ : >s/hold")
    wait_for(lambda: not held(side), "the children to end")
    return True


def held(side: Side) -> bool:
    """Whether a child reads from `hold`; that it is opened tells it to end."""
    try:
        os.close(os.open(side.service / "hold", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def end(side: Side) -> None:
    """End runsv, whatever it takes, and look at all that is left."""
    process = side.process
    assert process is not None
    if process.poll() is None:
        side.note("$ printf x >s/supervise/control")
        command(side.service, "x")
        rest(side)
    while process.poll() is None:
        number = pid(side.service)
        log = pid(side.service / "log") if (side.service / "log").exists() else 0
        if number:
            side.note("$ kill -KILL $(cat s/supervise/pid)")
            os.kill(number, signal.SIGKILL)
            wait_for(lambda: pid(side.service) != number)  # noqa: B023
        elif log and proc_state(log) == "T":
            side.note("$ kill -CONT $(cat s/log/supervise/pid)")
            os.kill(log, signal.SIGCONT)
        elif not release(side):
            process.wait(30)
        rest(side)
    while release(side):
        pass
    for where in (side.service, side.service / "log"):
        if (where / "supervise").is_dir():
            for line in side.supervise_files(where):
                side.note(where.relative_to(side.root), line)
    for line in side.error_lines():
        side.note("error", line)
    for line in (side.root / "out").read_text().splitlines():
        side.note("output", line)


def play(side: Side, made: Made, actions: list[tuple[str, str]]) -> None:
    """Make the service directory, start runsv, do ACTIONS, end it."""
    build(side.service, made.files())
    os.mkfifo(side.service / "hold")
    with (side.root / "out").open("ab") as out:
        runsv(stdout=out)(side)
    rest(side)
    for what, how in actions:
        act(side, made, what, how)
        rest(side)
    end(side)


Case = tuple[Made, list[tuple[str, str]]]


def script(made: Made, seen: list[str]) -> list[str]:
    """What was done, for a person to do it again."""
    return [
        *heading(),
        *shell("s", made.files()),
        "mkfifo s/hold; runsv s >out 2>errors & runsv=$!; sleep 3",
        *(line[2:] + "; sleep 2" for line in seen if line.startswith("$ ")),
        "cd s; head -n 99 supervise/stat did control.did log.did ../out ../errors",
    ]


@pytest.mark.parametrize("part", range(PARTS))
@cases(4, PARTS)
@given(some=st.lists(st.tuples(MADE, ACTIONS), min_size=1, max_size=10))
def test_any_service(
    both: tuple[Suite, Suite], tmp_path: Path, part: int, some: list[Case]
) -> None:
    plays = [partial(play, made=made, actions=actions) for made, actions in some]
    compare_all(both, tmp_path, plays, lambda number: partial(script, some[number][0]))
