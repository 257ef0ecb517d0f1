"""svlogd: write log lines to log directories that rotate by themselves.

See svlogd(8).
"""

from __future__ import annotations

import posix

from runit.log.logger import NOTHING_WORKS, serve
from runit.log.options import parse_options
from runit.message import complain, emit
from runit.options import UsageError, arguments
from runit.process.signals import _signal
from runit.process.title import show_own

__all__ = ["main", "parse_options", "serve"]

USAGE = b"[-ttv] [-r c] [-R abc] [-l len] [-b buflen] dir ..."


def main() -> int:
    """Command line; see the manual page."""
    try:
        options = parse_options(arguments())
        if not options.directories:
            raise UsageError(b"")
    except UsageError as error:
        if error.sentence:
            complain(b"svlogd", error.sentence)
        emit(b"usage: svlogd %b\n\n" % USAGE)
        return NOTHING_WORKS
    _fill_standard_descriptors()
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    show_own()
    return serve(options.directories, options=options)


def _fill_standard_descriptors() -> None:
    """Let no log file come to stand where messages go; a closed input stays unreadable."""
    for descriptor in range(3):
        try:
            posix.fstat(descriptor)
        except OSError:
            try:
                posix.open("/dev/null", posix.O_WRONLY)
            except OSError:
                return
