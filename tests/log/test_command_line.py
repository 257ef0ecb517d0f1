"""The options of svlogd, and what it says of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from log.logs import log
from support import Suite

USAGE = b"usage: svlogd [-ttv] [-r c] [-R abc] [-l len] [-b buflen] dir ...\n\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], b""),
        (["-l", "1024", "log"], b""),
        (["-b", "1000", "log"], b""),
        (["-l", "5", "-b", "5", "log"], b""),
        (["-l4294967297", "log"], b""),
        (["-r", "", "log"], b""),
        (["-r", "ab", "log"], b""),
        (["-x", "log"], b"svlogd: illegal option -- x\n"),
        (["-tt5", "log"], b"svlogd: illegal option -- 5\n"),
        (["-l"], b"svlogd: option requires an argument -- l\n"),
        ([b"-\xff"], b"svlogd: illegal option -- \xff\n"),
    ],
)
def test_a_wrong_command_line_gets_the_usage_and_111(
    suite: Suite, tmp_path: Path, options: list[str], complaint: bytes
) -> None:
    (tmp_path / "log").mkdir()
    done = suite.run("svlogd", *options, cwd=tmp_path)
    assert done.returncode == 111
    assert called_by_name(done.stderr) == complaint + USAGE
    assert done.stdout == b""
    assert not list((tmp_path / "log").iterdir())


def called_by_name(stderr: bytes) -> bytes:
    """Without the path that the reference repeats: a script is not told how it was called."""
    return re.sub(rb"(?m)^(usage: |)/\S*/svlogd", rb"\1svlogd", stderr)


def test_the_version_comes_with_the_usage(suite: Suite) -> None:
    done = suite.run("svlogd", "-V")
    assert done.returncode == 111
    version, _, rest = called_by_name(done.stderr).partition(b"\n")
    assert version
    assert rest == USAGE


@pytest.mark.parametrize(
    "options",
    [
        ["-l", "0"],
        ["-l", ""],
        ["-l", "abc"],
        ["-l", "-5"],
        ["-l", "5x"],
        ["-b", "0"],
        ["-b", "abc"],
        ["-b", "-1"],
        ["-b", "99999999999999999999"],
        ["-l", "5", "-b", "6"],
        ["-vv"],
        ["--"],
    ],
)
def test_numbers_count_as_far_as_they_are_digits_and_else_not(
    suite: Suite, tmp_path: Path, options: list[str]
) -> None:
    done = log(suite, tmp_path / "log", b"a\n", *options)
    assert (done.code, done.text) == (0, b"a\n")


@pytest.mark.parametrize(
    ("option", "form"),
    [
        ("-t", rb"@4[0-9a-f]{23} "),
        ("-tt", rb"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} "),
        ("-ttt", rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{5} "),
        ("-ttttt", rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{5} "),
    ],
)
def test_time_stamps_have_their_forms(
    suite: Suite, tmp_path: Path, option: str, form: bytes
) -> None:
    log(suite, tmp_path / "log", b"one\n\ntwo\n", option)
    text = (tmp_path / "log/current").read_bytes()
    assert re.fullmatch(form + rb"one\n" + form + rb"\n" + form + rb"two\n", text)


BYTES = bytes(byte for byte in range(256) if byte != 10) + b"\na_?~\x7f\n"


@pytest.mark.parametrize(
    "options",
    [
        ["-r", "?"],
        ["-R", "a?"],
        ["-R", ""],
        ["-r", ".", "-R", "a?"],
        ["-R", "a?", "-r", "."],
        ["-R", "\n"],
        ["-r", "\x80"],
    ],
)
def test_characters_are_replaced_as_by_the_reference(
    ours: Suite, reference: Suite, tmp_path: Path, options: list[str]
) -> None:
    results = [
        log(suite, tmp_path / repr(suite) / "log", BYTES, *options).text
        for suite in (ours, reference)
    ]
    assert results[0] == results[1]
    assert results[0] != BYTES


def test_only_what_patterns_see_of_a_line_is_replaced(suite: Suite, tmp_path: Path) -> None:
    data = b"a\tb\n0123456\t\t\nxxxx\t\n\t\t\t\t\t\t\n"
    done = log(suite, tmp_path / "log", data, "-r", "_", "-l", "5", config=b"-a_b\n")
    assert done.text == b"0123456\t\t\nxxxx_\n_____\t\n"


def test_verbose_tells_of_each_file(suite: Suite, tmp_path: Path) -> None:
    done = log(
        suite, tmp_path / "log", b"abc\nde\n", "-v", "-l", "1", "-b", "2", config=b"s4\nn1\n"
    )
    assert done.stderr == (
        b"svlogd: info: read: log/config\n"
        b"svlogd: info: new: log/current\n"
        b"svlogd: info: rename: log/current <label>.s 4\n"
        b"svlogd: info: rename: log/current <label>.s 3\n"
        b"svlogd: info: delete: log/<label>.s\n"
        b"svlogd: info: close: log\n"
    )
    again = log(suite, tmp_path / "log", b"", "-v")
    assert again.stderr == (
        b"svlogd: info: read: log/config\n"
        b"svlogd: info: append: log/current\n"
        b"svlogd: info: close: log\n"
    )
