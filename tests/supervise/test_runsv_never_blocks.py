"""runsv: where the reference stands still, ours goes on."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

from support import Suite, alive, build, command, listening, pid, stat, wait_for

from runit.service import status

SLEEP = "#!/bin/sh\nexec sleep 1000\n"
WAIT = '#!/bin/sh\necho "begin" >>did\ncat go >/dev/null\necho "end" >>did\n'


def did(service: Path) -> list[str]:
    path = service / "did"
    return path.read_text().split() if path.exists() else []


def go(service: Path) -> None:
    """Let a script that reads from the FIFO go end."""
    (service / "go").write_text("")


def test_a_death_is_recorded_while_a_control_script_runs(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP, "control/h": WAIT})
    os.mkfifo(service / "go")
    with ours.runsv(service):
        first = wait_for(lambda: pid(service))
        command(service, "h")
        wait_for(lambda: did(service) == ["begin"])
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: stat(service) == "down")
        go(service)
        wait_for(lambda: pid(service) not in (0, first))


def test_commands_behind_a_control_script_keep_their_order(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {
            "run": SLEEP,
            "control/h": WAIT,
            "control/a": "#!/bin/sh\necho a >>did\n",
            "control/i": "#!/bin/sh\necho i >>did\n",
        },
    )
    os.mkfifo(service / "go")
    with ours.runsv(service):
        wait_for(lambda: pid(service))
        command(service, "haip")
        wait_for(lambda: did(service) == ["begin"])
        command(service, "a")
        go(service)
        wait_for(lambda: did(service) == ["begin", "end", "a", "i", "a"])
        wait_for(lambda: stat(service) == "run, paused")


def test_a_signal_is_not_sent_to_the_successor(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {"run": SLEEP, "control/t": WAIT + "exit 1\n", "control/u": "#!/bin/sh\necho up >>did\n"},
    )
    os.mkfifo(service / "go")
    with ours.runsv(service):
        first = wait_for(lambda: pid(service))
        command(service, "t")
        wait_for(lambda: did(service) == ["up", "begin"])
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: stat(service) == "down")
        go(service)
        wait_for(lambda: did(service) == ["up", "begin", "end", "up"])
        second = wait_for(lambda: pid(service))
        wait_for(lambda: stat(service) == "run")
        assert alive(second)
        (service / "control/t").unlink()


def test_commands_are_heard_while_finish_runs(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": "#!/bin/sh\nexit 0\n", "finish": WAIT})
    os.mkfifo(service / "go")
    with ours.runsv(service):
        wait_for(lambda: did(service) == ["begin"])
        command(service, "d")
        wait_for(lambda: stat(service) == "finish, want down")
        go(service)
        wait_for(lambda: stat(service) == "down")
        assert did(service) == ["begin", "end"]


def test_kill_during_finish_runs_finish_only_once(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": "#!/bin/sh\nexit 0\n", "finish": WAIT})
    os.mkfifo(service / "go")
    with ours.runsv(service):
        wait_for(lambda: did(service) == ["begin"])
        command(service, "dk")
        wait_for(lambda: stat(service) == "finish, want down")
        go(service)
        wait_for(lambda: stat(service) == "down")
        assert did(service) == ["begin", "end"]


def test_down_is_obeyed_during_the_pace(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": "#!/bin/sh\necho ran >>did\n"})
    with ours.runsv(service):
        wait_for(lambda: did(service) == ["ran"] and stat(service) == "down")
        command(service, "d")
        wanted = service / "supervise/status"
        wait_for(lambda: status.unpack(wanted.read_bytes()).want == b"d")
        # Whatever the machine does meanwhile: once it is down for good, no second run came.
        command(service, "p")
        wait_for(lambda: stat(service) == "down, paused")
        assert did(service) == ["ran"]


def test_a_held_log_lock_holds_up_the_log_service_alone(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\necho said\nexec sleep 1000\n",
            "log/run": "#!/bin/sh\nexec cat >>../heard\n",
            "log/supervise/lock": "",
        },
    )
    lock = os.open(service / "log/supervise/lock", os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with ours.runsv(service):
        wait_for(lambda: stat(service) == "run")
        command(service, "p")
        wait_for(lambda: stat(service) == "run, paused")
        command(service, "c")
        assert not listening(service / "log")
        os.close(lock)
        wait_for(lambda: listening(service / "log"))
        heard = service / "heard"
        wait_for(lambda: heard.exists() and heard.read_text() == "said\n")
        other = os.open(service / "log/supervise/lock", os.O_WRONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(other)
        raise AssertionError("the log service runs without its lock")


def test_exit_while_the_log_lock_is_held(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s", {"run": SLEEP, "log/run": "#!/bin/sh\nexec cat\n", "log/supervise/lock": ""}
    )
    lock = os.open(service / "log/supervise/lock", os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with ours.runsv(service) as runsv:
        wait_for(lambda: pid(service))
        runsv.terminate()
        assert runsv.wait(30) == 0
    os.close(lock)


def test_a_hundred_thousand_commands_are_all_obeyed(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s", {"run": SLEEP, "control/h": WAIT, "control/2": "#!/bin/sh\necho 2 >>did\n"}
    )
    os.mkfifo(service / "go")
    with ours.runsv(service):
        wait_for(lambda: pid(service))
        command(service, "h")
        wait_for(lambda: did(service) == ["begin"])
        control = os.open(service / "supervise/control", os.O_WRONLY | os.O_NONBLOCK)
        left = b"z" * 100_000 + b"2"
        released = False
        while left:
            try:
                left = left[os.write(control, left) :]
            except BlockingIOError:
                # Queue and FIFO are full: it is the reader's turn now.
                if not released:
                    go(service)
                    released = True
        os.close(control)
        if not released:
            go(service)
        wait_for(lambda: did(service) == ["begin", "end", "2"])
