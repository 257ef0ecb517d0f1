"""Tell everybody who is logged in, and the console.

No terminal makes anybody wait: one that is held, or whose line is down, gets nothing.
"""

from __future__ import annotations

import posix
import time

from runit.boot import utmp
from runit.message import printable

CONSOLE = b"console"
DEVICES = b"/dev/"

_TYPE = 0o170000
_IS_CHARACTERS = 0o020000
_TERMINALS = {4, 5, *range(136, 144)}
"""Major numbers of consoles, serial lines and pseudo terminals; others are told by /sys."""
_FLAGS = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC


def wall(text: bytes) -> None:
    """Write TEXT, lines ended by newlines, to the terminals of all users; nothing fails."""
    message = render(text)
    for line in (*dict.fromkeys(record.line for record in users()), CONSOLE):
        tell(line, message)


def users() -> list[utmp.Record]:
    """Who is logged in; nobody, if utmp cannot be read."""
    try:
        descriptor = posix.open(utmp.UTMP, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
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
    return (head + printable(text, "\n\t")).replace(b"\n", b"\r\n")


def tell(line: bytes, message: bytes) -> None:
    """Write MESSAGE to the terminal LINE, its name without /dev/, if that can be had at once.

    Programs that are not root's may write into utmp, and there are other devices than
    terminals: a watchdog that is opened restarts the machine, /dev/mem is its memory.
    """
    if b".." in line.split(b"/"):
        return
    path = line if line.startswith(DEVICES) else DEVICES + line
    try:
        if not _is_terminal(posix.stat(path)):
            return
        descriptor = posix.open(path, _FLAGS)
    except OSError:
        return
    try:
        if posix.isatty(descriptor):
            posix.write(descriptor, message)
    except OSError:
        pass
    posix.close(descriptor)


def _is_terminal(device: posix.stat_result) -> bool:
    """Whether DEVICE is a terminal, as far as can be told without opening it."""
    if device.st_mode & _TYPE != _IS_CHARACTERS:
        return False
    major, minor = posix.major(device.st_rdev), posix.minor(device.st_rdev)
    if major in _TERMINALS:
        return True
    try:
        return b"/tty/" in posix.readlink(b"/sys/dev/char/%d:%d" % (major, minor))
    except OSError:
        return False
