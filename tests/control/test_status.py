"""sv status: the line of each service, and what is said when there is none."""

from __future__ import annotations

import os
import pty
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from fakes import down, finishing, masked, record, up
from support import Suite

from runit.launchers import BIN, interpreter, write
from runit.service.tai64n import EPOCH

BAD_FORMAT = b"unable to read supervise/status: bad format\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (up(), b"run: a: (pid N) Ns\n"),
        (up(paused=True), b"run: a: (pid N) Ns, paused\n"),
        (up(want=b"d"), b"run: a: (pid N) Ns, want down\n"),
        (up(got_term=True), b"run: a: (pid N) Ns, got TERM\n"),
        (
            up(want=b"d", got_term=True, paused=True),
            b"run: a: (pid N) Ns, paused, want down, got TERM\n",
        ),
        (finishing(), b"finish: a: (pid N) Ns\n"),
        (finishing(want=b"d"), b"finish: a: (pid N) Ns, want down\n"),
        (down(), b"down: a: Ns, normally up\n"),
        (down(want=b"u"), b"down: a: Ns, normally up, want up\n"),
        (down(paused=True, got_term=True), b"down: a: Ns, normally up\n"),
        (up(want=b"\0"), b"run: a: (pid N) Ns\n"),
        (down(want=b"x"), b"down: a: Ns, normally up\n"),
        (record(9, 3), b"a: (pid N) Ns, want down\n"),
        (up() + b"more", b"run: a: (pid N) Ns\n"),
    ],
    ids=lambda value: "" if value.startswith(b"@") else value.decode().strip(),
)
def test_a_record_in_words(sv, fake, content: bytes, line: bytes) -> None:
    fake("a", content)
    code, output = sv("status", "a")
    assert (code, masked(output)) == (0, line)


def test_a_down_file_turns_what_is_normal(sv, fake) -> None:
    (fake("a", up()).directory / "down").touch()
    (fake("b", down()).directory / "down").touch()
    code, output = sv("status", "a", "b")
    assert code == 0
    assert masked(output) == b"run: a: (pid N) Ns, normally down\ndown: b: Ns\n"


def test_the_pid_and_the_age_in_whole_seconds(sv, fake) -> None:
    stamp = struct.pack(">QI", EPOCH + int(time.time()) - 100, 999_999_999)
    fake("a", stamp + up(pid=4_000_000)[12:])
    _, output = sv("status", "a")
    assert output.startswith(b"run: a: (pid 4000000) 10")
    age = int(output.rpartition(b" ")[2].removesuffix(b"s\n"))
    assert 100 <= age < 200


def test_a_change_in_the_future_has_the_age_nought(sv, fake) -> None:
    fake("a", down(age=-1000))
    assert sv("status", "a") == (0, b"down: a: 0s, normally up\n")


def test_the_log_service_stands_behind(sv, fake) -> None:
    fake("a", up())
    fake("a/log", finishing(want=b"d", paused=True, got_term=True))
    fake("b", down())
    (fake("b/log", down()).directory / "down").touch()
    code, output = sv("status", "a", "b")
    assert code == 0
    assert masked(output) == (
        b"run: a: (pid N) Ns; finish: log: (pid N) Ns, paused, want down, got TERM\n"
        b"down: b: Ns, normally up; down: log: Ns\n"
    )


def test_a_log_service_by_its_own_name(sv, fake) -> None:
    fake("a", up())
    fake("a/log", down())
    _, output = sv("status", "a/log")
    assert masked(output) == b"down: a/log: Ns, normally up\n"


def test_a_log_service_without_runsv(sv, fake) -> None:
    fake("a", up())
    fake("a/log", up()).leave()
    code, output = sv("status", "a")
    assert (code, masked(output)) == (1, b"run: a: (pid N) Ns; fail: a/log: runsv not running\n")


def test_a_log_that_was_never_supervised_repeats_the_service(sv, fake) -> None:
    (fake("a", up()).directory / "log").mkdir()
    code, output = sv("status", "a")
    assert code == 1
    assert masked(output) == (
        b"run: a: (pid N) Ns; "
        b"warning: a/log: unable to open supervise/ok: file does not exist\n"
        b"run: log: (pid N) Ns\n"
    )


def test_a_log_that_is_no_directory(sv, fake) -> None:
    (fake("a", up()).directory / "log").touch()
    (fake("b", up()).directory / "log").symlink_to("nowhere")
    (fake("c", up()).directory / "log").symlink_to("log")
    code, output = sv("status", "a", "b", "c")
    assert code == 2
    assert masked(output) == (
        b"run: a: (pid N) Ns; warning: a/log: unable to change directory: not a directory\n"
        b"run: b: (pid N) Ns\n"
        b"run: c: (pid N) Ns; warning: c/log: unable to change directory: symbolic link loop\n"
    )


def test_services_that_are_none(sv, fake, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    fake("stale", up()).leave()
    fake("unwritten")
    short = [fake(f"short{size}", up()[:size]) for size in (0, 17, 18, 19)]
    (fake("ok", up()).supervise / "ok").unlink()
    (tmp_path / "ok/supervise/ok").mkdir()
    (fake("status").supervise / "status").mkdir()
    code, output = sv(
        "status", "missing", "file", "empty", "stale", "unwritten", "ok", "status",
        *(one.directory.name for one in short), "",
    )  # fmt: skip
    assert output == (
        b"fail: missing: unable to change to service directory: file does not exist\n"
        b"fail: file: unable to change to service directory: not a directory\n"
        b"warning: empty: unable to open supervise/ok: file does not exist\n"
        b"fail: stale: runsv not running\n"
        b"warning: unwritten: unable to open supervise/status: file does not exist\n"
        b"warning: ok: unable to open supervise/ok: is a directory\n"
        b"warning: status: unable to read supervise/status: is a directory\n"
        b"warning: short0: " + BAD_FORMAT + b"warning: short17: " + BAD_FORMAT
        + b"warning: short18: " + BAD_FORMAT + b"warning: short19: " + BAD_FORMAT
        + b"fail: : unable to change to service directory: file does not exist\n"
    )  # fmt: skip
    assert code == 12


def test_a_down_file_that_cannot_be_looked_at_is_told_on_standard_error(
    suite: Suite, fake, tmp_path: Path
) -> None:
    (fake("a", up()).directory / "down").symlink_to("down")
    done = suite.run("sv", "status", "./a", cwd=tmp_path)
    assert done.stdout == b"\n"
    assert done.stderr == b"warning: unable to stat ./a/down: symbolic link loop\n"
    assert done.returncode == 0


def test_no_more_than_99_services_can_fail(sv) -> None:
    assert sv("status", *(f"none{number}" for number in range(98)))[0] == 98
    assert sv("status", *(f"none{number}" for number in range(150)))[0] == 99


def test_where_names_are_looked_up(sv, fake, tmp_path: Path) -> None:
    for name in ("here/a", "here/.a", "there/a", "there/b"):
        fake(name, down(want=b"u") if name.startswith("here") else down())
    there = {"SVDIR": str(tmp_path / "there")}

    def place(name: str) -> bytes:
        found = sv("status", name, **there)[1]
        return b"here" if b"want up" in found else b"there" if b"down:" in found else found

    assert place("a") == b"there"
    assert place("./there/../here/a") == b"here"
    assert place("here/a/") == b"here"
    assert place("./here/a") == b"here"
    assert place("./here/.a/") == b"here"
    assert place(str(tmp_path / "here/a")) == b"here"
    assert place("there/a") == (
        b"fail: there/a: unable to change to service directory: file does not exist\n"
    )
    assert sv("status", "b/", **there)[0] == 1


def test_svdir_may_be_relative_but_not_empty(sv, fake) -> None:
    fake("here/a", down())
    assert sv("status", "a", SVDIR="here")[0] == 0
    for svdir in ("", "missing"):
        assert sv("status", "a", SVDIR=svdir) == (
            1,
            b"fail: a: unable to change to service directory: file does not exist\n",
        )


@pytest.mark.parametrize(
    "name", [b"two words", b"new\nline", b"\xff\xfe\x1b[31m\x01", b"x" * 255, b"-v", b"%s%d", b" "]
)
def test_odd_names_are_printed_byte_for_byte(sv, fake, name: bytes) -> None:
    fake(name, down())
    code, output = sv("status", name)
    assert (code, masked(output)) == (0, b"down: " + name + b": Ns, normally up\n")


def test_a_name_that_is_too_long(sv) -> None:
    code, output = sv("status", b"x" * 256)
    reason = b"unable to change to service directory: file name too long\n"
    assert (code, output) == (1, b"fail: " + b"x" * 256 + b": " + reason)


def test_a_terminal_gets_no_control_characters(ours: Suite, fake, tmp_path: Path) -> None:
    name = b"\x1b]0;x\x07\xff caf\xc3\xa9\xc2\x9b"
    fake(name, down())
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [ours.program("sv"), "status", name, b"\x1b[2J"],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        env=ours.environment(SVDIR=str(tmp_path)),
    ) as process:
        os.close(terminal)
        assert process.wait(30) == 1
        shown = os.read(controller, 4096)
    os.close(controller)
    first, second, *_ = shown.split(b"\r\n")
    assert masked(first) == b"down: ?]0;x?? caf\xc3\xa9?: Ns, normally up"
    assert second.startswith(b"fail: ?[2J: ")


def test_the_installations_own_services_directory(fake, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2] / "runit"
    shutil.copytree(root, tmp_path / "package/runit", ignore=shutil.ignore_patterns("__pycache__"))
    paths = tmp_path / "package/runit/paths.py"
    etc = tmp_path / "etc"
    paths.write_text(paths.read_text().replace('b"/etc"', repr(os.fsencode(etc))))
    write(tmp_path / "bin", BIN, str(tmp_path / "package"), interpreter())
    suite = Suite(tmp_path / "bin", "installed")
    fake("etc/runit/runsvdir/current/a", up())
    assert masked(suite.run("sv", "status", "a").stdout) == b"run: a: (pid N) Ns\n"
    fake("etc/service/a", down())
    assert masked(suite.run("sv", "status", "a").stdout) == b"down: a: Ns, normally up\n"


def test_services_of_another_user_are_denied(suite: Suite, fake, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files to somebody else")
    for closed in (".", "supervise", "supervise/ok"):
        name = closed.strip(".").replace("/", "-") or "all"
        path = fake(name, up()).directory / closed
        path.chmod(0o700)
        os.chown(path, 65534, 65534)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", suite.program("sv")]
        + ["status", "all", "supervise", "supervise-ok"],
        env=suite.environment(SVDIR=str(tmp_path)),
        capture_output=True,
    )
    assert done.stdout == (
        b"fail: all: unable to change to service directory: access denied\n"
        b"warning: supervise: unable to open supervise/ok: access denied\n"
        b"warning: supervise-ok: unable to open supervise/ok: access denied\n"
    )
    assert done.returncode == 3


def test_closed_descriptors_and_a_full_disk_are_no_crash(suite: Suite, fake, tmp_path) -> None:
    fake("a", up())
    program = suite.program("sv")
    for redirection in (">&-", ">/dev/full", "<&- >&- 2>&-", "2>&-", "<&-"):
        done = subprocess.run(
            ["sh", "-c", f"{program} status a {redirection}"],
            env=suite.environment(SVDIR=str(tmp_path)),
            capture_output=True,
        )
        assert done.returncode == 0
        assert done.stderr == b""
        shown = b"run: a: (pid N) Ns\n" if redirection in ("2>&-", "<&-") else b""
        assert masked(done.stdout) == shown
