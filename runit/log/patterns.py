"""Patterns that select log lines: PATTERN MATCHING in svlogd(8).

A pattern is taken apart into steps, each of which moves a position through the
line; `matches` follows them as the manual has it.  Calling it for each of a
million lines a second is out of the question, so `Rules` looks at a whole block of
lines at a time: each pattern has a *needle*, bytes that every line that it matches
contains, and finding them in a block is a matter of microseconds.  Only lines with
a needle are looked at one by one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Whether LINE takes all steps."""
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


class Rule:
    """One pattern, and what it says of lines that match.

    verdict   whether such lines are selected
    steps     the pattern
    anchored  whether the needle stands at the beginning of a line: then the newline
              before the line is part of it
    needle    bytes that every matching line contains
    exact     whether every line with the needle matches
    """

    __slots__ = ("anchored", "exact", "needle", "steps", "verdict")

    def __init__(self, verdict: bool, pattern: bytes) -> None:
        self.verdict = verdict
        self.steps = steps(pattern)
        self.anchored, self.needle = _needle(self.steps)
        self.exact = [kind for kind, _ in self.steps] in EXACT

    def lines(self, text: bytes, length: int) -> Iterator[tuple[int, int]]:
        """Where each line that matches with its first LENGTH bytes starts and ends.

        TEXT is whole lines, with one newline more in front.
        """
        needle, anchored, exact = self.needle, self.anchored, self.exact
        at = text.find(needle)
        while at >= 0:
            start = at + 1 if anchored else text.rfind(b"\n", 0, at) + 1
            end = text.find(b"\n", at + 1)
            if end - start > length:
                if matches(self.steps, text[start : start + length]):
                    yield start, end
            elif exact or matches(self.steps, text[start:end]):
                yield start, end
            at = text.find(needle, end)


EXACT = ([END], [LITERAL, REST], [SKIP, REST])
"""Kinds of steps that say no more than the needle does."""


def _needle(found: list[Step]) -> tuple[bool, bytes]:
    """Whether the needle is anchored, and the longest needle that the steps FOUND offer."""
    kind, text = found[0]
    if kind == END:
        return True, b"\n\n"
    anchored, needle = (False, text) if kind == SKIP else (True, b"\n" + text)
    for kind, text in found:
        if kind == RUN:  # nothing behind it need be there
            break
        if len(text) > len(needle):
            anchored, needle = False, text
    return anchored, needle


class Rules:
    """What a list of patterns makes of lines; of those that match, the last counts.

    PATTERNS are (verdict, pattern) in the order of the file.  A line that none
    matches gets the verdict `default`, as given or as a later ``*`` changed it.
    """

    __slots__ = ("_strongest_first", "default")

    def __init__(self, patterns: list[tuple[bool, bytes]], default: bool) -> None:
        kept: list[Rule] = []
        for verdict, pattern in patterns:
            if pattern == b"*":  # void is whatever stands before it
                default = verdict
                kept.clear()
            elif pattern != b"+" and (kept or verdict != default):  # a lone + matches nothing
                kept.append(Rule(verdict, pattern))
        self.default = default
        self._strongest_first = kept[::-1]

    def select(self, block: bytes, length: int) -> bytes:
        """The lines of BLOCK, which is whole lines, that are selected.

        The first LENGTH bytes of each line count.
        """
        text = b"\n" + block if self._strongest_first else b""
        exceptions = self._exceptions(text, length)
        if not exceptions:
            return block if self.default else b""
        if not self.default:
            return b"".join([text[start : end + 1] for start, end in exceptions])
        pieces = []
        at = 1
        for start, end in exceptions:
            if start > at:
                pieces.append(text[at:start])
            at = end + 1
        pieces.append(text[at:])
        return b"".join(pieces)

    def select_nothing(self) -> bool:
        """Whether no line at all can be selected."""
        return not self.default and not self._strongest_first

    def _exceptions(self, text: bytes, length: int) -> list[tuple[int, int]]:
        """Where the lines whose verdict is not the default start and end, in order."""
        at_work = [rule for rule in self._strongest_first if rule.needle in text]
        while at_work and at_work[-1].verdict == self.default:
            at_work.pop()
        if len(at_work) == 1:
            return list(at_work[0].lines(text, length))
        decided: dict[int, tuple[bool, int]] = {}
        for rule in at_work:
            for start, end in rule.lines(text, length):
                decided.setdefault(start, (rule.verdict, end))
        return sorted(
            (start, end) for start, (verdict, end) in decided.items() if verdict != self.default
        )
