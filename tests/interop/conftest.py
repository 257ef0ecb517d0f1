"""Fixtures: mixes of both suites in directories of their own, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from interop.sides import PROGRAMS, Side, play
from support import Suite, wait_for

AT_A_TIME = 6
"""How many scenarios are played at the same time: they mostly wait."""

AHEAD = 10
"""How many are played ahead; in vain if another process of pytest-xdist gets them."""

Mix = Callable[..., Side]


def mixed(root: Path, suites: dict[str, Suite], main: str, **others: str) -> Side:
    """A side in a directory under ROOT: MAIN's programs, but for those of OTHERS."""
    name = "-".join([main, *(f"{program}-{whose}" for program, whose in others.items())])
    programs = {program: suites[others.get(program, main)] for program in PROGRAMS}
    return Side(name, root / name, programs)


@pytest.fixture(scope="session")
def suites(ours: Suite, reference: Suite) -> dict[str, Suite]:
    """Both suites by name."""
    return {"ours": ours, "reference": reference}


@pytest.fixture
def mix(tmp_path: Path, suites: dict[str, Suite]) -> Iterator[Mix]:
    """Make sides: ``mix("ours", sv="reference")``; all programs but the named are the first's."""
    made: list[Side] = []

    def make(main: str, **others: str) -> Side:
        made.append(mixed(tmp_path, suites, main, **others))
        return made[-1]

    yield make
    for side in made:
        side.close()


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest,
    suites: dict[str, Suite],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], None]]:
    """The result of a scenario of the module's SCENARIOS, as an assertion.

    Those that come next are played already meanwhile.  The sides are the module's
    MIXES, the first of which is right.
    """
    scenarios = request.module.SCENARIOS
    mixes = getattr(request.module, "MIXES", [("reference", {}), ("ours", {})])
    root = tmp_path_factory.mktemp("played")
    numbers = {name: number for number, name in enumerate(scenarios)}
    order = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if getattr(item, "module", None) is request.module and "played" in item.fixturenames
    ]

    def perform(name: str) -> list[str]:
        place = root / str(numbers[name])
        sides = [mixed(place, suites, main, **others) for main, others in mixes]
        try:
            problems = play(sides, *scenarios[name])
        except BaseException:
            end_all_in(place)
            raise
        left = [] if problems else wait_for_all_in(place)
        end_all_in(place)
        return problems + [f"left behind: {one}" for one in left]

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results: dict[str, Future[list[str]]] = {}

        def result(name: str) -> None:
            at = order.index(name)
            for one in order[at : at + AHEAD + 1]:
                if one not in results:
                    results[one] = pool.submit(perform, one)
            problems = results[name].result()
            assert not problems, "\n".join(problems)

        yield result
        pool.shutdown(cancel_futures=True)


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """End whatever still works in the test's directory; a failure if there was any.

    A test that failed may leave what it likes: it has failed already.
    """
    failed = request.session.testsfailed
    yield
    left = [] if request.session.testsfailed > failed else wait_for_all_in(tmp_path)
    end_all_in(tmp_path)
    assert not left, "processes were left behind"


def wait_for_all_in(directory: Path) -> list[str]:
    """The command lines that work in DIRECTORY; those about to end get time to do so."""
    end = time.monotonic() + 5
    while (left := working_in(directory)) and time.monotonic() < end:
        time.sleep(0.01)
    return list(left.values())


def end_all_in(directory: Path) -> None:
    """Kill all that works in DIRECTORY, by pid, until there is none."""
    while left := working_in(directory):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_for(lambda left=left: not left.keys() & working_in(directory).keys())


def working_in(directory: Path) -> dict[int, str]:
    """The processes whose current directory is in DIRECTORY: pid to command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            where = os.readlink(path / "cwd").removesuffix(" (deleted)")
            if where == str(directory) or where.startswith(f"{directory}/"):
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(path.name)] = words.decode(errors="replace")
    return found


@pytest.fixture
def daemontools() -> Suite:
    """The programs of Debian's daemontools package."""
    for program in ("svc", "svstat", "svok", "supervise", "svscan"):
        if shutil.which(program, path="/usr/bin") is None:
            pytest.skip("Debian's daemontools package is not installed")
    return Suite(Path("/usr/bin"), "daemontools")
