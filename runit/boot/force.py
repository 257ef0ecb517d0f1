"""Bring the machine down without process 1, for ``shutdown -n``."""

from __future__ import annotations

import os

from runit.boot import killall5, power, record

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

PSEUDO = "noproc,nosysfs,nodevtmpfs,nodevpts,notmpfs,nocgroup,nocgroup2"

STEPS = (
    ("swapoff", "-a"),
    ("umount", "-a", "-r", "-t", PSEUDO),
    ("mount", "-o", "remount,ro", "/"),
)


def bring_down(command: int, seconds: float) -> None:
    """End all, SECONDS between TERM and KILL, unmount, and give COMMAND to the kernel.

    COMMAND is one of `runit.boot.power`.  What fails on the way is passed over.  Raises
    OSError if the kernel refuses.
    """
    try:
        record.shutdown()
    except OSError:
        pass
    killall5.end_all({1, os.getpid()}, seconds)
    for step in STEPS:
        try:
            child = os.posix_spawnp(step[0], step, {"PATH": PATH})
            os.waitpid(child, 0)
        except OSError:
            continue
    os.sync()
    power.reboot(command)
