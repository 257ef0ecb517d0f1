"""Every parser, given anything: an answer or its own error, and never another exception.

PYRUNIT_CASES=N tries N times as many cases, other ones in each run.
"""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from differential.cases import cases
from hypothesis import example, given
from hypothesis import strategies as st
from security.words import ARGUMENT, LINES, NUMBERS, TEXT, WORDS

from runit.boot import killall5, pending, runlevel, shutdown, utmp
from runit.boot.when import Clock, parse
from runit.control import commands, conditions
from runit.control.report import Report
from runit.control.sv import _number
from runit.log import config
from runit.log.options import parse_options
from runit.log.patterns import matches, steps
from runit.log.rules import Rules
from runit.message import line, printable, shown
from runit.options import Options, UsageError
from runit.process import accounts, limits, numbers, title
from runit.process.environment import Given
from runit.process.execute import search
from runit.process.unable import Unable
from runit.service import status, tai64n
from runit.service.tai64n import BILLION
from runit.supervise import adopt, orphan, places

ANYTHING = st.binary(max_size=200)
SHOWN = set(string.printable.encode()) - set(b"\t\r\x0b\x0c")

# Records


RECORD = st.one_of(
    st.binary(max_size=40),
    st.builds(
        status.record,
        st.integers(-(1 << 62), 1 << 62).map(lambda seconds: seconds * BILLION),
        st.integers(0, (1 << 32) - 1),
        st.booleans(),
        st.sampled_from([b"u", b"d", b"x", b"\0", b"\x1b", b"\xff"]),
        st.booleans(),
        st.integers(0, 255),
    ),
)


@cases(50)
@given(record=RECORD)
@example(record=b"\xff" * 20)
@example(record=bytes(20))
def test_a_status_record(record: bytes) -> None:
    try:
        found = status.unpack(record)
    except ValueError:
        assert len(record) < 18
        return
    assert len(record) >= 18
    assert 0 <= found.pid < 1 << 32
    assert len(found.want) == 1
    report = Report()
    text = report.status(b"s", b"s", found)
    assert set(text) <= SHOWN
    assert b"\n" not in text
    for letter in b"udotkpcCx":
        assert conditions.judge(bytes([letter]), found, new=True) in range(3)
    if len(record) == status.SIZE and max(record[16], record[18]) < 2:
        assert found.pack() == record


@cases(50)
@given(stamped=st.binary(min_size=12, max_size=12), nanoseconds=st.integers(-(1 << 60), 1 << 63))
def test_a_time_stamp(stamped: bytes, nanoseconds: int) -> None:
    assert tai64n.unix(tai64n.stamp(nanoseconds)) == nanoseconds
    assert len(tai64n.label(nanoseconds)) == 25
    assert isinstance(tai64n.unix(stamped), int)
    assert tai64n.unix(stamped + b"more") == tai64n.unix(stamped)


UTMP = st.one_of(
    st.binary(max_size=3 * utmp.SIZE + 10),
    st.lists(st.binary(min_size=utmp.SIZE, max_size=utmp.SIZE), max_size=3).map(b"".join),
)


@cases(50)
@given(content=UTMP)
def test_utmp(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "utmp"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    try:
        found = list(utmp.read(descriptor))
        assert b"".join(bytes(one.raw) for one in found) == content[: len(found) * utmp.SIZE]
        assert len(found) == len(content) // utmp.SIZE
        for one in found:
            for text in (one.line, one.id, one.user, one.host):
                assert b"\0" not in text
            for number in (one.type, one.pid, one.session, one.seconds, one.microseconds):
                assert abs(number) <= 1 << 63
    finally:
        os.close(descriptor)


# svlogd


CONFIG = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.tuples(st.sampled_from(list("sntNuUpeE+-!#")), st.one_of(NUMBERS, TEXT)).map(
            lambda pair: pair[0].encode() + pair[1]
        ),
    ),
    max_size=8,
).map(b"\n".join)


@cases(50)
@given(text=CONFIG)
def test_a_configuration_of_svlogd(text: bytes) -> None:
    found = config.parse(text)
    assert 0 <= found.size < 1 << 85  # 64 bits of megabytes
    assert 0 <= found.keep < 1 << 64
    assert found.least is None or 0 <= found.least < 1 << 64
    assert 0 <= found.age < 1 << 77
    assert not set(b"\n\0") & set(found.prefix + found.processor)
    assert all(not set(b"\n\0") & set(pattern) for _, pattern in found.rules + found.alerts)
    if found.address:
        host, port = found.address
        assert all(0 <= int(part) < 256 for part in host.split("."))
        assert len(host.split(".")) == 4
        assert 0 < port < 1 << 16


PATTERN = st.one_of(
    st.lists(st.sampled_from([b"*", b"+", b"a", b"b", b" ", b"*a", b"+b"]), max_size=30).map(
        b"".join
    ),
    st.binary(max_size=30),
).map(lambda pattern: pattern.replace(b"\n", b"").replace(b"\0", b""))
LINE = st.one_of(
    st.lists(st.sampled_from([b"a", b"b", b" ", b"*", b"+", b"ab" * 400]), max_size=30).map(
        b"".join
    ),
    st.binary(max_size=60),
).map(lambda one: one.replace(b"\n", b""))


@cases(50)
@given(
    patterns=st.lists(st.tuples(st.booleans(), PATTERN), max_size=6),
    default=st.booleans(),
    lines=st.lists(LINE, max_size=8),
    length=st.integers(1, 2000),
)
@example([(False, b"+a" * 2000)], True, [b"a" * 2000, b"b"], 1000)
@example([(True, b"*a" * 500 + b"b")], False, [b"a" * 2000], 2000)
@example([(True, b"*a+a" * 200 + b"b")], False, [b"a" * 2000], 2000)
@example([(False, b"[[:alpha:]]--&&||~~")], True, [b"[[:alpha:]]--&&||~~"], 1000)
def test_any_patterns(
    patterns: list[tuple[bool, bytes]], default: bool, lines: list[bytes], length: int
) -> None:
    block = b"".join(one + b"\n" for one in lines)
    chosen = Rules(patterns, default).select(block, length)
    expected = b""
    for one in lines:
        verdict = default
        for selected, pattern in patterns:
            if matches(steps(pattern), one[:length]):
                verdict = selected
        expected += one + b"\n" if verdict else b""
    assert chosen == expected


@cases(50)
@given(words=WORDS)
def test_any_options_of_svlogd(words: list[bytes]) -> None:
    try:
        found = parse_options(words)
    except UsageError:
        return
    assert 0 < found.length < 1 << 64
    assert found.directories == words[len(words) - len(found.directories) :]
    assert found.replace(b"a\x01\n").count(b"\n") == 1


# Command lines


@cases(50)
@given(words=WORDS, accepted=st.text("abcdlnuvV:", max_size=10))
def test_any_options(words: list[bytes], accepted: str) -> None:
    options = Options(words, accepted.encode())
    try:
        found = list(options)
    except UsageError:
        return
    assert all(len(letter) == 1 and letter != b":" for letter, _ in found)
    assert options.rest == words[len(words) - len(options.rest) :]


@cases(50)
@given(text=st.one_of(NUMBERS, TEXT))
def test_any_number(text: bytes) -> None:
    number = numbers.unsigned(text)
    assert number is None or 0 <= number <= numbers.HUGE
    assert (number is None) == (text.lstrip(b"0123456789") != b"")
    signed = numbers.signed(text)
    assert signed is None or abs(signed) <= numbers.HUGE
    assert 0 <= _number(text) < 10**20
    value, rest = config.scan(text)
    assert 0 <= value < 1 << 64
    assert text.endswith(rest)
    if number is not None:
        wanted: dict[bytes, int] = {}
        limits.wish(wanted, b"m", number)
        assert set(wanted.values()) == {number}


@cases(50)
@given(text=st.lists(st.one_of(NUMBERS, ARGUMENT), max_size=4).map(b":".join))
def test_any_account(text: bytes) -> None:
    for find in (accounts.account, accounts.user):
        try:
            found = find(text)
        except Unable:
            continue
        assert 0 <= found.uid <= accounts.LARGEST
        assert all(0 <= gid <= accounts.LARGEST for gid in found.gids)
        assert found.gids


@cases(50)
@given(word=TEXT)
def test_any_command(word: bytes) -> None:
    found = commands.command(word)
    assert found is None or all(letter in b"udopchaiq12tkxC" for letter in found.letters)


@cases(50)
@given(words=WORDS)
def test_any_command_line_of_shutdown(words: list[bytes]) -> None:
    try:
        plan = shutdown.command_line(words)
    except UsageError:
        return
    assert plan.seconds is None or plan.seconds >= 0
    assert set(printable(plan.goal())) <= SHOWN


@cases(50)
@given(text=st.one_of(NUMBERS, TEXT, st.tuples(NUMBERS, NUMBERS).map(b":".join)))
def test_any_time_of_shutdown(text: bytes) -> None:
    clock = Clock()
    when = parse(text, clock)
    if when is not None:
        assert -1 < when.left(clock) <= 10_000_000 * 60.0


@cases(50)
@given(words=WORDS)
def test_any_command_line_of_killall5(words: list[bytes]) -> None:
    """Nobody is signalled here: it is only read."""
    try:
        wanted = killall5.command_line(words)
    except ValueError:
        return
    assert {1, os.getpid()} <= wanted.omitted
    assert wanted.signal is None or 0 < wanted.signal < 65
    assert 0 <= wanted.wait <= 1 << 31


# Files that programs leave for each other


@cases(50)
@given(
    content=st.one_of(
        ANYTHING,
        st.lists(NUMBERS, min_size=4, max_size=4).map(
            lambda words: (b" ".join(words) + b" " + orphan.boot()).ljust(orphan.SIZE - 1) + b"\n"
        ),
    )
)
def test_any_lock(tmp_path: Path, content: bytes) -> None:
    where = tmp_path / "log"
    (where / "supervise").mkdir(parents=True, exist_ok=True)
    (where / "supervise/lock").write_bytes(content)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        found = orphan.find(b"log/")
    finally:
        os.chdir(before)
    assert found is None


@cases(50)
@given(content=st.one_of(ANYTHING, st.tuples(NUMBERS, TEXT, TEXT).map(b"\n".join)))
def test_any_file_of_a_shutdown_that_waits(tmp_path: Path, content: bytes) -> None:
    was, pending.PATH = pending.PATH, os.fsencode(tmp_path / "shutdown.pid")
    try:
        (tmp_path / "shutdown.pid").write_bytes(content)
        one = pending.Pending()
        assert one.pid() >= 0
        os.close(one.descriptor)
    finally:
        pending.PATH = was


@cases(50)
@given(target=ARGUMENT.map(lambda text: text[:4000] or b"/"))
def test_any_link_to_a_runlevel(tmp_path: Path, target: bytes) -> None:
    link = tmp_path / "current"
    link.unlink(missing_ok=True)
    os.symlink(target, link)
    found = runlevel.runlevels(os.fsencode(tmp_path))
    assert found is None or all(name and b"/" not in name for name in found)


@cases(50)
@given(path=ARGUMENT)
def test_any_path_to_a_services_directory(path: bytes) -> None:
    way = places._way(path)
    assert way
    assert search(path, path)


@cases(50)
@given(entries=st.lists(ANYTHING.filter(lambda entry: b"\0" not in entry), max_size=6))
def test_any_environment(entries: list[bytes]) -> None:
    given_ = Given(entries)
    pairs = zip(given_.keys(), given_.values(), strict=True)
    assert [name + b"=" + value for name, value in pairs] == [
        entry for entry in entries if entry.find(b"=", 1) > 0
    ]
    mapping = given_.mapping()
    assert all(name for name in mapping.keys())  # noqa: SIM118 (it need be no dict)


@cases(50)
@given(parts=st.lists(st.one_of(TEXT, LINES), min_size=1, max_size=4))
def test_any_message(parts: list[bytes]) -> None:
    text = line(*map(printable, parts), error=2)
    assert text.count(b"\n") == 1
    assert text.decode("utf-8").rstrip("\n").isprintable()
    assert shown(parts[0], 99) == parts[0]


def test_what_the_kernel_tells_of_this_process_can_be_read() -> None:
    assert title.area()
    assert isinstance(adopt.locks(), dict)


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Warnings are not what is looked at here."""
