"""The environment as this program was given it.

In the C locale the interpreter puts LC_CTYPE into its own environment (PEP 538),
even when it is told to isolate itself, and every child would inherit that.  What
the kernel was given at exec still stands in /proc/self/environ.
"""

from __future__ import annotations

import posix

COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")


def restore() -> None:
    """Make the environment for exec'd programs what this one was given.

    Where /proc is not mounted, an LC_CTYPE that the interpreter may have set
    goes, if the other variables say that it would have set it.
    """
    if posix.environ.get(b"LC_CTYPE") not in COERCED:
        return
    given = _given()
    if given is not None:
        original = given.get(b"LC_CTYPE")
    elif posix.environ.get(b"LC_ALL") or posix.environ.get(b"LANG", b"C") not in (
        b"",
        b"C",
        b"POSIX",
    ):
        return
    else:
        original = None
    if original is None:
        posix.unsetenv(b"LC_CTYPE")
        del posix.environ[b"LC_CTYPE"]
    else:
        posix.putenv(b"LC_CTYPE", original)
        posix.environ[b"LC_CTYPE"] = original


def _given() -> dict[bytes, bytes] | None:
    """The environment at exec, from the kernel; None if it does not tell."""
    try:
        descriptor = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        blocks = []
        while block := posix.read(descriptor, 65536):
            blocks.append(block)
    except OSError:
        return None
    finally:
        posix.close(descriptor)
    variables: dict[bytes, bytes] = {}
    for entry in b"".join(blocks).split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals:
            variables.setdefault(name, value)
    return variables
