"""What a supervisor was started with does not reach the children: descriptors, signals.

Here from within scripts; interop/test_children.py looks at all that /proc tells.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from masks import masks
from support import Suite, build, command, open_files, pid, wait_for

CHILDREN = ("run", "finish", "log/run", "control/u", "control/h", "control/t", "control/d")
NOTE = """#!/bin/sh
to=$(echo "{name}" | tr / -)
ls /proc/self/fd >"{place}/$to.fd"
cat /proc/self/status >"{place}/$to.new"
mv "{place}/$to.new" "{place}/$to.status"
{rest}
"""
REST = {"run": "exec sleep 1000", "log/run": "exec cat", "control/t": "exit 1"}


def spoil() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@contextmanager
def leaking(place: Path) -> Iterator[list[int]]:
    """Descriptors that children inherit: a file, a directory, a pipe; one of a high number."""
    opened = [os.open("/etc/passwd", os.O_RDONLY), os.open("/", os.O_RDONLY), *os.pipe()]
    opened.append(os.dup2(opened[0], 400))
    for descriptor in opened:
        os.set_inheritable(descriptor, True)
    try:
        yield opened
    finally:
        for descriptor in opened:
            os.close(descriptor)


@pytest.mark.parametrize("how", ["runsv", "runsvdir"])
def test_every_child_starts_clean(ours: Suite, tmp_path: Path, how: str) -> None:
    files = {
        name: NOTE.format(name=name, place=tmp_path, rest=REST.get(name, "")) for name in CHILDREN
    }
    service = build(tmp_path / "d/s", files)
    with leaking(tmp_path) as leaked:
        options = {"pass_fds": leaked, "preexec_fn": spoil}
        start = ours.runsv(service, **options) if how == "runsv" else None
        with start or ours.runsvdir(tmp_path / "d", **options):
            wait_for(lambda: pid(service) and pid(service / "log"))
            wait_for((tmp_path / "run.status").exists)
            command(service, "hd")
            wait_for(lambda: not pid(service))
            for name in CHILDREN:
                path = tmp_path / name.replace("/", "-")
                wait_for(path.with_suffix(".status").exists, f"{name} to start")
                # 3 is ls's own.
                assert path.with_suffix(".fd").read_text().split() == ["0", "1", "2", "3"], name
                found = masks(path.with_suffix(".status").read_text())
                assert found == {"SigIgn": 0, "SigBlk": 0}, name


def test_the_built_in_logger_and_its_processor_start_clean(ours: Suite, tmp_path: Path) -> None:
    note = f"ls /proc/self/fd >{tmp_path}/fd; cat /proc/self/status >{tmp_path}/new"
    run = "#!/bin/sh\nexec sh -c 'while :; do echo 0123456789; sleep 0.05; done'\n"
    config = f"s100\n!cat; {note}; mv {tmp_path}/new {tmp_path}/status\n"
    service = build(tmp_path / "s", {"run": run, "log/config": config, "log/main": None})
    (service / "log/options").write_text("-l10\n")
    with leaking(tmp_path) as leaked, ours.runsv(service, pass_fds=leaked, preexec_fn=spoil):
        logger = wait_for(lambda: pid(service / "log"))
        wait_for((tmp_path / "status").exists)
        # The old log, its copy, the state before and after; 3 is ls's own.
        assert (tmp_path / "fd").read_text().split() == ["0", "1", "2", "3", "4", "5"]
        assert masks((tmp_path / "status").read_text()) == {"SigIgn": 0, "SigBlk": 0}
        assert not {"/etc/passwd", "/"} & set(open_files(logger).values())
