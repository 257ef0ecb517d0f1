"""svlogd: any bytes, any configuration, any options: the same logs."""

from __future__ import annotations

import re
import shlex
import shutil
from difflib import unified_diff
from pathlib import Path

from differential.cases import cases, compared
from hypothesis import given
from hypothesis import strategies as st
from log.logs import snapshot
from support import Suite, build

SIZE = 4000
"""Bytes of a log that is full."""

PIECE = st.one_of(
    st.sampled_from([b"a", b"ab", b"err: ", b" ", b"*", b"+", b"\t", b"\r", b"\x1b[2J", b"\xff"]),
    st.binary(max_size=5).map(lambda data: data.replace(b"\n", b"")),
    st.integers(1, 400).map(lambda count: b"x" * count),
)
LONGEST = 900
"""Bytes of a line: what is longer than -l, the reference writes in pieces."""
LINE = st.lists(PIECE, max_size=4).map(b"".join).map(lambda line: line[:LONGEST])
# The last one has its newline: of one without, the reference loses all.
TEXT = st.lists(LINE, max_size=40).map(lambda lines: b"".join(line + b"\n" for line in lines))
CONFIG = st.lists(
    st.sampled_from(
        [
            b"",
            b"# a comment",
            b"s%d" % SIZE,
            b"s100000",
            b"s0",
            b"n3",
            b"n0",
            b"n2",
            b"pprefix: ",
            b"p",
            b"-*",
            b"+*",
            b"-*a*",
            b"+err: *",
            b"-err: *",
            b"+a*b",
            b"e*",
            b"E*",
            b"eerr: *",
            b"-",
            b"+",
            b"t0",
            b"nonsense",
            b"sx",
        ]
    ),
    max_size=5,
).map(lambda lines: b"".join(line + b"\n" for line in lines))
OPTIONS = st.lists(
    st.sampled_from(
        [
            ["-r", "."],
            ["-r_"],
            ["-R", "xa"],
            ["-R", "*+"],
            ["-l", "1000"],
            ["-l", "2000"],
            ["-b", "100"],
            ["-b", "2048"],
            ["-v"],
            ["-t"],
            ["-tt"],
        ]
    ),
    max_size=3,
).map(lambda groups: [word for group in groups for word in group])


def play(
    suite: Suite, place: Path, configs: list[bytes], texts: list[bytes], options: list[str]
) -> list[str]:
    """What comes of TEXTS, each given to an svlogd of its own, one after the other."""
    shutil.rmtree(place, ignore_errors=True)
    names = [f"log{number}" for number in range(len(configs))]
    build(place, {f"{name}/config": data for name, data in zip(names, configs, strict=True)})
    told = []
    for text in texts:
        done = suite.run("svlogd", *options, *names, cwd=place, input=text)
        told.append(f"exit code {done.returncode}")
        errors = masked(done.stderr).splitlines(keepends=True)
        if len(configs) > 1:  # ours come directory by directory, the reference's line by line
            errors.sort()
        told += [f"error: {line!r}" for line in errors]
    for name in names:
        for file, mode, content in snapshot(place / name):
            told.append(f"{name}/{file} {mode}")
            told += [repr(line) for line in content.splitlines(keepends=True)]
    return told


def masked(text: bytes) -> bytes:
    """TEXT with every time in it made the same, and the path by which it was called."""
    text = text.replace(b"usage: /usr/bin/svlogd", b"usage: svlogd")
    text = re.sub(rb"@[0-9a-f]{24}", b"<label>", text)
    return re.sub(rb"\d{4}-\d\d-\d\d[_T]\d\d:\d\d:\d\d\.\d{5}", b"<calendar>", text)


def compare(
    both: tuple[Suite, Suite],
    place: Path,
    configs: list[bytes],
    texts: list[bytes],
    options: list[str],
) -> None:
    """Both make the same logs of TEXTS."""
    compared()
    one, two = (play(suite, place / "logs", configs, texts, options) for suite in both)
    replay = [f"printf {shlex.quote(repr(config)[2:-1])} >config" for config in configs]
    replay += [f"printf {short(text)} | svlogd {shlex.join(options)} ..." for text in texts]
    difference = unified_diff(one, two, "reference", "ours", lineterm="")
    shown = "\n".join(map(short, difference))
    assert not shown, "\n".join([*replay, shown])


def short(text: bytes | str) -> str:
    """TEXT for people: many x in a row as their number."""
    shown = shlex.quote(repr(text)[2:-1]) if isinstance(text, bytes) else text
    return re.sub(r"x{10,}", lambda found: f"<{len(found[0])} x>", shown)


@cases(80)
@given(
    configs=st.lists(CONFIG, min_size=1, max_size=2),
    texts=st.lists(TEXT, min_size=1, max_size=3),
    options=OPTIONS,
)
def test_any_log(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    configs: list[bytes],
    texts: list[bytes],
    options: list[str],
) -> None:
    compare(both, tmp_path, configs, texts, options)


SHORT_OPTIONS = st.tuples(st.sampled_from(["1", "5", "100", "999"]), OPTIONS).map(
    lambda given: ["-l", given[0], *given[1]]
)
UNLIMITED = CONFIG.map(lambda config: config.replace(b"s%d\n" % SIZE, b""))


@cases(30)
@given(
    configs=st.lists(UNLIMITED, min_size=1, max_size=2),
    texts=st.lists(TEXT, min_size=1, max_size=2),
    options=SHORT_OPTIONS,
)
def test_any_log_of_long_lines(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    configs: list[bytes],
    texts: list[bytes],
    options: list[str],
) -> None:
    """Lines that are longer than -l, in logs that do not get full."""
    compare(both, tmp_path, configs, texts, options)
