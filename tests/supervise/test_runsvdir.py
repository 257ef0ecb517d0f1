"""runsvdir: which directories are supervised, on both suites where it is the contract."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import CHILD_TO_WAIT_FOR, Suite, alive, build, command, listening, pid, stat, wait_for

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}


def service(root: Path, name: str = "s") -> Path:
    return build(root / name, RUN)


def parent(process: int) -> int:
    """The pid of a process's parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def up(*services: Path) -> list[int]:
    """The pids of services, once all of them run."""
    return [wait_for(lambda one=one: pid(one), f"{one} to run") for one in services]


def test_usage(suite: Suite) -> None:
    for arguments in ([], ["-P"]):
        result = suite.run("runsvdir", *arguments)
        assert result.returncode == 1
        assert result.stderr.endswith(b"runsvdir [-P] dir\n\n")


def test_each_directory_and_each_symlink_to_one_is_supervised(suite: Suite, tmp_path: Path) -> None:
    inside, outside = service(tmp_path / "d", "inside"), service(tmp_path, "outside")
    hidden = service(tmp_path / "d", ".hidden")
    (tmp_path / "d/linked").symlink_to(outside)
    (tmp_path / "d/again").symlink_to("inside")
    (tmp_path / "d/dangling").symlink_to("nowhere")
    build(tmp_path / "d", {"file": "x"})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, suite.runsvdir(tmp_path / "d", stderr=stderr):
        up(inside, outside)
        assert not (hidden / "supervise").exists()
        dangling = f"runsvdir {tmp_path}/d: warning: unable to stat dangling: file does not exist\n"
        wait_for(lambda: dangling in errors.read_text())


@pytest.mark.parametrize("session", [False, True])
def test_p_makes_a_session_of_each_runsv(suite: Suite, tmp_path: Path, session: bool) -> None:
    one = service(tmp_path / "d")
    with suite.runsvdir(tmp_path / "d", *(["-P"] if session else [])):
        runsv = parent(*up(one))
        assert os.getsid(runsv) == (runsv if session else os.getsid(0))


def test_hup_ends_all_services_and_is_111(suite: Suite, tmp_path: Path) -> None:
    services = [service(tmp_path / "d", name) for name in "abc"]
    with suite.runsvdir(tmp_path / "d") as runsvdir:
        pids = up(*services)
        runsvdir.send_signal(signal.SIGHUP)
        assert runsvdir.wait(30) == 111
        wait_for(lambda: not any(alive(one) for one in pids))


def test_term_leaves_the_services_alone_and_is_0(suite: Suite, tmp_path: Path) -> None:
    one = service(tmp_path / "d")
    with suite.runsvdir(tmp_path / "d") as runsvdir:
        process = up(one)[0]
        runsvdir.terminate()
        assert runsvdir.wait(30) == 0
        assert listening(one)
        assert alive(process)


def test_a_runsv_that_ends_is_started_again(suite: Suite, tmp_path: Path) -> None:
    one = service(tmp_path / "d")
    with suite.runsvdir(tmp_path / "d"):
        first = up(one)[0]
        command(one, "x")
        wait_for(lambda: pid(one) not in (0, first))


def test_a_new_link_is_found_and_a_removed_one_is_ended(suite: Suite, tmp_path: Path) -> None:
    first, second = service(tmp_path / "d", "first"), service(tmp_path, "second")
    with suite.runsvdir(tmp_path / "d"):
        up(first)
        (tmp_path / "d/link").symlink_to(second)
        process = up(second)[0]
        (tmp_path / "d/link").unlink()
        wait_for(lambda: not listening(second))
        assert not alive(process)
        assert listening(first)


def test_a_directory_stays_as_long_as_it_has_a_name(ours: Suite, tmp_path: Path) -> None:
    one, other = service(tmp_path, "one"), service(tmp_path, "other")
    (tmp_path / "d").mkdir()
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsvdir(tmp_path / "d", stderr=stderr):
        for name in ("a", "b"):
            (tmp_path / "d" / name).symlink_to(one)
            process = up(one)[0]
        for name in ("a", "b"):
            (tmp_path / "d" / name).unlink()
            # When this one runs, what was done before it has been seen.
            (tmp_path / "d" / f"other{name}").symlink_to(service(other, name))
            up(other / name)
            if name == "a":
                assert pid(one) == process
        wait_for(lambda: not listening(one))
    assert errors.read_text() == ""


def test_a_link_that_leads_elsewhere_is_followed(ours: Suite, tmp_path: Path) -> None:
    """The link itself does not change, so nothing tells; but it is seen with the next change."""
    old, other = service(tmp_path / "old", "s"), service(tmp_path, "other")
    service(tmp_path / "new", "s")
    (tmp_path / "d").mkdir()
    (tmp_path / "which").symlink_to("old")
    (tmp_path / "d/s").symlink_to(tmp_path / "which/s")
    with ours.runsvdir(tmp_path / "d"):
        up(old)
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").rename(tmp_path / "which")
        (tmp_path / "d/other").symlink_to(other)
        up(tmp_path / "new/s", other)
        wait_for(lambda: not listening(old))


def test_a_rename_is_no_change(suite: Suite, tmp_path: Path) -> None:
    one, other = service(tmp_path / "d", "one"), service(tmp_path, "other")
    with suite.runsvdir(tmp_path / "d"):
        process = up(one)[0]
        one.rename(tmp_path / "d/two")
        (tmp_path / "d/other").symlink_to(other)
        up(other)
        assert pid(tmp_path / "d/two") == process
        assert alive(process)


def test_what_is_in_both_runlevels_is_not_touched(suite: Suite, tmp_path: Path) -> None:
    both, old, new = (service(tmp_path / "sv", name) for name in ("both", "old", "new"))
    for level, names in (("single", ("both", "old")), ("multi", ("both", "new"))):
        (tmp_path / level).mkdir()
        for name in names:
            (tmp_path / level / name).symlink_to(tmp_path / "sv" / name)
    current = tmp_path / "current"
    current.symlink_to("single")
    with suite.runsvdir(current):
        process = up(both, old)[0]
        (tmp_path / "next").symlink_to("multi")
        (tmp_path / "next").rename(current)
        up(new)
        wait_for(lambda: not listening(old))
        assert pid(both) == process
        assert alive(process)


def test_a_directory_that_appears_later_is_found(ours: Suite, tmp_path: Path) -> None:
    with ours.runsvdir(tmp_path / "not/yet", stderr=subprocess.PIPE) as runsvdir:
        assert runsvdir.stderr is not None
        told = runsvdir.stderr.readline().decode()
        where = tmp_path / "not/yet"
        assert told == f"runsvdir {where}: warning: unable to stat {where}: file does not exist\n"
        one = service(tmp_path, "s")
        where.mkdir(parents=True)
        one.rename(where / "s")
        up(where / "s")


def test_a_replaced_directory_is_followed(ours: Suite, tmp_path: Path) -> None:
    old, new = service(tmp_path / "d", "old"), service(tmp_path / "e", "new")
    with ours.runsvdir(tmp_path / "d"):
        up(old)
        (tmp_path / "d").rename(tmp_path / "gone")
        (tmp_path / "e").rename(tmp_path / "d")
        up(tmp_path / "d/new")
        wait_for(lambda: not listening(tmp_path / "gone/old"))
        assert new.name == "new"


def test_a_link_in_the_middle_of_the_path_is_followed(ours: Suite, tmp_path: Path) -> None:
    old, new = service(tmp_path / "one/d", "old"), service(tmp_path / "two/d", "new")
    (tmp_path / "which").symlink_to("one")
    with ours.runsvdir(tmp_path / "which/d"):
        up(old)
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(tmp_path / "which")
        up(new)
        wait_for(lambda: not listening(old))


def test_linking_anew_what_is_just_being_ended(ours: Suite, tmp_path: Path) -> None:
    one = build(
        tmp_path / "s",
        {
            "run": f"#!/bin/sh\n{CHILD_TO_WAIT_FOR}trap 'cat go; exit' TERM\n"
            "echo >ready\nwhile :; do wait $!; done\n"
        },
    )
    os.mkfifo(one / "go")
    (tmp_path / "d").mkdir()
    link = tmp_path / "d/s"
    link.symlink_to(one)
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsvdir(tmp_path / "d", stderr=stderr):
        first = up(one)[0]
        wait_for((one / "ready").exists)
        link.unlink()
        wait_for(lambda: "got TERM" in stat(one))
        link.symlink_to(one)
        (one / "go").write_text("")
        wait_for(lambda: pid(one) not in (0, first))
        build(tmp_path / "new", RUN)
        (tmp_path / "new/run").rename(one / "run")  # which may be on its way to be executed
        os.kill(pid(one), signal.SIGKILL)
    assert "runsv" not in errors.read_text()


def test_the_readproctitle_log_shows_what_supervisors_say(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path / "d/broken", {"run": "#!/nonexistent\n"})
    log = "log: " + "." * 100
    with suite.runsvdir(tmp_path / "d", log) as runsvdir:
        command_line = Path(f"/proc/{runsvdir.pid}/cmdline")
        said = b"unable to start ./run: file does not exist\n"
        wait_for(lambda: command_line.read_bytes().rstrip(b"\0").endswith(said))
        shown = command_line.read_bytes().rstrip(b"\0").replace(b"\0", b" ")
        shown = shown[shown.index(b"runsvdir ") :]
        assert shown.startswith(f"runsvdir {tmp_path}/d log: ".encode())
        assert len(shown) == len(f"runsvdir {tmp_path}/d {log}")


def test_a_log_that_is_too_short_is_no_log(suite: Suite, tmp_path: Path) -> None:
    one = service(tmp_path / "d")
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, suite.runsvdir(tmp_path / "d", "short", stderr=stderr):
        up(one)
    assert errors.read_text() == (
        f"runsvdir {tmp_path}/d: warning: log must have at least seven characters.\n"
        f"runsvdir {tmp_path}/d: warning: log service disabled.\n"
    )


def test_alrm_looks_again(ours: Suite, tmp_path: Path) -> None:
    one = service(tmp_path / "d")
    late = tmp_path / "late"
    (tmp_path / "d/late").symlink_to(late)
    with ours.runsvdir(tmp_path / "d", stderr=subprocess.PIPE) as runsvdir:
        up(one)
        service(tmp_path, "late")
        runsvdir.send_signal(signal.SIGALRM)
        up(late)


def test_more_than_a_thousand_directories(ours: Suite, tmp_path: Path) -> None:
    for number in range(1100):
        build(tmp_path / "d" / f"s{number}", {"run": RUN["run"], "down": ""})
    with ours.runsvdir(tmp_path / "d"):
        for number in range(1100):
            wait_for(lambda number=number: stat(tmp_path / "d" / f"s{number}") == "down")


def test_without_inotify_it_looks_every_five_seconds(ours: Suite, tmp_path: Path) -> None:
    one, two = service(tmp_path / "d", "one"), service(tmp_path, "two")
    hidden = tmp_path / "package"
    hidden.mkdir()
    program = Path(ours.program("runsvdir")).read_text()
    package = program.split("sys.path.append(")[1].split(")")[0].strip("'\"")
    (hidden / "runit").symlink_to(Path(package) / "runit")
    mine = tmp_path / "bin/runsvdir"
    build(tmp_path / "bin", {"runsvdir": program.replace(package, str(hidden))})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [mine, tmp_path / "d"], stderr=stderr, env=ours.environment(), stdin=subprocess.DEVNULL
        )
        try:
            up(one)
            (tmp_path / "d/two").symlink_to(two)
            up(two)
        finally:
            process.send_signal(signal.SIGHUP)
            assert process.wait(30) == 111
            wait_for(lambda: not listening(one) and not listening(two))
    assert errors.read_text() == (
        f"runsvdir {tmp_path}/d: warning: looking every five seconds: "
        "package inotify_simple is not installed\n"
    )


def test_it_sleeps_when_there_is_nothing_to_do(ours: Suite, tmp_path: Path) -> None:
    one = service(tmp_path / "d")
    with ours.runsvdir(tmp_path / "d") as runsvdir:
        runsv = parent(*up(one))

        def switches() -> list[str]:
            return [
                line
                for process in (runsvdir.pid, runsv)
                for line in Path(f"/proc/{process}/status").read_text().splitlines()
                if "ctxt_switches" in line
            ]

        # Settled when a second has passed without a wake-up; a polling one never settles.
        def settled() -> bool:
            before = switches()
            time.sleep(1)
            return switches() == before

        wait_for(settled)


@pytest.mark.parametrize("descriptors", [6, 7, 9, 10])
def test_it_recovers_from_a_lack_of_descriptors(
    ours: Suite, tmp_path: Path, descriptors: int
) -> None:
    one, two = service(tmp_path / "d", "one"), service(tmp_path, "two")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    errors = tmp_path / "errors"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, most))

    with errors.open("wb") as stderr:
        options = {"stderr": stderr, "preexec_fn": limit}
        with ours.runsvdir(tmp_path / "d", **options) as runsvdir:
            wait_for(errors.read_text)
            resource.prlimit(runsvdir.pid, resource.RLIMIT_NOFILE, (most, most))
            children = Path(f"/proc/{runsvdir.pid}/task/{runsvdir.pid}/children")
            for child in children.read_text().split():  # started with too few, too
                with suppress(ProcessLookupError):
                    resource.prlimit(int(child), resource.RLIMIT_NOFILE, (most, most))
            up(one)
            (tmp_path / "d/two").symlink_to(two)
            up(two)
    assert "Traceback" not in errors.read_text()
