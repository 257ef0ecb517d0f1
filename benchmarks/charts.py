"""Charts of a run, as SVG, with the machine and the versions in the caption."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks import machine
from benchmarks.report import Report
from benchmarks.results import CHAPTERS, ROWS, Row

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "pyrunit", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: E402

OURS = "pyrunit"
PLAIN = FuncFormatter(lambda value, _: f"{value:,.15g}".replace(",", " "))
COLOURS = ("#7f7f7f", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
COLUMNS = 2
SAME_SHAPE = {"1000 lines/s"}
"""Units of rows that would look as others do."""


def draw(report: Report, directory: Path) -> list[Path]:
    """A file for each chapter that has values; their paths."""
    drawn = []
    for chapter, title in CHAPTERS.items():
        rows = [
            row
            for row in ROWS.values()
            if row.chapter == chapter
            and row.unit not in SAME_SHAPE
            and any(key == row.key for key, _, _ in report.results.values)
        ]
        if rows:
            path = (
                directory / f"{chapter:02}-{'-'.join(title.lower().replace(',', '').split())}.svg"
            )
            _chapter(report, chapter, rows, path)
            drawn.append(path)
    return drawn


def _chapter(report: Report, chapter: int, rows: list[Row], path: Path) -> None:
    """Rows of one unit that do not depend on the number of services share a panel."""
    services = {row: report.results.services(row.key) for row in rows}
    numbered = [row for row in rows if any(services[row])]
    panels: dict[str, list[Row]] = {row.key: [row] for row in numbered}
    for row in rows:
        if row not in numbered:
            panels.setdefault(row.unit if chapter == 7 else row.key, []).append(row)
    columns = 1 if chapter == 7 else min(COLUMNS, len(panels))
    height = -(-len(panels) // columns)
    size = (10, 3.2 * height + 1.2)
    drawing, axes = pyplot.subplots(height, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels.values(), strict=False):
        if len(services[panel[0]]) > 1:
            _lines(report, panel[0], axis)
        else:
            _bars(report, panel, axis, *services[panel[0]])
    drawing.suptitle(f"{CHAPTERS[chapter]} (medians)", fontsize=12)
    versions = "; ".join(f"{peer} {version}" for peer, version in report.peers.items())
    caption = f"{machine.line(report.machine)}. {versions}."
    shown = {
        label: handle
        for axis in drawing.axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    named = [peer for peer in _peers(report, rows) if peer in shown]
    drawing.legend(
        [shown[peer] for peer in named],
        named,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.5 / size[1]),
        ncols=len(named),
        fontsize=8,
    )
    drawing.tight_layout(rect=(0, 0.9 / size[1], 1, 1))
    drawing.text(0.01, 0.1 / size[1], textwrap.fill(caption, 150), fontsize=7, va="bottom")
    drawing.savefig(path, metadata={"Date": None})
    pyplot.close(drawing)


def _colour(report: Report, peer: str) -> str:
    known = list(report.peers)
    return COLOURS[known.index(peer) if peer in known else -1]


def _peers(report: Report, rows: list[Row]) -> list[str]:
    """Who has a value in one of ROWS, in the order of columns."""
    keys = {row.key for row in rows}
    said = {peer for key, _, peer in report.results.values if key in keys}
    return [*(peer for peer in report.peers if peer in said), *sorted(said - set(report.peers))]


def _lines(report: Report, row: Row, axis: Any) -> None:
    """The number of services to the right, what they take upwards, both in powers."""
    values: list[float] = []
    for peer in _peers(report, [row]):
        medians = [
            (n, report.results.median(row.key, n, peer)) for n in report.results.services(row.key)
        ]
        points = [(n, value) for n, value in medians if value is not None]
        values += [value for _, value in points]
        width = 2.2 if peer == OURS else 1.2
        axis.plot(
            *zip(*points, strict=True),
            "o-",
            label=peer,
            color=_colour(report, peer),
            lw=width,
            ms=3,
        )
    axis.set_xscale("log")
    if min(values) > 0:
        axis.set_yscale("log")
        low, high = (math.floor(math.log10(value)) for value in (min(values), max(values)))
        axis.set_ylim(10**low, 10 ** (high + 1))
    else:
        axis.set_yscale("symlog", linthresh=1)
    axis.xaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(row.title, fontsize=9)
    axis.set_xlabel("services")
    axis.set_ylabel(row.unit)
    axis.grid(alpha=0.3)


def _bars(report: Report, rows: list[Row], axis: Any, services: int = 0) -> None:
    """A group of bars for each of ROWS, which have one unit, with so many SERVICES."""
    peers = _peers(report, rows)
    wide = 0.8 / len(peers)
    for one, peer in enumerate(peers):
        medians = [
            (at, report.results.median(row.key, services, peer)) for at, row in enumerate(rows)
        ]
        there = [
            (at + (one - (len(peers) - 1) / 2) * wide, value) for at, value in medians if value
        ]
        if there:
            places, values = zip(*there, strict=True)
            axis.bar(places, values, wide, label=peer, color=_colour(report, peer))
    if len(rows) > 1:
        names = [row.title.removeprefix("processor time, ").replace(", ", "\n") for row in rows]
        axis.set_xticks(range(len(rows)), names, fontsize=6)
    else:
        axis.set_xticks([])
        title = rows[0].title + (f", {services} services" if services else "")
        axis.set_title(textwrap.fill(title, 60), fontsize=9)
    axis.set_ylabel(rows[0].unit + (" of processor time" if rows[0].unit == "s/GB" else ""))
    axis.yaxis.set_major_formatter(PLAIN)
    axis.grid(alpha=0.3, axis="y")
