"""Whoever's sv drives whoever's runsv: it says the same, and the same happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from interop.sides import (
    RECORDER,
    Files,
    Played,
    Side,
    Step,
    did,
    end,
    fifo,
    go,
    kill,
    link,
    quiet,
    runsv,
    stat,
    state,
    sv,
    touch,
)
from support import build, reference_version, wait_for

from runit.service import tai64n

MIXES = [
    ("reference", {}),
    ("ours", {}),
    ("ours", {"runsv": "reference"}),
    ("reference", {"runsv": "ours"}),
]

SLEEP = "#!/bin/sh\nexec sleep 1000\n"
DRAIN = "#!/bin/sh\nexec cat >/dev/null\n"
STUBBORN: Files = {"run": RECORDER}
PLAIN: Files = {"run": SLEEP}
LOGGED: Files = {"run": SLEEP, "log/run": DRAIN}
DOWN: Files = {"run": SLEEP, "log/run": DRAIN, "down": ""}
CHECKED: Files = {"run": SLEEP, "check": "#!/bin/sh\n[ -e ready ]\n"}
FINISHING: Files = {"run": "#!/bin/sh\nexit 0\n", "finish": RECORDER}

# Newer versions send what is sent already, which the service sees.
AGAIN = [] if reference_version() >= (2, 3, 1) else ["-w1 stop s"]

UP = [runsv(), stat("run")]
BOTH_UP = [*UP, stat("run", log=True)]
BEGUN = [runsv(), did("begin run"), stat("run")]
FINISH = [runsv(), did("begin finish 0 0"), stat("finish")]
IS_DOWN = [runsv(), stat("down"), stat("run", log=True)]


def svs(*lines: str) -> list[Step]:
    """Call sv with the words of each line; look each time when all is quiet."""
    return [step for line in lines for step in (sv(*line.split()), quiet)]


def unsupervised(*arguments: str) -> Step:
    """As `sv`, for a command to services that nobody has held yet.

    Of the files that are not there, newer versions look for another one first.
    """

    def step(side: Side) -> None:
        sv(*arguments)(side)
        if side.mix["sv"].is_reference(2, 3, 1):
            missing = "unable to open supervise/{}: file does not exist"
            assert missing.format("control") in side.seen[-1]
            side.seen[-1] = side.seen[-1].replace(missing.format("control"), missing.format("ok"))

    return step


def later(side: Side) -> None:
    """Wait until the last change is more than a second old.

    The reference's sv takes what changed within the second of its command for the
    effect of the command; and what ran for a second is restarted at once.
    """
    stamp = (side.service / "supervise/status").read_bytes()
    wait_for(lambda: time.time_ns() > tai64n.unix(stamp) + 1_050_000_000, "a second to pass")


def named(*arguments: str, wait: str = "7") -> Step:
    """Call sv by the name of the service, as an init script."""

    def step(side: Side) -> None:
        script = side.root / "bin/s"
        if not script.exists():
            script.symlink_to(side.mix["sv"].program("sv"))
        done = side.run("s", *arguments, env=side.environment(SVWAIT=wait))
        code = done.returncode
        if arguments == ("status",):
            code = side.mix["sv"].code_of_status(code, done.stdout)
        side.note("s", *arguments, "->", code, side.masked(done.stdout))

    return step


def others(*names: str) -> Step:
    """Further service directories beside the first: nobody holds them."""

    def step(side: Side) -> None:
        for name in names:
            build(side.root / name, PLAIN)

    return step


def ended(side: Side) -> None:
    """Wait until runsv has ended."""
    assert side.process is not None
    side.note("runsv", side.process.wait(30))


def meanwhile(arguments: str, until: Callable[[Path], object], step: Step) -> Step:
    """Start sv; once UNTIL is true of the service directory do STEP; what sv says then."""

    def both(side: Side) -> None:
        with (side.root / "said").open("wb") as said:
            process = side.start("sv", *arguments.split(), stdout=said, stderr=said)
        wait_for(lambda: until(side.service) or process.poll() is not None)
        step(side)
        code = process.wait(30)
        side.note("sv", arguments, "->", code, side.masked((side.root / "said").read_bytes()))

    return both


def asks(service: Path) -> bool:
    """Whether check has been asked."""
    return (service / "asked").exists()


def recorded(word: str, name: str = "did") -> Callable[[Path], bool]:
    """Whether WORD was recorded."""
    return lambda service: (service / name).exists() and word in (service / name).read_text()


SCENARIOS: dict[str, tuple[Files, list[Step]]] = {
    "status": (LOGGED, [*BOTH_UP, *svs("status s", "status s/log", "status s s/log s"), end]),
    "status of what is down": (DOWN, [*IS_DOWN, *svs("status s", "status s/log"), end]),
    "status of what finishes": (FINISHING, [*FINISH, *svs("status s", "down s", "status s"), end]),
    "status by other names": (
        PLAIN,
        [*UP, *svs("status ./s", "status s/", "status ./s/", "status s/.", "status s/../s"), end],
    ),
    "status of what is not there": (
        PLAIN,
        [
            others("t"),
            sv("status", "s", "t", "u"),
            sv("status", "s/run"),
            unsupervised("-w1", "start", "s", "u"),
        ],
    ),
    "down and up": (
        LOGGED,
        [*BOTH_UP, *svs("-v down s", "status s", "-v down s", "-v up s", "-v up s"), end],
    ),
    "first letters": (
        STUBBORN,
        [*BEGUN, *svs("p s", "c s", "h s", "a s", "i s", "q s", "1 s"), end],
    ),
    "signals": (
        STUBBORN,
        [
            *BEGUN,
            *svs("-v hup s", "-v alarm s", "-v interrupt s", "-v quit s", "-v 1 s", "-v 2 s"),
            sv("-v", "pause", "s"),
            state("T"),
            *svs("status s", "-v cont s"),
            later,
            *svs("-w1 -v term s", "status s", "-v kill s"),
            end,
        ],
    ),
    "signals to what is down": (
        DOWN,
        [*IS_DOWN, *svs("-v hup s", "-v pause s", "-v cont s", "-v term s", "-v kill s"), end],
    ),
    "once": (
        LOGGED,
        [
            *BOTH_UP,
            *svs("-v once s", "status s"),
            later,
            *svs("-v term s"),
            later,
            *svs("-v once s"),
            end,
        ],
    ),
    "exit": (LOGGED, [*BOTH_UP, sv("-v", "exit", "s"), ended, sv("status", "s"), sv("exit", "s")]),
    "shutdown": (
        LOGGED,
        [*BOTH_UP, sv("shutdown", "s"), ended, sv("shutdown", "s")],
    ),
    "start and stop": (
        LOGGED,
        [
            *BOTH_UP,
            *svs("start s", "stop s", "stop s", "start s", "stop s/log"),
            end,
        ],
    ),
    "restart": (LOGGED, [*BOTH_UP, *svs("restart s", "restart s/log", "stop s", "restart s"), end]),
    "reload": (STUBBORN, [*BEGUN, *svs("reload s"), end]),
    "try-restart": (LOGGED, [*BOTH_UP, *svs("try-restart s", "stop s", "try-restart s"), end]),
    "stop takes too long": (STUBBORN, [*BEGUN, *svs("-w1 stop s", "status s", *AGAIN), end]),
    "restart takes too long": (STUBBORN, [*BEGUN, later, *svs("-w1 restart s", "status s"), end]),
    "term takes too long": (STUBBORN, [*BEGUN, later, *svs("-w1 -v term s", "status s"), end]),
    "shutdown takes too long": (STUBBORN, [*BEGUN, *svs("-w1 shutdown s", "status s"), end]),
    "force-stop": (STUBBORN, [*BEGUN, *svs("-w1 force-stop s"), stat("down"), end]),
    "force-restart": (
        STUBBORN,
        [*BEGUN, later, *svs("-w1 force-restart s"), stat("run"), *svs("status s"), end],
    ),
    "force-reload": (
        STUBBORN,
        [*BEGUN, later, *svs("-w1 force-reload s"), stat("run"), *svs("status s"), end],
    ),
    "force-shutdown": (STUBBORN, [*BEGUN, sv("-w1", "force-shutdown", "s"), ended]),
    "stop during finish": (FINISHING, [*FINISH, *svs("-w1 stop s"), kill("KILL"), quiet, end]),
    "start waits for check": (
        CHECKED,
        [*UP, *svs("-w1 check s", "-w1 start s"), touch("ready"), *svs("check s", "start s"), end],
    ),
    "restart waits for check": (
        CHECKED,
        [*UP, later, *svs("-w1 restart s"), touch("ready"), *svs("restart s"), end],
    ),
    "check agrees meanwhile": (
        {**CHECKED, "check": "#!/bin/sh\ntouch asked\n[ -e ready ]\n"},
        [*UP, meanwhile("check s", asks, touch("ready")), quiet, end],
    ),
    "check of what is down": (DOWN, [*IS_DOWN, *svs("-w1 check s"), end]),
    "check is not executable": (
        {**PLAIN, "check": "exit 1\n"},
        [*UP, *svs("check s", "-w1 start s"), end],
    ),
    "runsv ends meanwhile": (
        {"run": RECORDER},
        [*BEGUN, meanwhile("stop s", recorded("CONT"), kill("KILL")), quiet, end],
    ),
    "several": (
        PLAIN,
        [
            others("t", "u"),
            *UP,
            *svs("status s t"),
            unsupervised("-w1", "stop", "t", "s", "u"),
            quiet,
            unsupervised("start", "s", "t"),
            quiet,
            end,
        ],
    ),
    "a runsv that is gone": (
        PLAIN,
        [*UP, end, sv("status", "s"), sv("up", "s"), sv("-w1", "start", "s"), sv("exit", "s")],
    ),
    "supervise is elsewhere": (PLAIN, [link("supervise", "../away"), *UP, *svs("stop s"), end]),
    "an init script": (
        LOGGED,
        [
            *BOTH_UP,
            *(
                step
                for word in (
                    *("status", "stop", "status", "start", "restart", "try-restart", "hup"),
                    *("status", "force-reload", "force-stop", "force-restart", "check", "exit"),
                )
                for step in (later, named(word), quiet)
            ),
            ended,
            named("status"),
            named("start"),
            named("stop"),
            named("nonsense"),
            named(),
        ],
    ),
    "an init script that takes too long": (
        STUBBORN,
        [
            *BEGUN,
            later,
            named("restart", wait="1"),
            *([named("stop", wait="1")] if AGAIN else []),
            named("status"),
            named("force-stop", wait="1"),
            quiet,
            end,
        ],
    ),
    "control scripts": (
        {
            **STUBBORN,
            "control/t": "#!/bin/sh\necho t >>control.did\n[ -e done ] || cat go\n>done\n",
            "control/h": "#!/bin/sh\necho h >>control.did\nexit 1\n",
        },
        [
            fifo,
            *BEGUN,
            sv("-v", "hup", "s"),
            meanwhile("-w1 stop s", recorded("t", "control.did"), go),
            end,
        ],
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sv_and_runsv(scenario: str, played: Played) -> None:
    played(scenario)
