"""Starting a child that sees what runit would give it, and nothing of ours.

It starts with default dispositions, an empty mask, and descriptors 0 to 2 (every other
one of ours closes itself at exec).  `spawn` neither copies this process nor lets a
signal come between; `fork` lets the child do something first.
"""

from __future__ import annotations

import os

from runit.process.environment import Given, given
from runit.process.signals import _signal
from runit.supervise.wakeup import ALWAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HANDLED = (_signal.SIGCHLD, _signal.SIGTERM, *ALWAYS)
"""Signals for which a runsv has handlers."""

_environment: Given | None = None
_mapping: Mapping[bytes, bytes] | None = None


def environment() -> Given:
    """What children are given: read at the first call, which comes before the title changes."""
    global _environment, _mapping  # noqa: PLW0603 (one process, one environment)
    if _environment is None:
        _environment = given()
        _mapping = _environment.mapping()
    return _environment


def renew_environment(renewed: Callable[[bytes], bytes]) -> None:
    """Put a copy made with RENEWED in the place of each name and value."""
    global _mapping  # noqa: PLW0603 (one process, one environment)
    if isinstance(_mapping, dict):
        _mapping = {renewed(name): renewed(value) for name, value in _mapping.items()}


def spawn(
    file: bytes,
    arguments: list[bytes],
    *,
    stdout: int | None = None,
    new_session: bool = False,
) -> int:
    """Start FILE with ARGUMENTS (argv[0] first); returns its pid.

    STDOUT is a descriptor of ours to put in place of the inherited one; NEW_SESSION is
    setsid(2).  Raises OSError if it cannot be started: fork's errors (EAGAIN, ENOMEM) as
    well as exec's.
    """
    actions = []
    if stdout is not None:
        actions.append((os.POSIX_SPAWN_DUP2, stdout, 1))
    return os.posix_spawn(
        file,
        arguments,
        _variables(),
        file_actions=actions,
        setsigmask=(),
        setsid=new_session,
    )


def fork(
    file: bytes,
    arguments: list[bytes],
    enter: Callable[[], None],
    failed: Callable[[bytes, OSError], None],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
) -> int:
    """As `spawn`, but the child calls ENTER first, whatever has become of this process.

    STDIN is as STDOUT.  A FILE that cannot be exec'd is the child's own trouble: it calls
    FAILED and exits 111.  Raises fork's OSError.
    """
    # Those for which the child would do what is this process's; the others end it, as
    # they would after exec.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, HANDLED)
    try:
        pid = os.fork()
        if pid:
            return pid
        try:
            for number in HANDLED:
                _signal.signal(number, _signal.SIG_DFL)
            if stdin is not None:
                os.dup2(stdin, 0)
            if stdout is not None:
                os.dup2(stdout, 1)
            enter()
            _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
            os.execve(file, arguments, _variables())
        except OSError as error:
            failed(file, error)
        finally:
            os._exit(111)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _variables() -> Mapping[bytes, bytes]:
    return environment().mapping() if _mapping is None else _mapping
