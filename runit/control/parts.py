"""Ask many services by several processes, where there are as many processors.

A child asks its part of them, and tells through a pipe what would be printed.  A part
that is not as simple as that, or of which nothing is heard, is left to the parent,
which asks all of it then.  See sv(8).
"""

from __future__ import annotations

import posix

from runit.control.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[list[bytes], Report], None]
    """Puts into a Report what some services say."""

LEAST = 250
"""So many services are worth a process: its start takes as long as to ask some fifty."""

BLOCK = 65536


class NotSimple(Exception):
    """There is more to say than lines on standard output."""


class Aside(Report):
    """What a child finds out."""

    __slots__ = ()

    def warn(self, *parts: bytes, error: OSError | None = None) -> None:
        """Raises NotSimple: standard error is the parent's, and so is the order."""
        raise NotSimple(parts, error)

    def told(self) -> bytes:
        """For `_join`: not `state`, which is an init script's, who asks one service only."""
        text = b"".join(self._pieces)
        return b"%d %d\n%b" % (self.failed, len(text), text)


def ask_all(names: list[bytes], ask: Ask, report: Report) -> None:
    """Have ASK put into REPORT what the services NAMES say, in this order."""
    size = -(-len(names) // max(1, min(_processors(), len(names) // LEAST)))
    own, *others = [names[at : at + size] for at in range(0, len(names), size)]
    children = [_fork(part, ask) for part in others]
    ask(own, report)
    for part, child in zip(others, children, strict=True):
        if child is None or not _join(*child, report):
            ask(part, report)


def _processors() -> int:
    try:
        return len(posix.sched_getaffinity(0))
    except OSError:
        return 1


def _fork(names: list[bytes], ask: Ask) -> tuple[int, int] | None:
    """A child that asks NAMES, and the pipe from it; None if there can be none."""
    try:
        read, write = posix.pipe()
    except OSError:
        return None
    try:
        process = posix.fork()
    except OSError:
        posix.close(read)
        posix.close(write)
        return None
    if process == 0:
        try:
            posix.close(read)  # or we would wait for ourselves if the parent is gone
            aside = Aside()
            ask(names, aside)
            text = aside.told()
            while text:
                text = text[posix.write(write, text) :]
        finally:
            posix._exit(0)
    posix.close(write)
    return process, read


def _join(process: int, pipe: int, report: Report) -> bool:
    """Put into REPORT what the child PROCESS told; whether that was all."""
    blocks = []
    while block := posix.read(pipe, BLOCK):
        blocks.append(block)
    posix.close(pipe)
    try:
        posix.waitpid(process, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored, as it was given to us
    head, whole, text = b"".join(blocks).partition(b"\n")
    if not whole:
        return False
    failed, size = map(int, head.split())
    if len(text) != size:
        return False
    report.failed += failed
    report.add(text)
    return True
