"""Both suites, for tests that give the same to each and compare what comes of it."""

from __future__ import annotations

import pytest
from support import Suite

Both = tuple[Suite, Suite]


@pytest.fixture
def both(reference: Suite, ours: Suite) -> Both:
    """The reference's programs, and ours."""
    return reference, ours
