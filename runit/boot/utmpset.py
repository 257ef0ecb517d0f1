"""utmpset: note in utmp, and in wtmp, that a terminal's user has logged out.

With -b, that the machine has started instead, which is for stage 1.  See utmpset(8).
"""

from __future__ import annotations

import posix
import sys
import time

from runit import __version__
from runit.boot import record, utmp
from runit.message import complain, emit
from runit.options import Options, UsageError, arguments, called_as, encoded

USAGE = b" [-w] line\n\n"


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
        for entry in utmp.read(descriptor):
            if entry.user and entry.line == line:
                entry.type = utmp.DEAD_PROCESS
                entry.user = entry.host = b""
                entry.seconds = int(time.time())
                utmp.rewrite(descriptor, entry)
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
    entry = utmp.Record()
    entry.type = utmp.DEAD_PROCESS
    entry.line = line
    entry.seconds = int(time.time())
    try:
        utmp.append(descriptor, entry)
    except OSError as error:
        failed = b"unable to logout line " + line + b" in wtmp"
        raise Trouble(b"warning", failed, error=error) from None


def _booted() -> None:
    """Note in utmp and wtmp that the machine has started; neither is made if it is missing."""
    for path in (utmp.UTMP, utmp.WTMP):
        try:
            record.boot(path)
        except OSError as error:
            raise Trouble(b"warning", b"unable to write", path, error=error) from None
