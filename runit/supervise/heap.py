"""Where things lie in memory: what every runsv writes to, close together.

A forked child shares all of its memory with its parent, page by page, until one of
them writes to a page.  A Python program writes nearly everywhere it reads, because
each object counts its references; so a child grows by the pages on which the things
lie that it uses.  After the imports they lie in whatever holes were left, among
others that nobody uses again.

`make_room` fills the holes, and `gather` copies what is used into the room behind.
That saves a fifth of a megabyte for each child.

Nothing depends on it: an interpreter that places its objects differently saves no
memory, and that is all.
"""

from __future__ import annotations

import _thread
import gc
from types import CodeType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

POOL = 16384 - 48
"""Bytes of a pool, which holds blocks of one size, without what it needs for itself."""

SIZES = range(16, 513, 16)
"""Bytes of the blocks that come from pools; larger ones come from malloc(3)."""

TRIES = 16
"""Times three pools that are filled at most until a fresh one is found."""

BYTES = 33
"""Bytes of an empty bytes object."""

LARGE = 65536
"""Bytes of the largest hole between larger blocks that is worth filling."""

SMALL = 1100
"""Bytes of the larger ones of those, for which another size is another hole."""

MOST = 2 << 20
"""Bytes in larger blocks at most: CPython 3.11 takes a quarter of that."""

LOCKS = 300
"""Locks, of which each fork needs some from malloc(3), to fill every hole of their size."""

AT_HAND = 7
"""Blocks of one size that malloc(3) keeps at hand when they are freed."""

_kept: list[object] = []


def make_room() -> None:
    """See to it that what is allocated from now on lies together."""
    gc.collect()
    _kept.extend([_fill_pools(size) for size in SIZES])
    _kept.append(_fill_between())
    _kept.append([_thread.allocate_lock() for _ in range(LOCKS)][:-AT_HAND])


def gather(modules: Iterable[ModuleType]) -> None:
    """Give the functions and the constants of MODULES a new place, in this order."""
    for module in modules:
        for name, thing in list(vars(module).items()):
            if type(thing) is int or type(thing) is bytes:
                setattr(module, name, _copy(thing))
            elif getattr(thing, "__module__", None) != module.__name__:
                continue
            elif isinstance(thing, FunctionType):
                _renew(thing)
            elif isinstance(thing, type):
                for member in list(vars(thing).values()):
                    if isinstance(member, FunctionType):
                        _renew(member)


def _renew(function: FunctionType) -> None:
    """Everything that points to FUNCTION stays right: only what is in it changes."""
    function.__code__ = _copy_code(function.__code__)


def _copy_code(code: CodeType) -> CodeType:
    _kept.append(code)  # or its place would be taken next
    return code.replace(co_consts=tuple([_copy(constant) for constant in code.co_consts]))


def renewed(text: bytes) -> bytes:
    """TEXT again, in a new place."""
    _kept.append(text)
    return bytes(bytearray(text))


def _copy(constant: object) -> object:
    """CONSTANT, equal but new, where that is possible."""
    if type(constant) is bytes:
        return renewed(constant)
    _kept.append(constant)
    if type(constant) is int:
        return int(str(constant))
    if type(constant) is CodeType:
        return _copy_code(constant)
    return constant


def _fill_pools(size: int) -> list[object]:
    """Objects of SIZE bytes in all the holes between others of that size."""
    kept: list[object] = []
    whole = POOL // size
    for _ in range(TRIES):
        new = _objects(size, 3 * whole)
        start = 0
        for i in range(1, len(new)):
            if id(new[i]) != id(new[i - 1]) + size:
                start = i
            elif i - start + 1 == whole:  # one behind the other: a fresh pool, no holes
                return kept + new[:start]
        kept += new
    return kept


def _objects(size: int, count: int) -> list[object]:
    if size == 16:
        return [object() for _ in range(count)]
    if size == 32:
        return list(range(1 << 20, (1 << 20) + count))
    return [bytes(size - BYTES) for _ in range(count)]


def _fill_between() -> list[object]:
    """Objects in all the holes between larger blocks.

    Repeated bytes, because zeros would come from calloc(3), which does not take the
    blocks that malloc(3) keeps at hand.
    """
    kept: list[object] = [None] * (MOST // SIZES[-1])
    end = max([id(b"-" * (LARGE + at)) for at in range(4)])
    size = LARGE
    at = used = 0
    while size > SIZES[-1] and used < MOST:
        new = b"-" * (size - BYTES)
        if id(new) < end or size <= SMALL:  # or a small one would be kept at hand
            kept[at] = new
            at += 1
            used += size
        if id(new) >= end:
            size = size * 15 // 16 if size > SMALL else size - 16
    return kept
