"""runsvchdir: switch runsvdir to another directory of services.

`current` changes in one rename, so that there is no moment without it, and what it
was becomes `previous`.  See runsvchdir(8).
"""

from __future__ import annotations

import posix
from errno import EISDIR, EROFS

from runit import paths
from runit.message import complain, emit, line, shown
from runit.options import arguments
from runit.process import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CURRENT = b"current"
PREVIOUS = b"previous"
NEW = b".new"

_IS_DIRECTORY = 0o040000
_TYPE = 0o170000


class Fatal(Exception):
    """The directory cannot be switched; `parts` say why, as bytes."""

    def __init__(self, *parts: bytes, error: OSError | None = None) -> None:
        super().__init__(*parts)
        self.parts = parts
        self.error = error


def main() -> int:
    """Command line; see the manual page.  Returns the exit code."""
    signals.as_given()
    given = arguments()
    if not given:
        emit(b"usage: runsvchdir dir\n\n")
        return 1
    name = given[0]
    try:
        changed = switch(name, posix.environ.get(b"RUNSVDIR", paths.RUNSVDIR))
    except Fatal as fatal:
        complain(b"runsvchdir: fatal", *fatal.parts, error=fatal.error)
        return 111
    emit(line(b"runsvchdir", shown(name, 1), b"now current." if changed else b"current."), 1)
    return 0


def switch(name: bytes, base: bytes) -> bool:
    """Make NAME, a path that counts from BASE, the current directory of services.

    False if it is that already.  Changes the working directory.  Raises Fatal.
    """
    if name.startswith(b"."):
        raise Fatal(name, b"must not start with a dot.")
    _try(b"unable to chdir", base, do=lambda: posix.chdir(base))
    try:
        wanted = posix.stat(name)
    except FileNotFoundError as error:
        raise Fatal(name, error=error) from None
    except OSError as error:
        raise Fatal(b"unable to stat", name, error=error) from None
    if wanted.st_mode & _TYPE != _IS_DIRECTORY:
        raise Fatal(name + b"not a directory.")  # the reference leaves the colon out
    current = _try(b"unable to stat", CURRENT, do=lambda: posix.stat(CURRENT))
    if (wanted.st_dev, wanted.st_ino) == (current.st_dev, current.st_ino):
        return False
    if _leads_to_run() and _replace_elsewhere(name):
        return True
    try:
        _replace(name)
    except Fatal as fatal:
        if fatal.error is None or fatal.error.errno != EROFS or not _replace_elsewhere(name):
            raise
    return True


def _replace(target: bytes) -> None:
    """Point CURRENT to TARGET, in the working directory, and PREVIOUS to what it was."""
    new = CURRENT + NEW
    _unlink(new)
    _try(b"unable to create", new + b" -> " + target, do=lambda: posix.symlink(target, new))
    try:
        _keep_previous()
        what = b"%b to %b" % (new, CURRENT)
        _try(b"unable to move", what, do=lambda: posix.rename(new, CURRENT))
    except Fatal:
        _discard(new)
        raise


def _replace_elsewhere(name: bytes) -> bool:
    """Point the CURRENT that this one leads to to NAME; False if it leads to none."""
    here = _try(b"unable to get current directory", do=posix.getcwdb)
    if not _follow():
        return False
    _replace(name if name.startswith(b"/") else here + b"/" + name)
    return True


def _keep_previous() -> None:
    """Copy CURRENT to PREVIOUS; a directory that is no link can only be moved there."""
    what = b"%b to %b" % (CURRENT, PREVIOUS)
    new = PREVIOUS + NEW
    try:
        was = posix.readlink(CURRENT)
    except OSError:
        _unlink(PREVIOUS)
        _try(b"unable to copy", what, do=lambda: posix.rename(CURRENT, PREVIOUS))
        return
    _unlink(new)
    _try(b"unable to copy", what, do=lambda: posix.symlink(was, new))
    try:
        posix.rename(new, PREVIOUS)
    except OSError as error:
        _discard(new)
        if error.errno == EISDIR:
            raise Fatal(b"unable to unlink", PREVIOUS, error=error) from None
        raise Fatal(b"unable to copy", what, error=error) from None


def _leads_to_run() -> bool:
    """Whether CURRENT is a link into /run: what is there changes, and the link does not."""
    try:
        return posix.readlink(CURRENT).startswith(paths.RUNDIR + b"/")
    except OSError:
        return False


def _follow() -> bool:
    """Go to where the real CURRENT is, if the one here is a link to a link of that name.

    So it is where stage 2 made it, and the root may be read-only.
    """
    moved = False
    while True:
        try:
            where, _, last = posix.readlink(CURRENT).rpartition(b"/")
            if not where or last != CURRENT:
                return moved
            posix.readlink(where + b"/" + last)
            posix.chdir(where)
        except OSError:
            return moved
        moved = True


def _unlink(name: bytes) -> None:
    try:
        posix.unlink(name)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Fatal(b"unable to unlink", name, error=error) from None


def _discard(name: bytes) -> None:
    """Leave nothing behind, if that can be had: what failed is told already."""
    try:
        posix.unlink(name)
    except OSError:
        pass


def _try(*parts: bytes, do: Callable[[], T]) -> T:
    """What DO returns; its OSError is raised as Fatal, in the words PARTS."""
    try:
        return do()
    except OSError as error:
        raise Fatal(*parts, error=error) from None
