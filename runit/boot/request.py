"""Ask process 1 to bring the machine down: who may, whom, and how.

Ours and C runit take the same flags and the same signal; what is said through the
files below is for ours and for its stages only.
"""

from __future__ import annotations

import posix

from runit import paths
from runit.process.unable import Unable, attempt

STATE = paths.RUNDIR + b"/runit"

HALT = STATE + b"/halt"
"""There: process 1 is to halt where it would power off."""

KILLWAIT = STATE + b"/killwait"
"""Seconds that stage 3 lets pass between TERM and KILL."""


def may() -> bool:
    """Whether this user may bring the machine down: root, or whose process 1 it is."""
    user = posix.geteuid()
    if user == 0:
        return True
    try:
        return posix.stat(b"/proc/1").st_uid == user
    except OSError:
        return False


def check() -> None:
    """See that there is somebody to ask.

    Without /proc nobody knows; then the flags and the signal do no harm.  Raises Unable.
    """
    try:
        descriptor = posix.open(b"/proc/1/comm", posix.O_RDONLY | posix.O_CLOEXEC)
        name = posix.read(descriptor, 64).rstrip(b"\n")
        posix.close(descriptor)
    except OSError:
        return
    if name != b"runit":
        raise Unable(b"process 1 is not runit", name)


def down(*, reboot: bool, halt: bool = False) -> None:
    """Have process 1 bring the machine down, and then REBOOT, HALT or power off.

    Raises Unable.
    """
    from runit.boot import flags

    if halt:
        write(HALT, b"")
    else:
        forget(HALT)
    flags.ask(reboot)


def write(path: bytes, content: bytes) -> None:
    """Make a file in STATE.  Raises Unable."""
    failed = b"unable to write", path
    try:
        posix.mkdir(STATE, 0o755)
    except OSError:
        pass  # mostly it is there; if not, the next step tells
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
    descriptor = attempt(*failed, do=lambda: posix.open(path, flags, 0o644))
    try:
        attempt(*failed, do=lambda: posix.write(descriptor, content))
    finally:
        posix.close(descriptor)


def forget(path: bytes) -> None:
    """Remove a file in STATE, if it is there."""
    try:
        posix.unlink(path)
    except OSError:
        pass
