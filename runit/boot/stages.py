"""The three stages: what is started for each, and how.  See runit(8)."""

from __future__ import annotations

import fcntl
import os
import sys
import termios

from runit import paths
from runit.message import complain
from runit.options import encoded
from runit.process.environment import given
from runit.process.signals import EVERY, _signal

CONSOLE = b"/dev/console"
SHELLS = ((b"/sbin/sulogin", b"sulogin"), (b"/bin/sh", b"sh"))
UNABLE = 111
STOP_SERVICES = b"30"
"""Seconds that services have to end in the built-in stage 3, before sv kills them."""

_environment: dict[bytes, bytes] = {}


def remember() -> None:
    """Keep the environment that stages are given: read before the title changes."""
    entries = given()
    _environment.update(zip(entries.keys(), entries.values(), strict=True))


def path(stage: int) -> bytes:
    """The file of STAGE."""
    return paths.RUNIT + b"/%d" % stage


def built_in() -> bool:
    """Whether there is no directory of stages at all, so that ours are run."""
    return not os.path.isdir(paths.RUNIT)


def command(stage: int) -> list[bytes] | None:
    """What to run for STAGE; None where the built-in stage does nothing."""
    if not built_in():
        return [path(stage)]
    beside = os.path.dirname(os.path.realpath(encoded(sys.argv[0])))
    services = _environment.get(b"SVDIR") or paths.SERVICE
    if stage == 2:
        return [beside + b"/runsvdir", b"-P", services]
    if stage == 3:
        try:
            names = sorted(os.listdir(services))
        except OSError:
            names = []
        names = [services + b"/" + name for name in names if not name.startswith(b".")]
        if names:
            return [beside + b"/sv", b"-w", STOP_SERVICES, b"force-shutdown", *names]
    return None


def usable(arguments: list[bytes]) -> bool:
    """Whether ARGUMENTS name a file that can be run."""
    return os.path.isfile(arguments[0]) and os.access(arguments[0], os.X_OK)


def start(arguments: list[bytes], console: bool, tell: int = -1) -> int:
    """Start ARGUMENTS in a session of its own, at the console if CONSOLE; its pid.

    If it cannot be run, a byte is written to the descriptor TELL.

    Raises OSError if there is no process to be had.
    """
    held = _signal.pthread_sigmask(_signal.SIG_BLOCK, EVERY)
    try:
        pid = os.fork()
        if not pid:
            _become(arguments, console, tell)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, held)
    return pid


def _become(arguments: list[bytes], console: bool, tell: int) -> None:
    """In the child.  Never returns."""
    try:
        _signal.set_wakeup_fd(-1)
        for number in EVERY:
            if number not in (_signal.SIGKILL, _signal.SIGSTOP):
                _signal.signal(number, _signal.SIG_DFL)
        os.setsid()
        if console:
            _take_console()
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.execve(arguments[0], arguments, _environment)
    except OSError as error:
        complain(b"- runit: fatal", b"unable to start child", arguments[0], error=error)
        if tell >= 0:
            os.write(tell, b"!")
    finally:
        os._exit(UNABLE)


def _take_console() -> None:
    try:
        descriptor = os.open(CONSOLE, os.O_RDWR | os.O_NOCTTY)
        os.dup2(descriptor, 0)
        if descriptor > 2:
            os.close(descriptor)
        fcntl.ioctl(0, termios.TIOCSCTTY, 1)
    except OSError:
        pass  # no console, or none that is a terminal: the stage runs without


def shell() -> int | None:
    """Start a shell at the console for whoever is there; its pid, None without one."""
    for program, name in SHELLS:
        if os.access(program, os.X_OK):
            complain(b"- runit: warning", b"starting " + name + b" on the console.")
            return start([program], True)
    return None
