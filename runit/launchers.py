"""Write the programs: one small executable file each, that names the package.

``python3 runit/launchers.py --package DIR --bindir DIR --sbindir DIR`` is what
``make install`` calls, and the tests.  A launcher starts the interpreter isolated
(-I: no PYTHON* variables, no current directory, no user's packages), without the
site module (-S) and without ever writing byte code (-B); it knows the one
directory where this suite and its dependencies live.  The interpreter is named by
its real path, so that no shim or virtual environment stands in between.
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
    "utmpset": "runit.boot.utmpset",
}

TEMPLATE = """\
#!{python} -IBS
import posix
import sys

sys.path.append({package!r})
from {module} import main

posix._exit(main())
"""


def interpreter() -> str:
    """The real interpreter behind the one that runs this."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def write(directory: Path, programs: dict[str, str], package: str, python: str) -> None:
    """Write a launcher for each of PROGRAMS (name to module) into DIRECTORY."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, module in programs.items():
        path = directory / name
        new = directory / f".{name}.new"
        new.write_text(TEMPLATE.format(python=python, package=package, module=module))
        new.chmod(0o755)
        new.rename(path)


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="write the suite's programs")
    parser.add_argument("--package", required=True, help="the directory that holds runit/")
    parser.add_argument("--python", default=interpreter())
    parser.add_argument("--bindir", type=Path)
    parser.add_argument("--sbindir", type=Path)
    arguments = parser.parse_args()
    if arguments.bindir:
        write(arguments.bindir, BIN, arguments.package, arguments.python)
    if arguments.sbindir:
        write(arguments.sbindir, SBIN, arguments.package, arguments.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
