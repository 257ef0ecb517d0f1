"""Wait as a daemon, through python-daemon, and let the caller go once that is so."""

from __future__ import annotations

import posix
import sys

from runit.boot.pending import Pending
from runit.process.signals import _signal
from runit.process.unable import Unable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def in_background(pending: Pending, stops: Iterable[int], wait: Callable[[], int]) -> int | None:
    """Have a daemon call WAIT and end; 0 when it has begun to, None without python-daemon.

    PENDING, whose lock is held, goes over to the daemon, which blocks the signals STOPS:
    WAIT looks for them.  Raises Unable.
    """
    try:
        import daemon  # type: ignore[import-untyped] # it comes without types
    except ImportError:
        return None
    _signal.pthread_sigmask(_signal.SIG_BLOCK, stops)
    ready, told = posix.pipe()
    try:
        child = posix.fork()
    except OSError as error:
        raise Unable(b"unable to fork", error=error) from None
    if child:
        posix.close(told)
        answer = posix.read(ready, 1)
        posix.waitpid(child, 0)
        if not answer:
            raise Unable(b"unable to wait in the background")
        return 0
    code = 1
    try:
        context = daemon.DaemonContext(
            pidfile=pending,
            files_preserve=[pending.descriptor, told],
            umask=0o022,
            detach_process=True,  # also where process 1 is the parent
            signal_map={_signal.SIGHUP: None, _signal.SIGPIPE: None},
        )
        context.open()
        posix.write(told, b"+")
        posix.close(told)
        code = wait()
    except BaseException:  # nobody reads a daemon's traceback; the lock goes with it
        pending.__exit__()
    posix._exit(code)


def in_foreground(pending: Pending, stops: Iterable[int], wait: Callable[[], int]) -> int:
    """What WAIT returns, with STOPS blocked for it; a terminal that hangs up is no reason."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, stops)
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    with pending:
        return wait()


def open_standard() -> None:
    """Let there be descriptors 0 to 2, and the interpreter's streams on them."""
    try:
        null = posix.open("/dev/null", posix.O_RDWR)
    except OSError:
        return
    while null < 2:
        null = posix.dup(null)
    if null > 2:
        posix.close(null)
    for descriptor, stream in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(descriptor, "r" if descriptor == 0 else "w"))
