"""What somebody else has put in the way is not followed, not written to and not waited for."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes import Fake, up
from security.others import AS_NOBODY, NOBODY, everybodys, needs_root, of_nobody
from staging import Machine, needs_namespaces
from support import Suite, build, pid, stat, supervised, wait_for

from runit.supervise import adopt, orphan

RUN = "#!/bin/sh\nexec sleep 1000\n"
NAMES = ("status", "stat", "pid")


def service(place: Path) -> Path:
    return build(place / "s", {"run": RUN})


@contextmanager
def of_somebody_else() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else's."""
    process = subprocess.Popen(["sleep", "1000"], **AS_NOBODY)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# supervise, where everybody may write


def plant(world: Path, kind: str) -> Path:
    """What nobody puts where a link leads that is called supervise; the victim's directory."""
    victim = build(world.parent / "victim", {})
    target = world / "supervise-of-s"
    if kind == "directory":
        target.mkdir()
    elif kind == "link":
        target.symlink_to(victim)
    else:
        target.symlink_to(victim / "made")
    of_nobody(target)
    return victim


@needs_root
@pytest.mark.parametrize("where", ["", "log/"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ["directory", "link"])
def test_a_supervise_that_is_somebody_elses_is_refused(
    everyones: Suite, place: Path, kind: str, slash: str, where: str
) -> None:
    victim = plant(everybodys(place / "tmp"), kind)
    directory = build(place / "s", {"run": RUN, **({"log/run": RUN} if where else {})})
    (directory / where / "supervise").symlink_to(f"{place}/tmp/supervise-of-s{slash}")
    done = everyones.run("runsv", directory)
    said = f"runsv {directory}: fatal: ./{where}supervise leads to what somebody else put"
    assert done.stderr.decode() == f"{said} where everybody may\n"
    assert done.returncode == 111
    assert list(victim.iterdir()) == []


@needs_root
def test_a_link_to_nowhere_is_not_what_the_directory_is_made_through(
    everyones: Suite, place: Path
) -> None:
    victim = plant(everybodys(place / "tmp"), "dangling link")
    directory = service(place)
    (directory / "supervise").symlink_to(place / "tmp/supervise-of-s")
    done = everyones.run("runsv", directory)
    assert (done.returncode, done.stderr.count(b"\n")) == (111, 1)
    assert list(victim.iterdir()) == []


@needs_root
@pytest.mark.parametrize("made", ["not", "by root", "given away"])
def test_a_supervise_elsewhere_is_used_where_its_owner_wants_it_so(
    each: Suite, place: Path, made: str
) -> None:
    """Made where everybody may, made by us; or somebody's, where only root can have put it."""
    world = build(place / "own", {}) if made == "given away" else everybodys(place / "tmp")
    target = world / "supervise-of-s"
    if made != "not":
        target.mkdir(mode=0o700)
    if made == "given away":
        of_nobody(target)
    directory = service(place)
    (directory / "supervise").symlink_to(target)
    with each.runsv(directory):
        wait_for(lambda: pid(directory))
        assert (target / "lock").exists()


# supervise, given to somebody who is to command the service


@needs_root
def test_nothing_is_written_through_links_under_supervise(everyones: Suite, place: Path) -> None:
    directory = service(place)
    victims = build(place / "victims", {f"{name}{link}": "mine" for name in NAMES for link in "sh"})
    supervise = directory / "supervise"
    supervise.mkdir(mode=0o700)
    for name, kind in zip(NAMES, ("symlink", "hard link", "FIFO"), strict=True):
        new = supervise / f"{name}.new"
        if kind == "symlink":
            new.symlink_to(victims / f"{name}s")
        elif kind == "hard link":
            new.hardlink_to(victims / f"{name}h")
        else:
            os.mkfifo(new)
    of_nobody(supervise)
    with everyones.runsv(directory):
        wait_for(lambda: stat(directory) == "run" and pid(directory))
        for name in NAMES:
            assert (supervise / name).is_file()
            assert not (supervise / name).is_symlink()
    assert {path.read_text() for path in victims.iterdir()} == {"mine"}


@needs_root
@pytest.mark.parametrize("name", ["lock", "control", "ok"])
def test_a_link_in_the_place_of_a_file_is_fatal(everyones: Suite, place: Path, name: str) -> None:
    directory = service(place)
    victim = place / "victim"
    victim.write_text("mine") if name == "lock" else os.mkfifo(victim)
    (directory / "supervise").mkdir(mode=0o700)
    (directory / "supervise" / name).symlink_to(victim)
    done = everyones.run("runsv", directory)
    assert done.returncode == 111
    assert done.stderr.startswith(b"runsv " + bytes(directory) + b": fatal: unable to ")
    assert done.stderr.endswith(b"supervise/%b: symbolic link loop\n" % name.encode())
    assert victim.read_text() == "mine" if name == "lock" else True


@needs_root
@pytest.mark.parametrize("owner", [0, NOBODY])
@pytest.mark.parametrize("mode", [0o600, 0o620, 0o602])
def test_a_lock_that_others_can_write_names_no_process_to_take_over(
    everyones: Suite, place: Path, owner: int, mode: int
) -> None:
    directory = service(place)
    (directory / "supervise").mkdir(mode=0o700)
    with of_somebody_else() as process:
        lock = os.open(directory / "supervise/lock", os.O_CREAT | os.O_WRONLY, 0o600)
        orphan.enter(lock, process.pid, 1, 0)
        os.close(lock)
        (directory / "supervise/lock").chmod(mode)
        os.chown(directory / "supervise/lock", owner, owner)
        with everyones.runsv(directory):
            wait_for(lambda: pid(directory))
            believed = owner == 0 and mode == 0o600
            assert (pid(directory) == process.pid) == believed
        assert (process.poll() is None) == (not believed)


@needs_root
def test_a_process_of_somebody_else_is_not_taken_for_a_runsv(place: Path) -> None:
    """It works in the service directory, and holds a lock on a file of the same number."""
    directory = build(place / "s", {"supervise/lock": ""})
    inode = (directory / "supervise/lock").stat().st_ino
    with subprocess.Popen(["sleep", "1000"], cwd=directory, **AS_NOBODY) as process:
        try:
            wait_for(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"))
            name = os.fsencode(directory)
            assert adopt.holder(name, {inode: [process.pid]}) is None
        finally:
            process.kill()
    with subprocess.Popen(["sleep", "1000"], cwd=directory) as process:
        try:
            found = adopt.holder(name, {inode: [process.pid]})
            assert found
            assert found.pid == process.pid
            os.close(found.fileno)
        finally:
            process.kill()


# What sv, chpst and svlogd read


@pytest.mark.parametrize("name", ["ok", "status", "control", "log", "down", "check"])
@pytest.mark.parametrize("held", [False, True])
def test_no_fifo_makes_sv_wait(ours: Suite, tmp_path: Path, name: str, held: bool) -> None:
    where = name if name in ("log", "down", "check") else f"supervise/{name}"
    fake = Fake(tmp_path / "s", up())
    path = fake.directory / where
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o700)
    holder = os.open(path, os.O_RDWR) if held else -1
    try:
        for words in (["status"], ["-w1", "check"], ["cont"]):
            done = ours.run("sv", *words, fake.directory)
            assert done.returncode in (0, 1)
            assert done.stdout.count(b"\n") <= 1 or b"; " in done.stdout
            assert b"Traceback" not in done.stderr
    finally:
        fake.leave()
        if held:
            os.close(holder)


def test_no_fifo_makes_chpst_wait(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "1\n"})
    os.mkfifo(tmp_path / "env/B")
    os.mkfifo(tmp_path / "lock")
    done = suite.run("chpst", "-e", tmp_path / "env", "sh", "-c", 'echo "$A" "${B-none}"')
    assert (done.returncode, done.stdout) == (0, b"1 none\n")
    for option in ("-l", "-L"):
        done = suite.run("chpst", option, "lock", "true", cwd=tmp_path)
        said = b"chpst: fatal: unable to open lock: lock: device not configured\n"
        assert (done.returncode, done.stderr) == (111, said)


@pytest.mark.parametrize("name", ["config", "lock"])
def test_no_fifo_makes_svlogd_wait(suite: Suite, tmp_path: Path, name: str) -> None:
    (tmp_path / "log").mkdir()
    os.mkfifo(tmp_path / "log" / name)
    done = suite.run("svlogd", "log", input=b"line\n", cwd=tmp_path)
    assert done.returncode == (0 if name == "config" else 111)
    assert done.stderr.count(b"\n") == (0 if name == "config" else 2)


# runsvdir's rehearsal, in a directory where everybody may write


@needs_root
@pytest.mark.parametrize("kind", ["directory", "link", "dangling", "FIFO"])
def test_the_rehearsal_keeps_off_what_is_there(everyones: Suite, place: Path, kind: str) -> None:
    """Its directory is named after its pid, so anybody can have put something there before."""
    directory = build(place / "d", {"s/run": RUN}).resolve()
    victim = build(place / "victim", {"file": "mine"})
    make = {
        "directory": "mkdir -m 777 $path && echo mine >$path/file",
        "link": f"ln -s {victim} $path",
        "dangling": f"ln -s {victim}/made $path",
        "FIFO": "mkfifo $path",
    }[kind]
    script = f"for at in /dev/shm /run /tmp; do path=$at/runsvdir.$$; {make}; done"
    process = subprocess.Popen(
        ["sh", "-c", f'{script}; exec "$@"', "sh", everyones.program("runsvdir"), directory],
        env=everyones.environment(),
        stdin=subprocess.DEVNULL,
    )
    planted = [Path(at, f"runsvdir.{process.pid}") for at in ("/dev/shm", "/run", "/tmp")]
    try:
        wait_for(lambda: pid(directory / "s"))
        for path in planted:
            assert path.is_symlink() or path.exists()
        assert [path.name for path in victim.iterdir()] == ["file"]
        assert (victim / "file").read_text() == "mine"
    finally:
        process.send_signal(1)
        process.wait(30)
        wait_for(lambda: not supervised(directory / "s"))
        for path in planted:
            if kind == "directory":
                (path / "file").unlink(missing_ok=True)
                path.rmdir()
            else:
                path.unlink(missing_ok=True)


# Stage 1


@needs_namespaces
@pytest.mark.parametrize("kind", ["file", "dir", "dev"])
def test_files_to_be_created_are_not_created_through_links(tmp_path: Path, kind: str) -> None:
    machine = Machine(tmp_path / "root")
    rest = " pipe" if kind == "dev" else ""
    machine.files(
        {
            "etc/runit.conf": "SKIPTMPCLEAN=yes\n",
            "etc/sysconfig/createfiles": f"/tmp/x {kind} 666 {NOBODY} {NOBODY}{rest}\n",
            "run": None,
        }
    )
    machine.tools("mount")
    (machine.root / "tmp/x").symlink_to("/etc/made")
    assert machine.run("/etc/runit/1").returncode == 0
    assert (machine.root / "tmp/x").is_symlink()
    assert not (machine.root / "etc/made").exists()


# The locks of utmp and wtmp, which everybody may take


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The lock of a file that may only be read is held."""
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@needs_root
@pytest.mark.parametrize("words", [("-w", "tty1"), ("-b",)])
def test_who_holds_the_lock_of_utmp_is_not_waited_for_for_ever(
    everyones: Suite, tmp_path: Path, words: tuple[str, ...]
) -> None:
    from boot.test_utmpset import BEFORE, may_mount, run

    if not may_mount():
        pytest.skip("needs a mount namespace of its own")
    before = b"".join(bytes(one.raw) for one in BEFORE)
    world = build(tmp_path / "world", {"run/utmp": before, "log/wtmp": b""})
    with locked(world / "run/utmp"), locked(world / "log/wtmp"):
        done = run(everyones, world, *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (world / "run/utmp").read_bytes() != before
    assert (world / "log/wtmp").read_bytes()
