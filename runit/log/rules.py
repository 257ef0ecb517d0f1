"""The lines + and - (or e and E) of a configuration, applied to blocks of lines.

Of all patterns that match a line, the last one counts, so they are tried from the
last to the first.  Lines without a match get the default verdict; those with
another one are the exceptions, and a regular expression finds them in a block of
lines in one call.

The re module is only imported for logs with patterns: most have none, and it takes
longer to import than the rest of svlogd.  If it is gone (the interpreter may be
replaced under a program that runs for years), lines are matched one by one.
"""

from __future__ import annotations

from runit.log.patterns import expression, matches, needle, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable


EXPRESSIONS = 16
"""How many combinations of patterns get an expression of their own."""
HEAD = 64
"""Bytes that are enough to see how a line begins."""
LONG = 250
"""From this length on it pays to look at lines' heads only.  The first line of a block
has to tell what lines are like."""


class Rule:
    """One pattern, and the verdict on lines that match.

    needle    bytes that every line that matches contains
    anchored  whether they stand at its beginning: then with the newline before it
    """

    __slots__ = ("anchored", "needle", "steps", "verdict")

    def __init__(self, verdict: bool, pattern: bytes) -> None:
        self.verdict = verdict
        self.steps = steps(pattern)
        self.needle = needle(self.steps)[:HEAD]
        self.anchored = self.needle.startswith(b"\n")


class Rules:
    """What a list of patterns makes of lines.

    PATTERNS are (verdict, pattern) in the order of the file.  A line that none
    matches gets the verdict DEFAULT.
    """

    __slots__ = ("_default", "_expressions", "_strongest_first")

    def __init__(self, patterns: Iterable[tuple[bool, bytes]], default: bool) -> None:
        kept: list[Rule] = []
        for verdict, pattern in patterns:
            if pattern == b"*":  # void is whatever stands before it
                default = verdict
                kept.clear()
            elif kept or verdict != default:
                kept.append(Rule(verdict, pattern))
        self._default = default
        self._strongest_first = tuple(kept[::-1])
        self._expressions: dict[tuple[Rule, ...], re.Pattern[bytes] | None] = {}
        if kept:
            self._expression(self._strongest_first)

    def select_nothing(self) -> bool:
        """Whether no line at all can be selected."""
        return not self._default and not self._strongest_first

    def select(self, block: bytes, length: int) -> bytes:
        """The lines of BLOCK, which is whole lines, that are selected.

        The first LENGTH bytes of each line count.
        """
        if self._strongest_first:
            text = b"\n" + block
            at_work = self._at_work(text)
            if at_work:
                exception = self._expression(at_work)
                if exception is None or has_long_lines(block, length):
                    return self._select_each(at_work, exception, block, length)
                if self._default:
                    text = exception.sub(b"", text[:-1])
                else:
                    text = b"".join(exception.findall(text[:-1]))
                return text[1:] + b"\n" if text else b""
        return block if self._default else b""

    def _at_work(self, text: bytes) -> tuple[Rule, ...]:
        """The rules that may make exceptions in TEXT, strongest first."""
        heads = text
        if text.find(b"\n", 1) > LONG:
            heads = b"\n".join([line[:HEAD] for line in text.split(b"\n")])
        found = [
            rule
            for rule in self._strongest_first
            if rule.needle in (heads if rule.anchored else text)
        ]
        while found and found[-1].verdict == self._default:
            found.pop()
        return tuple(found)

    def _select_each(
        self,
        rules: tuple[Rule, ...],
        exception: re.Pattern[bytes] | None,
        block: bytes,
        length: int,
    ) -> bytes:
        """As `select`, line by line, with EXCEPTION if it can be had for RULES."""
        chosen = []
        for line in block.split(b"\n")[:-1]:
            head = line[:length]
            if exception is None:
                verdict = self._verdict(rules, head)
            else:
                verdict = self._default == (exception.match(b"\n" + head) is None)
            if verdict:
                chosen.append(line + b"\n")
        return b"".join(chosen)

    def _verdict(self, rules: tuple[Rule, ...], head: bytes) -> bool:
        for rule in rules:
            if matches(rule.steps, head):
                return rule.verdict
        return self._default

    def _expression(self, rules: tuple[Rule, ...]) -> re.Pattern[bytes] | None:
        """The expression for exceptions by RULES; None if it has to go without."""
        if rules not in self._expressions:
            if len(self._expressions) == EXPRESSIONS:
                rules = self._strongest_first
            else:
                self._expressions[rules] = _compile(rules, self._default)
        return self._expressions[rules]


def has_long_lines(block: bytes, length: int) -> bool:
    """Whether a line is longer than LENGTH; looks once per LENGTH bytes, not per line."""
    at = 0
    while len(block) - at > length:
        end = block.rfind(b"\n", at, at + length + 1)
        if end < 0:
            return True
        at = end + 1
    return False


def _compile(rules: tuple[Rule, ...], default: bool) -> re.Pattern[bytes] | None:
    """An expression for lines that RULES, strongest first, give a verdict that is not DEFAULT.

    It begins with the newline before the line.  None if there is none to be had.
    """
    source = b""
    group: list[bytes] = []
    for rule, stronger in zip(reversed(rules), [*reversed(rules[:-1]), None], strict=True):
        group.append(expression(rule.steps))
        if stronger is not None and stronger.verdict == rule.verdict:
            continue
        these = b"(?:%b)" % b"|".join(group)
        if rule.verdict == default:
            source = b"(?!%b)%b" % (these, source)
        else:
            source = b"(?:%b|%b)" % (these, source) if source else these
        group.clear()
    try:
        import re

        return re.compile(b"\\n%b[^\\n]*+" % source)
    except (ImportError, RecursionError, OverflowError):
        return None
