"""The children of process 1: its own, and all the orphans of the machine.

The only place where process 1 waits, and whoever ended meanwhile is reaped.
"""

from __future__ import annotations

import os
import select
import time

from runit.boot.console import Console
from runit.process import signals
from runit.process.signals import _signal
from runit.supervise.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Hears = Callable[[int], bool]
    """Is told the number of a signal; whether what is waited for has to end."""

STOP_WITHIN = 5.0
"""Seconds from TERM to KILL for stage 2."""

FORK_PAUSE = 5.0
"""Seconds until the next try when there is no process to be had."""

FAILED, AGAIN = 0, 111
"""What a child exits with that could not become stage 1 or 3, or stage 2."""

LOST = 0
"""The wait status of a child that is not there: it has ended, nobody knows how."""


class Children:
    """Starts, waits, ends.  HEARD are the signals that whoever waits is told of."""

    __slots__ = ("console", "poll", "wakeup")

    def __init__(self, console: Console, heard: tuple[int, ...]) -> None:
        self.console = console
        self.wakeup = Wakeup((_signal.SIGCHLD, *heard))
        self.poll = select.poll()
        self.poll.register(self.wakeup.fileno, select.POLLIN)

    def start(self, name: bytes, command: list[bytes], number: int = 0) -> int:
        """A child in a session of its own that becomes COMMAND, shown as NAME; its pid.

        NUMBER is that of the stage, if it is one.
        """
        while True:
            try:
                pid = os.fork()
            except OSError as error:
                what = b'unable to fork for "' + name + b'" pausing'
                self.console.warn(what, error=error)
                self.pause(FORK_PAUSE)
                continue
            if not pid:
                self._become(name, command, number)
            return pid

    def _become(self, name: bytes, command: list[bytes], number: int) -> None:
        """In the child.  Never returns."""
        code = FAILED
        try:
            os.setsid()
            _signal.set_wakeup_fd(-1)
            signals.cleanse()
            _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
            self.console.say("enter stage", name)
            self.console.become_output()
            if number == 1:
                self.console.become_input()
            os.execv(command[0], command)
        except OSError as error:
            self.console.say("fatal", "unable to start child", name, error=error)
            if number in (1, 2) and self.console.own:
                # What this machine is for cannot be done: let somebody in, then go on.
                self._let_somebody_in()
                code = AGAIN if number == 2 else FAILED
        except BaseException as error:
            self.console.survive(error)
        finally:
            os._exit(code)

    def _let_somebody_in(self) -> None:
        """In the child: an emergency shell, until it is left."""
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return
        try:
            os.setsid()
            self.console.become_shell()
        finally:
            os._exit(FAILED)

    def wait(self, pid: int, hears: Hears) -> int | None:
        """Wait for the end of PID, reaping whoever ends; its wait status.

        None as soon as HEARS, which is called with each signal, says that it has to end.
        """
        while True:
            status = self.reap(pid)
            if status is not None:
                return status
            self.poll.poll()
            # A signal that came more often in between is one.
            for number in sorted(set(self.wakeup.read())):
                if number != _signal.SIGCHLD and hears(number):
                    return None

    def reap(self, pid: int) -> int | None:
        """Reap everyone who has ended; the wait status of PID if it was among them."""
        found = None
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found if found is not None or not pid else LOST
            if not ended:
                return found
            if ended == pid:
                found = status

    def stop(self, pid: int) -> None:
        """End stage 2: TERM, and KILL when it does not heed that."""
        send(pid, _signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN
        while self.reap(pid) is None:
            left = end - time.monotonic()
            if left <= 0:
                self.console.warn("stage 2 not terminated, sending sigkill...")
                send(pid, _signal.SIGKILL)
                self.wait(pid, lambda _: False)
                return
            self.poll.poll(left * 1000 + 1)
            self.wakeup.read()

    def kill(self, pid: int) -> None:
        """KILL the stage PID with all of its session."""
        send(-pid, _signal.SIGKILL)
        for other in _all():
            try:
                if os.getsid(other) == pid:
                    os.kill(other, _signal.SIGKILL)
            except OSError:
                pass

    def pause(self, seconds: float) -> bytes:
        """Let time pass, and reap meanwhile; the signals that came."""
        heard = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.reap(0)
            self.poll.poll(left * 1000 + 1)
            heard += self.wakeup.read()
        return heard

    def wait_for_all(self, seconds: float) -> None:
        """Let SECONDS pass, or less if there is no child left, not even an orphan of others."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.reap(0)
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            self.poll.poll(left * 1000 + 1)
            self.wakeup.read()


def send(pid: int, number: int) -> None:
    """kill(2); nobody there is no error."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _all() -> list[int]:
    """Every process but the first; none where /proc is not mounted."""
    try:
        return [int(name) for name in os.listdir(b"/proc") if name.isdigit() and int(name) > 1]
    except OSError:
        return []
