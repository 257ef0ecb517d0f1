"""A full disk, or one that is read-only of a sudden: services run on, and it is said.

The disk is a small tmpfs in a mount namespace that the programs have to themselves;
the test looks in through /proc.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import (
    Suite,
    build,
    command,
    end_runsv,
    end_runsvdir,
    pid,
    stat,
    supervised,
    wait_for,
)

RUN = "#!/bin/sh\nexec sleep 1000\n"
FULL = "out of disk space"
READ_ONLY = "read-only file system"
PAGE = 4096


pytestmark = pytest.mark.usefixtures("may_mount")


class Disk:
    """What PROGRAM, started with ARGUMENTS in ROOT, sees as ROOT/disk: a tmpfs of its own."""

    def __init__(self, root: Path, program: str, *arguments: str, options: str, **more) -> None:
        self.errors = root / "errors"
        (root / "disk").mkdir()
        script = (
            f'mount -t tmpfs -o mode=755,{options} none disk && cp -R files/. disk && exec "$@"'
        )
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", script, "-", program, *arguments],
                cwd=root,
                stderr=stderr,
                **more,
            )
        self.inside = Path(f"/proc/{self.process.pid}/root{root}/disk")
        self.filler = self.inside / "filler"
        self.many = self.inside / "many"

    def fill(self) -> None:
        """Leave not a byte."""
        with self.filler.open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(PAGE)):
                    pass
            except OSError:
                pass

    def use_up_inodes(self) -> None:
        """Leave no room for one more file, however small."""
        self.many.mkdir()
        try:
            for number in itertools.count():
                (self.many / str(number)).touch()
        except OSError:
            pass

    def mount(self, *words: str) -> None:
        """Mount something, or not any more, in its namespace."""
        subprocess.run(["nsenter", "-m", "-t", str(self.process.pid), *words], check=True)

    def said(self, text: str) -> None:
        """Wait until TEXT has come out of standard error."""
        wait_for(lambda: text in self.errors.read_text(), text)


@contextmanager
def runsv(suite: Suite, root: Path, files: dict[str, str | None], options: str) -> Iterator[Disk]:
    """A runsv of the service disk/s, which is made of FILES, once it is up."""
    build(root / "files/s", files)
    disk = Disk(root, suite.program("runsv"), "disk/s", options=options)
    service = disk.inside / "s"
    try:
        wait_for(lambda: supervised(service) or disk.process.poll() is not None)
        wait_for(lambda: pid(service) and stat(service) == "run")
        yield disk
    finally:
        end_runsv(disk.process, service)


def child(disk: Disk) -> int:
    """The process that runsv has: the only one."""
    task = f"/proc/{disk.process.pid}/task/{disk.process.pid}"
    children = Path(f"{task}/children").read_text().split()
    return int(children[0]) if children else 0


def is_in_state(letter: str, process: int) -> bool:
    """Whether the kernel says so of PROCESS: T is stopped, S sleeps."""
    return f") {letter} " in Path(f"/proc/{process}/stat").read_text()


def goes_on(disk: Disk, why: str) -> None:
    """While nothing can be written: the service is restarted, commands are obeyed."""
    first = pid(disk.inside / "s")
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: child(disk) not in (0, first) and child(disk))
    disk.said(why)
    assert pid(disk.inside / "s") == first, "nobody could have written that"
    command(disk.inside / "s", "p")
    wait_for(lambda: is_in_state("T", second))
    command(disk.inside / "s", "c")
    wait_for(lambda: is_in_state("S", second))
    said = disk.errors.read_text().splitlines()
    assert set(said) == {f"runsv disk/s: warning: {why}"}


def recovers(disk: Disk) -> None:
    """When there is room again, the next change is written, and all that was not."""
    command(disk.inside / "s", "p")
    wait_for(lambda: stat(disk.inside / "s") == "run, paused")
    assert pid(disk.inside / "s") == child(disk)
    command(disk.inside / "s", "cx")
    assert disk.process.wait(30) == 0


def test_a_service_goes_on_while_the_disk_is_full(suite: Suite, tmp_path: Path) -> None:
    with runsv(suite, tmp_path, {"run": RUN}, "size=64k") as disk:
        service = disk.inside / "s"
        first = pid(service)
        disk.fill()
        command(service, "p")
        # The reference does not see that stat could not be written: it is empty then, and
        # what was in it makes room for the next.
        file, left = ("stat", "run") if suite.name == "ours" else ("status", "")
        wait_for(lambda: is_in_state("T", first))
        wait_for(lambda: stat(service) == left)
        command(service, "c")
        wait_for(lambda: is_in_state("S", first))
        disk.said(f"runsv disk/s: warning: unable to write supervise/{file}.new: {FULL}\n")
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: child(disk) not in (0, first))
        disk.filler.unlink()
        recovers(disk)


def test_a_service_goes_on_while_there_are_no_inodes(suite: Suite, tmp_path: Path) -> None:
    with runsv(suite, tmp_path, {"run": RUN}, "size=1m,nr_inodes=64") as disk:
        disk.use_up_inodes()
        goes_on(disk, f"unable to open supervise/pid.new: {FULL}")
        shutil.rmtree(disk.many)
        recovers(disk)


def test_a_service_goes_on_while_the_disk_is_read_only(suite: Suite, tmp_path: Path) -> None:
    with runsv(suite, tmp_path, {"run": RUN}, "size=64k") as disk:
        supervise = str(tmp_path / "disk/s/supervise")
        disk.mount("mount", "--bind", supervise, supervise)
        disk.mount("mount", "-o", "remount,bind,ro", supervise)
        goes_on(disk, f"unable to open supervise/pid.new: {READ_ONLY}")
        disk.mount("umount", supervise)
        recovers(disk)


def test_what_is_new_waits_for_room(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path / "files", {"d/one/run": RUN, "two/run": RUN})
    disk = Disk(
        tmp_path,
        suite.program("runsvdir"),
        "disk/d",
        options="size=1m,nr_inodes=64",
        env=suite.environment(),
    )
    try:
        one = disk.inside / "d/one"
        wait_for(lambda: supervised(one) and stat(one) == "run")
        first = pid(one)
        disk.use_up_inodes()
        two = (disk.inside / "two").rename(disk.inside / "d/two")
        disk.said("runsv two: fatal: unable to open supervise/lock: file does not exist\n")
        shutil.rmtree(disk.many)
        wait_for(lambda: supervised(two) and stat(two) == "run")
        assert pid(one) == first
    finally:
        end_runsvdir(disk.process, disk.inside / "d")


def test_the_built_in_logger_waits_for_room(ours: Suite, tmp_path: Path) -> None:
    lines = "".join(f"{number:07} {'x' * 1000}\n" for number in range(60))
    files = {
        "run": "#!/bin/sh\nread word <go\ncat lines\nexec sleep 1000\n",
        "lines": lines,
        "log/config": "",
        "log/main": None,
    }
    build(tmp_path / "files/s", {})
    os.mkfifo(tmp_path / "files/s/go")
    with runsv(ours, tmp_path, files, "size=256k") as disk:
        service = disk.inside / "s"
        current = service / "log/main/current"
        wait_for(current.exists)
        first = pid(service)
        disk.fill()
        (service / "go").write_text("\n")
        disk.said(f"svlogd: pausing: unable to write to current: main: {FULL}\n")
        assert current.read_text() != lines
        wait_for(lambda: is_in_state("S", first), "the service to wait")
        disk.filler.unlink()
        wait_for(lambda: current.read_text() == lines)
