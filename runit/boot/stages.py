"""The stages: the owner's files, or the built-in ones of a plain installation.

Where there are no stages at all, as in a container with the package installed and a
directory of services, stage 2 is ``runsvdir -P`` on it, and stage 3 stops all of them.
See runit(8).
"""

from __future__ import annotations

import os
import sys

from runit import paths
from runit.options import encoded
from runit.process.execute import search
from runit.service import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = (1, 2, 3)

STOP_WITHIN = b"30"
"""Seconds that services have to end in the built-in stage 3, before they are killed."""

CTRL_ALT_DEL = paths.RUNIT + b"/ctrlaltdel"


def path(number: int) -> bytes:
    """The file of a stage."""
    return paths.RUNIT + b"/%d" % number


def has_ctrl_alt_del() -> bool:
    """Whether there is a ctrlaltdel that its owner may execute."""
    try:
        return bool(os.stat(CTRL_ALT_DEL).st_mode & 0o100)
    except OSError:
        return False


def chosen(contained: bool) -> Callable[[int], list[bytes] | None]:
    """What gives the command of each stage: None where there is nothing to do.

    A machine that has lost its files gets none of ours in their place: its owner is
    called.  A container, and whoever never had any, does.
    """
    if any(os.path.lexists(path(number)) for number in NUMBERS):
        return _own
    return _built_in if contained or not os.path.isdir(paths.RUNIT) else _own


def _own(number: int) -> list[bytes] | None:
    return [path(number)]


def _built_in(number: int) -> list[bytes] | None:
    services = _services()
    if number == 2:
        return [_program(b"runsvdir"), b"-P", services]
    if number == 3:
        try:
            names = sorted(os.listdir(services))
        except OSError:
            names = []
        found = [services + b"/" + name for name in names if not name.startswith(b".")]
        found = [one for one in found if os.path.isdir(one)]  # runsvdir takes no others
        if found:
            return [_program(b"sv"), b"-w", STOP_WITHIN, b"force-shutdown", *found]
    return None


def _services() -> bytes:
    """The directory of services: sv's own, or the runlevel that an installation makes."""
    services = directory.services()
    multi = paths.RUNSVDIR + b"/multi"
    if not os.path.isdir(services) and os.path.isdir(multi):
        return multi
    return services


def _program(name: bytes) -> bytes:
    """The program NAME of this installation, else what PATH says, else what it must be."""
    beside = os.path.dirname(os.path.realpath(encoded(sys.argv[0])))
    candidates = [beside + b"/" + name, os.path.dirname(beside) + b"/bin/" + name, *search(name)]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    return candidates[0]
