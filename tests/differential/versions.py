"""What versions of the reference do not do alike: see docs/differences.md.

Tests beside other ones hold each of these; here such cases are made into ones that all
versions treat alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from differential.made import Made, Record
from support import Suite, reference_version

from runit.control.commands import command

RUNS = Record(100, 77, 0, b"\0", 0, 1)


def sent(words: Iterable[str]) -> list[bytes]:
    """What sv may send where it is called with WORDS."""
    found = (command(os.fsencode(word)) for word in words)
    return [one.letters for one in found if one is not None and one.letters]


def alike(made: Made, words: Sequence[str]) -> Made:
    """MADE, such that sv, called with WORDS, needs no look at it before it sends.

    From 2.3.1 on it takes none: neither at supervise/ok, nor at what is wanted already.
    """
    letters = sent(words)
    if reference_version() < (2, 3, 1) or not letters:
        return made
    record = made.status if isinstance(made.status, Record) else RUNS
    if any(one[:1] == record.want and (one[:1] != b"d" or record.term) for one in letters):
        record = replace(record, want=b"\0")
    log = alike(made.log, words) if isinstance(made.log, Made) else made.log
    record = replace(record, length=20)
    return replace(made, status=record, ok="heard", supervise="directory", log=log)


def as_before(suite: Suite, line: str, made: Iterable[str]) -> str:
    """LINE of SUITE's sv, about a directory that is not MADE: of what lacks there, which first."""
    name = re.match(r"warning: (.*): unable to open supervise/control: ", line)
    if suite.is_reference(2, 3, 1) and name and name[1] not in made:
        return line.replace("/control: ", "/ok: ")
    return line


def code_of_status(code: int, output: bytes) -> int | str:
    """CODE, of an init script's ``status`` that said OUTPUT.

    Up to 2.2 the log service decides what it is, if there is one, shown behind a semicolon;
    what is shown of a record with anything in it does not tell.
    """
    if reference_version() < (2, 3) and code in (0, 3, 4) and b"; " in output:
        return "0, 3 or 4"
    return code
