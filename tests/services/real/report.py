"""Write what was tried into docs/services.md, between its two markers.

`make check-services REPORT=1` runs this after the tests, which leave a note of each
service that did all that was asked of it in build/services/tried.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
PAGE = CHECKOUT / "docs/services.md"
TRIED = CHECKOUT / "build/services/tried"
TARGETS = CHECKOUT / "sv/blfs-servicescripts/targets"
BEGIN, END = "<!-- tried: begin -->\n", "<!-- tried: end -->\n"


def main() -> int:
    """Write the page; 1 if it has no place for it."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"report: fatal: {PAGE}: no markers", file=sys.stderr)
        return 1
    PAGE.write_text(before + BEGIN + table() + END + after)
    return 0


def table() -> str:
    """The services that were tried, and a list of the others."""
    rows = ["| target | services | daemon, as Debian has it | asked by | `sv hup` |"]
    rows += ["|---|---|---|---|---|"]
    notes = {path.stem: json.loads(path.read_text()) for path in TRIED.glob("*.json")}
    for target, note in sorted(notes.items()):
        names = " ".join(note["services"])
        rows.append(
            f"| {target} | {names} | {note['daemon']} | {note['client']} | {note['reload']} |"
        )
    others = sorted(target for target in targets() if target not in notes)
    text = f"\nWith stand-ins only: {', '.join(others)}.\n"
    return "\n".join(rows) + "\n" + text


def targets() -> list[str]:
    """Every target that is a service."""
    lines = [line.split("#")[0].split() for line in TARGETS.read_text().splitlines()]
    return [words[0] for words in lines if words and not words[0].startswith("service-")]


if __name__ == "__main__":
    sys.exit(main())
