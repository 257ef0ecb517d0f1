"""An environment directory: a file for each variable, its first line the value.

See -e in chpst(8), and envdir(8).
"""

from __future__ import annotations

import posix
from errno import EISDIR

from runit.process.unable import Unable, attempt

BLOCK = 8192


def export(directory: bytes, *, strict: bool) -> None:
    """Change the environment that is handed on by the files in DIRECTORY.

    Subdirectories are passed over, or an error if STRICT.  Raises Unable.
    """
    back = attempt(
        b"unable to open current working directory",
        do=lambda: posix.open(b".", posix.O_PATH | posix.O_CLOEXEC),
    )
    attempt(b"unable to switch to directory", directory, do=lambda: posix.chdir(directory))
    names = attempt(b"unable to open directory", directory, do=lambda: posix.listdir(b"."))
    for name in names:
        if name.startswith(b"."):
            continue
        try:
            _change(name, _value(name))
        except FileNotFoundError:  # a symlink to nowhere: as good as empty
            _change(name, None)
        except OSError as error:
            if error.errno == EISDIR and not strict:
                continue
            raise Unable(b"unable to read %b/%b" % (directory, name), error=error) from None
    attempt(b"unable to switch to starting directory", do=lambda: posix.fchdir(back))
    posix.close(back)


def _value(name: bytes) -> bytes | None:
    """The first line of file NAME, cleaned; None if the file is empty."""
    descriptor = posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        content = block = posix.read(descriptor, BLOCK)
        while block and b"\n" not in block:
            block = posix.read(descriptor, BLOCK)
            content += block
    finally:
        posix.close(descriptor)
    if not content:
        return None
    return content.partition(b"\n")[0].rstrip(b" \t").replace(b"\0", b"\n")


def _change(name: bytes, value: bytes | None) -> None:
    """Set variable NAME to VALUE, or remove it if that is None.

    A NAME with an equals sign, which must not be, ends at that sign, and the rest
    counts as value: so the entry reads as it does with the reference.
    """
    entry = name if value is None else name + b"=" + value
    variable, equals, rest = entry.partition(b"=")
    if not variable:
        return
    if equals:
        posix.putenv(variable, rest)
    else:
        posix.unsetenv(variable)
