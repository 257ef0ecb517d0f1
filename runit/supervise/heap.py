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
import sys
from opcode import opmap
from types import CodeType, FrameType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

ROUND = 16
"""Bytes by which blocks grow."""

NOTHING = bytes([opmap["NOP"], 0])

CONSTANTS = (int, bytes, float, tuple)

_kept: list[object] = []


def make_room() -> None:
    """See to it that what is allocated from now on lies together."""
    gc.collect()
    _kept.extend([_fill_pools(size) for size in SIZES])
    _kept.append(_fill_between())
    _kept.append([_thread.allocate_lock() for _ in range(LOCKS)][:-AT_HAND])


def used_by(act: Callable[[], object]) -> list[CodeType]:
    """What ACT, called once, calls of Python's functions, in the order of their first calls."""
    used: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            used[frame.f_code] = None

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return list(used)


def gather(modules: Iterable[ModuleType], used: list[CodeType]) -> None:
    """Give what USED is and uses a new place, in this order: functions and constants of MODULES.

    Functions that somebody else has a reference to already go on as they are.
    """
    modules = list(modules)
    places: dict[CodeType, tuple[ModuleType | type, str, FunctionType]] = {}
    for module in modules:
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) != module.__name__:
                continue
            if isinstance(thing, FunctionType):
                places[thing.__code__] = module, name, thing
            elif isinstance(thing, type):
                for member, function in vars(thing).items():
                    if isinstance(function, FunctionType):
                        places[function.__code__] = thing, member, function
    moved: dict[int, object] = {}
    for code in used:
        if code in places:
            where, name, function = places[code]
            moved[id(function)] = new = _renew(function)
            setattr(where, name, new)
    names = {name for code in used for name in code.co_names}
    for module in modules:
        for name, thing in list(vars(module).items()):
            if id(thing) in moved:  # imported from another
                setattr(module, name, moved[id(thing)])
            elif name in names and type(thing) in CONSTANTS:
                setattr(module, name, _copy(thing))


def _renew(old: FunctionType) -> FunctionType:
    """OLD again; it stays as it is, or its place would be taken next."""
    new = FunctionType(
        _copy_code(old.__code__), old.__globals__, old.__name__, old.__defaults__, old.__closure__
    )
    new.__kwdefaults__ = old.__kwdefaults__
    new.__doc__, new.__annotations__ = old.__doc__, old.__annotations__
    _kept.append(old)
    return new


def _copy_code(code: CodeType) -> CodeType:
    """CODE, and so many instructions that do nothing behind it that it is a larger block.

    Those lie one behind the other, where pools would have a page for each size.
    """
    text = code.co_code
    lacking = SIZES[-1] + ROUND - sys.getsizeof(code)
    return code.replace(
        co_code=text + NOTHING * (lacking // 2),
        co_consts=tuple([_copy(constant) for constant in code.co_consts]),
    )


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
    if type(constant) is float:
        return float(repr(constant))
    if type(constant) is tuple:
        return tuple([_copy(one) for one in constant])
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
