"""How sv waits for the effect of a command, the test being the runsv."""

from __future__ import annotations

import itertools
import signal
import subprocess
from pathlib import Path

import pytest
from fakes import Fake, down, finishing, masked, record, up
from support import Suite, open_files, wait_for

from runit.control.waiting import TOGETHER
from runit.launchers import BIN, interpreter, write

LONG = ("-w", "60")


def started(
    suite: Suite, services: Path, *arguments: str, **variables: str
) -> subprocess.Popen[bytes]:
    """An sv in the background, its output together in one pipe."""
    return suite.start(
        "sv",
        *arguments,
        cwd=services,
        env=suite.environment(SVDIR=str(services), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def result(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    output = process.communicate(timeout=90)[0]
    return process.returncode, masked(output)


def told(service: Fake) -> bytes:
    """Wait for what sv sends."""
    return wait_for(service.sent, "sv")


COMMANDS = (
    *("up", "down", "once", "pause", "cont", "hup", "term", "kill", "exit", "start", "stop"),
    *("restart", "try-restart", "force-stop", "force-reload", "force-restart", "reload"),
)


def test_every_record_gets_the_references_verdict(
    ours: Suite, reference: Suite, fake, tmp_path: Path
) -> None:
    names = []
    for pid, paused, want, term, state in itertools.product(
        (0, 77), (False, True), (b"u", b"d"), (False, True), (0, 1, 2)
    ):
        names.append(f"s{len(names)}")
        fake(names[-1], record(state, pid, want, age=1000, paused=paused, got_term=term))

    def verdicts(suite: Suite) -> dict[str, tuple[int, bytes]]:
        running = {
            word: started(suite, tmp_path, "-w", "0", word, *names, "none") for word in COMMANDS
        }
        return {word: result(process) for word, process in running.items()}

    expected = verdicts(reference)
    for word, (code, lines) in verdicts(ours).items():
        assert lines.splitlines() == expected[word][1].splitlines(), word
        assert code == expected[word][0], word


def test_it_ends_when_the_record_changes(suite: Suite, fake, tmp_path: Path) -> None:
    cases = [
        ("start", down(), b"u", up(), b"run: start: (pid N) Ns"),
        ("stop", up(), b"d", down(), b"down: stop: Ns, normally up"),
        ("restart", up(), b"tcu", up(age=-1000), b"run: restart: (pid N) Ns"),
        ("try-restart", up(), b"tc", up(age=-1000), b"run: try-restart: (pid N) Ns"),
        ("force-stop", finishing(), b"d", down(), b"down: force-stop: Ns, normally up"),
        ("pause", up(), b"p", up(paused=True), b"run: pause: (pid N) Ns, paused"),
        ("cont", up(paused=True), b"c", up(), b"run: cont: (pid N) Ns"),
        ("once", up(), b"o", up(want=b"d"), b"run: once: (pid N) Ns, want down"),
        ("term", up(want=b"d"), b"t", down(), b"down: term: Ns, normally up"),
    ]
    services = {word: fake(word, before) for word, before, *_ in cases}
    running = {word: started(suite, tmp_path, *LONG, word, word) for word in services}
    for word, _, sent, after, _ in cases:
        assert told(services[word]) == sent
        services[word].write(after)
    for word, *_, line in cases:
        assert result(running[word]) == (0, b"ok: " + line + b"\n")


@pytest.mark.parametrize(("age", "later"), [(-1000.5, -1), (-1000.5, -1001), (1000, 2000)])
def test_a_clock_that_is_set_makes_no_wait_shorter_or_longer(
    ours: Suite, fake, tmp_path: Path, age: float, later: int
) -> None:
    """A record of the future is not new by itself, and one of the past may be."""
    words = ("restart", "try-restart", "force-reload", "term", "kill")
    for word in words:
        fake(word, up(age=age))
    running = [started(ours, tmp_path, "-w", "0", "-v", word, word) for word in words]
    for word, process in zip(words, running, strict=True):
        prefix = b"kill" if word.startswith("force") else b"timeout"
        assert result(process) == (1, prefix + b": run: %b: (pid N) Ns\n" % word.encode())
    services = {word: fake(f"new-{word}", up(age=age)) for word in words}
    running = [started(ours, tmp_path, *LONG, "-v", word, f"new-{word}") for word in words]
    for (word, service), process in zip(services.items(), running, strict=True):
        told(service)
        service.write(up(pid=78, age=later))
        output = process.communicate(timeout=90)[0]
        assert output.startswith(b"ok: run: new-%b: (pid 78) " % word.encode())


def test_each_service_is_reported_when_it_is_ready(suite: Suite, fake, tmp_path: Path) -> None:
    services = {name: fake(name, down()) for name in "abc"}
    process = started(suite, tmp_path, *LONG, "start", "none", "a", "b", "c", "b")
    for service in services.values():
        told(service)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"fail: none: ")
    for name in "cba":
        services[name].write(up())
        for _ in range(2 if name == "b" else 1):
            line = masked(process.stdout.readline())
            assert line == b"ok: run: " + name.encode() + b": (pid N) Ns\n"
    assert result(process) == (1, b"")


def test_so_is_each_of_many_though_the_first_is_late(suite: Suite, fake, tmp_path: Path) -> None:
    services = {f"s{number:02}": fake(f"s{number:02}", down()) for number in range(2 * TOGETHER)}
    process = started(suite, tmp_path, *LONG, "start", *services)
    for service in services.values():
        told(service)
    assert process.stdout is not None
    for name in reversed(services):
        services[name].write(up())
        line = masked(process.stdout.readline())
        assert line == b"ok: run: " + name.encode() + b": (pid N) Ns\n"
    assert result(process) == (0, b"")


def test_what_is_not_reached_in_time_is_told_in_order(sv, fake) -> None:
    for name in "abc":
        fake(name, up() if name == "b" else down())
    code, output = sv("-w", "0", "start", "c", "b", "a")
    assert code == 2
    assert masked(output) == (
        b"ok: run: b: (pid N) Ns\n"
        b"timeout: down: c: Ns, normally up\n"
        b"timeout: down: a: Ns, normally up\n"
    )


def test_what_is_no_number_of_seconds_is_none(sv_together, fake) -> None:
    fake("a", down())
    numbers = ("", "0", "x", "-1", " 1", "0x7")
    for code, _ in sv_together(*(("-w", number, "up", "a") for number in numbers)):
        assert code == 1


def test_svwait_is_for_commands_that_wait_and_w_goes_before(
    suite: Suite, sv, fake, tmp_path: Path
) -> None:
    service = fake("a", down())
    assert sv("up", "a", SVWAIT="0") == (0, b"")
    short = started(suite, tmp_path, "start", "a", SVWAIT="0")
    option = started(suite, tmp_path, "-w", "0", "start", "a", SVWAIT="1000")
    assert [result(process)[0] for process in (short, option)] == [1, 1]
    assert service.sent() == b"uuu"


def test_runsv_may_end_meanwhile(suite: Suite, fake, tmp_path: Path) -> None:
    for word, code, line in [
        ("start", 1, b"fail: start: runsv not running\n"),
        ("shutdown", 0, b"ok: shutdown: runsv not running\n"),
        ("force-shutdown", 0, b"ok: force-shutdown: runsv not running\n"),
    ]:
        service = fake(word, down())
        process = started(suite, tmp_path, *LONG, word, word)
        told(service)
        service.leave()
        assert result(process) == (code, line)


def test_exit_with_v_waits_for_runsv_and_not_for_the_service(
    suite: Suite, fake, tmp_path: Path
) -> None:
    service = fake("a", up())
    process = started(suite, tmp_path, *LONG, "exit", "a")
    assert told(service) == b"x"
    service.write(down())
    service.leave()
    assert result(process) == (0, b"ok: a: runsv not running\n")


def test_a_service_may_vanish_meanwhile(suite: Suite, fake, tmp_path: Path) -> None:
    def remove(directory: Path) -> None:
        for path in sorted(directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        directory.rmdir()

    def move(directory: Path) -> None:
        directory.rename(tmp_path / "elsewhere")

    for vanish in (remove, move):
        service = fake(vanish.__name__, down())
        process = started(suite, tmp_path, *LONG, "start", vanish.__name__)
        told(service)
        vanish(service.directory)
        code, output = result(process)
        assert code == 1
        assert output.startswith(b"fail: ") or b"unable to open" in output
        assert output.endswith(b": file does not exist\n")


def test_a_link_may_lead_elsewhere_meanwhile(suite: Suite, fake, tmp_path: Path) -> None:
    one, _ = fake("one", down()), fake("other", up(age=-1000))
    (tmp_path / "s").symlink_to("one")
    process = started(suite, tmp_path, "-w", "600", "start", "s")
    assert told(one) == b"u"
    if suite.name == "ours":
        inotify = "anon_inode:inotify"
        wait_for(lambda: [*open_files(process.pid).values()].count(inotify), inotify)
    (tmp_path / "new").symlink_to("other")
    (tmp_path / "new").rename(tmp_path / "s")
    assert result(process) == (0, b"ok: run: s: (pid N) Ns\n")


def test_a_record_may_break_meanwhile(suite: Suite, fake, tmp_path: Path) -> None:
    service = fake("a", down())
    process = started(suite, tmp_path, *LONG, "start", "a")
    told(service)
    service.write(b"short")
    line = b"warning: a: unable to read supervise/status: bad format\n"
    assert result(process) == (1, line)


def test_more_services_than_descriptors_are_spent_on(suite: Suite, fake, tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(220)]
    services = [fake(name, down()) for name in names]
    process = started(suite, tmp_path, *LONG, "start", *names)
    for service in services:
        told(service)
    for service in reversed(services):
        service.write(up())
    code, output = result(process)
    assert code == 0
    expected = [f"ok: run: {name}: (pid N) Ns" for name in names]
    assert sorted(output.decode().splitlines()) == sorted(expected)


def test_an_interrupt_ends_it_without_a_word(suite: Suite, fake, tmp_path: Path) -> None:
    service = fake("a", down())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored here
    try:
        process = started(suite, tmp_path, *LONG, "start", "a")
    finally:
        signal.signal(signal.SIGINT, before)
    told(service)
    process.send_signal(signal.SIGINT)
    assert result(process) == (-signal.SIGINT, b"")


def test_a_name_that_ends_with_a_slash_stays_a_path(ours: Suite, fake, tmp_path: Path) -> None:
    service = fake("a", down())
    process = ours.start(
        "sv", *LONG, "start", "a/",
        cwd=tmp_path, env=ours.environment(SVDIR="/"), stdout=subprocess.PIPE,
    )  # fmt: skip
    told(service)
    service.write(up())
    assert result(process) == (0, b"ok: run: a/: (pid N) Ns\n")


def test_a_change_just_before_the_command_is_not_its_effect(
    ours: Suite, fake, tmp_path: Path
) -> None:
    service = fake("a", up(pid=1, age=0.0001))
    process = started(ours, tmp_path, *LONG, "restart", "a")
    assert told(service) == b"tcu"
    service.write(up(pid=2, age=-0.5))
    output = process.communicate(timeout=90)[0]
    assert b"(pid 2)" in output


def test_check_is_about_what_was_asked_for_last(our_sv, fake) -> None:
    fake("a", up())
    fake("b", down())
    fake("once", up(want=b"d"))
    names = ("a", "b", "once")
    assert our_sv("check", *names)[0] == 0
    fake("c", down(want=b"u"))
    fake("d", finishing())
    fake("e", up(want=b"d", got_term=True))
    fake("f", finishing(want=b"d"))
    code, output = our_sv("-w", "0", "check", *names, "c", "d", "e", "f")
    assert code == 4
    assert [line.split(b": ")[0] for line in output.splitlines()] == [b"ok"] * 3 + [b"timeout"] * 4


def test_without_the_package_it_polls_and_says_so_once(fake, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/runit").symlink_to(Path(__file__).resolve().parents[2] / "runit")
    write(tmp_path / "bin", BIN, str(tmp_path / "package"), interpreter())
    bare = Suite(tmp_path / "bin", "bare")
    service, other = fake("a", down()), fake("b", down())
    process = started(bare, tmp_path, *LONG, "start", "a", "b")
    told(service)
    assert process.stdout is not None
    assert process.stdout.readline() == (
        b"warning: unable to watch services: package inotify_simple is not installed\n"
    )
    service.write(up())
    other.write(up())
    assert result(process)[0] == 0
