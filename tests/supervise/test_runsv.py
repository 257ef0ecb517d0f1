"""runsv: what the manual promises, on both suites."""

from __future__ import annotations

import os
import signal
import stat as modes
import subprocess
from pathlib import Path

import pytest
from support import (
    CHILD_TO_WAIT_FOR,
    Suite,
    alive,
    build,
    command,
    needs,
    pid,
    stat,
    supervised,
    wait_for,
)

SLEEP = "#!/bin/sh\nexec sleep 1000\n"
DRAIN = "#!/bin/sh\nexec cat >/dev/null\n"
LETTERS = {"h": "HUP", "a": "ALRM", "i": "INT", "q": "QUIT", "1": "USR1", "2": "USR2", "t": "TERM"}
RECORD_SIGNALS = f"""#!/bin/sh
for s in HUP ALRM INT QUIT USR1 USR2 TERM; do trap "echo $s >>got" $s; done
{CHILD_TO_WAIT_FOR}
echo ready >>got
while :; do wait $!; done
"""


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_usage(suite: Suite) -> None:
    for arguments in ([], ["a", "b"]):
        result = suite.run("runsv", *arguments)
        assert result.returncode == 1
        assert result.stderr.endswith(b"runsv dir\n\n")


@pytest.mark.parametrize(
    ("where", "words"),
    [("/nonexistent", b"file does not exist"), ("/etc/passwd", b"not a directory")],
)
def test_a_directory_that_is_none_is_fatal(suite: Suite, where: str, words: bytes) -> None:
    result = suite.run("runsv", where)
    assert result.returncode == 111
    assert (
        result.stderr
        == f"runsv {where}: fatal: unable to change to directory: ".encode() + words + b"\n"
    )


def test_it_runs_the_service_and_records_it(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service):
        wait_for(lambda: (service / "supervise/status").read_bytes()[19])
        record = (service / "supervise/status").read_bytes()
        assert len(record) == 20
        assert int.from_bytes(record[12:16], "little") == pid(service)
        assert record[16:] == b"\0u\0\x01"
        assert Path(f"/proc/{pid(service)}/cwd").resolve() == service


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_under_supervise(suite: Suite, tmp_path: Path, umask: int) -> None:
    service = build(tmp_path / "s", {"run": SLEEP, "log/run": DRAIN})
    with suite.runsv(service, umask=umask):
        wait_for(lambda: pid(service) and pid(service / "log"))
        wait_for(lambda: not [*service.glob("**/*.new")])
        for where in (service, service / "log"):
            found = {path.name: path.stat().st_mode for path in (where / "supervise").iterdir()}
            assert modes.S_IMODE((where / "supervise").stat().st_mode) == 0o700
            for fifo in ("control", "ok"):
                assert modes.S_ISFIFO(found[fifo])
            assert {name: modes.S_IMODE(mode) for name, mode in found.items()} == {
                "control": 0o600,
                "ok": 0o600,
                "lock": 0o600,
                "pid": 0o644 & ~umask,
                "stat": 0o644 & ~umask,
                "status": 0o644 & ~umask,
            }


def test_a_second_runsv_is_refused(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service):
        result = suite.run("runsv", service)
        assert result.returncode == 111
        assert result.stderr == (
            f"runsv {service}: fatal: unable to lock supervise/lock: temporary failure\n".encode()
        )


def test_down_keeps_it_down_until_told(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP, "down": ""})
    with suite.runsv(service):
        assert stat(service) == "down"
        command(service, "u")
        wait_for(lambda: stat(service) == "run")


def test_it_comes_back_when_it_dies(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service):
        first = wait_for(lambda: pid(service))
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: pid(service) not in (0, first))


def test_each_letter_sends_its_signal_in_order(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": RECORD_SIGNALS})
    with suite.runsv(service) as runsv:
        wait_for(lambda: lines(service / "got") == ["ready"])
        for letter, name in LETTERS.items():
            command(service, letter)
            wait_for(lambda name=name: lines(service / "got")[-1] == name)
        wait_for(lambda: stat(service) == "run, got TERM")
        command(service, "xk")
        assert runsv.wait(30) == 0


def test_pause_and_continue(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service):
        process = wait_for(lambda: pid(service))
        command(service, "p")
        wait_for(lambda: stat(service) == "run, paused")
        wait_for(lambda: ") T " in Path(f"/proc/{process}/stat").read_text())
        command(service, "c")
        wait_for(lambda: stat(service) == "run")
        wait_for(lambda: ") S " in Path(f"/proc/{process}/stat").read_text())


def test_once_runs_it_and_lets_it_stay_down(suite: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s", {"run": "#!/bin/sh\necho x >>ran\nexec sleep 1000\n", "down": ""}
    )
    with suite.runsv(service):
        command(service, "o")
        wait_for(lambda: stat(service) == "run, want down" and lines(service / "ran"))
        os.kill(pid(service), signal.SIGKILL)
        wait_for(lambda: stat(service) == "down")
        assert lines(service / "ran") == ["x"]


@pytest.mark.parametrize(
    ("run", "arguments"),
    [
        ("#!/bin/sh\nexit 3\n", "3 0"),
        ("#!/bin/sh\nkill -9 $$\n", "-1 9"),
        ("#!/nonexistent\n", "111 0"),
        (None, "111 0"),
    ],
)
def test_finish_hears_how_run_ended(
    suite: Suite, tmp_path: Path, run: str | None, arguments: str
) -> None:
    files = {"finish": '#!/bin/sh\necho "$@" >>finished\nexec sleep 1000\n'}
    service = build(tmp_path / "s", files if run is None else {**files, "run": run})
    with suite.runsv(service):
        wait_for(lambda: lines(service / "finished") == [arguments])
        wait_for(lambda: stat(service) == "finish" and pid(service))
        command(service, "x")
        wait_for(lambda: stat(service) == "finish, want exit")
        os.kill(pid(service), signal.SIGKILL)


def test_a_run_that_cannot_be_started_is_told_in_one_line(suite: Suite, tmp_path: Path) -> None:
    for name, files, words in (
        ("missing", {"down": ""}, "file does not exist"),
        ("plain", {"down": "", "run": "exit 0\n"}, "access denied"),
        ("strange", {"down": "", "run": "#!/nonexistent\n"}, "file does not exist"),
    ):
        service = build(tmp_path / name, files)
        told = tmp_path / f"{name}.err"
        with told.open("wb") as errors, suite.runsv(service, stderr=errors):
            command(service, "o")
            wait_for(lambda told=told: told.read_bytes())
        expected = f"runsv {service}: fatal: unable to start ./run: {words}\n"
        assert told.read_text() == expected


def test_the_log_service_gets_all_that_run_and_finish_say(suite: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\necho from run\n",
            "finish": "#!/bin/sh\necho from finish\n",
            "log/run": "#!/bin/sh\nexec cat >>../heard\n",
            "down": "",
        },
    )
    with suite.runsv(service) as runsv:
        command(service, "o")
        wait_for(lambda: lines(service / "heard") == ["from run", "from finish"])
        command(service, "x")
        assert runsv.wait(30) == 0
    assert not alive(pid(service / "log"))


def test_what_is_in_the_pipe_outlives_the_log_service(suite: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\necho one\nexec sleep 1000\n",
            "log/run": "#!/bin/sh\nexec cat >>../heard\n",
            "log/down": "",
        },
    )
    with suite.runsv(service):
        wait_for(lambda: pid(service))
        command(service / "log", "u")
        wait_for(lambda: lines(service / "heard") == ["one"])
        os.kill(pid(service / "log"), signal.SIGKILL)
        command(service, "t")
        wait_for(lambda: lines(service / "heard") == ["one", "one"])


def test_exit_is_not_for_log_services(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP, "log/run": DRAIN})
    with suite.runsv(service):
        first = wait_for(lambda: pid(service / "log"))
        command(service / "log", "xp")
        wait_for(lambda: stat(service / "log") == "run, paused")
        command(service / "log", "c")
        assert pid(service / "log") == first


def test_term_is_exit(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service) as runsv:
        process = wait_for(lambda: pid(service))
        runsv.terminate()
        assert runsv.wait(30) == 0
        assert not alive(process)
        assert stat(service) == "down"


def test_an_interrupt_ends_it_without_a_word(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"down": ""})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, suite.runsv(service, stderr=stderr) as runsv:
        runsv.send_signal(signal.SIGINT)
        assert runsv.wait(30) == -signal.SIGINT
    assert errors.read_bytes() == b""


def test_supervise_may_be_a_symlink(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP, "log/run": DRAIN})
    (service / "supervise").symlink_to("../elsewhere")
    (service / "log/supervise").symlink_to(tmp_path / "logs")
    with suite.runsv(service):
        wait_for(lambda: pid(service) and pid(service / "log"))
    assert (tmp_path / "elsewhere/status").exists()
    assert (tmp_path / "logs/status").exists()
    assert modes.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o700


def test_control_scripts_run_before_and_instead_of_signals(suite: Suite, tmp_path: Path) -> None:
    def script(letter: str, code: int = 0) -> str:
        return f'#!/bin/sh\necho "script {letter} $#$1" >>got\nexit {code}\n'

    service = build(
        tmp_path / "s",
        {
            "run": RECORD_SIGNALS,
            "control/h": script("h"),
            "control/a": script("a", 1),
            "control/u": script("u"),
            "control/t": script("t"),
            "control/d": script("d"),
            "control/o": script("o"),
            "control/1": "not executable\n",
        },
    )
    got = service / "got"
    with suite.runsv(service):
        newer = suite.is_reference(2, 3, 1)
        wait_for(lambda: lines(got) == ["script u 1" if newer else "script u 0", "ready"])
        given = f"1{pid(service)}" if newer else "0"
        command(service, "h")
        wait_for(lambda: lines(got)[2:] == [f"script h {given}"])
        command(service, "a")
        wait_for(lambda: lines(got)[3:] == [f"script a {given}", "ALRM"])
        command(service, "1")
        wait_for(lambda: lines(got)[5:] == ["USR1"])
        command(service, "d")
        wait_for(lambda: lines(got)[6:] == [f"script t {given}", f"script d {given}"])
        wait_for(lambda: stat(service) == "run, want down")
        command(service, "k")
        wait_for(lambda: stat(service) == "down")


def test_unknown_letters_are_ignored(suite: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    with suite.runsv(service):
        first = wait_for(lambda: pid(service))
        command(service, b"zZ\0\xff 9\np")
        wait_for(lambda: stat(service) == "run, paused")
        assert pid(service) == first


@pytest.mark.parametrize("kind", ["file", "dangling"])
def test_what_stands_in_the_way_is_fatal(suite: Suite, tmp_path: Path, kind: str) -> None:
    service = build(tmp_path / "s", {"run": SLEEP})
    if kind == "file":
        build(service, {"supervise/control": ""})
        reason = "supervise/control exists but is not a fifo"
    else:
        (service / "supervise").symlink_to("no/where")
        reason = "unable to open supervise/lock: file does not exist"
    result = suite.run("runsv", service)
    assert result.returncode == 111
    assert result.stderr == f"runsv {service}: fatal: {reason}\n".encode()


@pytest.mark.parametrize("name", ["with space", "new\nline", "x" * 255, b"not\xffutf8"])
def test_any_name_will_do(suite: Suite, tmp_path: Path, name: str | bytes) -> None:
    service = build(tmp_path / os.fsdecode(os.fsencode(name)), {"run": SLEEP})
    process = suite.start("runsv", os.fsencode(name), cwd=tmp_path)
    try:
        wait_for(lambda: supervised(service) and pid(service))
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_exit_between_two_runs_of_the_log_service_loses_nothing(
    ours: Suite, tmp_path: Path
) -> None:
    service = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\nread word <go\necho said\nexec sleep 1000\n",
            "log/run": "#!/bin/sh\ntest -e ../ready && exec cat >>../heard\necho x >>../tried\n",
        },
    )
    os.mkfifo(service / "go")
    with ours.runsv(service) as runsv:
        wait_for(lambda: stat(service / "log") == "down" and lines(service / "tried") == ["x"])
        (service / "ready").write_text("")
        (service / "go").write_text("\n")
        process = wait_for(lambda: pid(service))
        wait_for(lambda: Path(f"/proc/{process}/comm").read_text() == "sleep\n")
        command(service, "x")
        assert runsv.wait(30) == 0
    assert lines(service / "heard") == ["said"]


def test_what_is_wanted_is_told_before_it_is_done(suite: Suite, tmp_path: Path) -> None:
    """A control script may ask, and so may a service that is told to end."""
    service = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\ntrap 'cat supervise/stat >>seen; exit' TERM\n"
            f"{CHILD_TO_WAIT_FOR}\n>ready\nwhile :; do wait $!; done\n",
            "control/t": "#!/bin/sh\ncat supervise/stat >>seen\nexit 1\n",
        },
    )
    with suite.runsv(service):
        wait_for((service / "ready").exists)
        command(service, "d")
        wait_for(lambda: stat(service) == "down")
        script, service_itself = lines(service / "seen")
        assert script == "run, want down"
        assert service_itself in ("run, want down", "run, got TERM, want down")


@needs("strace")
def test_commands_that_come_together_have_one_record(ours: Suite, tmp_path: Path) -> None:
    """The reference writes one for each."""
    service = build(tmp_path / "s", {"run": SLEEP})
    trace = ["strace", "-qq", "-o", tmp_path / "trace", "-e", "trace=rename,renameat,renameat2"]
    program = ours.program("runsv")
    with subprocess.Popen([*trace, program, service], env=ours.environment()) as traced:
        try:
            before = wait_for(lambda: pid(service))
            command(service, "tcu")
            wait_for(lambda: pid(service) not in (0, before))
            wait_for(lambda: (service / "supervise/status").read_bytes()[19] == 1)
        finally:
            command(service, "x")
        traced.wait(60)
    told = (tmp_path / "trace").read_text().count('"supervise/status"')
    # Opened, started, tcu, started again, x, down; and the pause of one that ends too soon.
    assert told in (6, 7)
