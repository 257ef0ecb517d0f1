"""init, telinit: change the runlevel, in System V's words.

As process 1 it is runit-init.  See init(8).
"""

from __future__ import annotations

import posix

LEVELS = {b"1": b"single", b"s": b"single", b"S": b"single"} | dict.fromkeys(
    (b"2", b"3", b"4", b"5"), b"multi"
)
DOWN = {b"0": False, b"6": True}
NOTHING = (b"q", b"Q", b"u", b"U")


def main() -> int:
    """Command line; see the manual page."""
    if posix.getpid() == 1:
        from runit.boot.runit_init import main as first

        return int(first())
    return _tell()


def _tell() -> int:
    from runit.boot import request
    from runit.message import complain
    from runit.options import Options, UsageError, arguments, called_as
    from runit.process.numbers import unsigned
    from runit.process.unable import Unable

    name = called_as()
    wait = None
    options = Options(arguments(), b"t:e:")
    try:
        for letter, value in options:
            if letter == b"t":
                wait = unsigned(value) if value else None
                if wait is None:
                    raise UsageError(b"not a number of seconds -- " + value)
    except UsageError as error:
        complain(name, error.sentence)
        return _usage(name)
    level = options.rest[0] if len(options.rest) == 1 else b""
    if level in NOTHING:
        return 0
    if level not in DOWN and level not in LEVELS:
        return _usage(name)
    if not request.may():
        complain(name, b"must be superuser.")
        return 111
    try:
        if level in LEVELS:
            switch(level)
        else:
            request.check()
            if wait is not None:
                request.write(request.KILLWAIT, b"%d\n" % wait)
            request.down(reboot=DOWN[level])
    except Unable as unable:
        complain(name, b"fatal", *unable.parts)
        return 111
    return 0


def _usage(name: bytes) -> int:
    from runit.message import emit

    emit(b"usage: " + name + b" [-t sec] 0|1|2|3|4|5|6|s|S|q|u\n\n")
    return 1


def directory(level: bytes) -> bytes:
    """The directory of services that LEVEL, one of LEVELS, stands for."""
    from runit import paths

    path = paths.RUNSVDIR + b"/" + LEVELS[level]
    if LEVELS[level] == b"multi":
        try:
            posix.stat(path)
        except OSError:
            return paths.RUNSVDIR + b"/default"  # as C runit's machines have it
    return path


def switch(level: bytes) -> None:
    """Make the runlevel LEVEL, one of LEVELS, as runsvchdir does.  Raises Unable."""
    from runit.boot import record
    from runit.boot.runlevel import base
    from runit.control import runsvchdir
    from runit.process.unable import Unable

    wanted = directory(level)
    try:
        changed = runsvchdir.switch(wanted, base())
    except runsvchdir.Fatal as fatal:
        raise Unable(*fatal.parts, error=fatal.error) from None
    if changed:
        try:
            record.runlevel(level.upper())
        except OSError:
            pass  # the runlevel has changed, told or not
