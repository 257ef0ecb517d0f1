"""Records of the machine's own events, as `last -x` and `who -r` tell them."""

from __future__ import annotations

import posix
import time
from errno import ENOENT, EROFS

from runit.boot import utmp

_NOT_WANTED = ENOENT, EROFS
_NO_LINE = b"~"
_NO_ID = b"~~"
_FLAGS = posix.O_RDWR | posix.O_APPEND | posix.O_NONBLOCK | posix.O_CLOEXEC


def boot(path: bytes) -> None:
    """Append to PATH, which is utmp or wtmp, that the machine has started.

    Raises OSError.
    """
    event = _event(b"reboot")
    event.type = utmp.BOOT_TIME
    _append(path, event)


def shutdown() -> None:
    """Append to wtmp that the machine goes down.

    A machine without a wtmp does not want one, and one whose disk is read-only cannot
    have one: neither is an error.  Raises OSError.
    """
    _append(utmp.WTMP, _event(b"shutdown"))


def runlevel(level: bytes) -> None:
    """Note in utmp and wtmp that the runlevel is LEVEL now, a single character.

    utmp keeps one such record, which tells the level before too.  Raises OSError.
    """
    event = _event(b"runlevel")
    event.pid = ord(level)
    try:
        event.pid += 256 * _replace(event)
    except OSError as error:
        if error.errno not in _NOT_WANTED:
            raise
    _append(utmp.WTMP, event)


def _event(user: bytes) -> utmp.Record:
    event = utmp.Record()
    event.type = utmp.RUN_LVL
    event.line = _NO_LINE
    event.id = _NO_ID
    event.user = user
    event.host = posix.uname().release.encode()
    now = time.time_ns()
    event.seconds = now // 1_000_000_000
    event.microseconds = now // 1000 % 1_000_000
    return event


def _replace(event: utmp.Record) -> int:
    """Put EVENT over utmp's record of the runlevel, or behind all; the level before."""
    descriptor = posix.open(utmp.UTMP, posix.O_RDWR | posix.O_CLOEXEC)
    try:
        utmp.lock(descriptor)
        for record in utmp.read(descriptor):
            if record.type == utmp.RUN_LVL:
                before = record.pid & 0xFF
                event.pid += 256 * before
                utmp.rewrite(descriptor, event)
                event.pid -= 256 * before
                return before
        utmp.append(descriptor, event)
    finally:
        posix.close(descriptor)
    return 0


def _append(path: bytes, event: utmp.Record) -> None:
    try:
        descriptor = posix.open(path, _FLAGS)
    except OSError as error:
        if error.errno in _NOT_WANTED:
            return
        raise
    try:
        utmp.lock(descriptor)
        utmp.append(descriptor, event)
    finally:
        posix.close(descriptor)
