"""How many cases the differential tests try, and which.

`make check` tries the same few hundred each time; PYRUNIT_CASES=N tries N times as many,
other ones in each run: that is for finding out, not for saying that all is well.  For the
latter, PYRUNIT_SAME=1 makes them the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings

Test = TypeVar("Test", bound=Callable[..., None])

TIMES = int(os.environ.get("PYRUNIT_CASES", "0"))

SAME = os.environ.get("PYRUNIT_SAME") == "1"

PARTS = 4 if TIMES else 1
"""Into how many a long test is divided, which run at the same time."""


def cases(few: int, parts: int = 1) -> Callable[[Test], Test]:
    """Try FEW cases, or many more (see above), in each of the PARTS of a test."""
    return settings(
        max_examples=max(few, few * TIMES // parts),
        deadline=None,
        derandomize=SAME or not TIMES,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


_counted = [0]


def compared(number: int = 1) -> None:
    """Count NUMBER comparisons."""
    _counted[0] += number


def number() -> int:
    """How many comparisons were counted in this process."""
    return _counted[0]
