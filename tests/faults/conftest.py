"""Fixtures for breaking things on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.chance import Chance
from faults.plain_user import User, plain_user


@pytest.fixture(scope="session")
def user() -> Iterator[User]:
    """A plain user of these tests' own, and our programs where it may run them."""
    with plain_user() as found:
        yield found


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Iterator[Chance]:
    """Random numbers; what was broken with them is counted at the end of the run."""
    one = Chance()
    yield one
    request.node.user_properties.append(("broken", (one.faults, one.recoveries)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was broken, and how often it was whole again."""
    faults: dict[str, int] = {}
    recoveries = 0
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "broken" and report.when == "teardown":
                    for kind, times in value[0].items():
                        faults[kind] = faults.get(kind, 0) + times
                    recoveries += value[1]
    if faults:
        listed = ", ".join(f"{times} {kind}" for kind, times in sorted(faults.items()))
        terminalreporter.write_line(
            f"faults injected: {sum(faults.values())} ({listed}); recoveries: {recoveries}"
        )
