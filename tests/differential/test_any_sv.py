"""sv: any commands to any services, whatever their records say.

The services are made by hand: records with anything in them, with and without somebody
who listens, and what arrives in their FIFOs is compared with what is said.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from differential.cases import cases, compared
from differential.made import ANY, STAMP, Made, Record, Services, unprivileged
from differential.scripts import heading
from differential.versions import alike, as_before, code_of_status, sent
from hypothesis import given
from hypothesis import strategies as st
from support import Suite, build

COMMANDS = [
    *("status", "s", "up", "u", "down", "d", "once", "o", "pause", "p", "cont", "c", "hup", "h"),
    *("alarm", "a", "interrupt", "i", "quit", "q", "1", "2", "term", "t", "kill", "k", "exit"),
    *("e", "x", "sta", "statusx", "x y", "1\n", "u\udcff"),
]
NO_COMMANDS = ["", "nonsense", "-", "C", "U", "0", "\udcff", "-v", "-w"]
ODD_NAMES = [
    *("none", "file", "sub/deep", "./one", "one/", "", ".", "..", "/", "empty", "one/log", "-v"),
    *("./one/log", "two/../one", "one/.", "nowhere/", "n" * 300, "\udcff", "a\nb"),
]
OPTIONS = ["-v", "-w0", "-x", "-w", "-wx", "-V", "--", "-vw0", "-", "-w-1", "-vx"]
SVDIR = ["", ".", "missing", "file", "./", "none/..", "./sub/.."]
SVWAIT = ["", "0", "x", "00", "-1"]


@dataclass
class Call:
    """A call of sv, under whatever name: its words, and the environment besides $SVDIR."""

    words: list[str]
    name: str = "sv"
    environment: dict[str, str] = field(default_factory=dict)


def play(suite: Suite, place: Path, made: dict[str, Made], call: Call) -> list[str]:
    """What comes of CALL for services MADE anew."""
    root = place / "services"
    services = Services(root, made, int(time.time()))
    program = build(place / "bin" / suite.name, {}) / call.name
    if not program.exists():
        program.symlink_to(suite.program("sv"))
    try:
        done = subprocess.run(
            [*unprivileged(), program, *call.words],
            cwd=root,
            env=suite.environment(**{"SVDIR": str(root), **call.environment}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        code: int | str = done.returncode
        if call.name != "sv" and not sent(call.words):
            code = code_of_status(code, done.stdout)
        return [
            f"exit code {code}",
            *(as_before(suite, line, made) for line in masked(done.stdout).splitlines()),
            *(f"error: {line}" for line in masked(done.stderr).splitlines()),
            *services.seen(),
        ]
    finally:
        services.close()


def masked(text: bytes) -> str:
    """The text; a few seconds more in an age do not count, nor does the version."""
    text = re.sub(rb"\$Id: \w+ \$|pyrunit [\d.]+", b"VERSION", text)
    return re.sub(rb"(?<=\d)\d\ds", b"NNs", text).decode("latin1")


def compare(both: tuple[Suite, Suite], place: Path, made: dict[str, Made], call: Call) -> None:
    """Both do the same with services MADE when called so."""
    compared()
    made = {name: alike(one, call.words) for name, one in made.items()}
    one, two = (play(suite, place, made, call) for suite in both)
    difference = list(unified_diff(one, two, "reference", "ours", lineterm=""))
    assert not difference, "\n".join([*difference, "", *script(made, call)])


def script(made: dict[str, Made], call: Call) -> list[str]:
    """The call, for a person to do it again."""
    variables = {"SVDIR": ".", **call.environment}
    before = [*unprivileged(), *(f"{name}={value}" for name, value in variables.items())]
    return [
        *heading(),
        STAMP,
        ": >file; mkdir empty",
        *(line for name, one in made.items() for line in one.shell(name)),
        *([] if call.name == "sv" else [f'ln -s "$(command -v sv)" {call.name}; PATH=.:$PATH']),
        f"env {shlex.join([*before, call.name, *call.words])}; echo exit code $?",
        "for one in */supervise/control; do echo $one; timeout 1 cat <>$one; done",
    ]


SOME_SERVICES = st.dictionaries(
    st.sampled_from(["one", "two", "with space", "d\udcff"]), ANY, min_size=1, max_size=3
)
ENVIRONMENT = st.fixed_dictionaries(
    {}, optional={"SVDIR": st.sampled_from(SVDIR), "SVWAIT": st.sampled_from(SVWAIT)}
)


@cases(200)
@given(
    made=SOME_SERVICES,
    what=st.sampled_from([*["status"] * len(COMMANDS), *COMMANDS]),
    odd=st.sampled_from([*[""] * 3 * len(ODD_NAMES), *ODD_NAMES]),
)
def test_any_command(
    both: tuple[Suite, Suite], tmp_path: Path, made: dict[str, Made], what: str, odd: str
) -> None:
    compare(both, tmp_path, made, Call([what, *made, *([odd] if odd else [])]))


@cases(50)
@given(
    made=SOME_SERVICES,
    options=st.lists(st.sampled_from(OPTIONS), max_size=2),
    what=st.sampled_from([*COMMANDS, *NO_COMMANDS]),
    names=st.lists(st.sampled_from(["one", *ODD_NAMES]), max_size=3),
    environment=ENVIRONMENT,
)
def test_any_use(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    made: dict[str, Made],
    options: list[str],
    what: str,
    names: list[str],
    environment: dict[str, str],
) -> None:
    compare(both, tmp_path, made, Call([*options, what, *names], environment=environment))


@cases(60)
@given(made=ANY, what=st.sampled_from([*["status"] * len(COMMANDS), *COMMANDS]))
def test_any_init_script(both: tuple[Suite, Suite], tmp_path: Path, made: Made, what: str) -> None:
    compare(both, tmp_path, {"two": made}, Call([what], "two"))


@cases(20)
@given(
    words=st.lists(st.sampled_from([*OPTIONS, *COMMANDS, *NO_COMMANDS, "one"]), max_size=3),
    environment=ENVIRONMENT,
)
def test_any_use_as_an_init_script(
    both: tuple[Suite, Suite], tmp_path: Path, words: list[str], environment: dict[str, str]
) -> None:
    made = {"two": Made(Record(100, 77, 0, b"d", 0, 1))}
    compare(both, tmp_path, made, Call(words, "two", environment))
