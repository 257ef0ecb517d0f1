"""The commands of the old world with runit's own runit as process 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from oldworld import HANGUP, INTERRUPT, PROGRAMS, Machine
from support import DEADLINE, has_reference

STAGES = {
    "etc/runit/1": "#!/bin/sh\nexit 0\n",
    "etc/runit/3": "#!/bin/sh\necho down >>/stages\n",
}


def stage_2(command: str) -> str:
    """A stage 2 that runs COMMAND, and then waits to be ended."""
    return f"#!/bin/sh\n{PROGRAMS}/{command} >/said 2>&1\nexec sleep 1000\n"


@pytest.mark.skipif(
    not has_reference("runit") or not Path("/sbin/runit").exists(),
    reason="Debian's runit package is not installed",
)
@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("halt", INTERRUPT),
        ("poweroff", INTERRUPT),
        ("reboot", HANGUP),
        ("shutdown -h now", INTERRUPT),
        ("shutdown -H now", INTERRUPT),
        ("shutdown -r now", HANGUP),
        ("init 0", INTERRUPT),
        ("telinit 6", HANGUP),
    ],
)
def test_runit_goes_down_through_stage_3(
    machines: Callable[..., Machine], command: str, end: int
) -> None:
    machine = machines(comm="/sbin/runit", stages={**STAGES, "etc/runit/2": stage_2(command)})
    assert machine.process.wait(DEADLINE) == end
    assert (machine.root / "said").read_text() == ""
    assert (machine.root / "stages").read_text() == "down\n"


def test_init_is_process_1_too(machines: Callable[..., Machine]) -> None:
    machine = machines(comm=f"{PROGRAMS}/init", stages={**STAGES, "etc/runit/2": stage_2("init 0")})
    assert machine.process.wait(DEADLINE) == INTERRUPT
    assert (machine.root / "said").read_text() == ""
