"""No name and no log line commands the terminal of whoever reads about it."""

from __future__ import annotations

import importlib.util
import os
import pty
import select
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fakes import Fake
from security.others import on_terminal
from support import DEADLINE, Suite, build, pid, wait_for

from runit.message import printable
from runit.service.status import RUN, Status

HOSTILE = b"\x1b]0;title\x07\x1b[2Jx\r\n\x9b\xc2\x9b\xff\xe2\x80\xae"
"""A title, an empty screen, a line of its own, what 8-bit terminals obey, text backwards."""

HARMLESS = b"?]0;title??[2Jx??????"


def obeyed(got: bytes) -> list[bytes]:
    """The lines a terminal got that have something in them that it might obey."""
    lines = got.split(b"\r\n")
    return [line for line in lines if printable(line, "\t") != line]


def calls(place: Path) -> dict[str, tuple[str | bytes | Path, ...]]:
    """Command lines that make programs speak of a hostile name."""
    build(place, {"dir": None})
    return {
        "runsv": (HOSTILE,),
        "svlogd": (HOSTILE,),
        "chpst": ("-e", HOSTILE, "true"),
        "runsvchdir": (HOSTILE,),
        "utmpset": (HOSTILE,),
        "sv": ("status", HOSTILE),
    }


@pytest.mark.parametrize("program", ["runsv", "svlogd", "chpst", "runsvchdir", "utmpset", "sv"])
def test_a_message_about_a_name(everyones: Suite, tmp_path: Path, program: str) -> None:
    words = calls(tmp_path)[program]
    environment = everyones.environment(RUNSVDIR=str(tmp_path))
    code, got = on_terminal(everyones, program, *words, cwd=tmp_path, env=environment)
    assert code not in (0, -1)
    assert obeyed(got) == []
    if program != "utmpset":  # which may find no utmp at all
        assert HARMLESS in got
        done = everyones.run(program, *words, cwd=tmp_path, env=environment)
        assert HOSTILE in done.stdout + done.stderr  # bytes are bytes for who reads a pipe


@pytest.mark.parametrize("option", [b"\x1b", b"\x9b", b"\x07"])
@pytest.mark.parametrize("program", ["svlogd", "chpst", "utmpset", "sv"])
def test_an_option_that_there_is_not(everyones: Suite, program: str, option: bytes) -> None:
    _, got = on_terminal(everyones, program, b"-" + option, "x")
    assert b"illegal option -- ?\r\n" in got
    assert obeyed(got) == []


def test_a_warning_of_runsvdir(everyones: Suite, tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), HOSTILE)
    master, slave = pty.openpty()
    process = everyones.start("runsvdir", path, stderr=slave)
    try:
        got = b""
        while b"file does not exist" not in got:
            assert select.select([master], [], [], DEADLINE)[0], got
            got += os.read(master, 4096)
    finally:
        process.terminate()
        process.wait(DEADLINE)
        os.close(master)
        os.close(slave)
    assert HARMLESS in got
    assert obeyed(got) == []


def test_a_log_line_that_svlogd_shows(everyones: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"log/config": "e*\n"})
    line = b"a\tb" + HOSTILE.replace(b"\n", b"") + b"\n"
    code, got = on_terminal(everyones, "svlogd", "log", input=line, cwd=tmp_path)
    assert code == 0
    assert got == b"a\tb" + HARMLESS.replace(b"x??????", b"x?????") + b"\r\n"
    assert (tmp_path / "log/current").read_bytes() == line
    done = everyones.run("svlogd", "log", input=line, cwd=tmp_path)
    assert done.stderr == line


def examples(name: str) -> ModuleType:
    """A module of the examples."""
    directory = Path(__file__).resolve().parents[2] / "examples"
    sys.path.insert(0, str(directory))
    try:
        spec = importlib.util.spec_from_file_location(name, directory / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(directory))
    return module


def test_a_row_of_the_live_table(everyones: Suite, tmp_path: Path) -> None:
    table = examples("table")
    name = os.fsdecode(HOSTILE)
    command = "#!/bin/sh\nexec -a \"$(printf '\\033[2J')\" sleep 1000\n"
    service = build(tmp_path / "sv" / name, {"run": command.replace("/bin/sh", "/bin/bash")})
    tree = object.__new__(table.Tree)
    tree.root = tmp_path
    row = table.row(tree, name, 0.0).encode("utf-8", "surrogateescape")
    assert row.replace(table.GREY.encode(), b"").replace(table.PLAIN.encode(), b"") == (
        HARMLESS + b"not supervised"
    )
    with everyones.runsv(service):
        process = wait_for(lambda: pid(service))
        wait_for(lambda: Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"\x1b"))
        assert table.runs(process) == "?[2J 1000"


def test_a_record_is_never_shown_as_it_stands(everyones: Suite, tmp_path: Path) -> None:
    """A want that is an escape, and a state that is none, are bytes of a file, too."""
    fake = Fake(tmp_path / "s", Status(0, 7, want=b"\x1b", state=RUN).pack()[:19] + b"\x9b")
    try:
        code, got = on_terminal(everyones, "sv", "status", tmp_path / "s")
        assert code == 0
        assert obeyed(got) == []
    finally:
        fake.leave()
