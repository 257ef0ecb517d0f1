"""The environment as this program was given it.

In the C locale the interpreter puts LC_CTYPE into its own environment (PEP 538),
even when it is told to isolate itself, and every child would inherit that.  What
the kernel was given at exec still stands in /proc/self/environ.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")


class Given:
    """An environment for posix_spawn(3): entries in order, one name twice and all.

    It looks like a mapping to posix.posix_spawn, which asks for keys and values.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, entries: list[bytes]) -> None:
        # A name may start with "=", by the kernel's lights, but not be empty.
        cuts = [(entry, entry.find(b"=", 1)) for entry in entries]
        self._names = [entry[:cut] for entry, cut in cuts if cut > 0]
        self._values = [entry[cut + 1 :] for entry, cut in cuts if cut > 0]

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: bytes) -> bytes:
        return self._values[self._names.index(name)]

    def keys(self) -> list[bytes]:
        """The names, in order."""
        return self._names

    def mapping(self) -> Mapping[bytes, bytes]:
        """The same for posix_spawn, and cheaper to ask, if no name comes twice."""
        plain = dict(zip(self._names, self._values, strict=True))
        if len(plain) == len(self):
            return plain
        return self  # type: ignore[return-value]  # a mapping as far as posix_spawn looks

    def values(self) -> list[bytes]:
        """The values, in the same order."""
        return self._values


def given() -> Given:
    """What to hand on: the kernel's copy, else the interpreter's without its addition."""
    entries = _entries()
    if entries is None:
        restore()
        entries = [name + b"=" + value for name, value in posix.environ.items()]
    return Given(entries)


def restore() -> None:
    """Make the environment for exec'd programs what this one was given.

    Where /proc is not mounted, an LC_CTYPE that the interpreter may have set
    goes, if the other variables say that it would have set it.
    """
    if posix.environ.get(b"LC_CTYPE") not in COERCED:
        return
    entries = _entries()
    if entries is None:
        if posix.environ.get(b"LC_ALL"):
            return
        if posix.environ.get(b"LANG", b"C") not in (b"", b"C", b"POSIX"):
            return
        entries = []
    for entry in entries:
        if entry.startswith(b"LC_CTYPE="):
            original = entry[9:]
            posix.putenv(b"LC_CTYPE", original)
            posix.environ[b"LC_CTYPE"] = original
            return
    posix.unsetenv(b"LC_CTYPE")
    del posix.environ[b"LC_CTYPE"]


def _entries() -> list[bytes] | None:
    """The environment at exec, from the kernel; None if it does not tell."""
    try:
        descriptor = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    blocks = []
    try:
        while block := posix.read(descriptor, 65536):
            blocks.append(block)
    except OSError:
        return None
    finally:
        posix.close(descriptor)
    return b"".join(blocks).split(b"\0")[:-1]
