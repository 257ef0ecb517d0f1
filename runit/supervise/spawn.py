"""Starting a child that sees what runit would give it, and nothing of ours.

It starts with default dispositions, an empty mask, and descriptors 0 to 2 (every other
one of ours closes itself at exec).  This process is not copied, and no signal comes
between.
"""

from __future__ import annotations

import os
import time

from runit.process.environment import Given, given
from runit.process.signals import EVERY
from runit.supervise import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    stdin: int | None = None,
    stdout: int | None = None,
    new_session: bool = False,
) -> int:
    """Start FILE with ARGUMENTS (argv[0] first); returns its pid.

    STDIN and STDOUT are descriptors of ours to put in place of the inherited ones;
    NEW_SESSION is setsid(2).  Raises OSError if it cannot be started: fork's errors
    (EAGAIN, ENOMEM) as well as exec's.
    """
    actions = []
    if stdin is not None:
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    if stdout is not None:
        actions.append((os.POSIX_SPAWN_DUP2, stdout, 1))
    return os.posix_spawn(
        file,
        arguments,
        _variables(),
        file_actions=actions,
        setsigmask=(),
        setsigdef=EVERY,  # as they are; but the C library would ask about each first
        setsid=new_session,
    )


def spawn_noted(
    file: bytes,
    arguments: list[bytes],
    note: Callable[[int], bool],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
) -> int:
    """As `spawn`, but if this process is killed meanwhile, a successor can tell what it started.

    NOTE is called before, with what the new process will be marked with, negative (see
    `runit.supervise.mark`), and as soon as it is there, with its pid; or with 0, if it is
    not.  It tells whether that was written down.
    """
    number = mark.new(time.monotonic_ns())
    note(-number)
    pid = 0
    try:
        mark.put(number)
        pid = spawn(file, arguments, stdin=stdin, stdout=stdout)
    finally:
        mark.remove()
        if note(pid) and pid:
            mark.remove(pid)
    return pid


def _variables() -> Mapping[bytes, bytes]:
    return environment().mapping() if _mapping is None else _mapping
