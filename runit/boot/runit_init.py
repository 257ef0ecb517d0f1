"""runit-init: as process 1 it is runit; otherwise it tells process 1.  See runit-init(8)."""

from __future__ import annotations

import posix
import time

from runit.process.signals import _signal

DOWN = {b"0": False, b"6": True}
FATAL = 111

SHELLS = (b"/sbin/sulogin", b"/bin/sh")
"""Who is called where this suite cannot be loaded."""

MARKS = (b"/.dockerenv", b"/run/.containerenv")
"""Files that tell a container, as the variable `container` does.

`runit.boot.kernel` has them too; it may be what cannot be loaded.
"""

PACE = 1
"""Seconds before each shell, which may end at once."""


def main() -> int:
    """Command line; see the manual page."""
    if posix.getpid() == 1:
        try:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # nothing may interrupt this
            # In this interpreter: a second start would take longer than all the rest.
            from runit.boot.runit import main as first

            return first()
        except BaseException as error:  # a damaged installation, or worse
            return _rescue(error)
    return _ask()


def _rescue(error: BaseException) -> int:
    """What is left when process 1 cannot even begin: shells, one after the other.

    In a container somebody else decides what then: returns.
    """
    words = repr(error).encode("utf-8", "replace")
    try:
        posix.write(2, b"- runit: fatal: unable to begin: " + words + b"\n")
    except OSError:
        pass  # nobody listens
    if posix.environ.get(b"container") or any(posix.access(mark, posix.F_OK) for mark in MARKS):
        return FATAL
    while True:
        try:
            time.sleep(PACE)
            _run_shell()
        except BaseException:  # no process to be had, or worse: there is nobody to tell
            continue


def _run_shell() -> None:
    """Start a shell and wait for its end; whatever else ends meanwhile is reaped."""
    pid = posix.fork()
    if not pid:
        try:
            _become_shell()
        finally:
            posix._exit(FATAL)
    while posix.wait()[0] != pid:
        continue


def _become_shell() -> None:
    for number in range(3):
        try:
            if posix.get_inheritable(number):
                continue
        except OSError:
            pass
        # Closed, or what a library has opened for itself and will not be there after exec.
        console = posix.open(b"/dev/console", posix.O_RDWR)
        if console == number:
            posix.set_inheritable(number, True)
        else:
            posix.dup2(console, number)
            posix.close(console)
    posix.setsid()
    for shell in SHELLS:
        try:
            posix.execv(shell, [shell])
        except OSError:
            continue


def _ask() -> int:
    from runit.boot import flags
    from runit.message import complain, emit
    from runit.options import arguments, encoded
    from runit.process.unable import Unable

    given = arguments()
    if not given or given[0] not in DOWN:
        import sys

        emit(b"usage: " + encoded(sys.argv[0]) + b" 0|6\n\n")
        return 0
    try:
        flags.ask(DOWN[given[0]])
    except Unable as unable:
        complain(b"init", b"fatal", *unable.parts)
        return FATAL
    return 0
