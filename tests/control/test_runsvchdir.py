"""runsvchdir: what becomes current, what previous, and what is refused."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Suite, build, failing, needs

FATAL = b"runsvchdir: fatal: "


@pytest.fixture
def runlevels(tmp_path: Path) -> Path:
    """The directory of runlevels; ``multi`` is current."""
    path = build(tmp_path / "runsvdir", {"single": None, "multi": None, "file": "x"})
    (path / "current").symlink_to("multi")
    return path


@pytest.fixture
def switch(suite: Suite, runlevels: Path) -> Callable[..., tuple[int, bytes, bytes]]:
    """Run runsvchdir of both suites: exit code, output, errors.

    The reference knows one directory only, so it gets a mount namespace in which
    that one is the test's.
    """
    if suite.name == "ours":
        return lambda *arguments: ran(suite, runlevels, *arguments)
    if not Path("/etc/runit/runsvdir").is_dir():
        pytest.skip("/etc/runit/runsvdir is not installed")
    mount = 'mount --bind "$0" /etc/runit/runsvdir'
    probe = ["unshare", "--mount", "sh", "-c", mount, runlevels]
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")

    def run(*arguments: str | bytes) -> tuple[int, bytes, bytes]:
        program = suite.program("runsvchdir")
        script = f'{mount} && shift && exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, runlevels, "-", program, *arguments],
            capture_output=True,
        )
        errors = done.stderr.replace(program.encode(), b"runsvchdir")
        return done.returncode, done.stdout, errors

    return run


def ran(suite: Suite, directory: Path, *arguments: str | bytes) -> tuple[int, bytes, bytes]:
    environment = suite.environment(RUNSVDIR=str(directory))
    done = suite.run("runsvchdir", *arguments, env=environment)
    return done.returncode, done.stdout, done.stderr


def links(directory: Path) -> dict[str, str]:
    """The symbolic links in DIRECTORY."""
    return {path.name: os.readlink(path) for path in directory.iterdir() if path.is_symlink()}


def test_current_becomes_previous(switch, runlevels: Path) -> None:
    assert switch("single") == (0, b"runsvchdir: single: now current.\n", b"")
    assert links(runlevels) == {"current": "single", "previous": "multi"}
    assert switch("multi") == (0, b"runsvchdir: multi: now current.\n", b"")
    assert links(runlevels) == {"current": "multi", "previous": "single"}


def test_what_is_current_stays(switch, runlevels: Path) -> None:
    (runlevels / "alias").symlink_to("multi")
    for name in ("multi", "multi/", "alias", "single/../multi"):
        assert switch(name) == (0, f"runsvchdir: {name}: current.\n".encode(), b"")
    assert links(runlevels) == {"alias": "multi", "current": "multi"}


@pytest.mark.parametrize("name", [b"two words", b"n\xff\nx", b"-x", b"x" * 255, b"single/"])
def test_odd_names(switch, runlevels: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(runlevels) + b"/" + name))).mkdir(exist_ok=True)
    assert switch(name) == (0, b"runsvchdir: " + name + b": now current.\n", b"")
    assert os.readlink(os.fsencode(runlevels) + b"/current") == name


def test_a_path_may_be_absolute_and_further_arguments_do_not_count(
    switch, runlevels: Path, tmp_path: Path
) -> None:
    place = build(tmp_path / "elsewhere", {})
    assert switch(str(place), "single") == (0, f"runsvchdir: {place}: now current.\n".encode(), b"")
    assert links(runlevels) == {"current": str(place), "previous": "multi"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", b".: must not start with a dot."),
        ("../single", b"../single: must not start with a dot."),
        ("./single", b"./single: must not start with a dot."),
        ("missing", b"missing: file does not exist"),
        ("file", b"filenot a directory."),
        ("file/x", b"unable to stat: file/x: not a directory"),
        ("", b": file does not exist"),
        ("x" * 256, b"unable to stat: " + b"x" * 256 + b": file name too long"),
        ("--", b"--: file does not exist"),
        ("-V", b"-V: file does not exist"),
    ],
)
def test_what_is_refused(switch, runlevels: Path, name: str, reason: bytes) -> None:
    assert switch(name) == (111, b"", FATAL + reason + b"\n")
    assert links(runlevels) == {"current": "multi"}


def test_a_name_is_needed(switch) -> None:
    assert switch() == (1, b"", b"usage: runsvchdir dir\n\n")


def test_current_must_be_there(switch, runlevels: Path) -> None:
    (runlevels / "current").unlink()
    line = FATAL + b"unable to stat: current: file does not exist\n"
    assert switch("single") == (111, b"", line)


def test_a_previous_that_is_a_directory_is_not_removed(switch, runlevels: Path) -> None:
    (runlevels / "previous").mkdir()
    line = FATAL + b"unable to unlink: previous: is a directory\n"
    assert switch("single") == (111, b"", line)
    assert links(runlevels)["current"] == "multi"


def test_a_current_that_is_a_directory_is_moved(switch, runlevels: Path) -> None:
    (runlevels / "current").unlink()
    (runlevels / "current").mkdir()
    (runlevels / "current/mark").touch()
    assert switch("single")[0] == 0
    assert links(runlevels) == {"current": "single"}
    assert (runlevels / "previous/mark").exists()


def test_what_an_interrupted_one_left_is_replaced(switch, runlevels: Path) -> None:
    (runlevels / "current.new").symlink_to("nowhere")
    assert switch("single")[0] == 0
    assert links(runlevels) == {"current": "single", "previous": "multi"}


def test_a_directory_in_the_way_of_the_new_link(switch, runlevels: Path) -> None:
    (runlevels / "current.new").mkdir()
    line = FATAL + b"unable to unlink: current.new: is a directory\n"
    assert switch("single") == (111, b"", line)


def test_a_link_to_a_link_elsewhere_is_replaced_itself(
    switch, runlevels: Path, tmp_path: Path
) -> None:
    elsewhere = build(tmp_path / "run", {})
    (elsewhere / "current").symlink_to(runlevels / "multi")
    (runlevels / "current").unlink()
    (runlevels / "current").symlink_to(elsewhere / "current")
    assert switch("single")[0] == 0
    assert links(runlevels) == {"current": "single", "previous": str(elsewhere / "current")}
    assert links(elsewhere) == {"current": str(runlevels / "multi")}


def test_a_missing_directory_of_runlevels(ours: Suite, tmp_path: Path) -> None:
    place = tmp_path / "none"
    line = FATAL + b"unable to chdir: " + bytes(place) + b": file does not exist\n"
    assert ran(ours, place, "single") == (111, b"", line)


def test_nothing_is_left_behind_when_it_fails(ours: Suite, runlevels: Path) -> None:
    (runlevels / "previous").mkdir()
    assert ran(ours, runlevels, "single")[0] == 111
    assert sorted(path.name for path in runlevels.iterdir()) == sorted(
        ["current", "file", "multi", "previous", "single"]
    )


def test_there_is_no_moment_without_current(ours: Suite, runlevels: Path) -> None:
    gone: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                os.readlink(runlevels / "current")
            except OSError as error:
                gone.append(str(error))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(5):
            for name in ("single", "multi"):
                assert ran(ours, runlevels, name)[0] == 0
    finally:
        over.set()
        watcher.join()
    assert gone == []


READ_ONLY = """
set -e
mount -t tmpfs none "$1/etc"
mkdir "$1/etc/single" "$1/etc/multi"
ln -s "$1/run/current" "$1/etc/current"
mount -o remount,ro "$1/etc"
RUNSVDIR="$1/etc" exec "$2" single
"""


def test_on_a_read_only_root_the_link_in_run_changes(ours: Suite, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/current").symlink_to(tmp_path / "etc/multi")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "-", tmp_path, ours.program("runsvchdir")],
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert links(tmp_path / "run") == {
        "current": str(tmp_path / "etc/single"),
        "previous": str(tmp_path / "etc/multi"),
    }


INTO_RUN = """
set -e
mkdir -p "$3"
mount -t tmpfs none "$3"
mkdir -p "$3/runit/runsvdir"
ln -s "$1/multi" "$3/runit/runsvdir/current"
ln -sfn "$3/runit/runsvdir/current" "$1/current"
RUNSVDIR="$1" "$2" single
RUNSVDIR="$1" "$2" single
cd "$3/runit/runsvdir"
readlink current previous
"""


def test_a_link_into_run_stays_and_what_is_there_changes(ours: Suite, runlevels: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    program = ours.program("runsvchdir")
    installed = os.environ.get("PYRUNIT_BIN")  # into a prefix, with a run directory of its own
    run = str(Path(installed).parent / "run") if installed else "/run"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", INTO_RUN, "-", runlevels, program, run],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "runsvchdir: single: now current.",
        "runsvchdir: single: current.",
        str(runlevels / "single"),
        str(runlevels / "multi"),
    ]
    assert links(runlevels) == {"current": f"{run}/runit/runsvdir/current"}


@needs("strace")
def test_it_need_not_know_where_it_is(ours: Suite, runlevels: Path) -> None:
    done = subprocess.run(
        ["strace", "-o/dev/null", "-etrace=getcwd", "-einject=getcwd:error=ENOENT"]
        + [ours.program("runsvchdir"), "single"],
        env=ours.environment(RUNSVDIR=str(runlevels)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"runsvchdir: single: now current.\n")
    assert links(runlevels) == {"current": "single", "previous": "multi"}


@needs("strace")
@pytest.mark.parametrize(
    ("inject", "said"),
    [
        (
            "symlink,symlinkat:error=EROFS",
            "unable to create: current.new -> single: read-only file system",
        ),
        (
            "rename,renameat,renameat2:error=EIO",
            "unable to copy: current to previous: input/output error",
        ),
    ],
)
def test_a_change_that_cannot_be_is_told_and_nothing_is_left(
    ours: Suite, runlevels: Path, inject: str, said: str
) -> None:
    before = links(runlevels)
    done = subprocess.run(
        [*failing(inject), ours.program("runsvchdir"), "single"],
        env=ours.environment(RUNSVDIR=str(runlevels)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (111, f"runsvchdir: fatal: {said}\n")
    assert links(runlevels) == before


@needs("strace")
def test_what_cannot_be_removed_either_is_left(ours: Suite, runlevels: Path) -> None:
    injects = ("rename,renameat,renameat2:error=EIO", "unlink,unlinkat:error=EIO:when=2+")
    done = subprocess.run(
        [*failing(*injects), ours.program("runsvchdir"), "single"],
        env=ours.environment(RUNSVDIR=str(runlevels)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 111
    assert links(runlevels)["current"] == "multi"


@needs("strace")
def test_a_link_that_leads_to_no_other_is_the_one_to_change(ours: Suite, runlevels: Path) -> None:
    (runlevels / "current").unlink()
    (runlevels / "sub").mkdir()
    (runlevels / "sub/current").mkdir()
    (runlevels / "current").symlink_to("sub/current")
    done = subprocess.run(
        [*failing("symlink,symlinkat:error=EROFS"), ours.program("runsvchdir"), "single"],
        env=ours.environment(RUNSVDIR=str(runlevels)),
        capture_output=True,
        text=True,
        check=False,
    )
    said = "unable to create: current.new -> single: read-only file system"
    assert (done.returncode, done.stderr) == (111, f"runsvchdir: fatal: {said}\n")
