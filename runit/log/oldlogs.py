"""The old logs of a directory: their names, and which of them have to go.

See LOG FILE ROTATION in svlogd(8).  An old log is named ``@label.s``, where the
label says when it was closed; ``.u`` waits to be processed, ``.t`` is what a
processor is writing.
"""

from __future__ import annotations

import errno
import posix
import time

from runit.log.say import info, pause, warning
from runit.options import encoded
from runit.service.tai64n import label, unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.directory import LogDirectory

LABEL_SIZE = 25
NAME_SIZE = LABEL_SIZE + 2
DIGITS = b"0123456789abcdef"
LAST = b"@8"
"""Labels from here on are not of this age of the world: see tai64n(8)."""
FEW_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What keeps a directory from being read for a while only."""


def exists(log: LogDirectory, name: bytes) -> bool:
    """Whether there is anything called NAME in the directory."""
    try:
        posix.lstat(name, dir_fd=log.descriptor)
    except OSError:
        return False
    return True


def unused_name(log: LogDirectory, end: bytes) -> bytes:
    """The name, ending in END, for a log that is closed now.

    It comes behind all that there are, also when the clock has been set back: else what
    is newest would be removed as the oldest.
    """
    now = label(time.time_ns())
    there = [name[:LABEL_SIZE] for name in names(log) if not name[1:LABEL_SIZE].strip(DIGITS)]
    newest = max(there, default=b"")
    if now <= newest < LAST:
        now = label(unix(bytes.fromhex(newest[1:].decode())) + 1)
    return now + end


def names(log: LogDirectory, then: bytes = b"rotate") -> list[bytes]:
    """The old logs, oldest first; THEN is what for, in a complaint."""
    while True:
        try:
            found = [encoded(name) for name in posix.listdir(log.descriptor) if name[0] == "@"]
            return sorted(name for name in found if len(name) == NAME_SIZE)
        except OSError as error:
            if error.errno not in FEW_RESOURCES:
                warning(b"unable to read directory", log.name, error=error)
                return []
            pause(b"unable to open directory, want " + then, log.name, error)


def prune(log: LogDirectory) -> None:
    """After a rotation: remove what a processor left unfinished, and one log too many."""
    kept = []
    for name in names(log):
        if not name.endswith(b"t"):
            kept.append(name)
        elif not log.processor.is_at_work_on(name):
            _unlink(log, name, b"unable to unlink processor leftover", name)
    if log.config.keep and len(kept) > log.config.keep:
        if log.context.options.verbose:
            info(b"delete", log.name + b"/" + kept[0])
        _unlink(log, kept[0], b"unable to unlink oldest logfile", log.name)


def make_room(log: LogDirectory) -> bool:
    """On a full disk: remove the oldest log if the configuration allows; whether it went."""
    least = log.config.least
    if least is None or least >= log.config.keep:
        return False
    found = names(log, b"remove old logfile")
    if len(found) <= least:
        return False
    warning(b"out of disk space, delete", log.name + b"/" + found[0])
    return _unlink(log, found[0], b"unable to unlink oldest logfile", log.name)


def _unlink(log: LogDirectory, name: bytes, *complaint: bytes) -> bool:
    try:
        posix.unlink(name, dir_fd=log.descriptor)
    except OSError as error:
        warning(*complaint, error=error)
        return False
    return True
