"""An environment directory, through chpst -e and through envdir."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from support import Suite, build, run_with_environment

Files = dict[str, str | bytes | None]
needs_no_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture(params=["chpst", "envdir"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def command(suite: Suite, name: str, tmp_path: Path) -> Suite:
    """A suite whose `chpst` is either name, by a link."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).symlink_to(suite.program("chpst"))
    return Suite(tmp_path / "bin", suite.name)


def start(command: Suite, name: str, directory: str | Path, *program: str) -> list[str]:
    return [name, *(["-e"] if name == "chpst" else []), str(directory), *program]


def variables(command: Suite, name: str, directory: Path, **given: str) -> dict[bytes, bytes]:
    """The environment after DIRECTORY was applied to what was GIVEN."""
    words = start(command, name, directory, "/bin/cat", "/proc/self/environ")
    done = command.run(*words, env=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"value", b"value"),
        (b"value\n", b"value"),
        (b"first\nsecond\n", b"first"),
        (b"ends \t \t\n", b"ends"),
        (b" \tinside it\n", b" \tinside it"),
        (b"\n", b""),
        (b" \t", b""),
        (b"a\0b\0 \nrest", b"a\nb\n"),
        (b"\0", b"\n"),
        (b"x\r\n", b"x\r"),
        (b"\xff\xfe=", b"\xff\xfe="),
        (b"l" * 70000, b"l" * 70000),
    ],
)
def test_the_first_line_is_the_value(
    command: Suite, name: str, tmp_path: Path, content: bytes, value: bytes
) -> None:
    build(tmp_path, {"env/K": content})
    assert variables(command, name, tmp_path / "env") == {b"K": value}


def test_it_replaces_and_removes(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "new", "env/B": "", "env/NONE": ""})
    found = variables(command, name, tmp_path / "env", A="old", B="old", C="old")
    assert found == {b"A": b"new", b"C": b"old"}


def test_hidden_files_do_not_count(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env/.A": "a", "env/B": "b"})
    assert variables(command, name, tmp_path / "env") == {b"B": b"b"}


def test_any_name_will_do(command: Suite, name: str, tmp_path: Path) -> None:
    build(
        tmp_path, {"env/with space": "1", os.fsdecode(b"env/\xff\n"): "2", "env/" + "n" * 255: "3"}
    )
    found = variables(command, name, tmp_path / "env")
    assert found == {b"with space": b"1", b"\xff\n": b"2", b"n" * 255: b"3"}


def test_a_name_ends_at_an_equals_sign(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env/X=Y": "z"})
    assert variables(command, name, tmp_path / "env") == {b"X": b"Y=z"}


def test_a_name_that_is_nothing_but_an_equals_sign_is_left_out(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/==": "v"})
    assert variables(ours, "chpst", tmp_path / "env", A="1") == {b"A": b"1"}


def test_a_symlink_to_nowhere_removes_the_variable(
    command: Suite, name: str, tmp_path: Path
) -> None:
    build(tmp_path, {"env": None})
    (tmp_path / "env/A").symlink_to("nowhere")
    assert variables(command, name, tmp_path / "env", A="1", B="2") == {b"B": b"2"}


def test_a_symlink_to_nowhere_never_has_another_file_s_value(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path, {f"env/A{number}": "value" for number in range(20)})
    for number in range(20):
        (tmp_path / f"env/B{number}").symlink_to("nowhere")
    found = variables(ours, "chpst", tmp_path / "env")
    assert set(found) == {b"A%d" % number for number in range(20)}


def test_a_fifo_is_as_good_as_empty(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env": None})
    os.mkfifo(tmp_path / "env/A")
    assert variables(command, name, tmp_path / "env", A="1", B="2") == {b"B": b"2"}


def test_every_copy_of_a_variable_goes(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "new", "env/B": ""})
    given = [b"B=1", b"A=1", b"odd", b"B=2", b"C=3"]
    program = (ours.program("chpst"), "-e", str(tmp_path / "env"))
    shown = run_with_environment(given, *program, "/bin/cat", "/proc/self/environ")
    assert shown == b"A=new\0odd\0C=3\0"


@pytest.mark.parametrize(
    ("directory", "reason"),
    [("missing", "file does not exist"), ("file", "not a directory"), ("", "file does not exist")],
)
def test_what_is_no_directory_is_told(
    command: Suite, name: str, tmp_path: Path, directory: str, reason: str
) -> None:
    build(tmp_path, {"file": ""})
    done = command.run(*start(command, name, directory, "true"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (111, b"")
    what = f"unable to switch to directory: {directory}: {reason}"
    assert done.stderr == f"chpst: fatal: {what}\n".encode()


def test_a_file_that_cannot_be_read_is_told(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env": None})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "env/SOCKET"))
    done = command.run(*start(command, name, "env", "true"), cwd=tmp_path)
    assert done.returncode == 111
    assert done.stderr == b"chpst: fatal: unable to read env/SOCKET: device not configured\n"


@needs_no_root
def test_a_forbidden_file_is_told(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "a"})
    (tmp_path / "env/A").chmod(0)
    done = command.run(*start(command, name, "env", "true"), cwd=tmp_path)
    assert done.returncode == 111
    assert done.stderr == b"chpst: fatal: unable to read env/A: access denied\n"


def test_chpst_passes_over_subdirectories(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "a", "env/sub": None})
    found = variables(suite, "chpst", tmp_path / "env", sub="kept")
    assert found == {b"A": b"a", b"sub": b"kept"}


def test_envdir_fails_on_subdirectories(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/sub": None})
    (tmp_path / "envdir").symlink_to(suite.program("chpst"))
    done = Suite(tmp_path, suite.name).run("envdir", "env", "true", cwd=tmp_path)
    assert done.returncode == 111
    assert done.stderr == b"chpst: fatal: unable to read env/sub: is a directory\n"


def test_the_working_directory_is_the_one_before(command: Suite, name: str, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "a"})
    done = command.run(*start(command, name, "env", "pwd", "-P"), cwd=tmp_path)
    assert done.stdout == bytes(tmp_path.resolve()) + b"\n"
