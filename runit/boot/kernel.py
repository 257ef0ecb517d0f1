"""What process 1 asks of the kernel: ctrl-alt-del, its name, the end.

ctypes is imported at the start: reboot(2) has to work when nothing is mounted any more,
and an upgrade must not break a late import.  Without it (no libffi) process 1 runs all
the same, and /proc/sysrq-trigger is tried at the end.
"""

from __future__ import annotations

import errno
import posix

try:
    import ctypes

    _library: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True)
except Exception:  # the import of a damaged library can fail in any way
    _library = None

CAD_OFF = 0
RESTART, HALT, POWER_OFF = 0x01234567, 0xCDEF0123, 0x4321FEDC
SYSRQ = {RESTART: b"b", HALT: b"o", POWER_OFF: b"o"}
SET_NAME = 15
"""PR_SET_NAME of prctl(2)."""

MARKS = (b"/.dockerenv", b"/run/.containerenv")


def order(command: int) -> int:
    """Give COMMAND to reboot(2); the error's number, 0 if there was none."""
    if _library is None:
        return errno.ENOSYS
    if _library.reboot(ctypes.c_int(command)) < 0:
        return ctypes.get_errno()
    return 0


def name(text: bytes) -> None:
    """Be called TEXT in ps, which needs no /proc."""
    if _library is not None:
        _library.prctl(SET_NAME, text, 0, 0, 0)


def take_ctrl_alt_del() -> bool:
    """Have the kernel send INT for ctrl-alt-del; whether this is a container.

    Without CAP_SYS_BOOT the kernel takes no order at all (EPERM).  In a PID namespace it
    refuses this one only (EINVAL): the end works there, as a signal to who made it.
    """
    refused = order(CAD_OFF) == errno.EPERM
    return refused or bool(posix.environ.get(b"container")) or any(map(_exists, MARKS))


def leave(command: int) -> None:
    """RESTART, HALT or POWER_OFF the machine.  Returns if the kernel refuses."""
    if not order(command):
        return
    try:
        descriptor = posix.open(b"/proc/sysrq-trigger", posix.O_WRONLY | posix.O_CLOEXEC)
        posix.write(descriptor, SYSRQ[command])
        posix.close(descriptor)
    except OSError:
        pass


def _exists(path: bytes) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True
