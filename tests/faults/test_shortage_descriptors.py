"""No descriptors left: who has them goes on, who needs one waits, and all comes right."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from log.logs import everything, logging, old_logs
from support import Suite, alive, build, listening, needs, pid, wait_for

MOST = resource.getrlimit(resource.RLIMIT_NOFILE)
FULL = "process cannot open more files"
RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}


def limit(processes: Iterable[int], soft: int = MOST[0]) -> None:
    """How many descriptors PROCESSES may have from now on; those they have, they keep."""
    for process in processes:
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, MOST[1]))


def children(process: int) -> list[int]:
    """The pids of the children of a process."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in path.read_text().split()]


def test_what_a_killed_runsv_left_is_not_started_twice(ours: Suite, tmp_path: Path) -> None:
    """Whatever the next runsv lacks descriptors for: it may not take nothing for no service."""
    service = build(tmp_path / "d/s", {**RUN, "log/run": "#!/bin/sh\nexec cat\n"})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsvdir(tmp_path / "d", stderr=stderr) as process:
        former = [wait_for(lambda one=one: pid(one)) for one in (service, service / "log")]
        (runsv,) = children(process.pid)
        for descriptors in range(7, 19):
            limit([process.pid], descriptors)
            with suppress(ProcessLookupError):  # it may have given up just before
                os.kill(runsv, signal.SIGKILL)
            before = errors.stat().st_size
            wait_for(lambda was=before: errors.stat().st_size > was or listening(service))
            limit([process.pid])
            limit(children(process.pid))
            (runsv,) = wait_for(lambda: listening(service) and children(process.pid))
            assert [pid(one) for one in (service, service / "log")] == former
        assert all(map(alive, former))
    for one in former:  # the last runsv may have been ended before it knew them
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    assert "Traceback" not in errors.read_text()


def test_svlogd_waits_for_descriptors(suite: Suite, tmp_path: Path) -> None:
    with logging(suite, tmp_path / "log") as work:
        work.log(b"one\n")
        limit([work.process.pid], 3)
        work.log(b"two\n")
        work.signal(signal.SIGALRM)
        work.said(b"svlogd: pausing: ")
        assert FULL.encode() in work.stderr
        work.write(b"three\n")
        limit([work.process.pid])
        wait_for(lambda: everything(tmp_path / "log") == b"one\ntwo\nthree\n")
        assert len(old_logs(tmp_path / "log")) == 1


LOOKS = {
    "pidfd_open": [],
    "openat-lock": ["-P", "supervise/lock"],
    "openat-stat": ["-P", "/proc/{}/stat"],
}


@needs("strace")
@pytest.mark.parametrize("look", LOOKS)
def test_a_runsv_that_cannot_tell_what_runs_starts_nothing(
    ours: Suite, tmp_path: Path, look: str
) -> None:
    """The machine has no descriptor left just when it wants to look."""
    service = build(tmp_path / "s", RUN)
    with ours.runsv(service) as process:
        first = wait_for(lambda: pid(service))
        wait_for((service / "supervise/lock").read_bytes)
        process.kill()
        process.wait()
    call = look.partition("-")[0]
    when = 2 if look == "openat-lock" else 1
    done = subprocess.run(
        ["strace", "-qqo/dev/null", f"-etrace={call}"]
        + [word.format(first) for word in LOOKS[look]]
        + ["-e", f"inject={call}:error=ENFILE:when={when}", ours.program("runsv"), "s"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == (
        b"runsv s: fatal: unable to tell what runs: system cannot open more files\n"
    )
    assert done.returncode == 111
    with ours.runsv(service):
        assert pid(service) == first
        assert alive(first)
