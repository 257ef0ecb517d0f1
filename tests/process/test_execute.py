"""runit.process.execute: which file a name stands for, and what is said if none."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from support import build

import runit
from runit.process.execute import execute, search

ROOT = Path(runit.__file__).resolve().parent.parent


def test_a_name_with_a_slash_stands_for_itself() -> None:
    assert search(b"./prog", b"/a:/b") == [b"./prog"]
    assert search(b"x/", b"/a:/b") == [b"x/"]


def test_other_names_are_tried_in_each_directory_in_order() -> None:
    assert search(b"prog", b"/a:b:/c/") == [b"/a/prog", b"b/prog", b"/c//prog"]


def test_an_empty_directory_in_the_path_is_the_current_one() -> None:
    assert search(b"prog", b":/a::") == [b"./prog", b"/a/prog", b"./prog", b"./prog"]
    assert search(b"prog", b"") == [b"./prog"]


def test_an_empty_name_is_the_directories_themselves() -> None:
    assert search(b"", b"/a:/b") == [b"/a/", b"/b/"]


@pytest.mark.parametrize(
    ("directories", "number"),
    [
        ("none:nothing", errno.ENOENT),
        ("denied:none", errno.EACCES),
        ("none:denied", errno.EACCES),
        ("directory", errno.EACCES),
        ("file:good", errno.ENOTDIR),
        ("loop:good", errno.ELOOP),
        ("nointerpreter:none", errno.ENOENT),
        ("nonsense:good", errno.ENOEXEC),
    ],
)
def test_the_error_that_is_told(tmp_path: Path, directories: str, number: int) -> None:
    build(
        tmp_path,
        {
            "denied/prog": "not executable",
            "directory/prog": None,
            "file": "",
            "nointerpreter/prog": "#!/no/such/interpreter\n",
            "nonsense/prog": "nonsense",
            "good/prog": "#!/bin/sh\n",
            "loop": None,
        },
    )
    (tmp_path / "nonsense/prog").chmod(0o755)
    (tmp_path / "loop/prog").symlink_to("prog")
    path = ":".join(str(tmp_path / directory) for directory in directories.split(":"))
    with pytest.raises(OSError) as caught:  # noqa: PT011 (the number is what counts)
        execute([b"prog"], path=path.encode())
    assert caught.value.errno == number


def run(code: str, **environment: str) -> bytes:
    """What a fresh interpreter prints that executes CODE."""
    return subprocess.run(
        [sys.executable, "-c", f"from runit.process.execute import execute\n{code}"],
        env={"PYTHONPATH": str(ROOT), "LC_CTYPE": "C.UTF-8", **environment},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


def test_a_denied_candidate_makes_room_for_the_next(tmp_path: Path) -> None:
    build(tmp_path, {"a/prog": "", "b/prog": None, "c/prog": "#!/bin/sh\necho c $1\n"})
    path = f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c"
    assert run("execute([b'prog', b'one'])", PATH=path) == b"c one\n"


def test_without_a_path_the_system_s_directories_are_searched() -> None:
    assert run("execute([b'echo', b'found'])") == b"found\n"


def test_the_path_that_was_given_is_searched_not_the_one_handed_on() -> None:
    code = "import posix; posix.putenv(b'PATH', b'/new'); execute([b'env'])"
    assert b"PATH=/new\n" in run(code, PATH="/usr/bin:/bin")


@pytest.mark.parametrize("name", [b"other", b"", b"\xff\xfe"])
def test_the_program_may_have_another_name(name: bytes) -> None:
    code = f"execute([{name!r}, b'/proc/self/cmdline'], program=b'/bin/cat')"
    assert run(code) == name + b"\0/proc/self/cmdline\0"
