"""Tell everybody who is logged in, and the console.

No terminal makes anybody wait: one that is held, or whose line is down, gets nothing.
"""

from __future__ import annotations

import posix
import time

from runit.boot import utmp

CONSOLE = b"console"
DEVICES = b"/dev/"

_TYPE = 0o170000
_IS_CHARACTERS = 0o020000
_FLAGS = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC


def wall(text: bytes) -> None:
    """Write TEXT, lines ended by newlines, to the terminals of all users; nothing fails."""
    message = render(text)
    for line in (*dict.fromkeys(record.line for record in users()), CONSOLE):
        tell(line, message)


def users() -> list[utmp.Record]:
    """Who is logged in; nobody, if utmp cannot be read."""
    try:
        descriptor = posix.open(utmp.UTMP, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return []
    try:
        records = list(utmp.read(descriptor))
    except OSError:
        records = []
    posix.close(descriptor)
    return [one for one in records if one.type == utmp.USER_PROCESS and one.line]


def render(text: bytes) -> bytes:
    """TEXT as terminals take it, below a line that tells from where it is, and when."""
    host = posix.uname().nodename.encode("utf-8", "surrogateescape")
    head = b"\a\nBroadcast message from %b (%b):\n\n" % (host, time.ctime().encode())
    return (head + printable(text)).replace(b"\n", b"\r\n")


def printable(text: bytes) -> bytes:
    """TEXT without what would command a terminal: control characters become ``?``."""
    decoded = text.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in decoded).encode()


def tell(line: bytes, message: bytes) -> None:
    """Write MESSAGE to the terminal LINE, its name without /dev/, if that can be had at once."""
    if b".." in line.split(b"/"):
        return
    path = line if line.startswith(DEVICES) else DEVICES + line
    try:
        if posix.stat(path).st_mode & _TYPE != _IS_CHARACTERS:
            return
        descriptor = posix.open(path, _FLAGS)
    except OSError:
        return
    try:
        posix.write(descriptor, message)
    except OSError:
        pass
    posix.close(descriptor)
