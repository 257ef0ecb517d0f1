"""The flags that process 1 reads when it is told to: stopit, reboot, nosync.

A flag is the owner's execute bit of a file, nosync the file's existence.  runit keeps
them beside the stages, Debian's runit in the run directory: both places are read, and
both are written, so that either sees what was asked for.  See runit-init(8).
"""

from __future__ import annotations

import posix

from runit import paths
from runit.process.signals import _signal
from runit.process.unable import Unable, attempt

STOPIT, REBOOT, NOSYNC = b"stopit", b"reboot", b"nosync"

SET, CLEAR = 0o100, 0o000
OWNER_EXECUTES = 0o100
DEPTH = 8
"""Links in a row that are followed to where a flag is to be made."""


def places(name: bytes) -> tuple[bytes, bytes]:
    """Where the flag NAME may be: runit's place and Debian's."""
    return paths.RUNIT + b"/" + name, paths.RUNDIR + b"/runit." + name


def is_set(name: bytes) -> bool:
    """Whether the flag NAME, one of the three above, is set."""
    for path in places(name)[: 1 if name == NOSYNC else 2]:
        try:
            mode = posix.stat(path).st_mode
        except OSError:
            continue
        if name == NOSYNC or mode & OWNER_EXECUTES:
            return True
    return False


def put(name: bytes, on: bool) -> None:
    """Set or clear the flag NAME, stopit or reboot.

    Raises Unable if it can be set nowhere, or stays set somewhere.
    """
    done = False
    trouble: Unable | None = None
    for path in places(name):
        try:
            _change(path, SET if on else CLEAR, make=on)
            done = True
        except Unable as unable:
            trouble = unable
    if trouble and (not done if on else is_set(name)):
        raise trouble


def ask(reboot: bool) -> None:
    """Ask process 1 to go down, and then to REBOOT or to power off.  Raises Unable."""
    put(STOPIT, True)
    put(REBOOT, reboot)
    try:
        posix.kill(1, _signal.SIGCONT)
    except OSError as error:
        raise Unable(b"unable to signal process 1", error=error) from None


def _change(path: bytes, mode: int, *, make: bool) -> None:
    try:
        posix.chmod(path, mode)
        return
    except FileNotFoundError:
        if not make:
            return
    except OSError:
        pass  # what is said of it depends on what else does not work
    if make:
        attempt(b"unable to create " + path, do=lambda: _make(path))
    attempt(b"unable to chmod " + path, do=lambda: posix.chmod(path, mode))


def _make(path: bytes) -> None:
    """Create PATH, or the file that it is a dangling link to, with its directory."""
    for _ in range(DEPTH):
        try:
            target = posix.readlink(path)
        except OSError:
            break
        path = target if target[:1] == b"/" else path.rpartition(b"/")[0] + b"/" + target
        try:
            posix.mkdir(path.rpartition(b"/")[0], 0o755)
        except OSError:
            pass  # mostly it is there; if not, the next step tells
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_NONBLOCK | posix.O_CLOEXEC
    posix.close(posix.open(path, flags, 0o644))
