"""Be told of changes in directories, instead of asking for them: inotify(7).

The `inotify_simple` package makes the system calls.  It may be missing, and the
kernel may refuse (limits on instances and watches, descriptors used up): callers
keep a way to go on without it.  Nothing of the package is imported before a
program really has to wait: it brings enum, ctypes and more, 15 ms of start.

Imports nothing but what the interpreter has built in.
"""

from __future__ import annotations

import posix
import sys
from errno import ENOMEM

from runit.errors import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Protocol

    class INotify(Protocol):
        """What this suite uses of inotify_simple.INotify."""

        def fileno(self) -> int:
            """The descriptor, readable when there are events."""

        def add_watch(self, path: bytes, mask: int) -> int:
            """Watch PATH for the events in MASK; raises OSError."""

        def rm_watch(self, wd: int) -> None:
            """Watch no longer; raises OSError."""

        def close(self) -> None:
            """Give up the descriptor and all watches."""


# Masks of inotify(7).  As plain numbers, because the package's are an enum.
MODIFY = 0x00000002
ATTRIB = 0x00000004
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
UNMOUNT = 0x00002000
Q_OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000
DONT_FOLLOW = 0x02000000
ISDIR = 0x40000000

_HEADER = 16
_BLOCK = 65536

reason = b""
"""Why the last call of `inotify` returned None."""


def load() -> None:
    """Import the package now, if it is there."""
    try:
        _package()
    except (ImportError, OSError, MemoryError):
        pass


def inotify() -> INotify | None:
    """A new inotify instance, not blocking and closed on exec.

    None where that cannot be had; `reason` then holds the words for it.
    """
    global reason  # noqa: PLW0603
    try:
        instance: INotify = _package().INotify(nonblocking=True)
    except ImportError:
        reason = b"package inotify_simple is not installed"
    except OSError as error:
        reason = words(error)
    except MemoryError:
        reason = words(ENOMEM)
    except AttributeError:
        reason = b"system call not available"
    else:
        return instance
    return None


def events(instance: INotify) -> list[tuple[int, int, bytes]]:
    """All waiting events as (watch, mask, name), none if there are none.

    The watch is -1 and the mask Q_OVERFLOW when the kernel had to drop some.
    """
    found: list[tuple[int, int, bytes]] = []
    while True:
        try:
            block = posix.read(instance.fileno(), _BLOCK)
        except BlockingIOError:
            return found
        at = 0
        while at < len(block):
            name = at + _HEADER
            end = name + int.from_bytes(block[at + 12 : name], sys.byteorder)
            found.append(
                (
                    int.from_bytes(block[at : at + 4], sys.byteorder, signed=True),
                    int.from_bytes(block[at + 4 : at + 8], sys.byteorder),
                    block[name:end].rstrip(b"\0"),
                )
            )
            at = end


def _package() -> ModuleType:
    """The inotify_simple module, imported without starting a program.

    It asks ctypes.util.find_library for the C library, which runs ldconfig, gcc
    or objdump to find it, and costs 15 ms more to import.  The C library is
    loaded already: that is what a name of None stands for, so a module that
    always gives this answer takes the place of ctypes.util meanwhile.
    """
    module = sys.modules.get("inotify_simple")
    if module is not None:
        return module
    name = "ctypes.util"
    real = sys.modules.get(name)
    stand_in = type(sys)(name)
    stand_in.__dict__["find_library"] = lambda _: None
    sys.modules[name] = stand_in
    try:
        return __import__("inotify_simple")
    finally:
        if real is None:
            del sys.modules[name]
        else:
            sys.modules[name] = real
