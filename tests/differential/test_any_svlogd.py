"""svlogd: any bytes, any configuration, any options: the same logs."""

from __future__ import annotations

import fcntl
import re
import shlex
import shutil
import signal
import subprocess
import termios
from array import array
from difflib import unified_diff
from pathlib import Path
from random import Random

from differential.cases import cases, compared
from hypothesis import given
from hypothesis import strategies as st
from interop.sides import children, proc_state, switches
from log.logs import logging, snapshot
from support import Suite, build, wait_for

SIZE = 4000
"""Bytes of a log that is full."""
FULL = b"s%d\n" % SIZE
"""The line of a configuration that says so."""

PIECE = st.one_of(
    st.sampled_from([b"a", b"ab", b"err: ", b" ", b"*", b"+", b"\t", b"\r", b"\x1b[2J", b"\xff"]),
    st.binary(max_size=5).map(lambda data: data.replace(b"\n", b"")),
    st.integers(1, 400).map(lambda count: b"x" * count),
)
LONGEST = 900
"""Bytes of a line: what is longer than -l, the reference writes in pieces."""
LIMITS = st.sampled_from([4, 5, 6, 99, 100, 101, 998, 999, 1000, 1001, 2047, 2048, 2049])
LINE = st.lists(PIECE, max_size=4).map(b"".join).map(lambda line: line[:LONGEST])
# The last one has its newline: of one without, the reference loses all.
TEXT = st.lists(LINE, max_size=40).map(lambda lines: b"".join(line + b"\n" for line in lines))
LONG_TEXT = st.lists(
    st.one_of(
        LINE, st.tuples(PIECE, LIMITS).map(lambda given: (given[0] + b"y" * given[1])[: given[1]])
    ),
    max_size=20,
).map(lambda lines: b"".join(line + b"\n" for line in lines))
CONFIG = st.lists(
    st.sampled_from(
        [
            b"",
            b"# a comment",
            FULL.strip(),
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


Case = tuple[list[bytes], list[bytes], list[str]]

ANY = st.tuples(
    st.lists(CONFIG, min_size=1, max_size=2), st.lists(TEXT, min_size=1, max_size=3), OPTIONS
)
# Lines that are longer than -l, in logs that do not get full.
LONGER = st.tuples(
    st.lists(CONFIG.map(lambda config: config.replace(FULL, b"")), min_size=1, max_size=2),
    st.lists(LONG_TEXT, min_size=1, max_size=2),
    st.tuples(st.sampled_from(["1", "5", "100", "999"]), OPTIONS).map(
        lambda given: ["-l", given[0], *given[1]]
    ),
)


@cases(110)
@given(case=st.one_of(ANY, ANY, ANY, LONGER))
def test_any_log(both: tuple[Suite, Suite], tmp_path: Path, case: Case) -> None:
    configs, texts, options = case
    compare(both, tmp_path, configs, texts, options)


ALPHABET = b"aab**+ :x"


def any_word(random: Random, longest: int) -> bytes:
    """A few bytes of those that patterns and lines are about."""
    return bytes(random.choice(ALPHABET) for _ in range(random.randrange(longest)))


def any_pattern(random: Random) -> bytes:
    """Any pattern, but for a plus that nothing follows: there the reference looks further."""
    word = any_word(random, 9)
    while word.replace(b"++", b"").endswith(b"+") and word.endswith(b"+"):
        word = word[:-1]
    return word


def meant(random: Random, pattern: bytes) -> bytes:
    """A line that PATTERN may have been written for, or nearly."""
    line = b""
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            line += any_word(random, 4)
        elif byte == b"+" and at + 1 < len(pattern):
            at += 1
            line += pattern[at : at + 1] * random.choice([0, 1, 1, 2, 3])
        elif random.random() < 0.95:
            line += byte
        at += 1
    return line + any_word(random, random.choice([1, 1, 3]))


def selected(
    suite: Suite, place: Path, patterns: list[bytes], lines: list[bytes]
) -> list[set[bytes]]:
    """For each of PATTERNS, those of LINES that it matches."""
    shutil.rmtree(place, ignore_errors=True)
    names = [str(number) for number in range(len(patterns))]
    configs = (b"-*\n+" + pattern + b"\n" for pattern in patterns)
    build(place, {f"{name}/config": data for name, data in zip(names, configs, strict=True)})
    done = suite.run("svlogd", *names, cwd=place, input=b"".join(line + b"\n" for line in lines))
    assert (done.returncode, done.stderr) == (0, b"")
    return [set((place / name / "current").read_bytes().split(b"\n")) for name in names]


@cases(8)
@given(seed=st.integers(0, 2**64))
def test_any_pattern_and_line(both: tuple[Suite, Suite], tmp_path: Path, seed: int) -> None:
    """Many in one process; no shrinking is needed to tell which of them differ."""
    random = Random(seed)
    patterns = [any_pattern(random) for _ in range(50)]
    made = (meant(random, pattern) for pattern in patterns for _ in range(4))
    # By length: a plus behind the end of a line compares with what a longer one left in
    # the reference's memory.
    lines = sorted({*made, *(any_word(random, 12) for _ in range(150))} - {b""}, key=len)
    compared(len(patterns) * len(lines))
    sides = (selected(suite, tmp_path / "logs", patterns, lines) for suite in both)
    for pattern, one, two in zip(patterns, *sides, strict=True):
        for line in one ^ two:
            config, text = (short(data + b"\n") for data in (b"-*\n+" + pattern, line))
            who = "reference" if line in one else "ours"
            replay = f"printf {config} >log/config; printf {text} | svlogd log; cat log/current"
            raise AssertionError(f"only {who} matches:\n{replay}")


# What an svlogd lives through.
EVENT = st.one_of(
    st.tuples(st.just("write"), TEXT),
    st.tuples(st.just("write"), TEXT),
    st.tuples(st.just("write"), LINE.filter(bool)),
    st.tuples(st.just("ALRM"), st.just(b"")),
    st.tuples(st.just("HUP"), CONFIG),
    st.tuples(st.just("CONT"), st.just(b"")),
    st.tuples(st.just("ALRM"), st.just(b"")),
)


def at_rest(process: subprocess.Popen[bytes], reader: int) -> bool:
    """Whether it has read all and waits for more."""
    if process.poll() is not None:
        return True
    before = switches(process.pid)
    unread = array("i", [0])
    fcntl.ioctl(reader, termios.FIONREAD, unread)
    return (
        not unread[0]
        and proc_state(process.pid) == "S"
        and not children(process.pid)
        and switches(process.pid) == before
    )


def live(
    suite: Suite, place: Path, config: bytes, options: list[str], events: list[tuple[str, bytes]]
) -> list[str]:
    """What comes of EVENTS, each of which finds svlogd at rest."""
    shutil.rmtree(place, ignore_errors=True)
    log = build(place / "log", {"config": config})
    with logging(suite, log, *options) as work:
        process = work.process

        def rest() -> None:
            wait_for(lambda: at_rest(process, work.reader), f"{suite} to be at rest")

        rest()
        for what, data in events:
            if what == "HUP":
                # Without a pattern, what the last line was counts on for the reference.
                (log / "config").write_bytes(data.rstrip(b"\n") + b"\n-\xff never\n")
            if what == "write":
                work.write(data)
            else:
                process.send_signal(signal.Signals["SIG" + what])
            rest()
        # Of a last line without an end, the reference loses all.
        if process.poll() is None:
            work.write(b"\n")
            rest()
        told = [f"exit code {work.end()}"]
        told += [f"error: {line!r}" for line in masked(work.stderr).splitlines(keepends=True)]
    for file, mode, content in snapshot(log):
        told.append(f"{file} {mode}")
        told += [repr(line) for line in content.splitlines(keepends=True)]
    return told


@cases(40)
@given(config=CONFIG, options=OPTIONS, events=st.lists(EVENT, min_size=1, max_size=8))
def test_any_signals_meanwhile(
    both: tuple[Suite, Suite],
    tmp_path: Path,
    config: bytes,
    options: list[str],
    events: list[tuple[str, bytes]],
) -> None:
    compared()
    one, two = (live(suite, tmp_path / "at", config, options, events) for suite in both)
    shown = "\n".join(map(short, unified_diff(one, two, "reference", "ours", lineterm="")))
    if shown:
        raise AssertionError("\n".join([*steps(config, options, events), shown]))


def steps(config: bytes, options: list[str], events: list[tuple[str, bytes]]) -> list[str]:
    """What was done, for a person to do it again."""
    lines = [f"mkdir log; printf {short(config)} >log/config; mkfifo in"]
    lines += [f"svlogd {shlex.join(options)} log <in & exec 3>in; sleep 1"]
    for what, data in events:
        if what == "write":
            lines.append(f"printf {short(data)} >&3")
        else:
            config = f"printf {short(data)} >log/config; " if what == "HUP" else ""
            lines.append(f"{config}kill -{what} $!")
    return ["; sleep 1\n".join([*lines, "echo >&3"]), "exec 3>&-; wait; ls -l log; cat log/current"]
