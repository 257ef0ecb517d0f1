"""Fixtures for tests of the network: machines with networks of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from networks import UNABLE, Host
from staging import SHELLS


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Make machines; they are ended after the test."""
    if UNABLE:
        pytest.skip(UNABLE)
    made: list[Host] = []

    def make(shell: str = "dash") -> Host:
        made.append(Host(tmp_path / f"root{len(made)}", shell))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, hosts: Callable[..., Host]) -> Host:
    """A machine, with each shell that /bin/sh may be."""
    return hosts(request.param)


@pytest.fixture
def one(hosts: Callable[..., Host]) -> Host:
    """A machine with Debian's /bin/sh: for what does not hang on the shell."""
    return hosts()
