"""runit-init: as process 1 it is runit; otherwise it tells process 1.  See runit-init(8)."""

from __future__ import annotations

import posix

DOWN = {b"0": False, b"6": True}
FATAL = 111

SHELLS = (b"/sbin/sulogin", b"/bin/sh")
"""Who is called where this suite cannot be loaded."""


def main() -> int:
    """Command line; see the manual page."""
    if posix.getpid() == 1:
        try:
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
    posix.write(2, b"- runit: fatal: unable to begin: " + words + b"\n")
    if posix.environ.get(b"container"):
        return FATAL
    while True:
        pid = posix.fork()
        if not pid:
            _become_shell()
        while posix.wait()[0] != pid:
            continue


def _become_shell() -> None:
    import time

    posix.setsid()
    for shell in SHELLS:
        try:
            posix.execv(shell, [shell])
        except OSError:
            continue
    time.sleep(1)  # there is none, and it is asked again
    posix._exit(FATAL)


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
