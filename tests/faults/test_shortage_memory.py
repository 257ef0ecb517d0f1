"""No memory to be had, for who supervises and who logs: it waits, says so, and goes on."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterable
from pathlib import Path

from log.logs import everything, logging
from support import Suite, build, command, pid, stat, wait_for

NOTHING = (1, resource.getrlimit(resource.RLIMIT_AS)[1])
ENOUGH = resource.getrlimit(resource.RLIMIT_AS)
SERVICE = {
    "run": "#!/bin/sh\nexec sleep 1000\n",
    "finish": "#!/bin/sh\n",
    "log/config": "",
    "log/main": None,
}


def limit(processes: Iterable[int], to: tuple[int, int]) -> None:
    """From now on none of PROCESSES, nor who is started by one, gets more address space."""
    for process in processes:
        resource.prlimit(process, resource.RLIMIT_AS, to)


def children(process: int) -> list[int]:
    return [
        int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def test_a_tree_recovers_from_a_lack_of_memory(ours: Suite, tmp_path: Path) -> None:
    services = tmp_path / "d"
    names = [f"s{number}" for number in range(3)]
    for name in names:
        build(services / name, SERVICE)
    new = build(tmp_path / "new", SERVICE)
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsvdir(services, stderr=stderr) as process:
        former = {name: wait_for(lambda name=name: pid(services / name)) for name in names}
        tree = [process.pid, *children(process.pid)]
        limit(tree, NOTHING)
        (services / "new").symlink_to(new)
        for name in names:
            command(services / name, "t")
        # What they start dies of it, or cannot be started.
        for name in names:
            wait_for(lambda name=name: pid(services / name) != former[name])
        assert children(process.pid)[: len(names)] == tree[1:]
        limit([process.pid, *children(process.pid)], ENOUGH)
        for name in names:
            wait_for(lambda name=name: stat(services / name) == "run")
            assert pid(services / name) != former[name]
        wait_for(lambda: pid(new))
        said = errors.read_text()
    assert all(line.endswith(": out of memory") for line in said.splitlines()), said
    assert said.count("\n") <= 2 * (len(names) + 2), said


def test_svlogd_waits_for_memory_and_loses_nothing(ours: Suite, tmp_path: Path) -> None:
    """With patterns and long lines, most of what it does needs memory of its own."""
    sizes = [10, 1000, 100, 60_000, 90_000, 20, 64_000, 5, 900, 3000]
    data = b"".join(b"%d " % size + b"x" * size + b"\n" for size in sizes * 3)
    input_file = tmp_path / "input"
    input_file.write_bytes(data)
    with logging(ours, tmp_path / "log", config=b"s300000\nn0\n-abc*\n") as work:
        limit([work.process.pid], NOTHING)
        with subprocess.Popen(["cat", input_file], stdout=work._writer) as source:
            # Perhaps what it has is just enough.
            wait_for(lambda: source.poll() is not None or b"pausing" in work.stderr)
            limit([work.process.pid], ENOUGH)
            assert source.wait(60) == 0
        wait_for(lambda: everything(tmp_path / "log") == data)
        said = set(work.stderr.splitlines())
    assert all(line.endswith(b": standard input: out of memory") for line in said), said
