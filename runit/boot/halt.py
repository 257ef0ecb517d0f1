"""halt, poweroff, reboot: bring the machine down.

By its own name it asks process 1, which goes down through stage 3; with -f it asks the
kernel.  See halt(8).
"""

from __future__ import annotations

import posix

from runit.boot import record, request
from runit.boot.utmp import WTMP
from runit.message import complain, emit
from runit.options import Options, UsageError, arguments, called_as
from runit.process.unable import Unable

LONG = {
    b"--no-sync": b"-n",
    b"--force": b"-f",
    b"--wtmp-only": b"-w",
    b"--no-wtmp": b"-d",
    b"--poweroff": b"-p",
}
"""Names that other suites give these options."""


def main() -> int:
    """Command line; see the manual page."""
    name = called_as()
    given = []
    options = Options([LONG.get(word, word) for word in arguments()], b"nfwdhip")
    try:
        for word in options.rest:
            if word.startswith(b"--") and word != b"--":
                raise UsageError(b"unknown option -- " + word[2:])
        given = [letter for letter, _ in options]
    except UsageError as error:
        complain(name, error.sentence)
        return _usage(name)
    if options.rest:
        return _usage(name)
    if not request.may():
        complain(name, b"must be superuser.")
        return 1
    try:
        if b"w" in given:
            _note()
        elif b"f" in given:
            _force(name, given)
        else:
            request.check()
            request.down(reboot=name == b"reboot")
    except Unable as unable:
        complain(name, b"fatal", *unable.parts)
        return 1
    return 0


def _usage(name: bytes) -> int:
    emit(b"usage: " + name + b" [-nfwdhip]\n\n")
    return 1


def _note() -> None:
    try:
        record.shutdown()
    except OSError as error:
        raise Unable(b"unable to write", WTMP, error=error) from None


def _force(name: bytes, given: list[bytes]) -> None:
    """Go down without process 1: no stage 3, no TERM to anybody."""
    from runit.boot import power

    if b"d" not in given and b"n" not in given:
        try:
            _note()
        except Unable as unable:
            complain(name, b"warning", *unable.parts)
    if b"n" not in given:
        posix.sync()
    if b"i" in given:
        power.interfaces_down()
    command = power.HALT
    if name == b"reboot":
        command = power.RESTART
    elif name == b"poweroff" or b"p" in given:
        command = power.POWER_OFF
    if b"h" in given and command != power.RESTART:
        power.disks_to_standby()
    try:
        power.reboot(command)
    except OSError as error:
        raise Unable(b"unable to " + name, error=error) from None
