"""runit: process 1.  Runs the three stages, and reaps every orphan.  See runit(8).

The invariants: nothing waits but the poll in `_poll`, and no exception gets past
`_guarded`.
"""

from __future__ import annotations

import os
import select
import time

from runit import paths
from runit.boot import flags, kernel, stages
from runit.message import Text, emit, line
from runit.process import signals, title
from runit.process.descriptors import fill
from runit.process.signals import _signal
from runit.supervise.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FATAL = 100
CRASHED, SKIP, RESTART = -1, 100, 111
"""What a stage can end with: killed by a signal, or these exit codes."""

TERMINATE_FOR = 5.0
"""Seconds that stage 2 has between TERM and KILL, as in runit."""

TWICE_WITHIN = 5.0
"""Seconds between two INT that together end a stage 1 or 3 that hangs."""

PAUSE = 1.0
"""Seconds before something that failed at once is tried again: no busy loop."""

ORDERLY = (_signal.SIGTERM, _signal.SIGRTMIN + 3)
"""What container managers send; outside containers they count for nothing."""

HANDLED = (_signal.SIGCHLD, _signal.SIGCONT, _signal.SIGINT, _signal.SIGPWR, *ORDERLY)


class Runit:
    """What process 1 knows."""

    def __init__(self) -> None:
        self.contained = kernel.take_ctrl_alt_del()
        self.wakeup = Wakeup(HANDLED)
        self.poll = select.poll()
        self.poll.register(self.wakeup.fileno, select.POLLIN)
        self.down = False  # told to go down, from whatever stage
        self.interrupted = -TWICE_WITHIN  # monotonic seconds of the last INT in stage 1 or 3
        self.kill_at: float | None = None  # monotonic seconds, once stage 2 was told to end

    def run(self) -> int:
        """All three stages; returns in a container only."""
        self.say(b"booting.")
        code = _guarded(self, lambda: self.stage(1), 0)
        if code in (CRASHED, SKIP):
            self.warn(b"skipping stage 2...")
        else:
            while not self.down and _guarded(self, self.second, True):
                self.wait(None, 2, PAUSE)
        _guarded(self, lambda: self.stage(3), 0)
        _guarded(self, self.end, 0)
        while not self.contained:
            _guarded(self, lambda: self.wait(None, 3), 0)
        return 0

    def second(self) -> bool:
        """Run stage 2 once; whether it is to be started again."""
        code = self.stage(2)
        again = code in (CRASHED, RESTART) and not self.down
        if again:
            self.warn(b"restarting.")
        else:
            self.say(b"leave stage", stages.path(2))
        return again

    def stage(self, number: int) -> int:
        """Run a stage, and return its exit code, or CRASHED."""
        arguments = stages.command(number)
        if arguments is None:
            return 0
        name = arguments[0]
        if not stages.usable(arguments):
            self.warn(b"unable to start child", name, b"file does not exist or cannot be run")
            if number == 3:
                return 0
            self.emergency(number)
            return RESTART
        self.say(b"enter stage", name)
        told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = self.start(lambda: stages.start(arguments, number != 2, tell), number)
            code = self.wait(pid, number)
            if _told(told) and number != 3 and not self.down:
                self.emergency(number)
                return RESTART
        finally:
            os.close(told)
            os.close(tell)
        self.judge(number, name, pid, code)
        return code

    def judge(self, number: int, name: bytes, pid: int, code: int) -> None:
        """Say how a stage ended; what is left of a failed stage 2 is killed."""
        failed = code == CRASHED or code == (SKIP if number == 1 else RESTART)
        if failed and not self.down:
            self.warn(b"child crashed" if code == CRASHED else b"child failed", name)
            if number == 2:
                self.warn(b"killing all processes in stage 2...")
                self.kill_session(pid)
        if number != 2:
            self.say(b"leave stage", name)

    def start(self, begin: Callable[[], int], number: int) -> int:
        """What BEGIN returns, once there is a process to be had."""
        while True:
            try:
                return begin()
            except OSError as error:
                self.warn(b"unable to fork", b"stage %d" % number, b"pausing", error=error)
                self.wait(None, number, PAUSE)

    def emergency(self, number: int) -> None:
        """A shell at the console, in the place of a stage; the boot goes on after it."""
        pid = self.start(lambda: stages.shell() or 0, number)
        if pid:
            self.wait(pid, number)

    def wait(self, pid: int | None, number: int, seconds: float | None = None) -> int:
        """Reap, and listen, until PID ended or SECONDS have passed; PID's end."""
        until = None if seconds is None else time.monotonic() + seconds
        self.kill_at = None
        if pid and number == 2 and self.down:
            self.finish(pid)
        while True:
            end = self.reap(pid)
            if end is not None:
                return end
            now = time.monotonic()
            if until is not None and now >= until:
                return 0
            if pid and self.kill_at is not None and now >= self.kill_at:
                self.warn(b"stage 2 not terminated, sending sigkill...")
                self.kill_session(pid)
                self.kill_at = None
            due = [moment for moment in (until, self.kill_at) if moment is not None]
            self.poll.poll(max(0, (min(due) - now) * 1000 + 1) if due else None)
            for signal in sorted(set(self.wakeup.read())):
                self.signalled(signal, pid, number)

    def reap(self, pid: int | None) -> int | None:
        """Take every child that ended; how PID did, if it is among them."""
        end = None
        while True:
            try:
                which, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                # Nothing is left that could be waited for.
                return CRASHED if pid and end is None else end
            if not which:
                return end
            if which == pid:
                end = CRASHED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def signalled(self, signal: int, pid: int | None, number: int) -> None:
        """One signal, in stage NUMBER, which is PID."""
        if signal == _signal.SIGCHLD:
            return
        if signal in ORDERLY:
            if self.contained and not self.down:
                self.down = True
                if pid and number == 2:
                    self.finish(pid)
                elif pid and number == 1:
                    self.kill_session(pid)
        elif number == 2:
            self.asked(signal, pid)
        else:
            self.warn(b"signals only work in stage 2.")
            now = time.monotonic()
            if signal == _signal.SIGINT:
                if pid and now - self.interrupted < TWICE_WITHIN:
                    self.down = True
                    self.kill_session(pid)
                self.interrupted = now

    def asked(self, signal: int, pid: int | None) -> None:
        """CONT, INT or PWR in stage 2."""
        if signal == _signal.SIGINT:
            program = paths.RUNIT + b"/ctrlaltdel"
            if not stages.usable([program]):
                return
            self.say(b"ctrl-alt-del request...")
            child = self.start(lambda: stages.start([program], False), 2)
            self.helped(child)
        if self.down or signal == _signal.SIGPWR or flags.is_set(flags.STOPIT):
            self.down = True
            if pid and self.kill_at is None:
                self.finish(pid)

    def helped(self, child: int) -> None:
        """Wait for ctrlaltdel: a second INT does not wait for one that hangs."""
        while True:
            try:
                if os.waitpid(child, os.WNOHANG)[0]:
                    return
            except ChildProcessError:
                return
            self.poll.poll()
            arrived = self.wakeup.read()
            if self.contained and not set(ORDERLY).isdisjoint(arrived):
                self.down = True
            if self.down or _signal.SIGINT in arrived:
                self.kill_session(child)

    def finish(self, pid: int) -> None:
        """Tell stage 2 to end."""
        _kill(pid, _signal.SIGTERM)
        self.kill_at = time.monotonic() + TERMINATE_FOR

    def kill_session(self, pid: int) -> None:
        """KILL to the group of a stage."""
        _kill(-pid, _signal.SIGKILL)

    def end(self) -> int:
        """KILL to all, sync, and reboot, power off or halt; outside containers for ever."""
        if os.getpid() == 1:
            self.say(b"sending KILL signal to all processes...")
            _kill(-1, _signal.SIGKILL)
        self.reap(None)
        if not flags.is_set(flags.NOSYNC):
            os.sync()
        again = flags.is_set(flags.REBOOT)
        halt = os.path.exists(paths.RUNDIR + b"/runit/halt")
        if again:
            self.say(b"system reboot.")
        elif not halt:
            self.say(b"power off...")
        if self.contained:
            return 0
        if again:
            kernel.leave(kernel.RESTART)
        elif not halt:
            kernel.leave(kernel.POWER_OFF)
        self.say(b"system halt.")
        kernel.leave(kernel.HALT)
        return 0

    def say(self, *parts: Text) -> None:
        """One line at the console."""
        emit(line(b"- runit", *parts))

    def warn(self, *parts: Text, error: OSError | None = None) -> None:
        """One line at the console about what is not as it should be."""
        emit(line(b"- runit: warning", *parts, error=error))


def _guarded(runit: Runit, do: Callable[[], int], otherwise: int) -> int:
    """What DO returns; after an exception OTHERWISE, so that process 1 goes on."""
    try:
        return do()
    except BaseException as error:  # the kernel panics when process 1 ends
        runit.warn(b"internal error", repr(error))
        return otherwise


def _told(descriptor: int) -> bool:
    """Whether a child wrote that it could not become what it was started for."""
    try:
        return bool(os.read(descriptor, 1))
    except BlockingIOError:
        return False


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _console() -> None:
    """Descriptors 0 to 2: the console, where they are closed; else what there is."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            try:
                os.set_inheritable(os.open(stages.CONSOLE, os.O_RDWR | os.O_NOCTTY), True)
            except OSError:
                break
    fill()


def main() -> int:
    """Command line; see the manual page."""
    if os.getpid() != 1:
        emit(b"- runit: fatal: must be run as process no 1.\n")
        return FATAL
    _console()
    signals.cleanse()
    stages.remember()
    title.show(b"runit", b"runit", title.area())
    kernel.name(b"runit")
    try:
        os.chdir(b"/")
        os.setsid()
    except OSError:
        pass
    return Runit().run()
