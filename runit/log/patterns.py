"""One pattern: PATTERN MATCHING in svlogd(8).

A pattern is taken apart into steps, each of which moves a position through the
line.  `matches` follows them, as the manual has it.  That is far too slow for a
million lines a second, so there are two ways around it: `needle` gives bytes that
every matching line contains, which are found in a block of many lines in no time if
they are there at all; and `expression` translates a pattern for the re module.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Step = tuple[int, bytes]

LITERAL = 0
"""These bytes come next."""
SKIP = 1
"""Go on to the next place that has this byte: a star, and what follows it."""
RUN = 2
"""This byte comes next, once or more often; a line that ends with the run matches
whatever the pattern asks for behind it."""
REST = 3
"""Anything: a star at the end of the pattern."""
END = 4
"""The line ends here."""

AT_END = b"(?![^\\n])"
SPECIAL = b"()[]{}?*+-|^$\\.&~"


def steps(pattern: bytes) -> list[Step]:
    """PATTERN as a list of steps; the last one is REST or END."""
    found: list[Step] = []
    literal = b""
    at = 0
    while at < len(pattern):
        byte, following = pattern[at : at + 1], pattern[at + 1 : at + 2]
        at += 1
        if byte not in (b"*", b"+"):
            literal += byte
            continue
        if literal:
            found.append((LITERAL, literal))
            literal = b""
        if byte == b"+":
            found.append((RUN, following))
            at += 1
        elif following:
            found.append((SKIP, following))  # which is a step of its own as well
        else:
            return [*found, (REST, b"")]
    if literal:
        found.append((LITERAL, literal))
    return [*found, (END, b"")]


def matches(found: list[Step], line: bytes) -> bool:
    """Whether LINE takes all the steps FOUND."""
    at = 0
    for kind, text in found:
        if kind == LITERAL:
            if not line.startswith(text, at):
                return False
            at += len(text)
        elif kind == SKIP:
            at = line.find(text, at)
            if at < 0:
                return False
        elif kind == RUN:
            if not text or line[at : at + 1] != text:
                return False
            at = len(line) - len(line[at:].lstrip(text))
            if at == len(line):
                return True
        elif kind == REST:
            return True
    return at == len(line)


def needle(found: list[Step]) -> bytes:
    """The longest bytes that the steps FOUND name and every line that takes them has.

    What is at the beginning of the line has the newline before it in front.
    """
    kind, text = found[0]
    if kind == END:
        return b"\n"
    longest = text if kind == SKIP else b"\n" + text
    for kind, text in found:
        if kind == RUN:  # nothing behind it need be there
            break
        longest = max(longest, text, key=len)
    return longest


def expression(found: list[Step]) -> bytes:
    """The source of a regular expression for the beginnings of lines that take the steps."""
    source = b""
    following = END
    for kind, text in reversed(found):
        if kind == LITERAL:
            source = escape(text) + source
        elif kind == SKIP:
            there = b"" if following == LITERAL else b"(?=%b)" % escape(text)
            source = b"[^%b\\n]*+%b%b" % (escape(text), there, source)
        elif kind == RUN:
            source = b"%b++(?:%b|%b)" % (escape(text), AT_END, source) if text else b"(?!)"
        elif kind == END:
            source = AT_END
        following = kind
    return source


def escape(text: bytes) -> bytes:
    """TEXT so that a regular expression takes it as it stands."""
    return b"".join(
        b"\\" + text[at : at + 1] if text[at] in SPECIAL else text[at : at + 1]
        for at in range(len(text))
    )
