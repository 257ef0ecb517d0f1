"""How many cases the differential tests try, and which.

`make check` tries the same few hundred each time; PYRUNIT_CASES=N tries N times as many,
other ones in each run: that is for finding out, not for saying that all is well.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings

Test = TypeVar("Test", bound=Callable[..., None])

TIMES = int(os.environ.get("PYRUNIT_CASES", "0"))


def cases(few: int) -> Callable[[Test], Test]:
    """Try FEW cases, or many more: see above."""
    return settings(
        max_examples=few * max(1, TIMES),
        deadline=None,
        derandomize=not TIMES,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
