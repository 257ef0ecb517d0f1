"""Signal dispositions: what the interpreter changed, undone.

At its start the interpreter ignores PIPE and XFSZ, which every exec'd program
would inherit, and turns INT into an exception.  Supervisors go further than the
reference: nothing that they were started with leaks into services.

`_signal` is the built-in part of the signal module.  The module itself wraps each
call in enumerations: five milliseconds for a cold program's start, and a third of a
megabyte that every warm runsv would have to itself.
"""

from __future__ import annotations

__all__ = ["EVERY", "_signal", "as_given", "cleanse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

EVERY = tuple(sorted(int(number) for number in _signal.valid_signals()))
"""All signals but those that the C library keeps for itself."""


def as_given() -> None:
    """For programs that start another or write to pipes: behave as C programs do.

    PIPE, XFSZ and INT act as they would have without the interpreter in between.
    """
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def cleanse() -> None:
    """For supervisors: every signal to its default.  What is blocked stays so."""
    for number in EVERY:
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
