"""A user of the test's own, whom limits hold that do not hold root, and programs for it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from conftest import packages
from support import Suite, anyones_interpreter

from runit.launchers import BIN, SBIN, write

FIRST = 1_100_000_000
"""Nobody has a user id from here on."""


class User:
    """A user UID that nobody else is, whose files are all in HOME; SUITE is there for it."""

    def __init__(self, uid: int, home: Path, suite: Suite) -> None:
        self.uid = uid
        self.home = home
        self.suite = suite

    def own(self, root: Path) -> None:
        """Be given ROOT and all that is in it."""
        for path, _, names in os.walk(root):
            for one in (path, *(os.path.join(path, name) for name in names)):
                os.chown(one, self.uid, self.uid, follow_symlinks=False)

    def processes(self) -> list[int]:
        """Its processes; those that have ended and were not reaped are some."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if path.stat().st_uid == self.uid:
                    found.append(int(path.name))
        return found

    def becoming(self, limits: Mapping[int, int] | None = None) -> Callable[[], None]:
        """What a child does to become this user, under LIMITS (RLIMIT_* to the soft limit)."""

        def become() -> None:
            os.setgroups([])
            os.setgid(self.uid)
            os.setuid(self.uid)
            for limit, most in (limits or {}).items():
                resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))

        return become

    def start(
        self, program: str, *arguments: str | Path, limits: Mapping[int, int] | None = None, **more
    ) -> subprocess.Popen[bytes]:
        """Start one of the programs; the caller ends it."""
        return self.suite.start(program, *arguments, preexec_fn=self.becoming(limits), **more)


@contextmanager
def plain_user() -> Iterator[User]:
    """A user for the length of the block; skips without the right to become one."""
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    home = Path(tempfile.mkdtemp(prefix="pyrunit-user-", dir="/tmp"))
    try:
        home.chmod(0o755)
        package = packages(home / "package")
        for link in package.iterdir():
            if link.is_symlink():  # into a place that may be closed to others
                there = link.resolve()
                link.unlink()
                (shutil.copytree if there.is_dir() else shutil.copy)(there, link)
        write(home / "bin", BIN | SBIN, str(package), anyones_interpreter())
        # Not by our pid, which others have too, in namespaces of theirs.
        uid = FIRST + int.from_bytes(os.urandom(3), "big")
        yield User(uid, home, Suite(home / "bin", "ours"))
    finally:
        shutil.rmtree(home)


@contextmanager
def hogging(user: User, limit: int) -> Iterator[None]:
    """Processes of USER, as many as LIMIT leaves room for, until the block ends."""
    code = (
        "import os, time\n"
        "try:\n"
        "    while os.fork(): pass\n"
        "except OSError: print('full', flush=True)\n"
        "time.sleep(1000)\n"
    )
    process = subprocess.Popen(
        [anyones_interpreter(), "-ISc", code],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=user.becoming({resource.RLIMIT_NPROC: limit}),  # noqa: PLW1509 (no threads here)
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"full\n"
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
