"""The command line, as the reference's programs read theirs.

Single-letter options, grouped or apart (``-ttb 8192``), up to the first argument
that is no option or up to ``--``, whatever stands behind the dashes.  Arguments
are bytes from here on, because names of services and files need not be text.

Imports nothing but sys: see DESIGN, "Cold programs stay thin".
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class UsageError(Exception):
    """A wrong option; `sentence` is what the reference says of it."""

    def __init__(self, sentence: bytes) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Options:
    """Iterate over ARGUMENTS' options as (letter, value) pairs of bytes.

    ACCEPTED lists the letters, each followed by ``:`` when it takes a value, in
    getopt(3)'s way; a letter without a value comes with ``b""``.  They come one
    by one, so that a program acts on those before a wrong one, like the
    reference.  What is left when they end is in `rest`.

    Raises UsageError at the wrong option.
    """

    def __init__(self, arguments: list[bytes], accepted: bytes) -> None:
        self.rest = arguments
        self.accepted = accepted

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        rest = self.rest = list(self.rest)
        while rest and len(rest[0]) > 1 and rest[0].startswith(b"-"):
            group = rest.pop(0)[1:]
            if group.startswith(b"-"):
                return
            while group:
                letter, group = group[:1], group[1:]
                at = self.accepted.find(letter)
                if at < 0 or letter == b":":
                    raise UsageError(b"illegal option -- " + letter)
                if self.accepted[at + 1 : at + 2] != b":":
                    yield letter, b""
                    continue
                if not group and not rest:
                    raise UsageError(b"option requires an argument -- " + letter)
                yield letter, group or rest.pop(0)
                break


def arguments() -> list[bytes]:
    """The arguments of this program, byte for byte, without its name."""
    return [encoded(argument) for argument in sys.argv[1:]]


def called_as() -> bytes:
    """The last component of the name that this program was called by."""
    return encoded(sys.argv[0]).rpartition(b"/")[2]


def encoded(argument: str) -> bytes:
    """Undo what the interpreter did to decode an argument."""
    return argument.encode(sys.getfilesystemencoding(), "surrogateescape")
