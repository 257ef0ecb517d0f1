"""runsvdir: starts and monitors a collection of runsv processes.

See runsvdir(8).  Changes in the services directory are heard through inotify(7);
where that cannot be, it is looked at every five seconds, as the reference does.

The invariant of the loop: nothing in it waits but poll(2).
"""

from __future__ import annotations

import os
import select
import sys
import time

from runit import options
from runit.errors import words
from runit.message import Text, complain, emit, line
from runit.process import signals, title
from runit.process.descriptors import close_from, fill
from runit.process.signals import _signal
from runit.service import watch
from runit.supervise import merge
from runit.supervise.patience import patiently
from runit.supervise.places import Places
from runit.supervise.proctitle_log import DOT_EVERY, SHORTEST, ProctitleLog
from runit.supervise.rehearsal import rehearse
from runit.supervise.spawn import environment
from runit.supervise.tree import Tree
from runit.supervise.wakeup import Wakeup
from runit.supervise.warm import Starter

LOOK_EVERY = 5.0
"""Seconds between two looks where changes cannot be heard."""

LOOK_AGAIN = 1.0
"""Seconds until the next look when the last one failed or may have been too early."""

CARRY = "runsvdir_log"
"""Interpreter option -X: ``pid:descriptor``, from a runsvdir that exec's itself to the next."""

SIGNALS = (_signal.SIGCHLD, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGALRM, _signal.SIGUSR1)

TERMINATED, HUNG_UP, FATAL, USAGE = 0, 111, 100, 1


class Runsvdir:
    """What one runsvdir holds.  PATH is the services directory."""

    def __init__(
        self, path: bytes, new_session: bool, log: ProctitleLog | None, wakeup: Wakeup
    ) -> None:
        self.path = path
        self.who = b"runsvdir " + path
        self.log = log
        self.home = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.wakeup = wakeup
        self.poll = select.poll()
        self.places = Places(path, self.poll)
        self.poll.register(self.wakeup.fileno, select.POLLIN)
        if log:
            self.poll.register(log.fileno, select.POLLIN)
        self.tree = Tree(Starter(new_session, wakeup.numbers), self.complain, self.poll)
        self.directory = -1
        self.seen: tuple[int, int, int] | None = None
        self.look_at: float | None = 0.0  # monotonic seconds of the next look; None: when told
        self.dot_at = time.monotonic() + DOT_EVERY if log else None
        self.reason = b""  # why changes cannot be heard
        self.trouble = b""  # what was wrong at the last look

    def complain(self, *parts: Text, error: OSError | int | None = None) -> None:
        """Warn; with a log directly into it, because its pipe could be full."""
        if self.log:
            self.log.add(line(self.who, *parts, error=error))
        else:
            complain(self.who, *parts, error=error)

    # The loop

    def run(self) -> int:
        """Supervise until told to end; the exit code."""
        if self.log:
            self.log.add(b".")
        return patiently(self._run, lambda error: self.complain("warning", "sleeping", error=error))

    def _run(self) -> int:
        self.tree.reap()  # those that ended while this was exec'd, or had no memory
        self.seen = None
        self.look_at = 0.0
        while True:
            now = time.monotonic()
            if self.look_at is not None and now >= self.look_at:
                self.look(now)
            self.tree.step(now)
            if self.log and self.dot_at is not None and now >= self.dot_at:
                self.log.add(b".")
                self.dot_at = now + DOT_EVERY
            for descriptor, _ in self.poll.poll(self._timeout()):
                code = self._event(descriptor)
                if code is not None:
                    return code

    def _timeout(self) -> float | None:
        """Milliseconds until something is due by itself; None if nothing is."""
        moments = [self.look_at, self.tree.deadline(), self.dot_at]
        due = [moment for moment in moments if moment is not None]
        if not due:
            return None
        return max(0.0, (min(due) - time.monotonic()) * 1000 + 1)

    def _event(self, descriptor: int) -> int | None:
        """Deal with one readable descriptor; the exit code if that is the end."""
        if descriptor == self.wakeup.fileno:
            return self._signalled()
        if descriptor in self.tree.by_descriptor:
            self.tree.holder_ended(descriptor)
        elif self.log and descriptor == self.log.fileno:
            self.log.read()
        elif descriptor == self.places.mounts:
            self.look_at = 0.0
        else:
            self._heard()
        return None

    def _heard(self) -> None:
        """The services directory has changed: look at what did, and at all of it if need be.

        What no event tells, such as a link that leads elsewhere now, is seen a little later.
        """
        names = self.places.heard()
        if names is None or self.trouble or not self.tree.glance(names):
            self.look_at = 0.0
        elif self.look_at is None:
            self.look_at = time.monotonic() + LOOK_AGAIN

    def _signalled(self) -> int | None:
        numbers = self.wakeup.read()
        if _signal.SIGTERM in numbers:
            return TERMINATED
        if _signal.SIGHUP in numbers:
            self.tree.dismiss()
            return HUNG_UP
        if _signal.SIGUSR1 in numbers:
            self._exec_anew()
        if _signal.SIGALRM in numbers:
            self.seen = None
            self.look_at = 0.0
        if _signal.SIGCHLD in numbers:
            self.tree.reap()
        return None

    # The services directory

    def look(self, now: float) -> None:
        """See which directories there are, and set the time of the next look."""
        self._go(self.home)
        self.places.renew()
        reason = self.places.reason
        if reason != self.reason:
            self.reason = reason
            if reason:
                self.complain("warning", "looking every five seconds", reason)
        self.look_at = now + LOOK_EVERY if reason else None
        trouble = self._open(now)
        if self.directory >= 0 and not self._go(self.directory):
            self.look_at = now + LOOK_AGAIN
            trouble = trouble or b"unable to change directory to " + self.path
        if not trouble:
            trouble = self._scan(now)
        if trouble and trouble != self.trouble:
            self.complain("warning", trouble)
        self.trouble = trouble

    def _go(self, directory: int) -> bool:
        """Change to an open directory; whether we may."""
        try:
            os.fchdir(directory)
        except OSError:
            return False
        return True

    def _open(self, now: float) -> bytes:
        """Open the services directory, which may be another one than before; or why not."""
        what = b"unable to stat "
        try:
            os.stat(self.path)
            what = b"unable to open directory "
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if self.reason or not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self.look_at = now + LOOK_AGAIN  # nothing will tell when it is better
            return what + self.path + b": " + words(error)
        if self.directory >= 0:
            os.close(self.directory)
        self.directory = directory
        return b""

    def _scan(self, now: float) -> bytes:
        """Look into the current directory, unless it is known to be as before; or why not."""
        it = os.fstat(self.directory)
        seen: tuple[int, int, int] | None = (it.st_dev, it.st_ino, it.st_mtime_ns)
        if self.reason:
            if seen == self.seen:
                return b""
            if abs(time.time_ns() - it.st_mtime_ns) < LOOK_AGAIN * 1e9:
                # The next change could bear the same time: look again soon.
                self.look_at = now + LOOK_AGAIN
                seen = None
        try:
            self.tree.scan(self.directory)
        except OSError as error:
            self.look_at = now + LOOK_AGAIN
            return b"unable to read directory " + self.path + b": " + words(error)
        self.seen = seen
        return b""

    # Upgrade

    def _exec_anew(self) -> None:
        """Become the runsvdir that is installed now; pid and children stay.

        It finds the runsvs by their locks, and the log's pipe by CARRY.
        """
        self._go(self.home)
        arguments = [options.encoded(argument) for argument in sys.orig_argv]
        if CARRY in sys._xoptions:
            del arguments[1:3]
        if self.log:
            arguments[-1] = self.log.text
            carried = f"{CARRY}={os.getpid()}:{self.log.fileno}"
            arguments[1:1] = [b"-X", carried.encode()]
            os.set_inheritable(self.log.fileno, True)
        # Until it listens again, signals wait.
        _signal.pthread_sigmask(_signal.SIG_BLOCK, self.wakeup.numbers)
        try:
            os.execve(
                sys.executable,
                arguments,
                environment(),  # type: ignore[arg-type]  # a mapping as far as execve looks
            )
        except OSError as error:
            self.complain("warning", "unable to exec anew", error=error)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, self.wakeup.numbers)
        if self.log:
            os.set_inheritable(self.log.fileno, False)
        if self.directory >= 0:
            self._go(self.directory)


def _carried() -> int | None:
    """The log's pipe, left open by the runsvdir that this process was before."""
    pid, _, descriptor = str(sys._xoptions.get(CARRY, "")).partition(":")
    return int(descriptor) if pid == str(os.getpid()) else None


def _open_log(command: bytes, who: bytes, text: bytes) -> ProctitleLog | None:
    if len(text) < SHORTEST:
        complain(who, "warning", "log must have at least seven characters.")
        complain(who, "warning", "log service disabled.")
        return None
    try:
        return ProctitleLog(command, text, _carried())
    except OSError as error:
        complain(who, "warning", "unable to create pipe for log.", error=error)
        complain(who, "warning", "log service disabled.")
        return None


def _close_all_but(kept: int | None) -> None:
    if kept is not None and kept > 2:
        close_from(3, kept)
    close_from(3 if kept is None else kept + 1)


def _take(arguments: list[bytes], option: bytes) -> bool:
    """Whether OPTION comes first; it is taken off."""
    if arguments[:1] != [option]:
        return False
    arguments.pop(0)
    return True


def _has_children() -> bool:
    """Whether this process was a runsvdir before."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def main() -> int:
    """``runsvdir [-m] [-P] DIR [LOG]``: 0 on TERM, 111 on HUP, 1 for usage, 100 if fatal."""
    arguments = options.arguments()
    merging = _take(arguments, b"-m")
    new_session = _take(arguments, b"-P")
    merging = _take(arguments, b"-m") or merging
    if not arguments:
        emit(b"usage: " + options.called_as() + b" [-P] dir\n\n")
        return USAGE
    path = arguments[0]
    who = b"runsvdir " + path
    given = (b"-m " if merging else b"") + (b"-P " if new_session else b"")
    command = b"runsvdir " + given + path
    fill()
    _close_all_but(_carried())
    environment()
    signals.cleanse()
    watch.load()
    if _carried() is None and not _has_children():  # which the rehearsal would take
        rehearse(b" ".join([command, *arguments[1:]]), title.area(), SIGNALS)
    if merging:
        try:
            merge.offer()
        except OSError as error:
            complain(who, "warning", "unable to have memory merged", error=error)
    try:
        wakeup = Wakeup(SIGNALS)
    except OSError as error:
        complain(who, "fatal", "unable to create selfpipe", error=error)
        return FATAL
    log = _open_log(command, who, arguments[1]) if arguments[1:] else None
    if log is None:
        title.show(b" ".join([command, *arguments[1:]]), b"runsvdir", title.area())
    try:
        runsvdir = Runsvdir(path, new_session, log, wakeup)
    except OSError as error:
        complain(who, "fatal", "unable to open current directory", error=error)
        return FATAL
    return runsvdir.run()


if __name__ == "__main__":
    sys.exit(main())
