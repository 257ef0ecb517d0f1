"""Wait for the end of a process that is nobody's child here.

By a pidfd; where the interpreter or the kernel has none, by asking again and again.
"""

from __future__ import annotations

import posix
import select
import time
from errno import ESRCH

GLANCE = 0.02
"""Seconds from one question to the next where there is no pidfd."""


class Ending:
    """The end of the process PID, which is held from here on: its number may be given away.

    A context manager.  Raises OSError if there is no such process.
    """

    __slots__ = ("_descriptor", "_pid")

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1
        if pid <= 0:  # would be a whole group
            raise ProcessLookupError(ESRCH, "")
        posix.kill(pid, 0)
        try:
            self._descriptor = posix.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except (AttributeError, OSError):
            pass  # an old kernel, an interpreter built on one, no descriptor left

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within SECONDS; a zombie has."""
        if self._descriptor >= 0:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(max(0.0, seconds) * 1000))
        end = time.monotonic() + seconds
        while _lives(self._pid):
            if time.monotonic() >= end:
                return False
            time.sleep(GLANCE)
        return True

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._descriptor >= 0:
            posix.close(self._descriptor)


def _lives(pid: int) -> bool:
    try:
        descriptor = posix.open(b"/proc/%d/stat" % pid, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        state = posix.read(descriptor, 4096).rpartition(b")")[2].split()[:1]
    except OSError:  # it ended in between
        return False
    finally:
        posix.close(descriptor)
    return state not in ([b"Z"], [b"X"])
