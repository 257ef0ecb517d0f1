"""Both suites, for tests that give the same to each and compare what comes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from differential import cases
from support import Suite

Both = tuple[Suite, Suite]

COMPARED = "cases compared"


@pytest.fixture
def both(reference: Suite, ours: Suite) -> Both:
    """The reference's programs, and ours."""
    return reference, ours


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the report of each test say how many cases were compared in it."""
    before = cases.number()
    yield
    request.node.user_properties.append((COMPARED, cases.number() - before))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases were compared, by module: where these tests alone are run."""
    counts: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == COMPARED and report.when == "teardown":
                    module = report.nodeid.partition("::")[0].rpartition("/")[2]
                    counts[module] = counts.get(module, 0) + value
    terminalreporter.section(COMPARED)
    for module, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count:8} {module}")
    terminalreporter.write_line(f"{sum(counts.values()):8} in all")
