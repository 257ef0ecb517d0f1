"""runit-init: as process 1 it is runit; otherwise it tells process 1.  See runit-init(8)."""

from __future__ import annotations

import posix

DOWN = {b"0": False, b"6": True}
FATAL = 111


def main() -> int:
    """Command line; see the manual page."""
    if posix.getpid() == 1:
        # In this interpreter: a second start would take longer than all the rest.
        from runit.boot.runit import main as first

        return first()
    return _ask()


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
