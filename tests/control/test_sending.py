"""sv's command line, and what its commands send to runsv."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fakes import down, finishing, masked, up
from support import Suite

USAGE = b"usage: sv [-v] [-w sec] command service ...\n\n"

SENT = {
    "up": b"u",
    "down": b"d",
    "once": b"o",
    "pause": b"p",
    "cont": b"c",
    "hup": b"h",
    "alarm": b"a",
    "interrupt": b"i",
    "quit": b"q",
    "1": b"1",
    "2": b"2",
    "term": b"t",
    "kill": b"k",
    "exit": b"x",
}


def test_what_each_command_sends(sv, fake) -> None:
    service = fake("a", down())
    for word, letter in SENT.items():
        assert sv(word, "a") == (0, b"")
        assert service.sent() == letter, word


def test_only_the_first_letter_counts(sv, fake) -> None:
    service = fake("a", down())
    words = {**{letter.decode(): letter for letter in SENT.values()}, "exi": b"x", "e": b"x"}
    words |= {"try": b"t", "try-restartx": b"t", "checks": b"c", "2nd": b"2", "update": b"u"}
    for word, letter in words.items():
        assert sv(word, "a") == (0, b"")
        assert service.sent() == letter, word
    for word in ("s", "st", "starts", "stopp", "shutdownx", "statuses"):
        assert masked(sv(word, "a")[1]) == b"down: a: Ns, normally up\n", word
    assert service.sent() == b""


def test_what_the_waiting_commands_send(sv_together, fake) -> None:
    sent = {
        "start": b"u",
        "stop": b"d",
        "restart": b"tcu",
        "reload": b"h",
        "shutdown": b"x",
        "try-restart": b"tc",
        "check": b"",
    }
    services = {word: fake(word, down()) for word in sent}
    sv_together(*(("-w", "0", word, word) for word in sent))
    assert {word: service.sent() for word, service in services.items()} == sent


def test_the_forced_commands_send_kill_when_time_is_over(sv_together, fake) -> None:
    sent = {
        "force-stop": b"dk",
        "D": b"dk",
        "force-reload": b"tck",
        "T": b"tck",
        "force-restart": b"tcuk",
        "force-shutdown": b"xk",
        "X": b"xk",
        "E": b"xk",
    }
    services = {word: fake(word, up()) for word in sent}
    ended = sv_together(*(("-w", "0", word, word) for word in sent))
    assert [(code, masked(output)) for code, output in ended] == [
        (1, b"kill: run: " + word.encode() + b": (pid N) Ns\n") for word in sent
    ]
    assert {word: service.sent() for word, service in services.items()} == sent


def test_a_kill_that_cannot_be_sent_is_one_more_failure(suite: Suite, sv, fake) -> None:
    ending = up(want=b"d", got_term=True)  # so that nothing is sent before
    services = {name: fake(name, ending) for name in ("none", "unread", "full")}
    (services["none"].supervise / "control").unlink()
    os.close(services["unread"].control)
    services["unread"].control = -1
    os.write(services["full"].control, b"\0" * 65536)
    code, output = sv("-w", "0", "force-stop", *services)
    if suite.is_reference(2, 3, 1):  # which sends what is wanted already, and fails at that
        assert code == 3
        assert output == (
            b"warning: none: unable to open supervise/control: file does not exist\n"
            b"fail: unread: runsv not running\n"
            b"warning: full: unable to write to supervise/control: temporary failure\n"
        )
        return
    assert code == 6
    assert masked(output) == (
        b"kill: run: none: (pid N) Ns, want down, got TERM\n"
        b"warning: none: unable to open supervise/control: file does not exist\n"
        b"kill: run: unread: (pid N) Ns, want down, got TERM\n"
        b"fail: unread: runsv not running\n"
        b"kill: run: full: (pid N) Ns, want down, got TERM\n"
        b"warning: full: unable to write to supervise/control: temporary failure\n"
    )


def test_nothing_is_sent_that_is_wanted_already(suite: Suite, sv, fake) -> None:
    for name, content, word, sent in [
        ("up", up(), "up", b""),
        ("finish", finishing(), "up", b""),
        ("starting", down(want=b"u"), "up", b""),
        ("once", up(want=b"d"), "up", b"u"),
        ("unwanted", up(want=b"d"), "down", b"d"),
        ("ending", up(want=b"d", got_term=True), "down", b""),
        ("down", down(), "down", b"d"),
        ("again", up(want=b"d", got_term=True), "term", b"t"),
        ("leaving", up(want=b"d", got_term=True), "exit", b"x"),
    ]:
        service = fake(name, content)
        assert sv(word, name) == (0, b"")
        if suite.is_reference(2, 3, 1):  # which looks at no record
            sent = b"x" if word == "exit" else word[:1].encode()
        assert service.sent() == sent, name


def test_services_that_cannot_be_told(sv, fake) -> None:
    fake("stale", down()).leave()
    control = {name: fake("x" + name, down()).supervise / "control" for name in ("1", "2", "3")}
    control["1"].unlink()
    control["2"].unlink()
    control["2"].mkdir()
    control["3"].unlink()
    os.mkfifo(control["3"])
    full = fake("f", down())
    try:
        while True:
            os.write(full.control, b"\0" * 4096)
    except BlockingIOError:
        pass
    code, output = sv("up", "stale", "x1", "x2", "x3", "f", "none")
    assert code == 6
    assert output == (
        b"fail: stale: runsv not running\n"
        b"warning: x1: unable to open supervise/control: file does not exist\n"
        b"warning: x2: unable to open supervise/control: is a directory\n"
        b"fail: x3: runsv not running\n"
        b"warning: f: unable to write to supervise/control: temporary failure\n"
        b"fail: none: unable to change to service directory: file does not exist\n"
    )


def test_one_that_fails_does_not_keep_the_others_from_being_told(sv, fake) -> None:
    services = [fake(name, up()) for name in ("a", "b")]
    assert sv("down", "a", "none", "b")[0] == 1
    assert [one.sent() for one in services] == [b"d", b"d"]


def test_a_control_that_is_a_file_is_written_to_as_if_it_were_none(sv, fake) -> None:
    service = fake("a", down())
    (service.supervise / "control").unlink()
    (service.supervise / "control").write_bytes(b"abc")
    assert sv("up", "a") == (0, b"")
    assert (service.supervise / "control").read_bytes() == b"ubc"


def test_a_runsv_that_is_not_there_has_exited(sv, fake) -> None:
    fake("a", down()).leave()
    for word in ("exit", "x", "shutdown", "force-shutdown"):
        assert sv(word, "a") == (0, b"ok: a: runsv not running\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-v",),
        ("up",),
        ("-w", "1"),
        ("-w1", "up"),
        ("--", "-w", "up"),
        ("", "a"),
        ("-", "a"),
        *((word, "a") for word in ("nonsense", "S", "C", "r", "res", "restarts", "reloads")),
        *((word, "a") for word in ("f", "force", "force-x", "U", "3", "0", "b", b"\xff")),
    ],
)
def test_wrong_use(sv, arguments: tuple[str, ...]) -> None:
    assert sv(*arguments) == (100, USAGE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-x", "up", "a"), b"sv: illegal option -- x\n"),
        (("-vx", "up", "a"), b"sv: illegal option -- x\n"),
        (("-:", "up", "a"), b"sv: illegal option -- :\n"),
        (("-w",), b"sv: option requires an argument -- w\n"),
        (("-vw",), b"sv: option requires an argument -- w\n"),
    ],
)
def test_wrong_options(sv, arguments: tuple[str, ...], sentence: bytes) -> None:
    assert sv(*arguments) == (100, sentence + USAGE)


def test_the_version_comes_before_the_usage(suite: Suite) -> None:
    for arguments in (("-V",), ("-vV", "up", "a"), ("-V", "-w")):
        done = suite.run("sv", *arguments)
        version, _, usage = done.stderr.partition(b"\n")
        assert version
        assert usage == USAGE
        assert (done.returncode, done.stdout) == (100, b"")


def test_options_end_at_the_command_or_at_dashes(sv, fake) -> None:
    service = fake("a", down())
    fake("-v", down())
    assert sv("--", "up", "a") == (0, b"")
    assert sv("--anything", "up", "a") == (0, b"")
    assert sv("up", "-v", "a") == (0, b"")
    assert service.sent() == b"uuu"
    assert sv("up", "--")[0] == 1


def test_an_unreadable_working_directory_is_fatal(suite: Suite, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files to somebody else")
    closed = tmp_path / "closed"
    closed.mkdir()
    os.chown(closed, 65534, 65534)
    closed.chmod(0o711)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", suite.program("sv")]
        + ["status", "a"],
        cwd=closed,
        capture_output=True,
    )
    assert done.returncode == 100
    assert done.stderr == b"fatal: unable to open current directory: access denied\n"
