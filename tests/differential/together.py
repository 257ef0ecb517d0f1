"""Scenarios that are played on both suites at the same time, and many of them at once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path

from differential.cases import compared
from interop.conftest import end_all_in, wait_for_all_in
from interop.sides import PROGRAMS, Side
from support import Suite

AT_A_TIME = 10
"""Scenarios that are played at once: they mostly wait."""

Play = Callable[[Side], None]
Script = Callable[[list[str]], list[str]]

_numbers = itertools.count()


def compare_all(
    both: tuple[Suite, Suite], place: Path, plays: Sequence[Play], script: Callable[[int], Script]
) -> None:
    """Fail if any of PLAYS shows anything else on one suite than on the other.

    ``script(number)`` makes, of what was seen in that one, what a person can do again.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = [
            pool.submit(problems_with, both, place / str(next(_numbers)), play, script(number))
            for number, play in enumerate(plays)
        ]
    compared(len(plays))
    problems = [line for job in jobs for line in job.result()]
    if problems:
        raise AssertionError("\n".join(problems))


def problems_with(both: tuple[Suite, Suite], root: Path, play: Play, script: Script) -> list[str]:
    """What is wrong: nothing if both suites show the same."""
    sides = [Side(str(suite), root / str(suite), dict.fromkeys(PROGRAMS, suite)) for suite in both]
    problems: list[str] = []

    def one(side: Side) -> None:
        try:
            play(side)
        except Exception as error:
            problems.append(f"{side}: {error!r}")

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, sides))
        left = [] if problems else wait_for_all_in(root)
    finally:
        for side in sides:
            side.close()
        end_all_in(root)
    problems += [f"left behind: {line}" for line in left]
    problems += unified_diff(sides[0].seen, sides[1].seen, "reference", "ours", lineterm="", n=9)
    if problems:
        return [*problems, "", *script(sides[0].seen)]
    shutil.rmtree(root)
    return []
