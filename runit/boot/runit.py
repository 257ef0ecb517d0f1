"""runit: process 1, from the kernel's hand to the last system call.

    stage 1 -> stage 2 -> stage 3 -> kill all, sync, reboot or power off

See runit(8).  The invariants: the process waits nowhere but in `_wait`, where it reaps
every orphan; a signal means something in stage 2 only, else it is told and forgotten;
and no exception ends it, because the machine would end with it.

Imports everything at its start, from the standard library alone: an upgrade under a
running system must not break a late import.
"""

from __future__ import annotations

import os
import select
import sys
import time

from runit import __version__, paths
from runit.boot import builtin, container, flags, power, request
from runit.boot.console import Console
from runit.process import signals, title
from runit.process.signals import _signal
from runit.supervise.wakeup import Wakeup

NOT_FIRST = 111
"""Exit code where this is not process 1."""

SKIP, AGAIN = 100, 111
"""Exit codes: of stage 1, to go on to stage 3; of stage 2, to start it again."""

STOP_WITHIN = 5.0
"""Seconds from TERM to KILL for stage 2."""

INSIST_WITHIN = 5.0
"""Seconds between two INTs that together end a stage: longer is two single ones."""

FORK_PAUSE = 5.0
"""Seconds until the next try when there is no process to be had."""

CRASH_PAUSE = 1.0
"""Seconds between two starts of stage 2, at least."""

KILLED_WITHIN = 2.0
"""Seconds until what was sent KILL is gone, or waits for a disk that never comes."""

CONTAINER_STOP = _signal.SIGRTMIN + 3
"""What podman and LXC send in place of TERM."""

ASKS = (_signal.SIGCONT, _signal.SIGINT, _signal.SIGPWR)
HEARD = (_signal.SIGCHLD, *ASKS, _signal.SIGTERM, CONTAINER_STOP)


class Process1:
    """What process 1 knows.

    contained   the machine is a container's: TERM means to go down, and the end is exit
    going_down  asked to, so that stage 2 is not started (again)
    """

    __slots__ = (
        "_insisted_at",
        "console",
        "contained",
        "going_down",
        "poll",
        "stages",
        "wakeup",
    )

    def __init__(self) -> None:
        signals.cleanse()
        self.wakeup = Wakeup(HEARD)
        self.poll = select.poll()
        self.poll.register(self.wakeup.fileno, select.POLLIN)
        self.contained = container.inside()
        self.console = Console(own=not self.contained)
        self.stages = not builtin.wanted()
        self.going_down = False
        self._insisted_at = -INSIST_WITHIN

    def run(self) -> int:
        """All three stages and the end; returns in a container only, what to exit with."""
        power.name_process(b"runit")
        title.show(b"runit", b"runit", title.area())
        self.console.attach()
        self.console.say("pyrunit " + __version__, "booting.")
        for step in (self._stage_1, self._stage_2, self._stage_3, self._end):
            try:
                step()
            except Exception as error:
                self._survive(error)
        return 0

    # The stages

    def _stage_1(self) -> None:
        if not self.stages:
            return
        status = self._run(1)
        if _signal_of(status) or _code_of(status) == SKIP or self.going_down:
            self.going_down = True
            self.console.warn("skipping stage 2...")

    def _stage_2(self) -> None:
        while not self.going_down:
            started = time.monotonic()
            try:
                again = self._run_stage_2()
            except Exception as error:
                self._survive(error)
                again = True
            if not again:
                return
            self._pause(started + CRASH_PAUSE - time.monotonic())
            if not self.going_down:
                self.console.warn("restarting.")

    def _run_stage_2(self) -> bool:
        """Run stage 2 once; True if it has to be started again."""
        pid = self._start(2)
        self._while_running(pid)
        status = self._wait(pid, self._asked)
        if status is None:
            self._stop(pid)
        elif _signal_of(status) or _code_of(status) == AGAIN:
            self._tell_failure(2, status)
            self._kill(pid)
            self.console.warn("killing all processes in stage 2...")
            return True
        self.console.say("leave stage", _path(2))
        return False

    def _stage_3(self) -> None:
        self.going_down = True
        if self.stages:
            self._run(3)

    def _run(self, number: int) -> int:
        """Run stage 1 or 3 to its end; its wait status."""
        pid = self._start(number)
        while True:
            status = self._wait(pid, self._refuse)
            if status is not None:
                break
            # Told to end it: whoever presses the keys twice has waited enough.
            self.console.warn("killing all processes in stage %d..." % number)
            self._kill(pid)
        self._tell_failure(number, status)
        self.console.say("leave stage", _path(number))
        return status

    # What signals mean: each returns whether the stage has to end

    def _refuse(self, number: int) -> bool:
        """In stages 1 and 3."""
        if self.contained and number in (_signal.SIGTERM, CONTAINER_STOP):
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
        if number == _signal.SIGINT and flags.executable(paths.RUNIT + b"/ctrlaltdel"):
            self._ctrl_alt_del()
            number = _signal.SIGCONT
        if number == _signal.SIGCONT:
            self.going_down = self.going_down or flags.is_set(flags.STOPIT)
        elif number == _signal.SIGPWR:
            self.going_down = True
        elif number in (_signal.SIGTERM, CONTAINER_STOP) and self.contained:
            self.going_down = True
        return self.going_down

    def _ctrl_alt_del(self) -> None:
        self.console.say("ctrl-alt-del request...")
        path = paths.RUNIT + b"/ctrlaltdel"
        pid = self._fork(path, path)
        if self._wait(pid, lambda number: number == _signal.SIGINT) is None:
            self._kill(pid)  # it hangs: the keys are pressed again
            self._wait(pid, lambda _: False)
        self.console.say("leave stage", path)

    # Processes

    def _start(self, number: int) -> int:
        """Start a stage; its pid."""
        path = _path(number)
        if not self.stages:
            return self._fork(path, None)
        return self._fork(path, path)

    def _fork(self, path: bytes, program: bytes | None) -> int:
        """A child in a session of its own that becomes PROGRAM, or the built-in stage 2."""
        while True:
            try:
                pid = os.fork()
            except OSError as error:
                self.console.warn(b'unable to fork for "' + path + b'" pausing', error=error)
                self._pause(FORK_PAUSE)
                continue
            if not pid:
                self._become(path, program)
            return pid

    def _become(self, path: bytes, program: bytes | None) -> None:
        """In the child.  Never returns."""
        code = 111
        try:
            os.setsid()
            if path == _path(1):
                self.console.become_input()
            _signal.set_wakeup_fd(-1)
            signals.cleanse()
            _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
            self.console.say("enter stage", path)
            if program is None:
                code = builtin.stage_2(self.console)
            else:
                os.execv(program, [program])
        except OSError as error:
            self.console.say("fatal", "unable to start child", path, error=error)
            if path != _path(3) and self.console.own:
                # Nothing that this machine was to do can be done: let somebody in.
                self.console.become_shell()
            code = 0
        except Exception as error:
            self._survive(error)
        finally:
            os._exit(code)

    def _wait(self, pid: int, hears: Callable[[int], bool]) -> int | None:
        """Wait for the end of PID, reaping whoever ends; its wait status.

        None as soon as HEARS, which is called with each signal, says that it has to end.
        """
        while True:
            status = self._reap(pid)
            if status is not None:
                return status
            self.poll.poll()
            # A signal that came more often in between is one.
            for number in sorted(set(self.wakeup.read())):
                if number != _signal.SIGCHLD and hears(number):
                    return None

    def _reap(self, pid: int) -> int | None:
        """Reap everyone who has ended; the wait status of PID if it was among them."""
        found = None
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                # Somebody else took it: what is not there has ended.
                return 0 if found is None and pid > 0 else found
            if not ended:
                return found
            if ended == pid:
                found = status

    def _stop(self, pid: int) -> None:
        """End stage 2: TERM, and KILL when it does not heed that."""
        if not self.stages:
            builtin.stop(pid)
        else:
            _send(pid, _signal.SIGTERM)
        end = time.monotonic() + (STOP_WITHIN if self.stages else builtin.STOP_WITHIN)
        while (left := end - time.monotonic()) > 0:
            if self._reap(pid) is not None and (self.stages or self._alone()):
                return
            self.poll.poll(left * 1000 + 1)
            self.wakeup.read()
        self.console.warn("stage 2 not terminated, sending sigkill...")
        _send(pid, _signal.SIGKILL)
        self._wait(pid, lambda _: False)

    def _alone(self) -> bool:
        """Whether there is no child left, not even an orphan of others."""
        try:
            return not os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True

    def _kill(self, pid: int) -> None:
        """KILL the stage PID with all of its session."""
        _send(-pid, _signal.SIGKILL)
        for name in _listed(b"/proc"):
            if name.isdigit() and int(name) > 1:
                try:
                    if os.getsid(int(name)) == pid:
                        os.kill(int(name), _signal.SIGKILL)
                except OSError:
                    pass

    def _pause(self, seconds: float) -> None:
        """Let time pass, and reap meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._reap(0)
            self.poll.poll(left * 1000 + 1)
            for number in self.wakeup.read():
                if number != _signal.SIGCHLD:
                    self._asked(number)

    # The end

    def _end(self) -> None:
        reboot, halt = flags.is_set(flags.REBOOT), os.path.exists(request.HALT)
        sync = not flags.is_set(flags.NOSYNC)
        self.console.say("sending KILL signal to all processes...")
        _send(-1, _signal.SIGKILL)
        end = time.monotonic() + KILLED_WITHIN
        while not self._gone() and (left := end - time.monotonic()) > 0:
            self.poll.poll(left * 1000 + 1)
            self.wakeup.read()
        if sync:
            os.sync()
        if self.contained:
            return
        if reboot:
            self._leave("system reboot.", power.RESTART)
        if not halt:
            self._leave("power off...", power.POWER_OFF)
        self._leave("system halt.", power.HALT)
        while True:  # there is nothing left to do, and nobody to return to
            self.poll.poll()
            self.wakeup.read()
            self._reap(0)

    def _gone(self) -> bool:
        self._reap(0)
        return self._alone()

    def _leave(self, last_word: str, command: int) -> None:
        """Have the kernel do COMMAND, from a child: process 1 must not end before."""
        self.console.say(last_word)
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid <= 0:
            try:
                power.reboot(command)
            except OSError as error:
                self.console.warn("unable to", last_word, error=error)
            if not pid:
                os._exit(0)
        self._wait(pid, lambda _: False)
        self._pause(2.0)

    # Words

    def _tell_failure(self, number: int, status: int) -> None:
        if _signal_of(status):
            self.console.warn("child crashed", _path(number))
        elif _code_of(status):
            self.console.warn("child failed", _path(number))

    def _survive(self, error: Exception) -> None:
        """What cannot happen has: say so, and go on."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name} {trace.tb_lineno}" if trace else ""
        self.console.warn("unexpected", where, repr(error))


def _path(number: int) -> bytes:
    return paths.RUNIT + b"/%d" % number


def _signal_of(status: int) -> int:
    return status & 0x7F


def _code_of(status: int) -> int:
    return status >> 8 & 0xFF


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _listed(path: bytes) -> list[bytes]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def main() -> int:
    """``runit``: returns 111 where it is not process 1."""
    if os.getpid() != 1:
        Console(own=False).say("fatal", "must be run as process no 1.")
        return NOT_FIRST
    return Process1().run()


if __name__ == "__main__":
    sys.exit(main())
