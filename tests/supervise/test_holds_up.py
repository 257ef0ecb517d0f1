"""runsv and runsvdir hold up where a review found that they did not."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support import Suite, alive, build, command, listening, needs, pid, stat, wait_for

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}


def test_commands_while_the_log_service_reads_the_rest(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {**RUN, "log/run": "#!/bin/sh\ncat >/dev/null\necho >../drained\nread word <../go\n"},
    )
    os.mkfifo(service / "go")
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsv(service, stderr=stderr) as runsv:
        wait_for(lambda: pid(service) and pid(service / "log"))
        command(service, "x")
        wait_for((service / "drained").exists)
        command(service / "log", "uo")
        command(service, "uop")
        wait_for(lambda: stat(service) == "down, paused")
        (service / "go").write_text("\n")
        assert runsv.wait(30) == 0
    assert errors.read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody who is not")
def test_a_services_directory_that_may_not_be_entered_for_a_while(
    ours: Suite, tmp_path: Path
) -> None:
    if not others_may_run(ours):
        pytest.skip("the programs under test are where only root may run them")
    root = Path(f"/tmp/entered-{os.getpid()}")
    one = build(root / "d/one", RUN)
    two = build(root / "two", RUN)
    subprocess.run(["chown", "-R", "65534", root], check=True)
    options = {"user": 65534, "group": 65534, "extra_groups": [], "stderr": subprocess.PIPE}
    try:
        with ours.runsvdir(root / "d", **options) as runsvdir:
            wait_for(lambda: pid(one))
            (root / "d").chmod(0o600)
            runsvdir.send_signal(signal.SIGALRM)
            assert runsvdir.stderr is not None
            assert b"unable to change directory" in runsvdir.stderr.readline()
            (root / "d").chmod(0o755)
            (root / "d/two").symlink_to(two)
            wait_for(lambda: pid(two))
    finally:
        subprocess.run(["rm", "-r", root], check=True)


def others_may_run(ours: Suite) -> bool:
    try:
        ours.run("sv", user=65534, group=65534, extra_groups=[])
    except PermissionError:
        return False
    return True


@pytest.mark.parametrize("name", ["ALRM", "USR1", "CHLD"])
def test_signals_while_it_executes_itself(ours: Suite, tmp_path: Path, name: str) -> None:
    one = build(tmp_path / "d/one", RUN)
    with ours.runsvdir(tmp_path / "d") as runsvdir:
        wait_for(lambda: pid(one))
        before = Path(f"/proc/{runsvdir.pid}/auxv").read_bytes()
        runsvdir.send_signal(signal.SIGUSR1)
        while Path(f"/proc/{runsvdir.pid}/auxv").read_bytes() == before:
            runsvdir.send_signal(getattr(signal, f"SIG{name}"))
        for _ in range(100):
            runsvdir.send_signal(getattr(signal, f"SIG{name}"))
        two = build(tmp_path / "two", RUN)
        (tmp_path / "d/two").symlink_to(two)
        wait_for(lambda: pid(two))
        assert runsvdir.poll() is None


def test_executing_itself_does_not_change_the_environment(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/one", RUN)
    path = f"{ours.directory}:/usr/bin:/bin"
    with ours.runsvdir(tmp_path / "d", env={"PATH": path, "LANG": "C"}) as runsvdir:
        wait_for(lambda: pid(one))
        before = Path(f"/proc/{runsvdir.pid}/auxv").read_bytes()
        runsvdir.send_signal(signal.SIGUSR1)
        two = build(tmp_path / "two", RUN)
        wait_for(lambda: Path(f"/proc/{runsvdir.pid}/auxv").read_bytes() != before)
        (tmp_path / "d/two").symlink_to(two)
        process = wait_for(lambda: pid(two))
        assert b"LC_CTYPE" not in Path(f"/proc/{process}/environ").read_bytes()


def test_closed_descriptors_are_not_taken_for_the_wakeup(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/one", RUN)
    (tmp_path / "d/dangling").symlink_to("nowhere")
    shell = ["sh", "-c", 'exec "$0" "$1" <&- >&- 2>&-', ours.program("runsvdir"), tmp_path / "d"]
    process = subprocess.Popen(shell, env=ours.environment())
    try:
        service = wait_for(lambda: pid(one))
        wait_for(lambda: Path(f"/proc/{service}/comm").read_text() == "sleep\n")
        # The loader of `sleep` has a library open for a moment, in the first free descriptor.
        wait_for(lambda: os.listdir(f"/proc/{service}/fd") == [])
        before = Path(f"/proc/{process.pid}/auxv").read_bytes()
        process.send_signal(signal.SIGALRM)
        two = build(tmp_path / "two", RUN)
        (tmp_path / "d/two").symlink_to(two)
        wait_for(lambda: pid(two))
        assert Path(f"/proc/{process.pid}/auxv").read_bytes() == before
    finally:
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 111
        wait_for(lambda: not listening(one) and not listening(tmp_path / "two"))


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_an_ok_that_is_no_runsvs(ours: Suite, tmp_path: Path, kind: str) -> None:
    one = build(tmp_path / "d/one", {**RUN, "supervise": None})
    ok = one / "supervise/ok"
    reader = -1
    if kind == "file":
        ok.write_text("")
    else:
        os.mkfifo(ok)
        reader = os.open(ok, os.O_RDONLY | os.O_NONBLOCK)
        (one / "supervise/lock").write_text("")
    with ours.runsvdir(tmp_path / "d") as runsvdir:
        process = wait_for(lambda: pid(one))
        assert runsvdir.poll() is None
        if kind == "file":  # as the reference does: it is not asked any more
            ok.unlink()
        else:
            os.close(reader)
    wait_for(lambda: not alive(process))


def test_a_nul_does_not_end_the_log(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path / "d/one", {"run": "#!/bin/sh\nprintf 'ab\\0cd\\nef' >&2\nexec sleep 1000\n"})
    with ours.runsvdir(tmp_path / "d", "log: " + "." * 60) as runsvdir:
        shown = Path(f"/proc/{runsvdir.pid}/cmdline")
        wait_for(lambda: shown.read_bytes().rstrip(b"\0").endswith(b"abcd\nef"))


@needs("strace")
def test_once_survives_a_lack_of_processes(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {**RUN, "down": ""})
    trace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=clone3,vfork,clone"]
    inject = "inject=clone3,vfork,clone:error=EAGAIN:when=1"
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*trace, "-e", inject, ours.program("runsv"), service], stderr=stderr
        )
        try:
            wait_for(lambda: listening(service) and stat(service) == "down")
            command(service, "o")
            wait_for(lambda: pid(service))
            assert "unable to fork, sleeping: temporary failure" in errors.read_text()
        finally:
            command(service, "x")
            assert process.wait(30) == 0
            assert not alive(pid(service))
