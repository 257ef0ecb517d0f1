"""Write the programs: one small executable file each, that names the package.

``python3 runit/launchers.py --package DIR --bindir DIR --sbindir DIR`` makes them
for a checkout, as the tests do; ``make install`` puts the same files into place
(see `runit.installation`).

A launcher starts the interpreter isolated (-I: no PYTHON* variables, no current
directory, no user's packages), without the site module (-S) and without ever
writing byte code (-B).  First it lets an interrupt end it as other programs,
without a traceback.  It knows the one directory where this suite and its
dependencies live.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

BIN = {
    "sv": "runit.control.sv",
    "runsv": "runit.supervise.runsv",
    "runsvdir": "runit.supervise.runsvdir",
    "svlogd": "runit.log.svlogd",
    "chpst": "runit.process.chpst",
    "pause": "runit.process.pause",
}
SBIN = {
    "runsvchdir": "runit.control.runsvchdir",
    "runit": "runit.boot.runit",
    "runit-init": "runit.boot.runit_init",
    "utmpset": "runit.boot.utmpset",
}
LFS = {
    "init": "runit.boot.init",
    "telinit": "runit.boot.init",
    "halt": "runit.boot.halt",
    "poweroff": "runit.boot.halt",
    "reboot": "runit.boot.halt",
    "shutdown": "runit.boot.shutdown",
    "runlevel": "runit.boot.runlevel",
    "killall5": "runit.boot.killall5",
}
"""In SBINDIR too, but of a machine that boots with this suite only."""

TEMPLATE = """\
{start}
import _signal
import posix
import sys

if _signal.getsignal(_signal.SIGINT) == _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

sys.path.append({package})
from {module} import main

posix._exit(main())
"""

LONGEST = 255
"""Bytes that the kernel reads of a script's first line."""


def interpreter() -> str:
    """The interpreter that launchers name: real, and by the name that stays.

    No shim or virtual environment may stand in between, so links are followed to
    the end.  The file found there often carries the version in its name and goes
    with the next upgrade; the ``python3`` beside it stays, and is named if it is
    the same file.
    """
    real = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    lasting = os.path.join(os.path.dirname(real), "python3")
    try:
        return lasting if os.path.samefile(lasting, real) else real
    except OSError:
        return real


def render(module: str, package: str, python: str) -> bytes:
    """The launcher's text: PYTHON runs main() of MODULE, found in PACKAGE."""
    start = f"#!{python} -IBS"
    if any(space in python for space in " \t\n") or len(os.fsencode(start)) > LONGEST:
        # The kernel cannot start this by the first line: a shell can, and what it
        # reads as a command is a string to the interpreter.
        quoted = python.replace("'", "'\\''")
        start = f"#!/bin/sh\n''':'\nexec '{quoted}' -IBS \"$0\" \"$@\"\n'''"
    place = repr(package)
    if not package.isascii():  # in whatever locale it will be started
        coded = ascii(os.fsencode(package))
        place = f'{coded}.decode(sys.getfilesystemencoding(), "surrogateescape")'
    return os.fsencode(TEMPLATE.format(start=start, package=place, module=module))


def write(directory: Path, programs: dict[str, str], package: str, python: str) -> None:
    """Write a launcher for each of PROGRAMS (name to module) into DIRECTORY."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, module in programs.items():
        new = directory / f".{name}.new"
        new.write_bytes(render(module, package, python))
        new.chmod(0o755)
        new.rename(directory / name)


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="write the suite's programs")
    parser.add_argument("--package", required=True, help="the directory that holds runit/")
    parser.add_argument("--python", default=interpreter())
    parser.add_argument("--bindir", type=Path)
    parser.add_argument("--sbindir", type=Path)
    parser.add_argument("--lfsdir", type=Path, help="for what only a machine's install has")
    arguments = parser.parse_args()
    if arguments.bindir:
        write(arguments.bindir, BIN, arguments.package, arguments.python)
    if arguments.sbindir:
        write(arguments.sbindir, SBIN, arguments.package, arguments.python)
    if arguments.lfsdir:
        write(arguments.lfsdir, LFS, arguments.package, arguments.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
