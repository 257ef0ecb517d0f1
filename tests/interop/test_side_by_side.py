"""The same script of operations gives the same on both suites.

SCENARIOS is the table: the files of a service directory, and what is done with it.
What is seen meanwhile is compared: the records, what the service got and its scripts
were given, what is left under supervise/, what was said, and the exit code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from interop.sides import (
    EXIT,
    KILL,
    RECORDER,
    Files,
    Played,
    Step,
    chmod,
    did,
    did_all,
    end,
    ends,
    errors,
    executable,
    fifo,
    go,
    kill,
    link,
    quiet,
    relink,
    replace,
    runsv,
    send,
    stat,
    state,
    term,
    told,
    touch,
)

SLEEP = "#!/bin/sh\nexec sleep 1000\n"
DRAIN = "#!/bin/sh\nexec cat >/dev/null\n"
HEAR = "#!/bin/sh\nexec cat >>../log.did\n"
FINISH = '#!/bin/sh\necho "finish $# $*" >>did\n'
ONCE = {"down": ""}
SUPERVISED = {"supervise": None}

Scenarios = Iterator[tuple[str, Files, list[Step]]]

UP = [runsv(), stat("run")]
DOWN = [runsv(), stat("down")]
BEGUN = [runsv(), did("begin run")]


def run(*lines: str) -> str:
    """A shell script."""
    return "\n".join(["#!/bin/sh", *lines, ""])


TABLE: dict[str, tuple[Files, list[Step]]] = {
    # What there is
    "a service": ({"run": SLEEP}, [*UP, *EXIT]),
    "with a log": ({"run": SLEEP, "log/run": DRAIN}, [*UP, stat("run", log=True), *EXIT]),
    "down": ({"run": SLEEP, "down": ""}, [*DOWN, send("u"), stat("run"), *EXIT]),
    "log/down": (
        {"run": SLEEP, "log/run": DRAIN, "log/down": ""},
        [*UP, stat("down", log=True), send("u", log=True), stat("run", log=True), *EXIT],
    ),
    "a directory down": ({"run": SLEEP, "down": None}, [*DOWN, *EXIT]),
    "a log that is no directory": ({"run": SLEEP, "log": ""}, [*UP, *EXIT]),
    "a log without run": ({"run": SLEEP, "log/down": ""}, [*UP, stat("down", log=True), *EXIT]),
    "the log service goes down and up": (
        {"run": SLEEP, "log/run": DRAIN},
        [
            *UP,
            stat("run", log=True),
            send("d", log=True),
            stat("down", log=True),
            send("u", log=True),
            stat("run", log=True),
            send("p", log=True),
            stat("run, paused", log=True),
            send("c", log=True),
            stat("run", log=True),
            send("x", log=True),
            quiet,
            send("o", log=True),
            stat("run, want down", log=True),
            send("k", log=True),
            stat("down", log=True),
            *EXIT,
        ],
    ),
    # What run does
    "run exits 0": (
        {"run": run("echo ran >>did"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("ran", "finish 2 0 0"), quiet, *EXIT],
    ),
    "run exits 3": (
        {"run": run("echo ran >>did", "exit 3"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("ran", "finish 2 3 0"), quiet, *EXIT],
    ),
    "run exits 111": (
        {"run": run("exit 111"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run dies by KILL": (
        {"run": run("kill -9 $$"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 -1 9"), quiet, *EXIT],
    ),
    "run dies by ABRT": (
        {"run": run("ulimit -c 0", "kill -ABRT $$"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 -1 6"), quiet, *EXIT],
    ),
    "run dies by a real-time signal": (
        {"run": run("kill -64 $$"), "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 -1 64"), quiet, *EXIT],
    ),
    "run is killed by somebody": (
        {"run": SLEEP, "finish": FINISH},
        [*UP, send("o"), stat("run, want down"), kill("USR1"), did("finish 2 -1 10"), quiet, *EXIT],
    ),
    "no run": ({"finish": FINISH, **ONCE}, [*DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT]),
    "no run and no finish": (ONCE, [*DOWN, send("o"), told(1), quiet, *EXIT]),
    "run is not executable": (
        {"run": "true\n", "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run is a directory": (
        {"run": None, "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run has no interpreter": (
        {"run": "#!/nonexistent\n", "finish": FINISH, **ONCE},
        [*DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run is empty": (
        {"run": "", "finish": FINISH, **ONCE},
        [executable("run"), *DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run has no #!": (
        {"run": "exit 3\n", "finish": FINISH, **ONCE},
        [executable("run"), *DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run is a dangling symlink": (
        {"finish": FINISH, **ONCE},
        [link("run", "nowhere"), *DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run is a symlink to itself": (
        {"finish": FINISH, **ONCE},
        [link("run", "run"), *DOWN, send("o"), did("finish 2 111 0"), quiet, *EXIT],
    ),
    "run comes back after it died": (
        {"run": RECORDER},
        [*BEGUN, stat("run"), kill("KILL"), did("begin run"), stat("run"), *KILL],
    ),
    "run comes back by the pace": (
        {"run": run("echo ran >>did", "[ -e go ] || exit 1", "exec sleep 1000")},
        [runsv(), did("ran"), stat("down"), touch("go"), did("ran"), stat("run"), *EXIT],
    ),
    # What finish does
    "finish fails": (
        {"run": SLEEP, "finish": FINISH + "exit 7\n"},
        [*UP, send("d"), did("finish 2 -1 15"), quiet, *EXIT],
    ),
    "finish dies": (
        {"run": SLEEP, "finish": FINISH + "kill -9 $$\n"},
        [*UP, send("d"), did("finish 2 -1 15"), quiet, *EXIT],
    ),
    "finish is not executable": (
        {"run": SLEEP, "finish": "true\n"},
        [*UP, send("d"), quiet, *EXIT],
    ),
    "finish is a directory": ({"run": SLEEP, "finish": None}, [*UP, send("d"), quiet, *EXIT]),
    "finish has no interpreter": (
        {"run": SLEEP, "finish": "#!/nonexistent\n"},
        [*UP, send("d"), quiet, *EXIT],
    ),
    "finish is a dangling symlink": (
        {"run": SLEEP},
        [link("finish", "nowhere"), *UP, send("d"), quiet, *EXIT],
    ),
    "finish, then run again": (
        {"run": RECORDER, "finish": FINISH},
        [*BEGUN, send("k"), did("finish 2 -1 9", "begin run"), stat("run"), *KILL],
    ),
    "finish of a log service does not run": (
        {"run": SLEEP, "log/run": DRAIN, "log/finish": "#!/bin/sh\necho x >>../did\n"},
        [*UP, stat("run", log=True), send("d", log=True), stat("down", log=True), *EXIT],
    ),
    "finish is killed": (
        {"run": run("exit 0"), "finish": SLEEP, **ONCE},
        [*DOWN, send("o"), stat("finish, want down"), kill("KILL"), stat("down"), *EXIT],
    ),
    # What is obeyed
    "TERM to runsv": (
        {"run": RECORDER, "log/run": HEAR},
        [*BEGUN, term, did("TERM", "CONT"), stat("run, got TERM, want exit"), kill("KILL"), ends],
    ),
    "TERM twice": (
        {"run": RECORDER},
        [*BEGUN, term, did("TERM", "CONT"), term, did("TERM", "CONT"), kill("KILL"), ends],
    ),
    "run ignores TERM": (
        {"run": RECORDER},
        [
            *BEGUN,
            send("t"),
            did("TERM"),
            stat("run, got TERM"),
            send("t"),
            did("TERM"),
            send("d"),
            did("TERM", "CONT"),
            stat("run, got TERM, want down"),
            send("u"),
            stat("run, got TERM"),
            send("d"),
            did("TERM", "CONT"),
            send("x"),
            did("TERM", "CONT"),
            stat("run, got TERM, want exit"),
            send("u"),
            stat("run, got TERM"),
            *KILL,
        ],
    ),
    "want exit is taken back": (
        {"run": RECORDER, "log/run": DRAIN},
        [
            *BEGUN,
            send("x"),
            did("TERM", "CONT"),
            send("u"),
            stat("run, got TERM"),
            send("k"),
            did("begin run"),
            stat("run"),
            *KILL,
        ],
    ),
    "TERM for one that is paused": (
        {"run": RECORDER},
        [
            *BEGUN,
            send("p"),
            state("T"),
            stat("run, paused"),
            send("d"),
            did("TERM", "CONT"),
            stat("run, paused, got TERM, want down"),
            *KILL,
        ],
    ),
    "t for one that is paused": (
        {"run": RECORDER},
        [
            *BEGUN,
            send("p"),
            state("T"),
            send("t"),
            stat("run, paused, got TERM"),
            send("c"),
            did("TERM", "CONT"),
            stat("run, got TERM"),
            *KILL,
        ],
    ),
    "t for one that is wanted down": (
        {"run": RECORDER},
        [*BEGUN, send("o"), stat("run, want down"), send("t"), did("TERM", "CONT"), *KILL],
    ),
    "all letters at once": (
        {"run": RECORDER},
        [
            *BEGUN,
            send("h"),
            did("HUP"),
            send("z2q1iahd"),
            did_all("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT"),
            quiet,
            *KILL,
        ],
    ),
    "letters that mean nothing": (
        {"run": RECORDER},
        [*BEGUN, send(bytes(set(range(256)) - set(b"udopchaiq12tkx"))), quiet, *KILL],
    ),
    "up while up": ({"run": RECORDER}, [*BEGUN, send("uuu"), quiet, *KILL]),
    "once while up": (
        {"run": RECORDER},
        [*BEGUN, send("o"), quiet, send("k"), stat("down"), *EXIT],
    ),
    "once, then up": (
        {"run": RECORDER, **ONCE},
        [*DOWN, send("o"), did("begin run"), send("u"), quiet, *KILL],
    ),
    "once, then down": (
        {"run": RECORDER, **ONCE},
        [*DOWN, send("o"), did("begin run"), send("d"), did("TERM", "CONT"), *KILL],
    ),
    "exit while down": (
        {"run": SLEEP, "log/run": DRAIN, **ONCE},
        [*DOWN, stat("run", log=True), *EXIT],
    ),
    "TERM while down": ({"run": SLEEP, **ONCE}, [*DOWN, term, ends]),
    # Exit
    "the log service reads to the end": (
        {
            "run": SLEEP,
            "finish": run("echo the end"),
            "log/run": run(
                "while read line; do echo heard $line; done >>../did",
                "cat ../go >>../did",
                "echo last >>../did",
            ),
        },
        [
            fifo,
            *UP,
            stat("run", log=True),
            send("x"),
            did("heard the end"),
            stat("run, want exit", log=True),
            go,
            ends,
        ],
    ),
    "a log service that is down is left down": (
        {"run": SLEEP, "log/run": DRAIN, "log/down": ""},
        [*UP, stat("down", log=True), *EXIT],
    ),
    "a log service that dies at the end": (
        {"run": SLEEP, "log/run": run("cat >/dev/null", "echo end >>../did", "kill -9 $$")},
        [*UP, stat("run", log=True), send("x"), ends],
    ),
    # supervise
    "supervise is there": ({"run": SLEEP, **SUPERVISED}, [chmod("supervise", 0o751), *UP, *EXIT]),
    "supervise is an absolute symlink": (
        {"run": SLEEP},
        [link("supervise", "{root}/away"), *UP, *EXIT],
    ),
    "supervise is a relative symlink": ({"run": SLEEP}, [link("supervise", "../away"), *UP, *EXIT]),
    "supervise is a symlink to a directory": (
        {"run": SLEEP, "sub": None},
        [chmod("sub", 0o755), link("supervise", "sub"), *UP, *EXIT],
    ),
    "supervise is a symlink into the blue": (
        {"run": SLEEP},
        [link("supervise", "../a/b/c"), runsv(), errors],
    ),
    "supervise is a symlink to a symlink": (
        {"run": SLEEP, "sub": None},
        [link("supervise", "first"), link("first", "sub"), *UP, *EXIT],
    ),
    "supervise is a symlink to a dangling one": (
        {"run": SLEEP},
        [link("supervise", "first"), link("first", "sub"), runsv(), errors],
    ),
    "supervise is a symlink to itself": (
        {"run": SLEEP},
        [link("supervise", "supervise"), runsv(), errors],
    ),
    "log/supervise is an absolute symlink": (
        {"run": SLEEP, "log/run": DRAIN},
        [link("log/supervise", "{root}/away"), *UP, stat("run", log=True), *EXIT],
    ),
    "log/supervise is a relative symlink": (
        {"run": SLEEP, "log/run": DRAIN},
        [link("log/supervise", "../away"), *UP, stat("run", log=True), *EXIT],
    ),
    "log/supervise is a symlink into the blue": (
        {"run": SLEEP, "log/run": DRAIN},
        [link("log/supervise", "../a/b/c"), runsv(), errors],
    ),
    "both are symlinks": (
        {"run": SLEEP, "log/run": DRAIN},
        [
            link("supervise", "../away"),
            link("log/supervise", "../../away.log"),
            *UP,
            stat("run", log=True),
            *EXIT,
        ],
    ),
    "log is a symlink": (
        {"run": SLEEP, "sub/run": HEAR},
        [link("log", "sub"), *UP, stat("run", log=True), *EXIT],
    ),
    "what a dead runsv left": (
        {
            "run": SLEEP,
            "supervise/lock": "",
            "supervise/status": "x" * 20,
            "supervise/stat": "run\n",
            "supervise/pid": "12\n",
            "supervise/pid.new": "1",
            "supervise/status.new": "1",
        },
        [*UP, *EXIT],
    ),
    "nothing but digits and dust under supervise": (
        {"run": SLEEP, "supervise/strange": "", "supervise/x/y": ""},
        [*UP, *EXIT],
    ),
}


STATES: dict[str, tuple[Files, list[Step]]] = {
    "down": ({"run": RECORDER, **ONCE}, DOWN),
    "run": ({"run": RECORDER}, [*BEGUN, stat("run")]),
    "once": ({"run": RECORDER}, [*BEGUN, send("o"), stat("run, want down")]),
    "got TERM": ({"run": RECORDER}, [*BEGUN, send("t"), did("TERM"), stat("run, got TERM")]),
    "paused": ({"run": RECORDER}, [*BEGUN, send("p"), state("T"), stat("run, paused")]),
    "finish": (
        {"run": run("exit 0"), "finish": RECORDER},
        [runsv(), did("begin finish 0 0"), stat("finish")],
    ),
    "finish, want down": (
        {"run": run("exit 0"), "finish": RECORDER, **ONCE},
        [*DOWN, send("o"), did("begin finish 0 0"), stat("finish, want down")],
    ),
}
CHARACTERS = ("u", "d", "o", "p", "c", "h", "a", "i", "q", "1", "2", "t", "k", "x", "?")


def every_character() -> Scenarios:
    """Each in every state: what it does, and what it makes of the end."""
    for name, (files, steps) in STATES.items():
        for character in CHARACTERS:
            # k is forgetful in the reference: see test_differences.py.
            if (name, character) not in ((("finish"), "k"), ("finish, want down", "k")):
                yield f"{character}: {name}", files, [*steps, send(character), quiet, end]


def control_script(word: str, code: int) -> str:
    """A control/ script that records how it was called, and says something."""
    how = 'echo "$0 $# $(pwd | sed s,.*/,,)" >>control.did'
    return run(how, f"echo {word} said", f"exit {code}")


def every_control_script() -> Scenarios:
    """One for each character, that takes its place or does not; twice, while down and up."""
    for code in (0, 1):
        for character in CHARACTERS:
            files = {
                "run": RECORDER,
                "log/run": HEAR,
                f"control/{character}": control_script(character, code),
            }
            twice = [send(character), quiet, send(character), quiet]
            if (character, code) != ("k", 0):  # forgetful, see above
                yield f"control/{character} is {code}", files, [runsv(), quiet, *twice, end]
            if code == 0:
                name = f"control/{character}, while down"
                yield name, {**files, **ONCE}, [runsv(), quiet, *twice, end]
    files = {
        "run": RECORDER,
        "finish": FINISH,
        **{f"control/{one}": control_script(one, 0) for one in CHARACTERS if one != "k"},
    }
    letters = ["p", "c", "u", "o", "h", "a", "i", "q12t", "zc", "d", "u", "x"]
    each = [step for one in letters for step in (send(one), quiet)]
    yield "all control scripts", files, [*BEGUN, stat("run"), *each, end]
    yield "control is a file", {"run": RECORDER, "control": ""}, [*BEGUN, *each, end]
    for name, prepare in {
        "is not executable": chmod("control/h", 0o644),
        "is executable for others only": chmod("control/h", 0o655),
        "is a directory": replace("control/h", None),
        "has no interpreter": replace("control/h", "#!/nonexistent\n"),
        "has no #!": replace("control/h", "exit 0\n"),
        "is a dangling symlink": relink("control/h", "nowhere"),
        "is a symlink to itself": relink("control/h", "h"),
    }.items():
        files = {"run": RECORDER, "control/h": control_script("h", 0)}
        steps = [prepare, *BEGUN, send("h"), quiet, errors, end]
        yield f"control/h {name}", files, steps


UNUSABLE = [0o777] if os.geteuid() == 0 else []
"""With that, only root can use what it makes."""


def umasks() -> Scenarios:
    """What is made, and with which modes."""
    for umask in (0o000, 0o022, 0o027, 0o077, *UNUSABLE):
        begun = [runsv(umask=umask), stat("run"), stat("run", log=True)]
        yield f"umask {umask:03o}", {"run": SLEEP, "log/run": DRAIN}, [*begun, *EXIT]
        begun = [link("supervise", "../away"), *begun, did(f"{umask:04o}")]
        files = {"run": run("umask >>did", "exec sleep 1000"), "log/run": DRAIN}
        yield f"umask {umask:03o}, supervise is a symlink", files, [*begun, *EXIT]


SCENARIOS = {
    **TABLE,
    **{
        name: (files, steps)
        for more in (every_character(), every_control_script(), umasks())
        for name, files, steps in more
    },
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_side_by_side(scenario: str, played: Played) -> None:
    played(scenario)
