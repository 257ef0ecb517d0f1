"""pause: wait until told to end.  See pause(8)."""

from __future__ import annotations

from runit.process.title import show_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal  # what is built in of it: the module itself costs milliseconds

ENDS = (_signal.SIGTERM, _signal.SIGINT)


def main() -> int:
    """Sleep, without waking up, until TERM or INT; HUP does not count."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, ENDS)
    show_own()
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    _signal.sigwait(ENDS)
    return 0
