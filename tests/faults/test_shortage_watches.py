"""No inotify left, or more events than it keeps: looked at instead, and all comes right."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import Suite, build, end_runsvdir, listening, pid, wait_for

RUN = "#!/bin/sh\nexec sleep 1000\n"
INSTANCES = "/proc/sys/user/max_inotify_instances"
WATCHES = "/proc/sys/user/max_inotify_watches"
"""Limits of a user namespace, counted in it."""

LOOKING = "warning: looking every five seconds: "


class Namespace:
    """A user namespace of PROGRAM, started in ROOT with ARGUMENTS, that starts with LIMITS."""

    def __init__(self, root: Path, limits: dict[str, int], *command: str, **more) -> None:
        settings = "".join(f"echo {most} >{path} && " for path, most in limits.items())
        self.errors = root / "errors"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                ["unshare", "--user", "--map-root-user", "sh", "-c", settings + 'exec "$@"', "-"]
                + [*command],
                cwd=root,
                stderr=stderr,
                **more,
            )

    def set(self, path: str, most: int) -> None:
        """Another limit, from now on."""
        subprocess.run(
            ["nsenter", "--user", "--preserve-credentials", "-t", str(self.process.pid)]
            + ["sh", "-c", f"echo {most} >{path}"],
            check=True,
        )

    def said(self, text: str) -> None:
        """Wait until TEXT has come out of standard error."""
        wait_for(lambda: text in self.errors.read_text(), text)


@pytest.fixture(autouse=True)
def may_limit() -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", f"echo 9 >{INSTANCES}"],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs a user namespace that may have limits of its own")


def service(root: Path, name: str) -> Path:
    return build(root / name, {"run": RUN})


@contextmanager
def runsvdir(suite: Suite, root: Path, limits: dict[str, int]) -> Iterator[Namespace]:
    """A runsvdir on the directory d, whose namespace has LIMITS."""
    space = Namespace(
        root, limits, suite.program("runsvdir"), str(root / "d"), env=suite.environment()
    )
    try:
        yield space
    finally:
        end_runsvdir(space.process, root / "d")


@pytest.mark.parametrize(
    ("limit", "why"),
    [(INSTANCES, "process cannot open more files"), (WATCHES, "limit on watches reached")],
)
def test_runsvdir_looks_until_it_can_hear(
    ours: Suite, tmp_path: Path, limit: str, why: str
) -> None:
    one, two, three = (service(tmp_path, name) for name in ("d/one", "two", "three"))
    with runsvdir(ours, tmp_path, {limit: 0}) as space:
        wait_for(lambda: pid(one))
        (tmp_path / "d/two").symlink_to(two)
        wait_for(lambda: pid(two))
        space.set(limit, 100)
        watched = Path(f"/proc/{space.process.pid}/fdinfo")
        wait_for(lambda: "inotify wd:" in "".join(_read(one) for one in watched.iterdir()))
        (tmp_path / "d/three").symlink_to(three)
        (tmp_path / "d/two").unlink()
        wait_for(lambda: pid(three))
        wait_for(lambda: not listening(two))
        assert pid(one)
    assert space.errors.read_text() == f"runsvdir {tmp_path}/d: {LOOKING}{why}\n"


@pytest.fixture
def quick() -> Iterator[Path]:
    """A directory in memory, if possible: thousands of changes cost no disk anything."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def test_runsvdir_looks_when_it_could_not_keep_up(ours: Suite, quick: Path) -> None:
    one, two = service(quick / "d", "one"), service(quick, "two")
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 50_000:
        pytest.skip("this kernel keeps too many events to overflow in a test")
    (quick / "d/.a").touch()
    with ours.runsvdir(quick / "d") as process:
        wait_for(lambda: pid(one))
        process.send_signal(signal.SIGSTOP)
        for _ in range(most // 4 + 10):  # four events each
            os.rename(quick / "d/.a", quick / "d/.b")
            os.rename(quick / "d/.b", quick / "d/.a")
        (quick / "d/two").symlink_to(two)
        (quick / "d/one").rename(quick / "one")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: pid(two))
        wait_for(lambda: not listening(quick / "one"))


@pytest.mark.parametrize(
    ("limit", "why"),
    [(INSTANCES, "process cannot open more files"), (WATCHES, "no inotify watches left")],
)
def test_sv_looks_again_and_again(ours: Suite, tmp_path: Path, limit: str, why: str) -> None:
    one = build(tmp_path / "one", {"run": RUN, "down": "", "check": "#!/bin/sh\ntest -e go\n"})
    two = service(tmp_path, "two")
    with ours.runsv(one), ours.runsv(two):
        names = [str(one), str(two)]
        space = Namespace(
            tmp_path,
            {limit: 0},
            *(ours.program("sv"), "-w", "60", "start", *names),
            env=ours.environment(),
            stdout=subprocess.PIPE,
        )
        space.said("unable to watch services")
        wait_for(lambda: pid(one))
        (one / "go").touch()
        said, _ = space.process.communicate(timeout=90)
        assert space.process.returncode == 0
        assert sorted(line.split()[2] for line in said.decode().splitlines()) == [
            f"{name}:" for name in names
        ]
    assert space.errors.read_text() == f"warning: unable to watch services: {why}\n"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
