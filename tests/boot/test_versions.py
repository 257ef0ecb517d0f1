"""What versions of C's process 1 do not do alike, and which of them this suite follows."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from firsts import DOWN, OFF, RESTARTED, First, keeps_flags_in_run, lines, stage
from masks import masks
from support import reference_version

Make = Callable[..., First]


def since(make: Make, *version: int) -> bool:
    """Whether this is ours, or C's of VERSION or newer."""
    return make.keywords["kind"] == "ours" or reference_version() >= version


def test_stage_2_starts_again_after_a_crash(either: Make) -> None:
    """From 2.3 on; before, it counts as one that has ended well."""
    script = "[ -e /run/second ] && exit 0; : >/run/second; kill -KILL $$"
    machine = either({"2": script, "3": "[ -e /run/second ] && echo there >/said"})
    assert machine.end() == OFF
    again = (
        "enter stage: /etc/runit/2",
        "warning: child crashed: /etc/runit/2",
        "warning: killing all processes in stage 2...",
        "warning: restarting.",
    )
    two = (*again, *stage(2)) if since(either, 2, 3) else stage(2)
    assert machine.text() == lines(*stage(1), *two, *stage(3), *DOWN)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stage_ignores_no_signal(either: Make, number: int) -> None:
    """From 2.3 on; before, CONT."""
    machine = either({str(number): "cat /proc/self/status >/status"})
    assert machine.end() == OFF
    ignored = 0 if since(either, 2, 3) else 1 << signal.SIGCONT - 1
    assert masks(machine.read("status"))["SigIgn"] == ignored


def test_flags_beside_the_stages_count(either: Make) -> None:
    """From 2.2 on in Debian's, too, where they are links to those in /run."""
    flags = "cd /etc/runit; rm -f reboot; : >reboot; chmod 100 reboot"
    end = either({"2": flags}).end()
    older = either.keywords["kind"] == "reference" and keeps_flags_in_run()
    assert end == (OFF if older else RESTARTED)
