"""Programs of this suite, of C runit and of daemontools on the same directories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import CHILD_TO_WAIT_FOR, Suite, alive, build, command, listening, pid, stat, wait_for

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}


@pytest.fixture(scope="session")
def daemontools() -> Path:
    """Where svstat, svok, svc and supervise are."""
    found = shutil.which("svstat", path="/usr/bin:/command")
    if found is None:
        pytest.skip("Debian's daemontools package is not installed")
    return Path(found).parent


@pytest.fixture(params=["ours with C", "C with ours"])
def mixed(request: pytest.FixtureRequest, ours: Suite, reference: Suite) -> tuple[Suite, Suite]:
    """Two suites, one for each part."""
    return (ours, reference) if request.param == "ours with C" else (reference, ours)


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def recorded(service: Path) -> int:
    """The pid in supervise/status, the last of the records to be written."""
    try:
        return int.from_bytes((service / "supervise/status").read_bytes()[12:16], "little")
    except OSError:
        return 0


def program(process: int) -> bytes:
    """The file that a process runs: python for ours, the program for C."""
    return os.fsencode(os.readlink(f"/proc/{process}/exe")).rpartition(b"/")[2]


def test_a_runsvdir_starts_the_runsv_found_first_on_path(
    mixed: tuple[Suite, Suite], tmp_path: Path
) -> None:
    holds, started = mixed
    one = build(tmp_path / "d/s", RUN)
    environment = started.environment()
    with holds.runsvdir(tmp_path / "d", "-P", env=environment) as runsvdir:
        process = wait_for(lambda: recorded(one))
        runsv = parent(process)
        assert parent(runsv) == runsvdir.pid
        assert os.getsid(runsv) == runsv
        assert (program(runsv) == b"runsv") == (started.name == "reference")
        assert Path(f"/proc/{runsv}/comm").read_text() == "runsv\n"
        assert (
            Path(f"/proc/{runsv}/cmdline")
            .read_bytes()
            .rstrip(b"\0")
            .replace(b"\0", b" ")
            .endswith(b"runsv s")
        )
        for suite in mixed:
            told = suite.run("sv", "status", one).stdout.decode()
            assert re.fullmatch(rf"run: {one}: \(pid {process}\) \d+s\n", told)
        assert holds.run("sv", "-w30", "restart", one).returncode == 0
        # The reference's sv compares whole seconds: it may be back before the service is.
        wait_for(lambda: pid(one) not in (0, process))
        command(one, "x")
        wait_for(lambda: pid(one) and alive(parent(pid(one))) and parent(pid(one)) != runsv)


def test_a_runlevel_is_switched_for_the_other_suite(
    mixed: tuple[Suite, Suite], tmp_path: Path
) -> None:
    switches, holds = mixed
    both, old, new = (build(tmp_path / "sv" / name, RUN) for name in ("both", "old", "new"))
    for level, names in (("single", ("both", "old")), ("multi", ("both", "new"))):
        (tmp_path / "d" / level).mkdir(parents=True)
        for name in names:
            (tmp_path / "d" / level / name).symlink_to(tmp_path / "sv" / name)
    current = tmp_path / "d/current"
    current.symlink_to("single")
    with holds.runsvdir(current):
        process = wait_for(lambda: pid(old) and pid(both))
        if switches.name == "reference":  # whose directory is built in
            switch_with_the_reference(switches, tmp_path / "d")
        else:
            environment = switches.environment(RUNSVDIR=str(tmp_path / "d"))
            assert switches.run("runsvchdir", "multi", env=environment).returncode == 0
        wait_for(lambda: pid(new))
        wait_for(lambda: not listening(old))
        assert pid(both) == process
        assert os.readlink(tmp_path / "d/previous") == "single"


def switch_with_the_reference(reference: Suite, directory: Path) -> None:
    """Its runsvchdir knows /etc/runit/runsvdir only: bind that in a mount namespace."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace")
    script = (
        f'mount --bind "$1" /etc/runit/runsvdir && exec {reference.program("runsvchdir")} multi'
    )
    subprocess.run(["unshare", "-m", "sh", "-c", script, "-", directory], check=True)


def test_each_logs_for_the_other(mixed: tuple[Suite, Suite], tmp_path: Path) -> None:
    logs, supervises = mixed
    one = build(
        tmp_path / "s",
        {
            "run": "#!/bin/sh\necho said\nexec sleep 1000\n",
            "log/run": f"#!/bin/sh\nexec {logs.program('svlogd')} ./main\n",
            "log/main": None,
        },
    )
    current = one / "log/main/current"
    with supervises.runsv(one) as runsv:
        wait_for(lambda: current.exists() and current.read_text() == "said\n")
        command(one / "log", "a")
        wait_for(lambda: [*current.parent.glob("@*.s")])
        command(one, "x")
        assert runsv.wait(30) == 0
    assert current.stat().st_mode & 0o777 == 0o744


def test_each_changes_the_state_for_the_other(mixed: tuple[Suite, Suite], tmp_path: Path) -> None:
    changes, supervises = mixed
    chpst = changes.program("chpst")
    one = build(
        tmp_path / "s",
        {"run": f"#!/bin/sh\nexec {chpst} -n 3 -e env -b name sleep 1000\n", "env/WORD": "x y\n"},
    )
    with supervises.runsv(one):
        process = wait_for(lambda: pid(one))
        wait_for(lambda: Path(f"/proc/{process}/cmdline").read_bytes() == b"name\0001000\0")
        assert os.getpriority(os.PRIO_PROCESS, process) == os.getpriority(os.PRIO_PROCESS, 0) + 3
        assert b"WORD=x y" in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")


def test_daemontools_reads_our_runsv(ours: Suite, daemontools: Path, tmp_path: Path) -> None:
    one = build(tmp_path / "s", RUN)

    def tell(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [daemontools / name, *arguments, one], capture_output=True, text=True, check=False
        )

    assert tell("svok").returncode == 100
    with ours.runsv(one):
        wait_for(lambda: stat(one) == "run")
        assert tell("svok").returncode == 0
        expected = rf"{one}: up \(pid {pid(one)}\) \d+ seconds\n"
        assert re.fullmatch(expected, tell("svstat").stdout)
        tell("svc", "-p")
        wait_for(lambda: "paused" in tell("svstat").stdout)
        tell("svc", "-c")
        wait_for(lambda: "paused" not in tell("svstat").stdout)
        tell("svc", "-d")
        wait_for(lambda: ": down " in tell("svstat").stdout)
        assert "normally up" in tell("svstat").stdout
        tell("svc", "-o")
        wait_for(lambda: "want down" in tell("svstat").stdout)
        assert stat(one) == "run, want down"
    assert tell("svok").returncode == 100


@pytest.mark.parametrize(
    ("option", "name"), [("h", "HUP"), ("a", "ALRM"), ("i", "INT"), ("t", "TERM")]
)
def test_daemontools_signals_reach_our_service(
    ours: Suite, daemontools: Path, tmp_path: Path, option: str, name: str
) -> None:
    one = build(
        tmp_path / "s",
        {
            "run": f"#!/bin/sh\ntrap 'echo {name} >got' {name}\n{CHILD_TO_WAIT_FOR}"
            "echo >ready\nwhile :; do wait $!; done\n"
        },
    )
    with ours.runsv(one) as runsv:
        wait_for((one / "ready").exists)
        subprocess.run([daemontools / "svc", f"-{option}", one], check=True)
        wait_for(lambda: (one / "got").exists() and (one / "got").read_text() == f"{name}\n")
        subprocess.run([daemontools / "svc", "-dkx", one], check=True)
        assert runsv.wait(30) == 0


def test_sv_reads_supervise_of_daemontools_as_the_reference_does(
    ours: Suite, reference: Suite, daemontools: Path, tmp_path: Path
) -> None:
    one = build(tmp_path / "s", RUN)
    supervise = subprocess.Popen([daemontools / "supervise", one])
    try:
        wait_for(lambda: subprocess.run([daemontools / "svok", one], check=False).returncode == 0)
        answers = []
        for suite in (ours, reference):
            result = suite.run("sv", "status", one)
            answers.append((result.returncode, re.sub(rb"\d+s", b"Ns", result.stdout)))
        assert answers[0] == answers[1]
    finally:
        subprocess.run([daemontools / "svc", "-dx", one], check=True)
        assert supervise.wait(30) == 0
