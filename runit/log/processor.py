"""Feeding old logs to a command: PROCESSOR in svlogd(8).

``@label.u`` is what is to be processed, ``@label.t`` what the command has written of
it so far, ``@label.s`` the result.  The names alone say what is left to do, so an
svlogd that was killed leaves nothing undone: the next one finds the ``.u``.
"""

from __future__ import annotations

import errno
import fcntl
import posix
import time

from runit.log.oldlogs import exists, names
from runit.log.say import fatal, info, insist, pause, warning
from runit.process.environment import given
from runit.process.signals import EVERY, _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.directory import LogDirectory

SHELL = b"/bin/sh"
STATE, NEW_STATE = 4, 5
"""The descriptors on which a processor reads what the last one left, and leaves its own."""
RESTART = 1_000_000_000
"""Nanoseconds from the start of a processor that fails to the next one's, at least."""
LAST_TRIES = 3
"""How often it is started again when svlogd is about to end."""
READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NONBLOCK | posix.O_CLOEXEC
CLEANSED = set(EVERY) - {_signal.SIGKILL, _signal.SIGSTOP}
"""Signals that do their default in a processor, whatever svlogd was started with."""
NO_PROCESS = (errno.EAGAIN, errno.ENOMEM)
"""What posix_spawn(3) says when it is the fork that failed."""


class Processor:
    """The processor of the directory LOG: at most one runs at a time."""

    __slots__ = ("_began", "_ending", "_failed", "_label", "_log", "_pid")

    def __init__(self, log: LogDirectory) -> None:
        self._log = log
        self._pid = 0
        self._label = b""
        self._began = 0
        self._failed = False
        self._ending = False

    def due(self) -> int | None:
        """When to call `start` after a failure, as time.monotonic_ns has it."""
        if self._failed and self._log.config.processor:
            return self._began + RESTART
        return None

    def start(self) -> None:
        """Process the oldest log that waits for it, unless one is in work already."""
        if self._pid or not self._log.config.processor or self._log.descriptor < 0:
            return
        self._failed = False
        waiting = [name for name in names(self._log) if name.endswith(b".u")]
        if not waiting:
            return
        self._label = waiting[0][:-2]
        self._began = time.monotonic_ns()
        if self._log.context.options.verbose:
            info(b"processing", self._log.name + b"/" + waiting[0])
        self._spawn()
        if not self._pid:
            self._fail()

    def reap(self) -> None:
        """See whether it has ended; if so, keep what it made, or note that it failed."""
        if not self._pid:
            return
        try:
            pid, status = posix.waitpid(self._pid, posix.WNOHANG)
        except ChildProcessError:  # nobody knows how it ended
            pid, status = self._pid, 1
        if not pid:
            return
        self._pid = 0
        if self._log.descriptor < 0:  # the directory is gone, and cannot be told
            return
        if status or not exists(self._log, self._label + b".t"):
            self._fail()
            return
        self._keep()
        if not self._ending:
            self.start()

    def wait(self) -> None:
        """Wait until it is done, however often it fails.

        A HUP ends the wait; so does a failure after a TERM.
        """
        signals = self._log.context.signals
        while self._is_busy() and not signals.hangup:
            if signals.termination and not self._pid:
                break
            signals.wait(self.due())
            self._look_after()

    def end(self) -> None:
        """Wait until it is done; what fails for the last time is left for the next svlogd."""
        self._ending = True
        tries = LAST_TRIES
        while self._is_busy() and (self._pid or tries):
            self._log.context.signals.wait(self.due())
            tries -= self._look_after()

    def is_at_work_on(self, name: bytes) -> bool:
        """Whether NAME belongs to the processor that runs."""
        return bool(self._pid) and name[:-2] == self._label

    def _is_busy(self) -> bool:
        """Whether one runs or, having failed, is to run again."""
        self.reap()
        return bool(self._pid) or self.due() is not None

    def _look_after(self) -> bool:
        """Do what there is to do; whether it was started once more."""
        self.reap()
        due = self.due()
        if due is None or due > time.monotonic_ns():
            return False
        self.start()
        return True

    def _fail(self) -> None:
        warning(b"processor failed, restart", self._log.name)
        self._failed = True
        try:
            posix.unlink(self._label + b".t", dir_fd=self._log.descriptor)
        except OSError:
            pass

    def _keep(self) -> None:
        """Put the result in its place, then the state, and only then remove the original."""
        at, name = self._log.descriptor, self._log.name
        original, result = self._label + b".u", self._label + b".s"
        insist(
            b"unable to rename processed",
            name,
            lambda: posix.rename(self._label + b".t", result, src_dir_fd=at, dst_dir_fd=at),
        )
        insist(
            b"unable to set mode of processed",
            name,
            lambda: posix.chmod(result, 0o744, dir_fd=at),
        )
        if exists(self._log, b"newstate"):
            insist(
                b"unable to rename state",
                name,
                lambda: posix.rename(b"newstate", b"state", src_dir_fd=at, dst_dir_fd=at),
            )
        try:
            posix.unlink(original, dir_fd=at)
        except OSError as error:
            warning(b"unable to unlink", name + b"/" + original, error=error)
        if self._log.context.options.verbose:
            info(b"processed", name + b"/" + result)

    def _spawn(self) -> None:
        """Start the command; if that fails it is said, and `_pid` stays 0."""
        descriptors: list[int] = []
        try:
            descriptors.append(self._open(b"open input", self._label + b".u", READ))
            descriptors.append(self._open(b"open output", self._label + b".t", CREATE))
            if not exists(self._log, b"state"):
                posix.close(self._open(b"create empty state", b"state", CREATE))
            descriptors.append(self._open(b"open state", b"state", READ))
            descriptors.append(self._open(b"open newstate", b"newstate", CREATE))
            self._run(descriptors)
        except OSError:
            pass
        finally:
            for descriptor in descriptors:
                posix.close(descriptor)

    def _open(self, what: bytes, name: bytes, flags: int) -> int:
        """A descriptor of the file NAME, one that is out of the command's way."""
        try:
            opened = posix.open(name, flags, 0o644, dir_fd=self._log.descriptor)
            try:
                return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, NEW_STATE + 1)
            finally:
                posix.close(opened)
        except OSError as error:
            fatal(b"unable to " + what + b" for processor", self._log.name, error=error)
            raise

    def _run(self, descriptors: list[int]) -> None:
        """Start the shell in the log directory, DESCRIPTORS in their places."""
        log = self._log
        environment = log.context.environment or given()
        places = zip(descriptors, (0, 1, STATE, NEW_STATE), strict=True)
        actions = [(posix.POSIX_SPAWN_DUP2, opened, place) for opened, place in places]
        while True:
            insist(
                b"unable to change directory, want processor",
                log.name,
                lambda: posix.fchdir(log.descriptor),
            )
            try:
                self._pid = posix.posix_spawn(
                    SHELL,
                    [b"sh", b"-c", log.config.processor],
                    environment,  # type: ignore[arg-type]  # a mapping as far as is looked
                    file_actions=actions,
                    setsigmask=(),
                    setsigdef=CLEANSED,
                )
                return
            except OSError as error:
                if error.errno not in NO_PROCESS:
                    fatal(b"unable to run processor", log.name, error=error)
                    raise
                pause(b"unable to fork for processor", log.name, error)
            finally:
                log.context.go_home()
