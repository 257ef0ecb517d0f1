"""Tables and what is said about targets, of values that are given."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.report import Report, figure, from_json, tables, to_json
from benchmarks.results import ROWS, Results
from benchmarks.targets import TARGETS, judge

MACHINE = {
    "cores": "2",
    "memory": "4 GiB",
    "kernel": "Linux 6",
    "load before": "0.1",
    "date": "today",
}


def report(results: Results) -> Report:
    peers = {"C runit": "2.1.2", "pyrunit": "0.1", "s6": "2.11"}
    return Report(results, MACHINE, peers, {"circus": "circusd not installed"}, {"rounds:": "3"})


def some() -> Results:
    results = Results()
    results.add("start", 100, "C runit", 1.0, 2.0, 9.0)
    results.add("start", 100, "pyrunit", 0.4, 0.5, 0.6)
    results.note("start", 100, "s6", "does not")
    return results


def test_medians_are_shown_with_their_ratio_to_the_c_program() -> None:
    assert "| 100 | s | 2.00 | 0.500 (0.250) | - <sup>1</sup> |" in tables(report(some()))


def test_who_cannot_says_why_below_the_table() -> None:
    assert "\n\n(1) does not  \n" in tables(report(some()))


def test_a_peer_that_is_not_installed_is_named() -> None:
    assert "circus is left out: circusd not installed" in tables(report(some()))


def test_a_report_survives_json() -> None:
    one = report(some())
    again = from_json(to_json(one))
    assert tables(again) == tables(one)
    assert again.results.values == one.results.values


def test_there_is_no_chapter_without_values() -> None:
    text = tables(report(some()))
    assert text.count("\n## ") == 1


def test_without_the_c_programs_there_is_no_ratio() -> None:
    results = Results()
    results.add("start", 1, "pyrunit", 0.5)
    assert "| 0.500 |" in tables(report(results))


def test_figures_have_three_digits() -> None:
    shown = {
        0: "0",
        1234.5: "1234",
        55.55: "55.5",
        1.234: "1.23",
        0.1234: "0.123",
        0.01234: "0.012",
    }
    assert {value: figure(value) for value in shown} == shown


def test_a_target_is_met_or_missed_by_the_ratio() -> None:
    (met,) = judge(some())
    assert met.startswith("met     start: ")
    assert "0.250 of C runit (at most 0.300)" in met
    slow = some()
    slow.add("start", 100, "pyrunit", 9.0, 9.0, 9.0)
    (missed,) = judge(slow)
    assert missed.startswith("MISSED  start: ")


def test_more_is_better_where_the_row_says_so() -> None:
    results = Results()
    results.add("log.MB.short.none.0", 0, "s6", 10.0)
    results.add("log.MB.short.none.0", 0, "pyrunit", 20.0)
    (line,) = judge(results)
    assert line.startswith("met     log.MB.short.none.0: ")


def test_charts_are_svg_with_the_machine_and_the_versions_in_them(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.charts import draw

    results = some()
    for peer in ("C runit", "pyrunit"):
        results.add("idle.wakeups", 1, peer, 0.0)
        results.add("log.latency", 0, peer, 0.5)
        results.add("log.MB.short.none.0", 0, peer, 0.5)
        results.add("switch", 0, peer, 0.5)
    paths = draw(report(results), tmp_path)
    assert [path.name[:2] for path in paths] == ["01", "06", "07", "09"]
    for path in paths:
        text = " ".join(" ".join(ElementTree.parse(path).getroot().itertext()).split())
        assert "Linux 6" in text
        assert "C runit 2.1.2; pyrunit 0.1" in text


def test_targets_name_rows_that_there_are() -> None:
    assert {target.key for target in TARGETS} <= set(ROWS)
    assert {target.key_of for target in TARGETS if target.key_of} <= set(ROWS)
