"""utmpset: note in utmp, and in wtmp, that a terminal's user has logged out.

With -b, that the machine has started instead, which is for stage 1.

See utmpset(8).
"""

from __future__ import annotations

import posix
import sys
import time

from runit import __version__
from runit.boot import utmp
from runit.message import complain, emit
from runit.options import Options, UsageError, arguments, called_as, encoded

USAGE = b" [-w] line\n\n"

_NO_LINE = b"~"
_NO_ID = b"~~"


class Trouble(Exception):
    """Logging out did not work; `parts` tell it, as bytes for `complain`."""

    def __init__(self, *parts: bytes, error: OSError | None = None) -> None:
        super().__init__(*parts)
        self.parts = parts
        self.error = error


def main() -> int:
    """Command line; see the manual page."""
    options = Options(arguments(), b"bwV")
    boot = wtmp = False
    try:
        for letter, _ in options:
            if letter == b"V":
                emit(b"pyrunit %b\n" % __version__.encode())
                return _usage()
            boot |= letter == b"b"
            wtmp |= letter == b"w"
    except UsageError as error:
        complain(called_as(), error.sentence)
        return _usage()
    if not boot and not options.rest:
        return _usage()
    try:
        if boot:
            _booted()
            return 0
        _log_out(options.rest[0])
        if wtmp:
            _append(options.rest[0])
    except Trouble as trouble:
        complain(b"utmpset", *trouble.parts, error=trouble.error)
        return 111
    return 0


def _usage() -> int:
    emit(b"usage: " + encoded(sys.argv[0]) + USAGE)
    return 1


def _log_out(line: bytes) -> None:
    """Clear LINE's record in utmp: the first in which somebody is logged in."""
    failed = b"unable to logout line " + line + b" in utmp"
    try:
        descriptor = posix.open(utmp.UTMP, posix.O_RDWR)
    except OSError as error:
        raise Trouble(b"fatal", b"unable to open " + utmp.UTMP, error=error) from None
    try:
        utmp.lock(descriptor)
    except OSError as error:
        raise Trouble(b"fatal", b"unable to lock", utmp.UTMP, error=error) from None
    try:
        for record in utmp.read(descriptor):
            if record.user and record.line == line:
                record.type = utmp.DEAD_PROCESS
                record.user = record.host = b""
                record.seconds = int(time.time())
                utmp.rewrite(descriptor, record)
                break
        else:
            raise Trouble(b"warning", failed, b"no such entry")
    except OSError as error:
        raise Trouble(b"warning", failed, error=error) from None
    posix.close(descriptor)


def _append(line: bytes) -> None:
    """Append to wtmp that LINE is free."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NONBLOCK
    try:
        descriptor = posix.open(utmp.WTMP, flags, 0o600)
    except OSError as error:
        raise Trouble(b"fatal", b"unable to open " + utmp.WTMP, error=error) from None
    try:
        utmp.lock(descriptor)
    except OSError as error:
        raise Trouble(b"fatal", b"unable to lock " + utmp.WTMP, error=error) from None
    record = utmp.Record()
    record.type = utmp.DEAD_PROCESS
    record.line = line
    record.seconds = int(time.time())
    try:
        utmp.append(descriptor, record)
    except OSError as error:
        failed = b"unable to logout line " + line + b" in wtmp"
        raise Trouble(b"warning", failed, error=error) from None


def _booted() -> None:
    """Note in utmp and wtmp that the machine has started; neither is made if it is missing."""
    record = utmp.Record()
    record.type = utmp.BOOT_TIME
    record.line = _NO_LINE
    record.id = _NO_ID
    record.user = b"reboot"
    record.host = posix.uname().release.encode()
    now = time.time_ns()
    record.seconds = now // 1_000_000_000
    record.microseconds = now // 1000 % 1_000_000
    failures = []
    for path in (utmp.UTMP, utmp.WTMP):
        try:
            descriptor = posix.open(path, posix.O_RDWR | posix.O_APPEND | posix.O_NONBLOCK)
            utmp.lock(descriptor)
            utmp.append(descriptor, record)
        except FileNotFoundError:
            continue
        except OSError as error:
            failures.append(Trouble(b"warning", b"unable to write", path, error=error))
    if failures:
        raise failures[0]
