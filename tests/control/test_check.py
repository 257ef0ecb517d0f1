"""./check: the script that says whether a service is available."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fakes import Fake, down, finishing, masked, up
from masks import masks
from support import Suite, wait_for

import runit

ROOT = Path(runit.__file__).resolve().parent.parent


def script(service: Fake, *lines: str, mode: int = 0o755) -> None:
    """Give a service a ./check."""
    path = service.directory / "check"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(mode)


def test_a_service_is_up_when_check_agrees(sv_together, fake) -> None:
    script(fake("a", up()), "exit 0")
    script(fake("b", up()), "exit 1")
    script(fake("c", up()), "exit 100")
    words = ("start", "check", "up")
    for code, output in sv_together(*(("-w", "0", word, "a", "b", "c") for word in words)):
        assert code == 2
        assert masked(output) == (
            b"ok: run: a: (pid N) Ns\ntimeout: run: b: (pid N) Ns\ntimeout: run: c: (pid N) Ns\n"
        )


def test_check_is_asked_after_a_restart(suite: Suite, fake, tmp_path: Path) -> None:
    words = ("restart", "try-restart", "term", "force-restart")
    environment = suite.environment(SVDIR=str(tmp_path))
    services, running = {}, {}
    for word in words:
        services[word] = fake(word, up())
        script(services[word], "test -e asked || { touch asked; exit 1; }")
        running[word] = suite.start(
            "sv", "-w", "60", word, word, env=environment, stdout=subprocess.PIPE
        )
    for word in words:
        wait_for(services[word].sent)
        assert not (services[word].directory / "asked").exists()
        services[word].write(up(age=-1000))
        output, _ = running[word].communicate(timeout=90)
        assert masked(output) == f"ok: run: {word}: (pid N) Ns\n".encode()
        assert (services[word].directory / "asked").exists()


def test_check_is_not_asked_where_nothing_is_to_be_up(sv_together, fake, tmp_path: Path) -> None:
    calls = []
    for name, content, words in [
        ("down", down(), ("stop", "check", "try-restart", "start")),
        ("finish", finishing(), ("start", "stop", "restart")),
        ("once", up(), ("once", "stop", "pause", "cont", "hup", "status", "reload")),
        ("old", up(), ("restart", "try-restart", "term")),
    ]:
        for word in words:
            calls.append(("-w", "0", word, f"{name}-{word}"))
            script(fake(calls[-1][-1], content), "touch ../asked-$(basename $(pwd))")
    sv_together(*calls)
    assert list(tmp_path.glob("asked-*")) == []


def test_check_is_asked_until_it_agrees(sv, fake) -> None:
    service = fake("a", up())
    script(service, "echo asked >> log", "test $(wc -l < log) -gt 3")
    code, output = sv("-w", "60", "start", "a")
    assert (code, masked(output)) == (0, b"ok: run: a: (pid N) Ns\n")
    assert (service.directory / "log").read_text() == "asked\n" * 4


def test_a_check_that_cannot_be_run_agrees_with_a_warning(sv, fake) -> None:
    script(fake("mode", up()), "exit 1", mode=0o644)
    (fake("directory", up()).directory / "check").mkdir()
    for name, content in [("garbage", "no script\n"), ("interpreter", "#!/nowhere\n")]:
        path = fake(name, up()).directory / "check"
        path.write_text(content)
        path.chmod(0o755)
    for name, reason in [
        ("mode", b"access denied"),
        ("directory", b"access denied"),
        ("garbage", b"exec format error"),
        ("interpreter", b"file does not exist"),
    ]:
        code, output = sv("start", name)
        assert code == 0
        assert sorted(masked(output).splitlines()) == [
            b"ok: run: " + name.encode() + b": (pid N) Ns",
            b"warning: unable to run " + name.encode() + b"/check: " + reason,
        ]


def test_a_check_that_cannot_be_found_does_not_agree(sv, fake) -> None:
    (fake("a", up()).directory / "check").symlink_to("check")
    (fake("b", up()).directory / "check").symlink_to("nowhere")
    code, output = sv("-w", "0", "start", "a", "b")
    assert code == 1
    assert set(masked(output).splitlines()) == {
        b"ok: run: b: (pid N) Ns",
        b"timeout: run: a: (pid N) Ns",
        b"warning: unable to stat a/check: symbolic link loop",
    }


def test_what_check_is_given(suite: Suite, fake, tmp_path: Path) -> None:
    service = fake("a", up())
    script(
        service,
        "exec 2> seen",
        'echo "$0 $# $(pwd)" >&2',
        "cat >&2",
        "echo x && echo 'standard output is open' >&2",
        "env | grep -v ^_= > environment",
        "grep Sig[BI] /proc/self/status >&2",
        "for one in 3 4 5 6 7 8 9; do",
        "  test -e /proc/$$/fd/$one && readlink /proc/$$/fd/$one >&2",
        "done",
        "exit 0",
    )
    environment = {"PATH": "/usr/bin:/bin", "SVDIR": str(tmp_path), "ODD": "\udcff"}
    done = suite.run("sv", "start", "a", env=environment, input=b"from sv\n", cwd=tmp_path)
    assert done.returncode == 0
    seen = (service.directory / "seen").read_bytes().splitlines()
    assert seen[:2] == [b"check 0 " + bytes(service.directory), b"from sv"]
    assert b"standard output is open" not in seen
    plain = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True)
    assert masks(b"\n".join(seen).decode(errors="replace")) == masks(plain.stdout)
    if suite.name == "ours":  # the reference leaves its own descriptor open
        assert not [line for line in seen[2:] if line.startswith(b"/")]
    given = (service.directory / "environment").read_bytes().splitlines()
    ours = [line for line in given if line.split(b"=")[0] not in (b"PWD", b"OLDPWD", b"SHLVL")]
    assert sorted(ours) == sorted([b"PATH=/usr/bin:/bin", b"ODD=\xff", b"SVDIR=" + bytes(tmp_path)])


def test_a_check_that_runs_is_waited_for_however_long(sv, fake) -> None:
    service = fake("a", up())
    script(service, "sleep 1.2; exit 0")
    assert sv("-w", "0", "start", "a")[0] == 0


def test_a_check_that_is_killed_does_not_agree(our_sv, fake) -> None:
    for name in ("KILL", "TERM", "SEGV"):
        script(fake(name, up()), f"kill -{name} $$")
    code, output = our_sv("-w", "0", "start", "KILL", "TERM", "SEGV")
    assert code == 3
    assert [line.split(b": ")[0] for line in output.splitlines()] == [b"timeout"] * 3


def test_the_checks_of_several_services_run_at_the_same_time(our_sv, fake, tmp_path: Path) -> None:
    wait = "while ! test -e ../{0}/here; do sleep 0.01; done"
    for name, other in (("a", "b"), ("b", "a")):
        script(fake(name, up()), "touch here", wait.format(other))
    code, _ = our_sv("start", "a", "b")
    assert code == 0


def test_an_answer_about_another_process_does_not_count(ours: Suite, fake, tmp_path: Path) -> None:
    service = fake("a", up(pid=1))
    script(service, "touch asked", "while ! test -e go; do sleep 0.01; done", "rm go; exit 0")
    process = ours.start(
        "sv", "-w", "60", "start", "a",
        env=ours.environment(SVDIR=str(tmp_path)), stdout=subprocess.PIPE,
    )  # fmt: skip
    wait_for((service.directory / "asked").exists, "the first question")
    service.write(up(pid=2))
    (service.directory / "asked").unlink()
    (service.directory / "go").touch()
    wait_for((service.directory / "asked").exists, "the second question")
    (service.directory / "go").touch()
    output = process.communicate(timeout=90)[0]
    assert b"(pid 2)" in output
    assert process.returncode == 0


def test_ignored_child_signals_do_not_hide_the_answer(ours: Suite, fake, tmp_path: Path) -> None:
    script(fake("a", up()), "exit 0")
    done = subprocess.run(
        ["sh", "-c", 'trap "" CHLD; exec "$0" start a', ours.program("sv")],
        env=ours.environment(SVDIR=str(tmp_path)),
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_check_is_waited_for_where_the_interpreter_has_no_pidfd(fake, tmp_path: Path) -> None:
    script(fake("a", up()), "exit 0")
    code = (
        "import posix, sys\n"
        "if hasattr(posix, 'pidfd_open'): del posix.pidfd_open\n"
        "from runit.control.sv import main\n"
        "sys.exit(main())"
    )
    starter = tmp_path / "sv"
    starter.write_text(code)
    done = subprocess.run(
        [sys.executable, starter, "start", "a"],
        env={"PYTHONPATH": str(ROOT), "SVDIR": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert masked(done.stdout) == b"ok: run: a: (pid N) Ns\n"
