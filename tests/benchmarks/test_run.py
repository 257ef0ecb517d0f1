"""A very short run of the benchmarks: everything is there, and nothing is left behind."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import Suite, has_reference, wait_for

from benchmarks.report import from_json, tables, to_json
from benchmarks.results import ROWS

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = {"rounds": 1, "samples": 1, "idle": 0.2, "restarts": 1, "crash": 0.3, "megabytes": 1}
OF_A_HUNDRED = {"kill.many", "restart.many"}
BESIDE_C = {1, 2, 3, 4, 5, 6, 8}
MERGED = {"memory.merged", "memory.merged.logger"}


def bench(
    ours: Suite, out: Path, options: Mapping[str, object]
) -> subprocess.CompletedProcess[str]:
    """Run it with OPTIONS, for what is installed; results are in OUT."""
    given = {**QUICK, "bin": ours.directory, "out": out, "scratch": out.parent, **options}
    words = [f"--{name}={value}" for name, value in given.items()]
    return subprocess.run(
        [sys.executable, "-EsB", "-m", "benchmarks", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(out.parent)},
    )


def results(out: Path) -> dict[str, Any]:
    """results.json."""
    data = json.loads((out / "results.json").read_text())
    assert isinstance(data, dict)
    return data


def measured(data: dict[str, Any], peer: str) -> set[str]:
    """The rows for which PEER has values, which are numbers that can be."""
    for row in data["rows"]:
        assert all(math.isfinite(value) for value in row["values"].get(peer, [])), row
    return {row["key"] for row in data["rows"] if row["values"].get(peer)}


def noted(data: dict[str, Any], peer: str) -> set[str]:
    """The rows of which something is said of PEER, such as why there is no value."""
    return {row["key"] for row in data["rows"] if row["notes"].get(peer)}


def in_chapters(chapters: set[int]) -> set[str]:
    return {key for key, row in ROWS.items() if row.chapter in chapters} - OF_A_HUNDRED


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def nothing_runs(directory: Path) -> bool:
    """Whether no process has been started in DIRECTORY's environment and is left."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"BENCH_EVENTS=" + bytes(directory) in environment.read_bytes():
                return False
        except OSError:
            pass
    return True


def test_all_rows_of_a_tree_are_measured_shown_and_kept_and_nothing_else_is_left(
    ours: Suite, out: Path
) -> None:
    rows = ",".join(map(str, sorted(BESIDE_C)))
    done = bench(ours, out, {"rows": rows, "services": 2, "peers": "C runit"})
    assert done.returncode == 0, done.stderr

    data = results(out)
    assert measured(data, "pyrunit") | noted(data, "pyrunit") >= MERGED
    not_here = MERGED - measured(data, "pyrunit")
    assert measured(data, "pyrunit") >= in_chapters(BESIDE_C) - not_here
    if has_reference():
        assert measured(data, "C runit") >= in_chapters(BESIDE_C) - {"status.bare"} - MERGED

    for key in in_chapters(BESIDE_C) - not_here:
        assert f"| {ROWS[key].title} | 2 |" in done.stdout
    table = (out / "table.md").read_text().removeprefix("# Benchmarks\n\n")
    assert done.stdout.startswith(table)

    text = (out / "results.json").read_text()
    assert tables(from_json(text)) == table
    assert to_json(from_json(text)) == text

    assert nothing_runs(out.parent)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_logs_run_levels_zombies_and_crashes_are_measured_without_any_peer(
    ours: Suite, out: Path
) -> None:
    done = bench(ours, out, {"rows": "7,9,10", "peers": "", "level": 4, "orphans": 50})
    assert done.returncode == 0, done.stderr
    data = results(out)
    said = {row["key"] for row in data["rows"]}
    assert said == in_chapters({7, 9, 10})
    # Process 1 needs root, and in so short a loop nothing may crash.
    assert measured(data, "pyrunit") >= said - {"reap", "crash.each"}
    assert set(data["peers"]) == {"pyrunit"}
    assert nothing_runs(out.parent)


def test_a_peer_that_is_unknown_is_an_error(ours: Suite, out: Path) -> None:
    done = bench(ours, out, {"peers": "systemd"})
    assert done.returncode == 2
    assert "no such peer: systemd" in done.stderr


def test_an_interrupted_run_ends_all_that_it_started(ours: Suite, out: Path) -> None:
    words = [f"--bin={ours.directory}", "--rows=6", "--services=3", "--idle=1000", "--peers="]
    process = subprocess.Popen(
        [sys.executable, "-EsB", "-m", "benchmarks", *words, f"--scratch={out.parent}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: not nothing_runs(out.parent), "a service")
    finally:
        process.terminate()
        process.wait()
    wait_for(lambda: nothing_runs(out.parent), "the end of all services")
    assert list(out.parent.iterdir()) == []
