"""Memory that is equal: who offers it to the kernel, and who does not (KSM)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import Suite, build, pid, wait_for

FILES = {"run": "#!/bin/sh\nexec sleep 1000\n", "log/config": "s1000\n"}

merges = pytest.mark.skipif(
    not os.path.exists("/sys/kernel/mm/ksm/run"), reason="this kernel merges no pages"
)


def offered(process: int) -> int:
    """KiB that the kernel may merge, if it finds them elsewhere."""
    total = size = 0
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Size":
            size = int(rest.split()[0])
        elif name == "VmFlags" and "mg" in rest.split():
            total += size
    return total


def family(one: Path, top: int) -> list[int]:
    """runsvdir, runsv, the built-in logger; the service."""
    service = wait_for(lambda: pid(one))
    logger = wait_for(lambda: pid(one / "log"))
    for process, name in ((service, "sleep\n"), (logger, "svlogd\n")):
        wait_for(lambda p=process, n=name: Path(f"/proc/{p}/comm").read_text() == n)
    [runsv] = Path(f"/proc/{top}/task/{top}/children").read_text().split()
    return [top, int(runsv), logger, service]


@pytest.fixture
def one(tmp_path: Path) -> Path:
    service = build(tmp_path / "d/s", FILES)
    (service / "log/main").mkdir()
    return service


@merges
@pytest.mark.parametrize("options", [("-m",), ("-m", "-P"), ("-P", "-m")])
def test_a_tree_offers_its_memory_if_told_to(
    ours: Suite, one: Path, options: tuple[str, ...]
) -> None:
    """All that is forked from runsvdir does, and what is exec'd does not."""
    with ours.runsvdir(one.parent, *options) as new:
        *programs, service = family(one, new.pid)
        for process in programs:
            assert offered(process) > 1024
        assert offered(service) == 0
        shown = Path(f"/proc/{new.pid}/cmdline").read_bytes().rstrip(b"\0 ")
        flags = b"-m -P " if len(options) > 1 else b"-m "
        assert shown == b"runsvdir %b%b" % (flags, os.fsencode(one.parent))


@merges
def test_it_keeps_it_if_not(ours: Suite, one: Path) -> None:
    with ours.runsvdir(one.parent, "-P") as new:
        assert [offered(process) for process in family(one, new.pid)] == [0, 0, 0, 0]
