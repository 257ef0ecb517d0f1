"""Hear of every change that makes a path name another directory, or its content change.

A services directory is often reached through symlinks that are switched
(/etc/service -> runit/runsvdir/current -> multi).  Each directory and each
symlink on the way is watched for its own move or removal, the last directory for
what it holds, and where the way breaks off, the last directory that is there for
the name that is missing.  What neither moves nor is removed wakes nobody.
"""

from __future__ import annotations

import os
import select
import stat
from errno import EACCES, ENOSPC

from runit.errors import words
from runit.service import watch

CONTENT = watch.CREATE | watch.DELETE | watch.MOVED_FROM | watch.MOVED_TO
MOVED = watch.MOVE_SELF | watch.DELETE_SELF | watch.ATTRIB
APPEARED = watch.CREATE | watch.MOVED_TO

PLAIN = watch.CREATE | watch.DELETE | watch.MOVED_TO
"""What changes the content only: of a move within the directory this is but half."""

MOST_LINKS = 40
"""Symlinks on one way, as the kernel counts them."""

MOST_TRIES = 10
"""Times that the way may change while it is being watched."""

SILENT = (
    b"nfs",
    b"cifs",
    b"smb",
    b"9p",
    b"fuse",
    b"ceph",
    b"afs",
    b"gluster",
    b"lustre",
    b"vboxsf",
)
"""Beginnings of the names of file systems whose changes may come from elsewhere, unheard."""


class Places:
    """The watches on the way to PATH.

    `reason` tells, in words, why there is nothing to hear, else it is empty; with a
    reason the caller has to look again and again.  POLL is told what to poll; `mounts`
    is the descriptor that shows a mount, which may hide what was on the way.
    """

    def __init__(self, path: bytes, poll: select.poll) -> None:
        self.path = path
        self.reason = b""
        self._poll = poll
        self._watches: dict[tuple[bytes, int], int] = {}
        self._content = -1  # the watch of the directory itself
        self._inotify: watch.INotify | None = None
        self._begin()
        try:
            self.mounts = os.open(b"/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
            poll.register(self.mounts, select.POLLPRI)
        except OSError:
            self.mounts = -1

    def _begin(self) -> None:
        self._inotify = watch.inotify()
        if self._inotify is None:
            self.reason = watch.reason
        else:
            self._poll.register(self._inotify.fileno(), select.POLLIN)

    def heard(self) -> set[bytes] | None:
        """Take in what has happened: names that have come or gone; None if it was more."""
        names: set[bytes] = set()
        for number, mask, name in watch.events(self._inotify) if self._inotify else ():
            if number != self._content or not mask & PLAIN:
                return None
            names.add(name)
        return names

    def renew(self) -> None:
        """Watch the way as it is now.  To be called before looking, not after."""
        if self._inotify is None:
            self._begin()  # what was used up may be there again
        if self._inotify is None:
            return
        self.reason = _silent_file_system(self.path)
        way = _way(self.path)
        for _ in range(MOST_TRIES):
            self._watch(way)
            before, way = way, _way(self.path)
            if way == before:
                return
        self.reason = b"it changes too fast"

    def _watch(self, way: list[tuple[bytes, int]]) -> None:
        assert self._inotify is not None
        kept: dict[tuple[bytes, int], int] = {}
        for path, mask in way:
            try:
                kept[path, mask] = self._inotify.add_watch(path, mask)
            except FileNotFoundError:
                continue  # it goes while we look: the watch before it tells
            except OSError as error:
                if error.errno == EACCES and mask == MOVED:
                    continue  # a directory on the way that we may pass, but not read
                full = error.errno == ENOSPC
                self.reason = b"limit on watches reached" if full else words(error)
        for number in set(self._watches.values()) - set(kept.values()):
            try:
                self._inotify.rm_watch(number)
            except OSError:
                pass  # it went with what it watched
        self._watches = kept
        holds = way[-1][1] & CONTENT == CONTENT  # else it is where the way breaks off
        self._content = kept.get(way[-1], -1) if holds else -1


def _way(path: bytes) -> list[tuple[bytes, int]]:
    """The directories and symlinks from here to PATH, each with its mask."""
    way: list[tuple[bytes, int]] = []
    at = b"/" if path.startswith(b"/") else b"."
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    links = 0
    while names:
        name = names.pop(0)
        there = os.path.join(at, name)
        try:
            mode = os.lstat(there).st_mode
        except OSError:
            way.append((at, APPEARED | MOVED | watch.ONLYDIR))
            return way
        if stat.S_ISLNK(mode):
            links += 1
            way.append((there, MOVED | watch.DONT_FOLLOW))
            try:
                target = os.readlink(there)
            except OSError:
                return way
            if links > MOST_LINKS:
                return way
            names = [part for part in target.split(b"/") if part not in (b"", b".")] + names
            at = b"/" if target.startswith(b"/") else at
            continue
        if names and name != b"..":
            way.append((there, MOVED))
        at = there
    way.append((at, CONTENT | MOVED))
    return way


def _silent_file_system(path: bytes) -> bytes:
    """The words for it if PATH lies on a file system that may change unheard."""
    try:
        device = os.stat(path).st_dev
        with open("/proc/self/mountinfo", "rb") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return b""
    number = b"%d:%d" % (os.major(device), os.minor(device))
    for line in lines:
        left, _, right = line.partition(b" - ")
        fields = left.split()
        kind = right.split(b" ", 1)[0]
        if len(fields) > 2 and fields[2] == number and kind.startswith(SILENT):
            return b"file system " + kind + b" does not tell of changes"
    return b""
