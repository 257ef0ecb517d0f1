"""chpst: any options, alone and together, seen from inside the program it starts."""

from __future__ import annotations

import os
import re
import shlex
from difflib import unified_diff
from itertools import product
from pathlib import Path

import pytest
from differential.cases import cases, compared
from hypothesis import given
from hypothesis import strategies as st
from support import Suite, build

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change user and root")

OBSERVER = """#!/bin/sh
{
	echo "arguments: $# $*"
	tr '\\0' '\\n' </proc/$$/environ | grep -v '^_=' | sort
	while read -r line; do # without a child: the shell blocks signals while it forks
		case $line in Uid* | Gid* | Groups* | SigIgn* | SigBlk* | Umask*) echo "$line" ;; esac
	done </proc/$$/status
	sed 's/  */ /g' /proc/$$/limits
	echo "cwd $(readlink /proc/$$/cwd), root $(readlink /proc/$$/root)"
	read -r _ _ _ _ group session _ </proc/$$/stat
	test "$session" = $$ && echo "leads a session"
	test "$group" = $$ && echo "leads a group"
	cut -d' ' -f19 /proc/$$/stat
	for one in 0 1 2 3 4 5 6; do
		test -e /proc/$$/fd/$one && echo "$one: $(readlink /proc/$$/fd/$one)"
	done
} >"$SEEN" 2>&1
exit 7
"""

GIVEN = {
    "-u": ["nobody", ":12:34", "nobody:daemon:mail", ":1", "nosuch", "", ":", "root", ":x", ":0:9"],
    "-U": ["nobody", ":12:34", "nosuch", "daemon:mail", ":", ""],
    "-b": ["called", ""],
    "-e": ["env", "empty", "missing", "run", ""],
    "-/": ["/", "missing", ""],
    "-n": ["5", "-5", "0", "25", "x", "", "+3", "3x"],
    "-l": ["lock", "missing/lock", "env", ""],
    "-L": ["lock", "missing/lock"],
    "-m": ["300000000", "0", "x", "", "-1"],
    "-d": ["300000000", "1e9"],
    "-o": ["40", "7", "0", "99999999999", "x"],
    "-p": ["5000", "", "0"],
    "-f": ["1000000", "0"],
    "-c": ["0", "1000", "x"],
    "-r": ["300000000"],
    "-s": ["8000000"],
    "-a": ["900000000"],
    "-t": ["100"],
    "-v": [None],
    "-P": [None],
    "-0": [None],
    "-1": [None],
    "-2": [None],
    "-x": [None],
    "-V": [None],
}
OPTION = st.sampled_from(sorted(GIVEN)).flatmap(
    lambda name: st.sampled_from([(name, value) for value in GIVEN[name]])
)


def words(options: list[tuple[str, str | None]]) -> list[str]:
    """The command line for OPTIONS."""
    return [word for option in options for word in option if word is not None]


def seen(suite: Suite, directory: Path, arguments: list[str]) -> tuple[object, ...]:
    """What chpst with ARGUMENTS does in DIRECTORY: exit code, messages, what the program saw."""
    report = directory / "seen"
    report.unlink(missing_ok=True)
    (directory / "lock").unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "SEEN": str(report), "KEPT": "1", "CUT": "2"}
    done = suite.run("chpst", *arguments, cwd=directory, env=environment)
    made = sorted(path.name for path in directory.iterdir())
    text = report.read_bytes() if report.exists() else b"nothing"
    return done.returncode, done.stdout, done.stderr, made, text.split(b"\n")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where chpst is called: anybody may write there."""
    build(
        tmp_path,
        {
            "run": OBSERVER,
            "env/NEW": "new \t\nsecond",
            "env/KEPT": "changed\0with a nul",
            "env/CUT": "",
            "env/.hidden": "seen",
            "env/with=sign": "odd",
            "env/spaces": "x  ",
            "empty": None,
        },
    )
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and path.is_relative_to("/tmp/pytest-of-root"):
            path.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


def compare(both: tuple[Suite, Suite], place: Path, options: list[tuple[str, str | None]]) -> None:
    """Both do the same with OPTIONS."""
    arguments = [*words(options), "./run", "a", "b"]
    compared()
    one, two = (seen(suite, place, arguments) for suite in both)
    replay = f"cd {place}; SEEN=$PWD/seen KEPT=1 CUT=2 chpst {shlex.join(arguments)}; cat seen"
    difference = list(unified_diff(shown(one), shown(two), "reference", "ours", lineterm=""))
    assert not difference, "\n".join([replay, *difference])


def shown(result: tuple[object, ...]) -> list[str]:
    """A result as lines, without what is known to differ: version, -C in the usage."""
    code, stdout, stderr, made, lines = result
    assert isinstance(stderr, bytes)
    assert isinstance(lines, list)
    stderr = re.sub(rb"^(\$Id: \w+ \$|pyrunit [\d.]+)$", b"VERSION", stderr, flags=re.MULTILINE)
    stderr = stderr.replace(b" [-C pwd]", b"")
    return [
        *map(repr, (code, stdout, stderr, made)),
        *(re.sub(rb"\[\d+\]", b"[]", line).decode("latin1") for line in lines),
    ]


@needs_root
@pytest.mark.parametrize("name", sorted(GIVEN))
def test_each_option_alone(both: tuple[Suite, Suite], place: Path, name: str) -> None:
    for value in GIVEN[name]:
        compare(both, place, [(name, value)])


PAIRS = [
    ((one, GIVEN[one][0]), (two, GIVEN[two][0]))
    for one, two in product(sorted(GIVEN), repeat=2)
    if one != two
]


@needs_root
@cases(60)
@given(pair=st.sampled_from(PAIRS))
def test_options_in_pairs(
    both: tuple[Suite, Suite], place: Path, pair: tuple[tuple[str, str | None], ...]
) -> None:
    compare(both, place, list(pair))


@needs_root
@cases(60)
@given(options=st.lists(OPTION, max_size=5))
def test_any_options(
    both: tuple[Suite, Suite], place: Path, options: list[tuple[str, str | None]]
) -> None:
    compare(both, place, options)
