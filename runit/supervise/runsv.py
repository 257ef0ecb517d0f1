"""runsv: starts and monitors a service, and optionally an appendant log service.

See runsv(8).  The invariant of the loop: nothing in it waits but poll(2).  It
wakes for a signal, a command, or a deadline, does what can be done, and sleeps.

Imports everything at its start, from the standard library alone: an upgrade under
a running system must not break a late import.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time

from runit import options
from runit.message import complain, emit
from runit.process import signals, title
from runit.process.descriptors import close_from, fill
from runit.process.signals import _signal
from runit.supervise import files, orphan
from runit.supervise.files import Trouble
from runit.supervise.logger import Logger
from runit.supervise.patience import patiently
from runit.supervise.service import QUEUE_FULL, WANT_DOWN, WANT_EXIT, WANT_UP, Service
from runit.supervise.spawn import environment, spawn, spawn_noted
from runit.supervise.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.supervise.orphan import Orphan

SIGNALS = (_signal.SIGCHLD, _signal.SIGTERM)

TRIES = 1
"""Starts of a log service that is not there when it has to read the rest of the pipe."""

FATAL = 111
"""Exit code of everything that goes wrong at the start."""


class Runsv:
    """What one runsv holds: the service, its log service, and the pipe between.

    The signals in BLOCKED stay blocked.
    """

    __slots__ = (
        "held",
        "home",
        "locker",
        "log",
        "pipe",
        "poll",
        "polled",
        "service",
        "tries",
        "wakeup",
        "who",
    )

    def __init__(self, name: bytes, blocked: tuple[int, ...] = ()) -> None:
        self.who = b"runsv " + name
        self.wakeup = Wakeup(SIGNALS, blocked)
        self.poll = select.poll()
        self.poll.register(self.wakeup.fileno, select.POLLIN)
        self.polled: dict[int, Service] = {}  # the control FIFOs that are listened to
        self.pipe: tuple[int, int] | None = None
        self.service = Service(self.who, self._launch)
        self.log: Service | None = None
        self.home = -1
        self.locker = 0  # pid of the child that waits for log/supervise/lock
        self.tries = 0  # how often the log service may still be started, when all else is down
        self.held = -1  # that lock, as long as it is not ours

    # Start

    def open(self) -> None:
        """Take possession of the service in the current directory.  Raises Trouble."""
        orphan.boot()  # once, not in each logger
        service = self.service
        if os.access(b"down", os.F_OK):
            service.want = WANT_DOWN
        self._find_log()
        files.make_directory(b"")
        service.open_lock()
        _lock_or_fail(service.lock)
        if self.log:
            files.make_directory(b"log/")
            self.log.open_lock()
            if not files.take_lock(self.log.lock):
                self._wait_for_lock(self.log.lock)
        self._adopt()
        self._open(service)
        service.record(pid_too=True)
        if self.log and not self.locker:
            self._open(self.log)
            self.log.record()
        files.open_ok(b"")
        if self.log and not self.locker:
            files.open_ok(b"log/")

    def _find_log(self) -> None:
        if files.missing(b"log"):
            return
        try:
            there = os.stat(b"log")
        except FileNotFoundError:
            return
        except OSError as error:
            complain(self.who, "warning", "unable to stat() ./log: ", error=error)
            return
        if there.st_mode & 0o170000 != 0o040000:
            complain(self.who, "warning", "./log: not a directory.")
            return
        try:
            self.pipe = os.pipe()
        except OSError as error:
            raise Trouble(b"unable to create log pipe", error) from None
        try:
            self.home = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Trouble(b"unable to open current directory", error) from None
        self.log = Service(self.who, Logger(self.who, self.home, self.pipe[0]), b"log/")
        if os.access(b"log/down", os.F_OK):
            self.log.want = WANT_DOWN

    def _adopt(self) -> None:
        """Go on with what a runsv that was killed left behind, and with its pipe."""
        log, pipe = self.log, self.pipe
        try:
            logger = orphan.find(b"log/") if log and not self.locker else None
            left = orphan.find(b"")
        except OSError as error:
            raise Trouble(b"unable to tell what runs", error) from None
        if log and pipe:
            if not (left and orphan.reopen(left, 1, pipe)) and logger:
                orphan.reopen(logger, 0, pipe)
            self.service.pipe = log.pipe = os.fstat(pipe[0]).st_ino
        if log and logger:
            self._go_on_with(log, logger)
        if left:
            self._go_on_with(self.service, left)

    def _go_on_with(self, service: Service, left: Orphan) -> None:
        service.adopt(left)
        self.poll.register(service.orphan, select.POLLIN)
        self.polled[service.orphan] = service

    def _open(self, service: Service) -> None:
        service.control, _ = files.open_control(service.where)
        self._listen(service)

    def _wait_for_lock(self, lock: int) -> None:
        """Have a child wait for the log service's lock, which it takes for us.

        A lock of flock(2) belongs to the open file, which both processes share;
        the service runs meanwhile, and what it says waits in the pipe.
        """
        self.held = lock
        self.locker = os.fork()
        if self.locker:
            return
        try:
            os.dup2(lock, 3)
            close_from(4)
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
            title.show(b"runsv lock", b"runsv-lock", title.area())
            files.wait_lock(3)
        finally:
            os._exit(0)

    # Run

    def run(self) -> int:
        """Supervise until told to exit; the exit code."""
        return patiently(self._run, self._lacks_memory)

    def _lacks_memory(self, error: int) -> None:
        complain(self.who, "warning", "sleeping", error=error)

    def _run(self) -> int:
        self._signalled()  # what ended while there was no memory
        while True:
            now = time.monotonic()
            if self.log and not self.locker:
                self.log.step(now)
            self.service.step(now)
            if self.service.gone() and self._log_gone():
                return 0
            self._listen_again()
            for descriptor, _ in self.poll.poll(self._timeout()):
                if descriptor == self.wakeup.fileno:
                    self._signalled()
                else:
                    self._hear(descriptor, self.polled[descriptor])

    def _timeout(self) -> float | None:
        """Milliseconds until something is due by itself; None if nothing is."""
        due = self.service.deadline()
        if self.log and not self.locker:
            other = self.log.deadline()
            if due is None or (other is not None and other < due):
                due = other
        if due is None:
            return None
        return max(0.0, (due - time.monotonic()) * 1000 + 1)

    def _signalled(self) -> None:
        if _signal.SIGTERM in self.wakeup.read():
            self.service.queue += b"x"
        while self._has_children():
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self.service.ended(pid, status):
                continue
            if self.log and self.log.ended(pid, status):
                continue
            if pid == self.locker:
                self._lock_released()

    def _has_children(self) -> bool:
        """Whether there is anything to wait for; to find out by an error costs memory."""
        if self.service.has_children() or self.locker:
            return True
        return self.log is not None and self.log.has_children()

    def _lock_released(self) -> None:
        """The child that waited for the lock has ended; normally it has got it."""
        self.locker = 0
        assert self.log is not None
        try:
            if not files.take_lock(self.held):
                self._wait_for_lock(self.held)
                return
        except OSError as error:  # better a log service without a lock than none
            complain(self.who, "warning", "unable to lock log/supervise/lock", error=error)
        try:
            logger = orphan.find(b"log/")
        except OSError as error:  # and better two than none
            complain(self.who, "warning", "unable to tell what runs", error=error)
            logger = None
        if logger:
            self._go_on_with(self.log, logger)
        try:
            self._open(self.log)
            self.log.record()
            files.open_ok(b"log/")
        except Trouble as trouble:
            complain(self.who, "warning", trouble.what, error=trouble.error)

    # Commands

    def _listen(self, service: Service) -> None:
        self.poll.register(service.control, select.POLLIN)
        self.polled[service.control] = service

    def _hear(self, descriptor: int, service: Service) -> None:
        if descriptor == service.orphan:
            self.poll.unregister(descriptor)
            del self.polled[descriptor]
            service.orphan_ended()
            return
        service.hear()
        if len(service.queue) >= QUEUE_FULL:
            self.poll.unregister(service.control)
            del self.polled[service.control]

    def _listen_again(self) -> None:
        for service in (self.service, self.log):
            if service is None or service.control < 0 or service.control in self.polled:
                continue
            if len(service.queue) < QUEUE_FULL:
                self._listen(service)

    # End

    def _log_gone(self) -> bool:
        """Let the log service read to the end of the pipe; has it ended?"""
        log = self.log
        if log is None or self.pipe is None:
            return True
        if not log.ending:
            self._end(log, self.pipe[1])
        if log.running() or log.due:
            return False
        unread = _unread(self.pipe[0])
        if self.locker:
            os.kill(self.locker, _signal.SIGKILL)
            if unread:
                what = b"log/supervise/lock is held, what %d bytes say is lost" % unread
                complain(self.who, "warning", what)
            return True
        if not unread or not self.tries:
            return True
        self.tries -= 1
        log.run_once_more()  # it was between two runs, or failed: the rest is for the next
        return False

    def _end(self, log: Service, writer: int) -> None:
        """From now on nothing is started but what has to read the rest of the pipe."""
        self.tries = TRIES if log.want == WANT_UP else 0
        self.service.ending = log.ending = True
        log.want = WANT_EXIT
        if log.running():
            log.record()
        os.close(writer)

    def _launch(self, file: bytes, arguments: list[bytes], service: Service | None) -> int:
        output = self.pipe[1] if self.pipe else None
        if service is None:
            return spawn(file, arguments, stdout=output)
        return spawn_noted(file, arguments, service.note, stdout=output)


def _unread(pipe: int) -> int:
    """How many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _lock_or_fail(lock: int) -> None:
    what = b"unable to lock supervise/lock"
    try:
        if files.take_lock(lock):
            return
    except OSError as error:
        raise Trouble(what, error) from None
    raise Trouble(what, BlockingIOError(11, ""))


def supervise(name: bytes) -> int:
    """Supervise the service directory NAME, seen from here; the exit code.

    The caller has seen to it that no descriptor but 0 to 2 is open, and that the
    environment is remembered (`runit.supervise.spawn`).
    """
    runsv = begin(name)
    return FATAL if runsv is None else runsv.run()


def begin(name: bytes, blocked: tuple[int, ...] = ()) -> Runsv | None:
    """A runsv in possession of the directory NAME; None, and a message, if it is not to be had.

    The signals in BLOCKED stay blocked.
    """
    who = b"runsv " + name
    try:
        os.chdir(name)
    except OSError as error:
        complain(who, "fatal", "unable to change to directory", error=error)
        return None
    try:
        runsv = Runsv(name, blocked)
        runsv.open()
    except Trouble as trouble:
        complain(who, "fatal", trouble.what, error=trouble.error)
        return None
    except OSError as error:
        complain(who, "fatal", "unable to create selfpipe", error=error)
        return None
    return runsv


def main() -> int:
    """``runsv DIR``: exit code 0 when told to exit, 1 for usage, 111 for a failed start."""
    arguments = options.arguments()
    if len(arguments) != 1:
        emit(b"usage: " + options.called_as() + b" dir\n\n")
        return 1
    fill()
    close_from(3)
    environment()
    signals.cleanse()
    title.show(b"runsv " + arguments[0], b"runsv", title.area())
    return supervise(arguments[0])


if __name__ == "__main__":
    sys.exit(main())
