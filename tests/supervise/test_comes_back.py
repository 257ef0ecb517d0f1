"""runsvdir: a successor takes over what a predecessor left, and an upgrade takes effect."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from support import Suite, alive, build, command, end_runsvdir, listening, pid, wait_for

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_living_runsvs_are_adopted(suite: Suite, ours: Suite, tmp_path: Path) -> None:
    """Those of the reference, too."""
    first, second = (build(tmp_path / "d" / name, RUN) for name in ("first", "second"))
    errors = tmp_path / "errors"
    old = suite.start("runsvdir", tmp_path / "d")
    try:
        pids = [wait_for(lambda one=one: pid(one)) for one in (first, second)]
    finally:
        old.kill()
        old.wait()
    with errors.open("wb") as stderr, ours.runsvdir(tmp_path / "d", stderr=stderr) as new:
        third = build(tmp_path / "third", RUN)
        (tmp_path / "d/third").symlink_to(third)
        wait_for(lambda: pid(third))
        assert [pid(first), pid(second)] == pids
        # The end of an adopted one is noticed ...
        os.kill(parent(pids[0]), signal.SIGTERM)
        again = wait_for(lambda: pid(first) not in (0, pids[0]) and pid(first))
        assert parent(parent(again)) == new.pid
        # ... and it is ended when it is unlinked, ...
        second.rename(tmp_path / "elsewhere")
        wait_for(lambda: not alive(pids[1]))
        wait_for(lambda: not listening(tmp_path / "elsewhere"))
    # ... like those of its own.
    assert errors.read_text() == ""


def test_hup_ends_adopted_ones(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/s", RUN)
    with ours.runsvdir(tmp_path / "d") as old:
        process = wait_for(lambda: pid(one))
        old.kill()
        old.wait()
        with ours.runsvdir(tmp_path / "d") as new:
            late = build(tmp_path / "late", RUN)
            (tmp_path / "d/late").symlink_to(late)
            wait_for(lambda: pid(late))
            new.send_signal(signal.SIGHUP)
            assert new.wait(30) == 111
            wait_for(lambda: not alive(process))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a pid namespace")
def test_a_runsv_of_another_pid_namespace_is_waited_for(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/s", RUN)
    errors = tmp_path / "errors"
    inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with ours.runsv(one) as stranger, errors.open("wb") as stderr:
        process = wait_for(lambda: pid(one))
        namespace = subprocess.Popen(
            [*inside, ours.program("runsvdir"), tmp_path / "d"],
            env=ours.environment(),
            stderr=stderr,
        )
        try:
            wait_for(lambda: b"runsvdir wait s" in all_command_lines())
            command(one, "x")
            assert stranger.wait(30) == 0
            # Its pid is that of the namespace: it is up again when it is another one.
            wait_for(lambda: pid(one) not in (0, process))
            (tmp_path / "d/s").rename(tmp_path / "s")
            wait_for(lambda: not listening(tmp_path / "s"))
        finally:
            namespace.kill()
            namespace.wait()
    assert errors.read_text() == ""


def all_command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().rstrip(b"\0"))
    return found


def copy_of(ours: Suite, tmp_path: Path) -> Suite:
    """An installation of its own, to upgrade."""
    program = Path(ours.program("runsvdir")).read_text()
    package = program.split("sys.path.append(")[1].split(")")[0].strip("'\"")
    shutil.copytree(package, tmp_path / "package", symlinks=False)
    (tmp_path / "bin").mkdir()
    for name in ("runsv", "runsvdir", "sv"):
        text = Path(ours.program(name)).read_text().replace(package, str(tmp_path / "package"))
        build(tmp_path / "bin", {name: text})
    return Suite(tmp_path / "bin", "copy")


def test_usr1_makes_it_exec_itself(ours: Suite, tmp_path: Path) -> None:
    one, two = (build(tmp_path / "d" / name, RUN) for name in ("one", "two"))
    log = "log: " + "." * 200
    with ours.runsvdir(tmp_path / "d", "-P", log) as runsvdir:
        pids = [wait_for(lambda each=each: pid(each)) for each in (one, two)]
        inode = Path(f"/proc/{runsvdir.pid}/fd/2").readlink()
        for _ in range(2):
            started = Path(f"/proc/{runsvdir.pid}/auxv").read_bytes()
            runsvdir.send_signal(signal.SIGUSR1)
            wait_for(lambda s=started: Path(f"/proc/{runsvdir.pid}/auxv").read_bytes() != s)
            late = build(tmp_path / "late", RUN)
            (tmp_path / "d/late").symlink_to(late)
            wait_for(lambda late=late: pid(late))
            assert [pid(one), pid(two)] == pids
            assert Path(f"/proc/{runsvdir.pid}/fd/2").readlink() == inode
            (tmp_path / "d/late").unlink()
            wait_for(lambda late=late: not listening(late))
        # Its runsvs' words still reach the log.
        (one / "run").write_text("#!/nonexistent\n")
        os.kill(pids[0], signal.SIGKILL)
        command_line = Path(f"/proc/{runsvdir.pid}/cmdline")
        wait_for(lambda: b"unable to start ./run" in command_line.read_bytes())
        shown = command_line.read_bytes().rstrip(b"\0")
        assert shown.startswith(f"runsvdir -P {tmp_path}/d log: ".encode())
        assert len(shown) == len(f"runsvdir -P {tmp_path}/d {log}")
        environment = Path(f"/proc/{pid(two)}/environ").read_bytes()
        assert b"runsvdir_log" not in environment


def test_after_an_upgrade_the_next_runsv_is_execd(ours: Suite, tmp_path: Path) -> None:
    copy = copy_of(ours, tmp_path)
    one, two = build(tmp_path / "d/one", RUN), build(tmp_path / "two", RUN)
    module = tmp_path / "package/runit/supervise/runsv.py"
    process = copy.start("runsvdir", tmp_path / "d")
    try:
        forked = parent(wait_for(lambda: pid(one)))
        mapped = Path(f"/proc/{forked}/auxv").read_bytes()
        assert mapped == Path(f"/proc/{process.pid}/auxv").read_bytes()
        # A new file with the same content, as an upgrade lays it down.
        shutil.copy(module, f"{module}.new")
        Path(f"{module}.new").rename(module)
        (tmp_path / "d/two").symlink_to(two)
        fresh = parent(wait_for(lambda: pid(two)))
        assert Path(f"/proc/{fresh}/auxv").read_bytes() != mapped
        assert Path(f"/proc/{fresh}/comm").read_text() == "runsv\n"
    finally:
        end_runsvdir(process, tmp_path / "d")


def test_another_runsv_first_on_path_is_execd(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path / "d/s", RUN)
    build(
        tmp_path / "bin", {"runsv": f'#!/bin/sh\necho "$@" >{tmp_path}/called\nexec sleep 1000\n'}
    )
    path = f"{tmp_path}/bin:{ours.environment()['PATH']}"
    process = ours.start("runsvdir", tmp_path / "d", env=ours.environment() | {"PATH": path})
    try:
        wait_for(lambda: (tmp_path / "called").exists() and (tmp_path / "called").read_text())
        assert (tmp_path / "called").read_text() == "s\n"
    finally:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
