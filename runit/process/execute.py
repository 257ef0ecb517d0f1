"""Become another program, found the way the reference finds it.

The C library's execvp(3) differs in what it does about errors, so the search is
done here.  The environment handed on is the C library's, untouched: a program
that wants to change it calls posix.putenv and posix.unsetenv, and every other
entry, odd ones too, goes to the new program byte for byte and in its order.
"""

from __future__ import annotations

import posix
from errno import EACCES, EISDIR, ENOENT, EPERM

DEFAULT_PATH = b"/bin:/usr/bin"

HERE_ONLY = (EACCES, EISDIR, EPERM)
"""Errors of one candidate: the next is tried, but they are told in the end."""


def search(program: bytes, path: bytes | None = None) -> list[bytes]:
    """The files that PROGRAM may stand for, in order.

    A name with a slash stands for itself.  PATH is a list of directories joined
    by colons, an empty one being the current directory; by default it is what
    this program was given in $PATH.
    """
    if b"/" in program:
        return [program]
    if path is None:
        path = posix.environ.get(b"PATH", DEFAULT_PATH)
    return [(directory or b".") + b"/" + program for directory in path.split(b":")]


def execute(argv: list[bytes], *, program: bytes | None = None, path: bytes | None = None) -> None:
    """Replace this process by PROGRAM (by default argv[0]) with the arguments ARGV.

    PATH is as for `search`.  A candidate that does not exist or is denied makes
    room for the next; any other error ends the search.  Raises OSError when no
    candidate could be started: the error that ended the search, else the last
    denial, else ENOENT.
    """
    denied: OSError | None = None
    for candidate in search(argv[0] if program is None else program, path):
        try:
            _exec(candidate, argv)
        except OSError as error:
            if error.errno in HERE_ONLY:
                denied = error
            elif error.errno != ENOENT:
                raise
    raise denied or FileNotFoundError(ENOENT, "")


def _exec(file: bytes, argv: list[bytes]) -> None:
    """execv(2), with an empty argv[0] too."""
    if argv[0]:
        posix.execv(file, argv)
    import ctypes  # the built-in call refuses an empty name; rare enough to pay for this

    arguments = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
    ctypes.CDLL(None, use_errno=True).execv(file, arguments)
    raise OSError(ctypes.get_errno(), "")
