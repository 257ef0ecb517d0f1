"""What came out: tables in Markdown, with ratios to C runit, and JSON.

Nothing here is written by hand: whatever the tables say is in the JSON, from which they
can be made again.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.results import CHAPTERS, ROWS, Results, Row

BASE = "C runit"


class Report(NamedTuple):
    """A whole run.

    peers        name to version, in the order of columns
    left_out     name to the reason
    parameters   of the run, for people
    """

    results: Results
    machine: dict[str, str]
    peers: dict[str, str]
    left_out: dict[str, str]
    parameters: dict[str, str]


def to_json(report: Report) -> str:
    """All values, not only medians."""
    rows = []
    for row in ROWS.values():
        for number in report.results.services(row.key):
            values, notes = (
                {
                    peer: what
                    for (key, n, peer), what in kept.items()
                    if (key, n) == (row.key, number)
                }
                for kept in (report.results.values, report.results.notes)
            )
            rows.append({**row._asdict(), "services": number, "values": values, "notes": notes})
    kept = {key: value for key, value in report._asdict().items() if key != "results"}
    return json.dumps({**kept, "rows": rows}, indent=1) + "\n"


def from_json(text: str) -> Report:
    """What `to_json` wrote."""
    data: dict[str, Any] = json.loads(text)
    results = Results()
    for row in data.pop("rows"):
        for peer, values in row["values"].items():
            results.add(row["key"], row["services"], peer, *values)
        for peer, note in row["notes"].items():
            results.note(row["key"], row["services"], peer, note)
    return Report(results, **data)


def figure(value: float) -> str:
    """Three digits, as people write them."""
    if value == 0:
        return "0"
    for least, places in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if abs(value) >= least:
            return f"{value:.{places}f}"
    return f"{value:.2g}" if abs(value) >= 0.0001 else "0.0001"


def tables(report: Report) -> str:
    """All chapters."""
    text = [machine.line(report.machine)]
    text.append("; ".join(f"{peer} {version}" for peer, version in report.peers.items()))
    text += [f"{peer} is left out: {why}" for peer, why in report.left_out.items()]
    text.append(", ".join(f"{name} {value}" for name, value in report.parameters.items()))
    text.append(f"Medians; in brackets: the ratio to {BASE}.")
    for chapter, title in CHAPTERS.items():
        table = _chapter(report, chapter)
        if table:
            text.append(f"## {chapter}. {title}")
            text += table
    return "\n\n".join(text) + "\n"


def _chapter(report: Report, chapter: int) -> list[str]:
    """Its table, and notes; nothing if nothing was measured."""
    results = report.results
    rows = [row for row in ROWS.values() if row.chapter == chapter]
    keys = {row.key for row in rows}
    said = {peer for key, _, peer in (*results.values, *results.notes) if key in keys}
    if not said:
        return []
    columns = [peer for peer in report.peers if peer in said]
    columns += sorted(said - set(columns))
    numbered = any(results.services(row.key) not in ([], [0]) for row in rows)
    head = ["", *(["services"] if numbered else []), "unit", *columns]
    lines = [head, ["---" if not one else "---:" for one in head]]
    notes: list[str] = []
    for row in rows:
        for number in results.services(row.key):
            cells = [_cell(report, row, number, peer, notes) for peer in columns]
            lines.append([row.title, *([str(number)] if numbered else []), row.unit, *cells])
    text = ["\n".join("| " + " | ".join(cells) + " |" for cells in lines)]
    silent = [peer for peer in report.peers if peer not in said]
    if silent:
        text.append(f"{', '.join(silent)}: nothing of the kind.")
    text += ["\n".join(f"({one}) {note}  " for one, note in enumerate(notes, 1))] if notes else []
    return text


def _cell(report: Report, row: Row, number: int, peer: str, notes: list[str]) -> str:
    results = report.results
    value = results.median(row.key, number, peer)
    note = results.notes.get((row.key, number, peer))
    cell = "-" if value is None else figure(value)
    ratio = results.ratio(row.key, number, peer, BASE)
    if ratio is not None and peer != BASE:
        cell += f" ({figure(ratio)})"
    if note:
        if note not in notes:
            notes.append(note)
        cell += f" <sup>{notes.index(note) + 1}</sup>"
    return cell
