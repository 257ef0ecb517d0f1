"""chpst's command line: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import Suite

from runit import __version__

USAGE = (
    b"usage: %b [-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root] "
    b"[-C pwd] [-n nice] [-l|-L lock] [-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog\n\n"
)


def usage(suite: Suite, name: str) -> bytes:
    """How to use chpst, called by NAME; up to 2.2 the reference has no -C."""
    text = USAGE % name.encode()
    if suite.name == "reference" and not suite.is_reference(2, 2):
        return text.replace(b" [-C pwd]", b"")
    return text


def refused(suite: Suite, *arguments: str | bytes, name: str = "chpst") -> bytes:
    """What is said before the usage, which must be right and have its exit code."""
    done = suite.run(name, *arguments)
    assert (done.returncode, done.stdout) == (100, b"")
    assert done.stderr.endswith(usage(suite, name))
    return done.stderr.removesuffix(usage(suite, name))


@pytest.mark.parametrize("arguments", [(), ("--",), ("-v",), ("-u", "daemon"), ("--help",)])
def test_without_a_program_there_is_usage(suite: Suite, arguments: tuple[str, ...]) -> None:
    assert refused(suite, *arguments) == b""


@pytest.mark.parametrize("letter", [b"q", b"h", b"s", b"a", b"x", b":", b"-", b"\xff", b"="])
def test_an_unknown_option_is_named(suite: Suite, letter: bytes) -> None:
    said = refused(suite, b"-v" + letter, b"echo", b"unreached")
    assert said == b"chpst: illegal option -- " + letter + b"\n"


@pytest.mark.parametrize("letter", "uUbe/nlLmdopfcrt")
def test_an_option_without_its_value_is_named(suite: Suite, letter: str) -> None:
    said = refused(suite, f"-{letter}")
    assert said == f"chpst: option requires an argument -- {letter}\n".encode()


def test_big_c_wants_a_value(suite: Suite) -> None:
    """Up to 2.2 of the reference, which has no such option."""
    known = suite.name == "ours" or suite.is_reference(2, 2)
    reason = b"option requires an argument" if known else b"illegal option"
    assert refused(suite, "-C") == b"chpst: " + reason + b" -- C\n"


@pytest.mark.parametrize("option", ["-m", "-d", "-o", "-p", "-f", "-c", "-r", "-t"])
@pytest.mark.parametrize("number", ["abc", "-5", "+5", "0x10", " 5", "5x", "=", "1.5"])
def test_a_limit_that_is_no_number_is_refused(suite: Suite, option: str, number: str) -> None:
    assert refused(suite, option, number, "echo", "unreached") == b""


@pytest.mark.parametrize("number", ["abc", "1.5", "--5", "+-5", "- 5", "5x", "=", "0x1"])
def test_a_nice_value_that_is_no_number_is_refused(suite: Suite, number: str) -> None:
    assert refused(suite, "-n", number, "echo", "unreached") == b""


@pytest.mark.parametrize("number", ["", "0", "-0", "+00", "-", "+"])
def test_a_nice_value_of_nothing_is_none(suite: Suite, number: str) -> None:
    assert suite.run("chpst", "-n", number, "echo", "ok").stdout == b"ok\n"


@pytest.mark.parametrize("first", ["-l", "-L"])
@pytest.mark.parametrize("second", ["-l", "-L"])
def test_there_is_one_lock(suite: Suite, tmp_path: Path, first: str, second: str) -> None:
    lock = str(tmp_path / "lock")
    assert refused(suite, first, lock, second, lock, "echo", "unreached") == b""
    assert not (tmp_path / "lock").exists()


def test_nothing_is_changed_before_the_command_line_is_read(suite: Suite, tmp_path: Path) -> None:
    refused(suite, "-l", str(tmp_path / "lock"), "-q", "true")
    assert not (tmp_path / "lock").exists()


def test_the_first_mistake_is_told(suite: Suite) -> None:
    assert refused(suite, "-o", "5x", "-q", "echo") == b""
    assert refused(suite, "-q", "-o", "5x", "echo") == b"chpst: illegal option -- q\n"


@pytest.mark.parametrize("arguments", [("-V",), ("-vV",), ("-V", "echo", "x"), ("-V", "-q")])
def test_big_v_prints_the_version_and_usage(suite: Suite, arguments: tuple[str, ...]) -> None:
    version = refused(suite, *arguments)
    assert version.count(b"\n") == 1
    assert suite.name == "reference" or version == f"pyrunit {__version__}\n".encode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--", "echo", "ok"),
        ("-v", "echo", "ok"),
        ("-vv", "-P", "--", "echo", "ok"),
        ("-0v", "echo", "ok"),
        ("--whatever", "echo", "ok"),
        ("-n0", "-o100", "echo", "ok"),
        ("-vo", "100", "echo", "ok"),
        ("-b", "-x", "echo", "ok"),
    ],
)
def test_options_grouped_apart_and_ended(suite: Suite, arguments: tuple[str, ...]) -> None:
    done = suite.run("chpst", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")


def test_the_program_s_options_are_its_own(suite: Suite) -> None:
    assert suite.run("chpst", "echo", "-v", "--", "-q").stdout == b"-v -- -q\n"


@pytest.mark.parametrize(
    ("name", "called"), [("other", "other"), ("dchpst", "chpst"), ("ddchpst", "dchpst"), ("d", "")]
)
def test_another_name_is_chpst_too(suite: Suite, tmp_path: Path, name: str, called: str) -> None:
    (tmp_path / name).symlink_to(suite.program("chpst"))
    linked = Suite(tmp_path, suite.name)
    assert linked.run(name, "-v", "echo", "ok").stdout == b"ok\n"
    said = linked.run(name, "-q").stderr
    assert said == f"{name}: illegal option -- q\n".encode() + usage(suite, called)


def test_it_loads_nothing_that_costs(ours: Suite) -> None:
    root = Path(__file__).resolve().parent.parent.parent
    code = (
        f"import sys; sys.path.append({str(root)!r})\n"
        "import runit.process.chpst, runit.process.limits, runit.process.pause\n"
        "import runit.boot.utmpset\n"
        "heavy = 'os re enum typing signal socket subprocess argparse logging pathlib dataclasses"
        " collections contextlib functools ctypes asyncio'.split()\n"
        "print(*[name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-IBSc", code], capture_output=True)
    assert (done.stdout, done.stderr) == (b"\n", b"")
