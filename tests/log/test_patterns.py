"""Patterns: as the reference has them, and all the ways to apply them alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log.logs import log
from support import Suite

from runit.log import rules as module
from runit.log.patterns import RUN, matches, steps
from runit.log.rules import Rules

LINES = [
    b"",
    b"a",
    b"aa",
    b"aab",
    b"ab",
    b"b",
    b"foo",
    b"foobar",
    b"xfoo",
    b"a: b: c",
    b"a:: b",
    b"a*b",
    b"a+b",
    b"***",
    b"+",
    b"fff",
    b"ffb",
    b"ffbar",
    b" [x].^$(y)|\\{2}? ",
    b"2005-12-18_09:13:50.97618 tcpsvd: info: pid 1977 from 10.4.1.14",
    b"\xff\xfe\x00\x01",
    b"a" * 1200,
    b"b" * 999 + b"c",
    b"b" * 1000 + b"c",
]
PATTERNS = [
    b"",
    b"*",
    b"**",
    b"**b",
    b"*+b",
    b"*+",
    b"a",
    b"a*",
    b"*a",
    b"*a*",
    b"*b*b*",
    b"a+b",
    b"+ab",
    b"+a",
    b"+a*",
    b"+fbar",
    b"foo",
    b"foo*",
    b"*foo",
    b"*o",
    b"*pid*",
    b"*: *: pid *",
    b"*: *: *",
    b"a: +b*",
    b"*[x].^$(y)|\\{2}? ",
    b" [*",
    b"*]*",
    b"*\\*",
    b"*^*",
    b"*-*",
    b"\xff*",
    b"*\x00*",
    b"*c",
    b"+bc",
    b"+bc*",
    b"b" * 1000,
    b"b" * 1001,
]
SETS = [
    [b"-*", b"+foo*"],
    [b"-foo*", b"+foobar", b"-*bar"],
    [b"+a*", b"-a*", b"+aab", b"-*b", b"+*"],
    [b"-*", b"+*a*", b"-aa*", b"+aab"],
    [b"-a", b"-b", b"-", b"-*: *", b"-\xff*"],
    [b"+*"],
    [b"-*"],
]
NEUTRAL = b"~" * 1000 + b"\n"
"""The reference looks at what the last line left behind a shorter one; this hides it."""

pytestmark = pytest.mark.usefixtures("reference")


@pytest.mark.parametrize("length", ["1000", "3", "1"])
def test_each_pattern_selects_what_the_reference_selects(
    ours: Suite, reference: Suite, tmp_path: Path, length: str
) -> None:
    data = b"".join(NEUTRAL + line + b"\n" for line in LINES)
    for number, chosen in enumerate([*([b"-" + pattern] for pattern in PATTERNS), *SETS]):
        results = [
            log(
                suite,
                tmp_path / f"{suite}{number}",
                data,
                *("-l", length),
                config=b"\n".join([*chosen, b"s0"]),
            ).text
            for suite in (ours, reference)
        ]
        assert results[0] == results[1], chosen


PIECES = st.sampled_from([b"a", b"b", b"ab", b":", b" ", b"*", b"+", b"**", b"*:", b"*a", b"+a"])
SOME_PATTERN = st.lists(PIECES, max_size=6).map(b"".join)
SOUND_PATTERN = SOME_PATTERN.filter(lambda pattern: (RUN, b"") not in steps(pattern))
"""Where a plus is the end, the reference reads on behind its pattern and its line."""
SOME_RULES = st.lists(
    st.tuples(st.sampled_from([b"+", b"-", b"e", b"E"]), SOUND_PATTERN).map(b"".join), max_size=5
)
SOME_LINE = st.lists(st.sampled_from(b"aab:: *+")).map(bytes)
SOME_LINES = st.lists(SOME_LINE, min_size=1, max_size=40)
LENGTHS = st.sampled_from([1, 3, 5, 1000])


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=SOME_RULES, lines=SOME_LINES, length=LENGTHS)
def test_any_patterns_select_what_the_reference_selects(
    ours: Suite,
    reference: Suite,
    tmp_path: Path,
    chosen: list[bytes],
    lines: list[bytes],
    length: int,
) -> None:
    data = b"".join(NEUTRAL + line + b"\n" for line in lines)
    results = []
    for suite in (ours, reference):
        directory = tmp_path / repr(suite)
        if directory.exists():
            (directory / "current").unlink()
        done = log(suite, directory, data, "-l", str(length), config=b"\n".join([*chosen, b"s0"]))
        results.append((done.text, done.stderr))
    assert results[0] == results[1]


def one_by_one(
    chosen: list[tuple[bool, bytes]], default: bool, lines: list[bytes], length: int
) -> bytes:
    """What to select, said as plainly as can be."""
    selected = []
    for line in lines:
        verdict = default
        for sign, pattern in chosen:
            if matches(steps(pattern), line[:length]):
                verdict = sign
        if verdict:
            selected.append(line + b"\n")
    return b"".join(selected)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    chosen=st.lists(st.tuples(st.booleans(), SOME_PATTERN), max_size=6),
    default=st.booleans(),
    lines=SOME_LINES,
    length=LENGTHS,
    shortcut=st.sampled_from(["as it comes", "lines are long", "no expressions"]),
)
def test_blocks_are_selected_from_as_lines_would_be(
    chosen: list[tuple[bool, bytes]],
    default: bool,
    lines: list[bytes],
    length: int,
    shortcut: str,
) -> None:
    block = b"".join(line + b"\n" for line in lines)
    with pytest.MonkeyPatch.context() as patch:
        if shortcut == "lines are long":
            patch.setattr(module, "LONG", 0)
        elif shortcut == "no expressions":
            patch.setitem(__import__("sys").modules, "re", None)
        rules = Rules(chosen, default)
        assert rules.select(block, length) == one_by_one(chosen, default, lines, length)


def test_more_alternations_than_an_expression_can_nest_work(ours: Suite, tmp_path: Path) -> None:
    config = b"".join(b"-a%d*\n+a%d b*\n" % (number, number) for number in range(400))
    data = b"a7\na7 b\na399 c\na399 b\nx\n"
    assert log(ours, tmp_path / "log", data, config=config).text == b"a7 b\na399 b\nx\n"


def test_many_combinations_of_patterns_work(ours: Suite, tmp_path: Path) -> None:
    config = b"".join(b"-word%d *\n" % number for number in range(30))
    packets = [b"word%d x\nkeep %d\n" % (number, number) for number in range(30)]
    done = log(ours, tmp_path / "log", b"", config=config, packets=packets)
    assert done.text == b"".join(b"keep %d\n" % number for number in range(30))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_how_the_input_arrives_makes_no_difference(ours: Suite, tmp_path: Path, chunk: int) -> None:
    lines = [b"keep %d\n" % number if number % 3 else b"drop\n" for number in range(400)]
    data = b"".join(lines)
    packets = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    done = log(ours, tmp_path / "log", b"", config=b"-drop*\n", packets=packets)
    assert done.text == b"".join(line for line in lines if line != b"drop\n")
