"""When memory is short: wait, say so, and go on.

A supervisor that ended instead would leave its services to themselves until there is
memory for another one.
"""

from __future__ import annotations

import time
from errno import ENOMEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 1.0
"""Seconds until what there was no memory for is tried again."""

QUIET = 60.0
"""Seconds without trouble, after which it is said again."""


def patiently(loop: Callable[[], int], complain: Callable[[int], None]) -> int:
    """What LOOP returns, which is called again whenever it runs out of memory.

    It has to begin with a look at everything that it may have missed.  COMPLAIN is called
    with ENOMEM, once for each shortage.
    """
    last = -QUIET
    while True:
        try:
            return loop()
        except MemoryError:
            try:
                now = time.monotonic()
                if now - last >= QUIET:
                    complain(ENOMEM)
                last = now
            except MemoryError:
                pass  # next time, perhaps
            time.sleep(PAUSE)
