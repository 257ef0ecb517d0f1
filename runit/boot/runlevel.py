"""runlevel: which directory of services is the current one, and which was before.

See runlevel(8).
"""

from __future__ import annotations

import posix

from runit import paths
from runit.message import emit, shown

CURRENT = b"current"
PREVIOUS = b"previous"

LINKS = paths.RUNDIR + b"/runit/runsvdir"
"""Where the links are that change, if the root file system is read-only."""

LONGEST = 40  # links that lead to links: as far as the kernel goes


def main() -> int:
    """Command line; see the manual page."""
    levels = runlevels(base())
    if levels is None:
        emit(b"unknown\n", 1)
        return 1
    emit(shown(b"%b %b" % levels, 1) + b"\n", 1)
    return 0


def base() -> bytes:
    """The directory of runlevels with the `current` that runsvdir looks at."""
    given = posix.environ.get(b"RUNSVDIR")
    if given:
        return given
    try:
        posix.stat(LINKS + b"/alone")
    except OSError:
        return paths.RUNSVDIR
    return LINKS  # stage 2 could not change the link in paths.RUNSVDIR


def runlevels(directory: bytes) -> tuple[bytes, bytes] | None:
    """The previous runlevel, ``N`` if there is none, and the current one.

    None if DIRECTORY/current is no link.  On a read-only root it is a link to another
    `current`, and what was before stands beside that.
    """
    for _ in range(LONGEST):
        target = _target(directory + b"/" + CURRENT)
        where, _, name = target.rpartition(b"/")
        if not name:
            return None
        if name != CURRENT or not where:
            previous = _target(directory + b"/" + PREVIOUS).rpartition(b"/")[2]
            return previous or b"N", name
        directory = where if where.startswith(b"/") else directory + b"/" + where
    return None


def _target(link: bytes) -> bytes:
    """What LINK leads to, without slashes at its end; empty if it is no link."""
    try:
        return posix.readlink(link).rstrip(b"/")
    except OSError:
        return b""
