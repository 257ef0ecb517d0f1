"""Equal pages of all runsvs in one place, where the kernel merges such.

What one runsv after the other writes to its own copy of a page is mostly the same: they
were forked from one process, and do the same with the same objects.  Linux can find
pages that are equal and keep one for all (KSM), of processes that offer them, on
machines whose owner has switched that on; see madvise(2), MADV_MERGEABLE.

Offered is what this process may write to, and those that are forked from it offer theirs
by that, too; what they exec does not.
"""

from __future__ import annotations

from errno import ENOMEM, ENOSYS

MERGEABLE = 12
"""MADV_MERGEABLE of <sys/mman.h>."""

OWN = b"rw-p "
"""Memory that may be written to, and is not shared."""


def offer() -> None:
    """Let the kernel merge pages of this process.

    Raises OSError where that is not to be had.
    """
    try:
        import ctypes  # which inotify_simple has loaded already, nearly always

        madvise = ctypes.CDLL(None, use_errno=True).madvise
        madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        with open("/proc/self/maps", "rb", buffering=0) as maps:
            lines = maps.read().split(b"\n")
        for line in lines:
            area, _, rest = line.partition(b" ")
            if rest.startswith(OWN):
                start, end = [int(address, 16) for address in area.split(b"-")]
                if madvise(start, end - start, MERGEABLE):
                    raise OSError(ctypes.get_errno(), "")
    except (ImportError, AttributeError):
        raise OSError(ENOSYS, "") from None
    except MemoryError:
        raise OSError(ENOMEM, "") from None
