"""runit: process 1, from the kernel's hand to the last system call.

    stage 1 -> stage 2 -> stage 3 -> kill all, sync, reboot or power off

See runit(8).  The invariants: whenever the process waits it reaps every orphan (see
`runit.boot.children`); a signal means something in stage 2 only, else it is told and
forgotten; and no exception ends it, because the machine would end with it.

Imports everything at its start, from the standard library alone: an upgrade under a
running system must not break a late import.
"""

from __future__ import annotations

import os
import time

from runit import __version__
from runit.boot import flags, kernel, request, stages
from runit.boot.children import AGAIN, LOST, Children, send
from runit.boot.console import Console
from runit.process import environment, signals, title
from runit.process.signals import _signal
from runit.process.unable import Unable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOT_FIRST = 111
"""Exit code where this is not process 1."""

SKIP = 100
"""Exit code of stage 1: go on to stage 3."""

INSIST_WITHIN = 5.0
"""Seconds between two INTs that together end a stage: longer is two single ones."""

CRASH_PAUSE = 1.0
"""Seconds between two starts of stage 2, at least."""

KILLED_WITHIN = 2.0
"""Seconds until what was sent KILL is gone, or waits for a disk that never comes."""

LAST_WORDS = 2.0
"""Seconds that the kernel has to power off, before something else is tried."""

CONTAINER_STOP = _signal.SIGRTMIN + 3
"""What podman and LXC send in place of TERM."""

ASKS = (_signal.SIGCONT, _signal.SIGINT, _signal.SIGPWR)
STOPS = (_signal.SIGTERM, CONTAINER_STOP)


class Process1:
    """What process 1 knows.

    contained   the machine is a container's: TERM means to go down, and the end is exit
    going_down  asked to, so that stage 2 is not started (again)
    running     the pid of the stage, 0 between stages
    restart     the keys were pressed twice while stage 1 hung: reboot, whatever the flags say
    """

    __slots__ = (
        "_insisted_at",
        "children",
        "command",
        "console",
        "contained",
        "going_down",
        "restart",
        "running",
    )

    def __init__(self) -> None:
        self.contained = kernel.take_ctrl_alt_del()
        self.console = Console(own=not self.contained)
        self.console.attach()  # first of all, so that nothing else is descriptor 0 to 2
        self.children = Children(self.console, (*ASKS, *STOPS))
        self.command = stages.chosen(self.contained)
        self.going_down = False
        self.restart = False
        self.running = 0
        self._insisted_at = -INSIST_WITHIN

    def run(self) -> int:
        """All three stages and the end; returns in a container only, what to exit with."""
        self.console.say("pyrunit " + __version__, "booting.")
        steps = (self._stage_1, self._stage_2, self._stage_3, self._kill, self._sync, self._go)
        for step in steps:
            try:
                step()
            except BaseException as error:
                self.console.survive(error)
        while not self.contained:  # there is nothing left to do, and nobody to return to
            time.sleep(LAST_WORDS)
        return 0

    # The stages

    def _stage_1(self) -> None:
        status = self._run(1)
        if _signal_of(status) or _code_of(status) == SKIP:
            self.going_down = True
        if self.going_down:
            self.console.warn("skipping stage 2...")

    def _stage_2(self) -> None:
        while not self.going_down:
            started = time.monotonic()
            try:
                again = self._run_stage_2()
            except Exception as error:
                self.console.survive(error)
                again = True
            if not again:
                return
            for number in self.children.pause(started + CRASH_PAUSE - time.monotonic()):
                self._asked(number)
            if not self.going_down:
                self.console.warn("restarting.")

    def _run_stage_2(self) -> bool:
        """Run stage 2 once; True if it has to be started again."""
        pid = self._start(2)
        status = self.children.wait(pid, self._asked)
        if status is None:
            self.children.stop(pid)
        elif _signal_of(status) or _code_of(status) == AGAIN:
            self._tell_failure(2, status)
            self.children.kill(pid)
            self.console.warn("killing all processes in stage 2...")
            return True
        else:
            self._tell_failure(2, status)
        self.running = 0
        self.console.say("leave stage", stages.path(2))
        return False

    def _stage_3(self) -> None:
        self.going_down = True
        self._run(3)

    def _run(self, number: int) -> int:
        """Run stage 1 or 3 to its end; its wait status."""
        if not (pid := self._start(number)):
            return 0
        while True:
            status = self.children.wait(pid, self._refuse)
            if status is not None:
                break
            if self.going_down and number == 1:
                self.running = 0
                self.children.stop(pid)
                return LOST
            # Whoever presses the keys twice has waited enough.
            self.restart = number == 1
            self.console.warn(f"killing all processes in stage {number}...")
            self.children.kill(pid)
        self.running = 0
        self._tell_failure(number, status)
        self.console.say("leave stage", stages.path(number))
        return status

    def _start(self, number: int) -> int:
        """Start a stage; its pid, 0 if there is nothing to do in it."""
        if self.running:  # left by something that could not happen
            self.children.kill(self.running)
        self._insisted_at = -INSIST_WITHIN
        command = self.command(number)
        self.running = self.children.start(stages.path(number), command, number) if command else 0
        return self.running

    # What signals mean: each returns whether the stage has to end

    def _refuse(self, number: int) -> bool:
        """In stages 1 and 3."""
        if self.contained and number in STOPS:
            before, self.going_down = self.going_down, True
            return not before
        if number not in ASKS:
            return False
        self.console.warn("signals only work in stage 2.")
        return number == _signal.SIGINT and self._insists()

    def _insists(self) -> bool:
        now = time.monotonic()
        before, self._insisted_at = self._insisted_at, now
        return now - before < INSIST_WITHIN

    def _asked(self, number: int) -> bool:
        """In stage 2."""
        if number == _signal.SIGINT and stages.has_ctrl_alt_del():
            self._ctrl_alt_del()
            number = _signal.SIGCONT
        if number == _signal.SIGCONT:
            told = flags.is_set(flags.STOPIT)
            if told:
                self._forget()
        else:
            told = number == _signal.SIGPWR or (self.contained and number in STOPS)
        self.going_down = self.going_down or told
        return self.going_down

    def _forget(self) -> None:
        """Clear stopit, which may outlive the machine: the next one is not asked."""
        try:
            flags.put(flags.STOPIT, False)
        except Unable:
            pass  # it goes down all the same

    def _ctrl_alt_del(self) -> None:
        self.console.say("ctrl-alt-del request...")
        path = stages.CTRL_ALT_DEL
        pid = self.children.start(path, [path])
        if self.children.wait(pid, self._hurried) is None:
            self.children.kill(pid)
            self.children.wait(pid, lambda _: False)
        self.console.say("leave stage", path)

    def _hurried(self, number: int) -> bool:
        """While ctrlaltdel runs: it hangs if the keys are pressed again."""
        if self.contained and number in STOPS:
            self.going_down = True
        return self.going_down or number == _signal.SIGINT

    # The end

    def _kill(self) -> None:
        self.console.say("sending KILL signal to all processes...")
        send(-1, _signal.SIGKILL)
        self.children.wait_for_all(KILLED_WITHIN)

    def _sync(self) -> None:
        if not flags.is_set(flags.NOSYNC):
            os.sync()

    def _go(self) -> None:
        try:
            reboot = self.restart or flags.is_set(flags.REBOOT)
        except Exception as error:
            self.console.survive(error)
            reboot = False
        halt = os.path.exists(request.HALT)
        if self.contained:
            self.console.say("system reboot." if reboot else "power off...")
            return
        if reboot:
            self._leave("system reboot.", kernel.RESTART)
        if not halt:
            self._leave("power off...", kernel.POWER_OFF)
        self._leave("system halt.", kernel.HALT)

    def _leave(self, last_words: str, command: int) -> None:
        """Have the kernel do COMMAND, from a child: process 1 must not end before."""
        self.console.say(last_words)
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        try:
            if pid <= 0:
                kernel.leave(command)
        finally:
            if not pid:
                os._exit(0)
        self.children.pause(LAST_WORDS)

    # Words

    def _tell_failure(self, number: int, status: int) -> None:
        if _signal_of(status):
            self.console.warn("child crashed", stages.path(number))
        elif _code_of(status):
            self.console.warn("child failed", stages.path(number))


def _signal_of(status: int) -> int:
    return status & 0x7F


def _code_of(status: int) -> int:
    return status >> 8 & 0xFF


def main() -> int:
    """``runit``: returns 111 where it is not process 1, 0 at the end of a container."""
    if os.getpid() != 1:
        Console(own=False).say("fatal", "must be run as process no 1.")
        return NOT_FIRST
    preparations: tuple[Callable[[], object], ...] = (
        lambda: kernel.name(b"runit"),
        environment.restore,
        lambda: title.show(b"runit", b"runit", title.area()),
        signals.cleanse,
        os.setsid,
        lambda: os.chdir("/"),
    )
    for prepare in preparations:
        try:
            prepare()
        except Exception:
            continue  # none of it is worth a machine
    return Process1().run()
