"""chpst: any options, alone and together, seen in the program that it starts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from difflib import unified_diff
from itertools import chain, permutations
from pathlib import Path

import pytest
from differential.calls import CALLERS, LOOKED_AT, PLACE, PREFIXES, Call, play, script
from differential.cases import cases, compared
from hypothesis import given
from hypothesis import strategies as st
from support import Suite, build, reference_version, root_with_a_shell

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change user and root")

ACCOUNTS: list[str | None] = [
    *("nobody", ":12:34", "nobody:daemon:mail", ":1", "nosuch", "", ":", "root", ":x", ":0:9"),
    *("nobody:", "nobody:daemon:", "nobody::mail", "nobody:nosuch", "nobody:12", "12", "nobody "),
    *(":12:34:56:78", ":12:34:", "::", ":12::7", ":12:34:x", ":-1:2", ":+1:2", ": 1:2", ":007:08"),
    *(":4294967295:5", ":5:4294967295", ":0:0", "inside", "inside:within", "root:root:root"),
]
LOCKS: list[str | None] = [
    *("lock", "missing/lock", "env", "", "content", "link", "dangling", "loop", "fifo", "plain/x"),
    *("/dev/null", "sub/lock"),
]
# What lies between nothing and enough for a shell is another amount each time.
NONE: list[str | None] = ["x", "-1", "+1", "0x10", " 1", "1 ", "1k", "1e9"]
NUMBERS: list[str | None] = ["0", "", *NONE]
MUCH: list[str | None] = ["18446744073709551615", "9223372036854775807", "00000300000000"]
MEMORY: list[str | None] = ["300000000", *NUMBERS, *MUCH]

GIVEN: dict[str, list[str | None]] = {
    "-u": ACCOUNTS,
    "-U": ACCOUNTS,
    "-b": ["called", "", "a b", "-x", "/"],
    "-e": ["env", "empty", "missing", "run", "", "sub/env", "any", ".", "/", "loop", "link"],
    "-/": ["/", "root", "missing", "", "run", "loop", ".", "empty"],
    "-n": ["5", "-5", "0", "25", "x", "", "+3", "3x", "-", "+", "--1", "+-1", "19", "-40", "007"],
    "-l": LOCKS,
    "-L": [*LOCKS, "held"],
    "-m": MEMORY,
    "-d": MEMORY,
    "-o": ["40", "7", "3", "1", "99999999999", *NUMBERS, *MUCH],
    "-p": ["5000", "1", "99999999999", *NUMBERS, *MUCH],
    "-f": ["1000000", "1", *NUMBERS, *MUCH],
    "-c": ["1000", *NUMBERS, *MUCH],
    "-r": MEMORY,
    "-t": ["100", *NONE, *MUCH],  # of no time at all, chpst itself may have had too much
    "-s": ["8000000"],
    "-a": ["900000000"],
    "-v": [None],
    "-P": [None],
    "-0": [None],
    "-1": [None],
    "-2": [None],
    "-x": [None],
    "-V": [None],
}
"""Each option with its values, of which the first does what it is for."""

if reference_version() >= (2, 2):
    GIVEN["-C"] = ["sub", "missing", "", "run", "loop", ".", "/", "../bin", "env/KEPT"]

PROGRAMS = [
    ["./run", "a", "b"],
    ["sh", "-c", LOOKED_AT, "name", ""],
    ["/bin/sh", "./run"],
    ["env"],
    ["./plain"],
    ["./env"],
    ["nosuch"],
    ["./nosuch"],
    [""],
    [],
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another root directory: with a shell, and accounts of its own."""
    directory = root_with_a_shell(tmp_path_factory.mktemp("another") / "root")
    return build(
        directory,
        {
            **PLACE,
            "etc/passwd": "inside:x:500:600::/:/bin/sh\nnobody:x:77:88::/:/bin/sh\n",
            "etc/group": "within:x:700:\ndaemon:x:99:\nmail:x:98:\n",
        },
    )


@pytest.fixture
def place(tmp_path: Path, root: Path) -> Iterator[Path]:
    """Where chpst is called: anybody may write there."""
    build(tmp_path, {**PLACE, "held": ""})
    (tmp_path / "root").symlink_to(root)
    for name, target in (("link", "content"), ("dangling", "made"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, *tmp_path.parents, root, *root.parents):
        if path.owner() == "root" and path.is_relative_to("/tmp/pytest-of-root"):
            path.chmod(0o755)
    for path in (tmp_path, root):
        path.chmod(0o777)
    with (tmp_path / "held").open("r") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield tmp_path


def compare(both: tuple[Suite, Suite], place: Path, root: Path, call: Call) -> None:
    """Both do the same when called so."""
    compared()
    one, two = (play(suite, place, root, call) for suite in both)
    difference = list(unified_diff(one, two, "reference", "ours", lineterm=""))
    assert not difference, "\n".join([*difference, "", *script(place, root, call)])


Option = tuple[str, str | None]


def words(options: list[Option] | tuple[Option, ...]) -> list[str]:
    """The command line for OPTIONS."""
    return [word for option in options for word in option if word is not None]


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_each_option_alone(both: tuple[Suite, Suite], place: Path, root: Path, name: str) -> None:
    for value in GIVEN[name]:
        compare(both, place, root, Call([*words([(name, value)]), "./run", "a", "b"]))


PAIRS = [
    ((one, GIVEN[one][0]), (two, GIVEN[two][0])) for one, two in permutations(sorted(GIVEN), 2)
]


@cases(80)
@given(pair=st.sampled_from(PAIRS))
def test_options_in_pairs(
    both: tuple[Suite, Suite], place: Path, root: Path, pair: tuple[Option, Option]
) -> None:
    compare(both, place, root, Call([*words(pair), "./run", "a", "b"]))


OPTION = st.sampled_from(sorted(GIVEN)).flatmap(
    lambda name: st.sampled_from([(name, value) for value in GIVEN[name]])
)
# Most calls are to come to the program.
USEFUL = st.sampled_from(
    [(name, values[0]) for name, values in GIVEN.items() if name not in ("-s", "-a", "-x", "-V")]
)


@st.composite
def command_line(draw: st.DrawFn) -> list[str]:
    """Options apart, together or grouped, and something to run."""
    line: list[str] = []
    for name, value in draw(st.lists(st.one_of(USEFUL, USEFUL, OPTION), max_size=5)):
        letters = name
        if line and not line[-1].startswith("-"):
            pass
        elif line and line[-1] in ("-v", "-P", "-0", "-1", "-2", "-vP") and draw(st.booleans()):
            letters = line.pop() + name[1:]
        if value and draw(st.booleans()):
            line.append(letters + value)
        else:
            line += [letters] if value is None else [letters, value]
    line += draw(st.sampled_from([[], [], ["--"]]))
    return line + draw(st.sampled_from([*PROGRAMS[:3], *PROGRAMS[:2], *PROGRAMS]))


CALLER = st.lists(st.sampled_from([*CALLERS, *PREFIXES]), max_size=3, unique=True)
VALUE = st.one_of(
    st.binary(max_size=6),
    st.text("ab= \t\n\r\0\x7f", max_size=8).map(str.encode),
    st.sampled_from([b"x" * 9000, b"x" * 8192 + b"\ny", b"\0\n", b" \t \n", b"\n"]),
)
# Nothing that twice names one variable: of those the reference replaces the first only.
ANY = st.dictionaries(
    st.one_of(
        st.sampled_from(["KEPT", "CUT", "ODD", "PATH", "a", "A B", ".x", "-", "\udcff", "n" * 255]),
        st.text("aZ1.-\n", min_size=1, max_size=3).filter(lambda name: name.strip(".")),
    ),
    st.one_of(VALUE, VALUE, VALUE, VALUE, VALUE, st.none()),
    max_size=5,
)


@cases(80)
@given(line=command_line(), caller=CALLER, files=ANY)
def test_any_call(
    both: tuple[Suite, Suite],
    place: Path,
    root: Path,
    line: list[str],
    caller: list[str],
    files: dict[str, bytes | None],
) -> None:
    compare(both, place, root, Call(line, caller=caller, any=files))


@cases(30)
@given(files=ANY, name=st.sampled_from(["chpst", "envdir", "denvdir"]))
def test_any_environment(
    both: tuple[Suite, Suite],
    place: Path,
    root: Path,
    files: dict[str, bytes | None],
    name: str,
) -> None:
    directory = ["-e", "any"] if name == "chpst" else ["any"]
    compare(both, place, root, Call([*directory, "./run"], name, any=files))


def values(option: str) -> st.SearchStrategy[list[str]]:
    """A value that OPTION has, and mostly one that does what it is for."""
    return st.sampled_from([*GIVEN[option][:1] * 6, *GIVEN[option]]).map(lambda one: [str(one)])


LIMITS = (
    st.tuples(st.sampled_from("acdflmoprstx"), st.sampled_from(["=", "300000000", *NUMBERS, *MUCH]))
    .filter(lambda limit: limit not in (("t", "0"), ("t", "")))
    .map(lambda limit: ["-" + limit[0], str(limit[1])])
)
DAEMONTOOLS: dict[str, st.SearchStrategy[list[str]]] = {
    "envdir": values("-e"),
    "envuidgid": values("-U"),
    "setuidgid": values("-u"),
    "pgrphack": st.sampled_from([[], ["--"], ["-x"]]),
    "setlock": st.tuples(
        st.lists(st.sampled_from(["-n", "-N", "-x", "-X", "-xn", "-y", "--"]), max_size=2),
        values("-L"),
    ).map(lambda parts: parts[0] + parts[1]),
    "softlimit": st.lists(LIMITS, max_size=3).map(lambda limits: list(chain.from_iterable(limits))),
}
NAMED = st.sampled_from(sorted(DAEMONTOOLS)).flatmap(
    lambda name: st.tuples(st.sampled_from([name, f"d{name}"]), DAEMONTOOLS[name])
)


@cases(60)
@given(named=NAMED, program=st.sampled_from([*PROGRAMS[:2] * 4, *PROGRAMS]), caller=CALLER)
def test_any_use_as_daemontools(
    both: tuple[Suite, Suite],
    place: Path,
    root: Path,
    named: tuple[str, list[str]],
    program: list[str],
    caller: list[str],
) -> None:
    name, arguments = named
    if "held" in arguments and {"-n", "-xn"} & set(arguments):
        return  # that waits for ever
    compare(both, place, root, Call([*arguments, *program], name, caller))
