"""The file system of services is taken away (umount -l), and put back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import Suite, alive, build, command, end_service, pid, stat, wait_for

from runit.service import status

RUN = "#!/bin/sh\nexec sleep 1000\n"


pytestmark = pytest.mark.usefixtures("may_mount")


def start(suite: Suite, root: Path, program: str, what: str) -> subprocess.Popen[bytes]:
    """PROGRAM on WHAT in a mount namespace where disk, and again, is a tmpfs with files in it."""
    script = (
        "mount -t tmpfs none disk && cp -R files/. disk && mount --bind disk again && "
        'mount --make-rprivate / && exec "$@"'
    )
    for name in ("disk", "again"):
        (root / name).mkdir()
    with (root / "errors").open("wb") as stderr:
        return subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script, "-", suite.program(program), what],
            cwd=root,
            stderr=stderr,
            env=suite.environment(),
        )


def inside(process: subprocess.Popen[bytes], *words: str) -> None:
    """Run a command in the namespace of PROCESS."""
    subprocess.run(["nsenter", "-m", "-t", str(process.pid), *words], check=True)


def running(service: Path, former: int) -> int:
    """The pid of ./run, if it is another than FORMER, from the file that tells both at once."""
    record = status.unpack((service / "supervise/status").read_bytes())
    return record.pid if record.state == status.RUN and record.pid != former else 0


def test_a_service_goes_on_without_its_directory(suite: Suite, tmp_path: Path) -> None:
    """Its runsv has it open: it is supervised, and can be reached there."""
    build(tmp_path / "files/s", {"run": RUN, "finish": "#!/bin/sh\nexit 0\n"})
    process = start(suite, tmp_path, "runsv", "disk/s")
    outside = Path(f"/proc/{process.pid}/root{tmp_path}")
    service = Path(f"/proc/{process.pid}/cwd")
    try:
        wait_for(lambda: stat(outside / "disk/s") == "run")
        first = pid(outside / "disk/s")
        inside(process, "umount", "-l", str(tmp_path / "again"))
        inside(process, "umount", "-l", str(tmp_path / "disk"))
        assert not (outside / "disk/s").exists()
        os.kill(first, 9)
        second = wait_for(lambda: running(service, first))
        assert alive(second)
        command(service, "x")
        assert process.wait(30) == 0
        assert not alive(second)
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / "errors").read_text().splitlines()
    assert [line for line in said if not line.startswith("sh: 0: getcwd()")] == []


def test_services_go_on_while_runsvdir_cannot_see_them(ours: Suite, tmp_path: Path) -> None:
    build(tmp_path / "files/d", {"one/run": RUN, "two/run": RUN})
    process = start(ours, tmp_path, "runsvdir", "disk/d")
    outside = Path(f"/proc/{process.pid}/root{tmp_path}")
    services = [outside / "again/d" / name for name in ("one", "two")]
    try:
        former = [wait_for(lambda one=one: pid(one)) for one in services]
        inside(process, "umount", "-l", str(tmp_path / "disk"))
        said = tmp_path / "errors"
        wait_for(said.read_text)
        inside(process, "mount", "--bind", str(tmp_path / "again"), str(tmp_path / "disk"))
        build(outside / "disk/d/three", {"run": RUN})
        services.append(outside / "again/d/three")
        wait_for(lambda: pid(services[2]))
        assert [pid(one) for one in services[:2]] == former
    finally:
        process.send_signal(1)
        process.wait()
        for one in services:
            end_service(one)
    assert (
        said.read_text() == "runsvdir disk/d: warning: unable to stat disk/d: file does not exist\n"
    )
