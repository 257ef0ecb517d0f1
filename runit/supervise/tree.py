"""The tree: which service directories there are, and the runsv of each.

Identity is (device, inode): two names for one directory give one runsv, and a
rename changes nothing.  See runsvdir(8).
"""

from __future__ import annotations

import os
import select
import stat
import time
from errno import EAGAIN, ENOMEM

from runit.message import Text
from runit.process import title
from runit.process.descriptors import close_from
from runit.process.signals import _signal
from runit.supervise import adopt, files
from runit.supervise.warm import Starter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Complain = Callable[..., None]
    Key = tuple[int, int]

PACE = 1.0
"""Seconds between two starts of one runsv, at least."""


class Entry:
    """One service directory: NAME in the services directory, identity KEY.

    pid          of its runsv, or of the child that waits for the lock; 0 if none
    holder       the living runsv that was found there, if its pid is known
    control      its control FIFO, if its pid is not known: pid is then that of a
                 child that waits for its end; else -1
    not_before   monotonic seconds: when it may be started
    listed       it is in the services directory
    waited       the lock of an unknown runsv was free at last: start one, come what may
    """

    __slots__ = ("control", "holder", "key", "listed", "name", "not_before", "pid", "waited")

    def __init__(self, name: bytes, key: Key) -> None:
        self.name = name
        self.key = key
        self.pid = 0
        self.holder: adopt.Holder | None = None
        self.control = -1
        self.not_before = 0.0
        self.listed = True
        self.waited = False


class Tree:
    """All entries, and their processes.

    STARTER starts a runsv, COMPLAIN prints a warning, POLL is told of the
    descriptors that show the end of adopted runsvs.
    """

    def __init__(self, starter: Starter, complain: Complain, poll: select.poll) -> None:
        self.starter = starter
        self.complain = complain
        self.poll = poll
        self.entries: dict[Key, Entry] = {}
        self.pending: dict[Key, Entry] = {}  # those without a process
        self.by_pid: dict[int, Entry] = {}
        self.by_descriptor: dict[int, Entry] = {}
        self.directory = -1
        self._twice: set[Key] = set()  # those with more than one name
        self._locks: dict[int, list[int]] | None = None
        self._complained: set[tuple[Text, int]] = set()
        self._short = False  # of processes, which has been said

    # What is there

    def scan(self, directory: int) -> None:
        """Make the entries what the open DIRECTORY holds, and start and stop accordingly.

        The current directory has to be that directory.  Raises OSError when it
        cannot be read; then nothing has changed.
        """
        found = self._list(directory)
        self.directory = directory
        self._locks = None
        for entry in list(self.entries.values()):
            if entry.key not in found and entry.listed:
                self._leave(entry)
        for key, name in found.items():
            if key not in self.entries:
                self.entries[key] = self.pending[key] = Entry(name, key)
            self.entries[key].name = name
            self.entries[key].listed = True
        self.step(time.monotonic())

    def glance(self, names: set[bytes]) -> bool:
        """As `scan`, where only NAMES have come or gone; False if that is not enough.

        Then nothing has changed: there is another name for the same directory, or trouble.
        """
        known = {entry.name: entry for entry in self.entries.values() if entry.listed}
        come: dict[Key, bytes] = {}
        gone: list[Entry] = []
        for name in names:
            entry = known.get(name)
            try:
                key = None if name.startswith(b".") else _directory(name)
            except OSError:
                return False
            if entry and key is None:
                if entry.key in self._twice:
                    return False
                gone.append(entry)
            elif entry and entry.key != key:
                return False
            elif key and not entry:
                if key in self.entries or key in come:
                    return False
                come[key] = name
        for entry in gone:
            self._leave(entry)
        for key, name in come.items():
            self.entries[key] = self.pending[key] = Entry(name, key)
        return True

    def _list(self, directory: int) -> dict[Key, bytes]:
        found: dict[Key, bytes] = {}
        troubles: set[tuple[Text, int]] = set()
        self._twice = set()
        for text in os.listdir(directory):
            name = os.fsencode(text)
            if name.startswith(b"."):
                continue
            try:
                key = _directory(name)
            except OSError as error:
                trouble = (name, error.errno or 0)
                troubles.add(trouble)
                if trouble not in self._complained:
                    self.complain("warning", b"unable to stat " + name, error=error)
                continue
            if key is None:
                continue
            if key in found:
                self._twice.add(key)
            known = self.entries.get(key)
            # Of two names for one directory the one in use stays.
            if key not in found or (known and known.name == name):
                found[key] = name
        self._complained = troubles
        return found

    def _leave(self, entry: Entry) -> None:
        """Its directory is not listed any more: tell its runsv, and forget it at its end."""
        entry.listed = False
        self._tell_to_exit(entry)
        if not entry.pid:
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        del self.entries[entry.key]
        self.pending.pop(entry.key, None)

    def _tell_to_exit(self, entry: Entry) -> None:
        if entry.control >= 0:
            adopt.tell_to_exit(entry.control)
        elif entry.holder:
            try:
                _signal.pidfd_send_signal(entry.holder.fileno, _signal.SIGTERM)
            except OSError:
                pass  # it is gone; its end will show
        elif entry.pid:
            try:
                os.kill(entry.pid, _signal.SIGTERM)
            except OSError as error:
                self.complain("warning", b"unable to signal runsv " + entry.name, error=error)

    def dismiss(self) -> None:
        """Tell every runsv to exit."""
        for entry in self.entries.values():
            self._tell_to_exit(entry)

    # Processes

    def step(self, now: float) -> None:
        """Start what is to be started by NOW, in monotonic seconds."""
        due = [one for one in self.pending.values() if now >= one.not_before]
        new = []
        self._locks = None
        for entry in due:
            entry.not_before = now + PACE
            if not entry.waited and adopt.supervised(entry.name):
                self._adopt(entry)
            else:
                new.append(entry)
        while new:
            new = self._start(new)
        for entry in due:
            if entry.pid:
                del self.pending[entry.key]

    def deadline(self) -> float | None:
        """When `step` has to be called at the latest; None if only after an event."""
        return min((entry.not_before for entry in self.pending.values()), default=None)

    def _start(self, entries: list[Entry]) -> list[Entry]:
        """Start the runsvs of ENTRIES, up to one that cannot be.

        Returns those behind that for which there may be better hope.
        """
        pids, error = self.starter.start([entry.name for entry in entries])
        for entry, pid in zip(entries, pids, strict=False):
            entry.pid = pid
            entry.waited = False
            self.by_pid[pid] = entry
        if error is None:
            self._short = False
            return []
        failed = entries[len(pids)]
        if error.errno in (EAGAIN, ENOMEM):
            self._lacks_processes(failed, error)
            return []
        self.complain("fatal", b"unable to start runsv " + failed.name, error=error)
        return entries[len(pids) + 1 :]

    def _lacks_processes(self, entry: Entry, error: OSError) -> None:
        """Say so, once until there are enough: there may be a thousand entries, each second."""
        if not self._short:
            self.complain("warning", b"unable to fork for " + entry.name, error=error)
        self._short = True

    def _adopt(self, entry: Entry) -> None:
        """Somebody's runsv is there already: wait for its end."""
        if self._locks is None:
            self._locks = adopt.locks()
        found = adopt.holder(entry.name, self._locks)
        if found:
            entry.pid = found.pid
            entry.holder = found
            self.by_descriptor[found.fileno] = entry
            self.poll.register(found.fileno, select.POLLIN)
            return
        # Both before the child is there, as the name may go at any moment.
        lock, control = adopt.lock(entry.name), adopt.control(entry.name)
        try:
            entry.pid = _wait_for_lock(lock, entry.name)
        except OSError as error:
            if control >= 0:
                os.close(control)
            self._lacks_processes(entry, error)
            return
        finally:
            if lock >= 0:
                os.close(lock)
        entry.control = control
        entry.waited = True
        self.by_pid[entry.pid] = entry

    def reap(self) -> None:
        """Take note of all children that have ended."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            entry = self.by_pid.pop(pid, None)
            if entry:
                self._ended(entry)

    def holder_ended(self, descriptor: int) -> None:
        """Take note that the adopted runsv behind DESCRIPTOR has ended."""
        self.poll.unregister(descriptor)
        os.close(descriptor)
        self._ended(self.by_descriptor.pop(descriptor))

    def _ended(self, entry: Entry) -> None:
        entry.pid = 0
        entry.holder = None
        if entry.control >= 0:
            os.close(entry.control)
            entry.control = -1
        self.pending[entry.key] = entry
        if not entry.listed:
            self._forget(entry)


def _directory(name: bytes) -> Key | None:
    """The identity of the directory NAME; None if there is nothing, or something else.

    Raises OSError if that cannot be told.
    """
    try:
        it = os.stat(name)
    except OSError:
        if os.path.lexists(name):
            raise
        return None  # it went while we looked
    return (it.st_dev, it.st_ino) if stat.S_ISDIR(it.st_mode) else None


def _wait_for_lock(lock: int, name: bytes) -> int:
    """A child that ends when the runsv in the directory NAME lets go of its LOCK; its pid.

    For a runsv whose pid the kernel does not tell, as in another pid namespace.  A LOCK
    that could not be opened, -1, it does not wait for.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.dup2(lock, 3)
        close_from(4)
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        _signal.signal(_signal.SIGHUP, _signal.SIG_DFL)
        title.show(b"runsvdir wait " + name, b"runsvdir-wait", title.area())
        files.wait_lock(3)
    finally:
        os._exit(0)
