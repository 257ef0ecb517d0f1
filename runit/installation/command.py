"""The command line behind the Makefile: ``python3 -m runit.installation ...``."""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path

from runit.installation import contents, dependencies, machine, place, services
from runit.installation.layout import Layout
from runit.installation.refusal import Refused
from runit.message import complain

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DIRECTORIES = (
    "bindir",
    "sbindir",
    "libdir",
    "sysconfdir",
    "rundir",
    "mandir",
    "docdir",
    "destdir",
    "interpreter",
)


def main() -> int:
    """Do what the arguments say; one line and 1 if it cannot be done."""
    arguments = parse()
    try:
        match arguments.command:
            case "install":
                return install(arguments)
            case "uninstall":
                return uninstall(arguments)
            case "install-service" | "uninstall-service":
                return service(arguments)
            case "wheels":
                return wheels(arguments.directory.resolve())
            case _:
                return environment(arguments.directory.resolve(), arguments.extra)
    except Refused as refusal:
        complain(arguments.command, "fatal", str(refusal))
        return 2 if isinstance(refusal, services.Unknown) else 1
    except OSError as error:
        what = error.filename2 or error.filename
        complain(arguments.command, "fatal", os.fsencode(what or "system call"), error=error)
    except KeyboardInterrupt:
        complain(arguments.command, "fatal", "interrupted; it can be given again")
    return 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="installation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "uninstall", "install-service", "uninstall-service"):
        command = commands.add_parser(name)
        command.add_argument("--prefix", default="")
        for directory in DIRECTORIES:
            command.add_argument(f"--{directory}", default="")
        if name.endswith("-service"):
            command.add_argument("--runlevel", default="multi")
            command.add_argument("--force", default="", help="1: overwrite services of others")
            command.add_argument("target")
        elif name == "install":
            command.add_argument("--machine", action="store_true", help="all that boots it, too")
            command.add_argument("--wheels", default="", help="a directory, or none")
            command.add_argument("--force", default="", help="1: overwrite files of others")
        else:
            command.add_argument("--true", action="store_true", help="even what runs now")
    command = commands.add_parser("wheels", help="fetch the dependencies' wheels")
    command.add_argument("directory", type=Path)
    command = commands.add_parser("environment", help="make a virtual environment to work in")
    command.add_argument("directory", type=Path)
    command.add_argument("extra", nargs="*", help="of pyproject.toml's optional dependencies")
    return parser.parse_args()


def layout(arguments: argparse.Namespace) -> Layout:
    """The directories that the arguments name."""
    return Layout(arguments.prefix, **{name: getattr(arguments, name) for name in DIRECTORIES})


def install(arguments: argparse.Namespace) -> int:
    """Install, and tell what was done."""
    where = layout(arguments)
    source = Path(arguments.wheels) if arguments.wheels else None
    if source and source != dependencies.NONE and not source.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "", str(source))
    # Never take a machine's init away by an upgrade without the word for it.
    boots = arguments.machine or machine.installed(place.known(where))
    items, empty = contents.files(CHECKOUT, where), contents.directories(where)
    if boots:
        items, empty = machine.files(CHECKOUT, where) + items, machine.directories(where)
    force = arguments.force not in ("", "0", "no")
    outcome = place.install(where, CHECKOUT, items, empty, wheels=source, force=force)
    if boots:
        outcome.remarks += machine.silence_setclock(where)
    for remark in outcome.remarks:
        print(remark)
    print(f"installed: programs in {where.bindir} and {where.sbindir}")
    print(f"           package in {where.package}, services go to {where.sysconfdir}/sv")
    if outcome.missing:
        complain(*lacking("install", outcome.missing, outcome.reason))
    return 0


def uninstall(arguments: argparse.Namespace) -> int:
    """Uninstall, but not under the feet of a machine that runs on it."""
    where = layout(arguments)
    boots = machine.installed(place.known(where))
    if boots and machine.booted(where) and not arguments.true:
        raise Refused(
            "this machine was booted with what is to be removed, and will not boot again "
            "before it has another init: nothing was changed; `make uninstall-true' does it"
        )
    remarks = place.uninstall(where)
    if boots:
        remarks += machine.restore_setclock(where)
    for remark in remarks:
        print(remark)
    return 0


def service(arguments: argparse.Namespace) -> int:
    """Install or uninstall what a target of sv/blfs-servicescripts stands for."""
    where, target = layout(arguments), arguments.target
    if arguments.command == "uninstall-service":
        for remark in services.uninstall(where, CHECKOUT, target):
            print(remark)
        return 0
    force = arguments.force not in ("", "0", "no")
    for remark in services.install(where, CHECKOUT, target, arguments.runlevel, force=force):
        print(remark)
    for name in services.services(CHECKOUT, target):
        print(f"installed: {where.sysconfdir}/sv/{name}, in runlevel {arguments.runlevel}")
    return 0


def lacking(command: str, names: list[str], reason: str) -> tuple[str, ...]:
    """The warning that packages could not be had."""
    text = f"{', '.join(names)} cannot be had: the suite works without, but less quickly"
    return command, "warning", text, reason


def wheels(directory: Path) -> int:
    """Fill DIRECTORY with the wheels of the dependencies."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = dependencies.declared(CHECKOUT)
    failed = dependencies.wheels(directory, wanted)
    if failed:
        complain(*lacking("wheels", [dependencies.name(one) for one in wanted], failed))
        return 1
    print(f"wheels of the dependencies are in {directory}")
    return 0


def environment(directory: Path, extras: list[str]) -> int:
    """Make a virtual environment with the dependencies and those of EXTRAS."""
    failed = dependencies.environment(directory, dependencies.declared(CHECKOUT, *extras))
    if failed:
        complain("environment", "fatal", str(directory), failed)
        return 1
    print(f"a virtual environment is in {directory}")
    return 0
