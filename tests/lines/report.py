"""Tell which statements of the suite's programs no test has run.

``report.py DIRECTORY`` reads what `marks` and the tests have left in DIRECTORY.  It ends
with 1 if a statement that process 1, runsv, runsvdir or svlogd may run was run by no
test and is not listed in the file ``not-run`` beside this one, which says why; or if
that lists one that was run, or that is not there.

An entry is a line ``MODULE FUNCTION: TEXT`` (``-`` for FUNCTION: outside of one), TEXT
being the statement's first line; the lines below it that begin with a blank say why.
It stands for all statements of that text there that were not run.  One whose reason begins
with "By chance" may be run all the same, if two processes happen to meet so.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

LISTED = Path(__file__).resolve().with_name("not-run")

CHANCE = "By chance"

PROGRAMS = {
    "process 1": [
        *("runit.boot.runit", "runit.boot.runit_init", "runit.boot.init"),
        *("runit.boot.halt", "runit.boot.shutdown", "runit.boot.runlevel"),
    ],
    "runsv": ["runit.supervise.runsv"],
    "runsvdir": ["runit.supervise.runsvdir"],
    "svlogd": ["runit.log.svlogd"],
}
"""What must be run wholly: all that these import."""


class Place(NamedTuple):
    """Where a statement is, so that it is found again when lines have moved."""

    module: str
    function: str
    text: str

    def __str__(self) -> str:
        return f"{self.module} {self.function or '-'}: {self.text}"


class Lines:
    """What was marked, and what was run of it."""

    def __init__(self, table: dict[str, Any], hits: bytes) -> None:
        self.modules: dict[str, Any] = table["modules"]
        self.hits = hits

    def not_run(self, module: str) -> list[tuple[int, Place]]:
        """The statements of MODULE that were not: their line numbers and places."""
        return [
            (line, Place(module, function, text))
            for number, line, function, text in self.modules[module]["statements"]
            if not self.hits[number]
        ]

    def places(self) -> set[Place]:
        """Of all statements, run or not."""
        return {
            Place(name, function, text)
            for name, module in self.modules.items()
            for _, _, function, text in module["statements"]
        }

    def count(self, modules: list[str]) -> tuple[int, int]:
        """How many statements of MODULES there are, and how many of them were run."""
        all_of_them = [one for name in modules for one in self.modules[name]["statements"]]
        return len(all_of_them), sum(self.hits[one[0]] for one in all_of_them)

    def made_of(self, programs: list[str]) -> list[str]:
        """The modules that PROGRAMS may import, themselves and their packages included."""
        found: set[str] = set()
        new = set(programs)
        while new:
            name = new.pop()
            if name in self.modules and name not in found:
                found.add(name)
                new.add(name.rpartition(".")[0])
                new.update(self.modules[name]["imports"])
        return sorted(found)


def listed(text: str) -> dict[Place, str]:
    """The entries of a file `not-run`: why each is not run.  Raises ValueError."""
    entries: dict[Place, str] = {}
    place = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            if place is None:
                raise ValueError(f"not-run: a reason for nothing: {line.strip()}")
            entries[place] = f"{entries[place]} {line.strip()}".strip()
            continue
        where, _, statement = line.partition(": ")
        module, _, function = where.partition(" ")
        place = Place(module, function.removeprefix("-"), statement.strip())
        entries[place] = ""
    return entries


def complaints(lines: Lines, entries: dict[Place, str]) -> list[str]:
    """What is wrong: nothing, if all is run that must be and the list tells of the rest."""
    wanted = lines.made_of([module for modules in PROGRAMS.values() for module in modules])
    missing = [one for name in wanted for one in lines.not_run(name)]
    wrong = [
        f"{place.module}:{line}: run by no test, and not listed: {place}"
        for line, place in missing
        if place not in entries
    ]
    there, not_run = lines.places(), {place for _, place in missing}
    for place, why in entries.items():
        if place not in there:
            wrong.append(f"listed, but not there: {place}")
        elif place not in not_run and not why.startswith(CHANCE):
            wrong.append(f"listed, but it is run, or need not be: {place}")
        elif not why:
            wrong.append(f"listed without a reason: {place}")
    return wrong


def tell(lines: Lines, entries: dict[Place, str]) -> None:
    """Print a table of the modules, what of them was not run, and totals."""
    for name in lines.modules:
        there, run = lines.count([name])
        print(f"{percent(there, run)}  {run:5} of {there:5}  {name}")
        for line, place in lines.not_run(name):
            mark = "listed" if place in entries else "NOT RUN"
            print(f"{'':24}{line:4}: {mark}: {place.function or '-'}: {place.text}")
    print()
    groups = {program: lines.made_of(modules) for program, modules in PROGRAMS.items()}
    groups["all four"] = sorted({name for modules in groups.values() for name in modules})
    groups["everything"] = list(lines.modules)
    for program, modules in groups.items():
        there, run = lines.count(modules)
        print(f"{percent(there, run)}  {run:5} of {there:5}  {program}, {len(modules)} modules")


def percent(there: int, run: int) -> str:
    """RUN of THERE as a percentage that is 100 only if they are all."""
    return f"{int(run * 1000 / there) / 10 if there else 100.0:5.1f} %"


def tests(results: Path) -> None:
    """Print how many tests there were, and which of them failed beneath the marks."""
    counted: Counter[str] = Counter()
    failed = []
    for case in ElementTree.parse(results).iter("testcase"):
        outcomes = {child.tag for child in case} & {"failure", "error", "skipped"}
        counted["tests"] += 1
        counted.update(outcomes)
        if outcomes & {"failure", "error"}:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
    print(", ".join(f"{number} {what}" for what, number in counted.items()))
    for name in failed:
        print(f"failed with the marks: {name}")


def main() -> int:
    """Command line; see the module's docstring."""
    directory = Path(sys.argv[1])
    table = json.loads((directory / "lines.json").read_text())
    lines = Lines(table, Path(table["file"]).read_bytes())
    entries = listed(LISTED.read_text())
    tell(lines, entries)
    results = directory / "tests.xml"
    if results.exists():
        print()
        tests(results)
    wrong = complaints(lines, entries)
    print("", *wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
