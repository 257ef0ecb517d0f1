"""shutdown: bring the machine down, now or later, and tell people so.

What waits, waits in the background, as a daemon (python-daemon), and only one at a
time.  See shutdown(8).
"""

from __future__ import annotations

import posix
import sys

from runit.boot import request
from runit.boot.allow import authorized
from runit.boot.background import in_background, in_foreground, open_standard
from runit.boot.pending import Pending, has_been
from runit.boot.wall import CONSOLE, tell, wall
from runit.boot.when import Clock, When, parse
from runit.message import complain, emit, line, printable
from runit.options import Options, UsageError, arguments, called_as, encoded
from runit.process.numbers import unsigned
from runit.process.signals import _signal
from runit.process.unable import Unable

USAGE = b" [-akrhPHfFn] [-t sec] time [message ...]\n"
USAGE_CANCEL = b" -c [message ...]\n\n"

OPTIONS = b"akrhPHfFnct:"

FASTBOOT = b"/fastboot"
FORCEFSCK = b"/forcefsck"

CANCEL = _signal.SIGUSR1
"""From -c, which tells people itself."""

STOPS = (CANCEL, _signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT)

CANCELLED = b"Shutdown cancelled.\n"

PATIENCE = 5.0
"""Seconds that -c gives to the waiting shutdown."""


class Plan:
    """What the command line asks for: letters of options, and words."""

    __slots__ = ("letters", "message", "seconds", "time")

    def __init__(self) -> None:
        self.letters: set[bytes] = set()
        self.seconds: int | None = None
        self.time = b""
        self.message = b""

    def __contains__(self, letter: bytes) -> bool:
        return letter in self.letters

    def goal(self) -> bytes:
        """What people are told that the machine goes down for."""
        if b"r" in self:
            return b"for reboot"
        if b"H" in self:
            return b"for system halt"
        if b"h" in self or b"P" in self:
            return b"for power off"
        return b"to maintenance mode"

    def single(self) -> bool:
        """Whether only the runlevel changes."""
        return not self.letters & {b"r", b"h", b"P", b"H"}


def main() -> int:
    """Command line; see the manual page."""
    open_standard()
    name = called_as()
    try:
        plan = command_line(arguments())
    except UsageError as error:
        if error.sentence:
            complain(name, error.sentence)
        program = encoded(sys.argv[0])
        emit(b"usage: " + program + USAGE + b"       " + program + USAGE_CANCEL)
        return 1
    if not request.may():
        complain(name, b"must be superuser.")
        return 1
    try:
        if b"c" in plan:
            return _cancel(name, plan.message)
        return _shut_down(name, plan)
    except Unable as unable:
        complain(name, b"fatal", *unable.parts)
        return 1


def command_line(words: list[bytes]) -> Plan:
    """What WORDS ask for; options may stand behind the time, too.  Raises UsageError."""
    plan = Plan()
    rest: list[bytes] = []
    while words:
        options = Options(words, OPTIONS)
        for letter, value in options:
            plan.letters.add(letter)
            if letter == b"t":
                plan.seconds = unsigned(value) if value else None
                if plan.seconds is None:
                    raise UsageError(b"not a number of seconds -- " + value)
        words = options.rest
        if words:
            rest.append(words.pop(0))
    if b"c" not in plan:
        if not rest:
            raise UsageError(b"")
        plan.time = rest.pop(0)
    plan.message = b" ".join(rest)
    if b"n" in plan and plan.single():
        raise UsageError(b"can use -n for halt or reboot only")
    return plan


def _shut_down(name: bytes, plan: Plan) -> int:
    clock = Clock(STOPS)
    when = parse(plan.time, clock)
    if when is None:
        raise Unable(b"bad time", plan.time)
    if b"k" not in plan:
        _possible(plan)
    if b"a" in plan and not authorized():
        said = line(name, b"no authorized users logged in.")
        complain(name, b"no authorized users logged in.")
        tell(CONSOLE, said.replace(b"\n", b"\r\n"))
        return 1
    pending = Pending()
    if not pending.acquire():
        raise Unable(b"already running: process %d" % pending.pid())
    if when.left(clock) <= 0:
        return _wait(name, plan, when, clock, pending)

    def wait() -> int:
        return _wait(name, plan, when, clock, pending)

    code = in_background(pending, STOPS, wait)
    if code is None:
        complain(name, b"warning", b"python-daemon is not installed: waiting in the foreground")
        code = in_foreground(pending, STOPS, wait)
    return code


def _possible(plan: Plan) -> None:
    """See now what cannot work then.  Raises Unable."""
    if plan.single():
        from runit.boot.init import directory
        from runit.process.unable import attempt

        level = directory(b"S")
        attempt(level, do=lambda: posix.stat(level))
    elif b"n" not in plan:
        request.check()


def _wait(name: bytes, plan: Plan, when: When, clock: Clock, pending: Pending) -> int:
    """Count down, and do it; or not, if a signal says so."""
    from runit.boot.countdown import count_down

    behind = plan.message + b"\n" if plan.message else b""

    def warn(minutes: int) -> None:
        plural = b"" if minutes == 1 else b"s"
        what = b"The system is going DOWN %b in %d minute%b!\n" % (plan.goal(), minutes, plural)
        wall(behind + what)

    def bar(close: bool) -> None:
        if b"k" in plan:
            return
        if close:
            pending.bar(printable(b"\nThe system is going down.\n" + behind, "\n\t") + b"\n")
        else:
            pending.allow()

    stopped = count_down(when, clock, warn, bar)
    if stopped:
        pending.__exit__()
        if stopped != CANCEL:
            wall(CANCELLED)
        return 1
    wall(behind + b"The system is going down %b NOW!\n" % plan.goal())
    pending.__exit__()
    if b"k" in plan:
        return 0
    try:
        _go_down(plan)
    except Unable as unable:
        if posix.getsid(0) == posix.getpid():  # nobody reads the daemon's standard error
            wall(line(name, b"fatal", *unable.parts))
        complain(name, b"fatal", *unable.parts)
        return 1
    return 0


def _go_down(plan: Plan) -> None:
    """Raises Unable."""
    for letter, path in ((b"f", FASTBOOT), (b"F", FORCEFSCK)):
        if letter in plan:
            _touch(path)
    if plan.single():
        from runit.boot.init import switch

        switch(b"S")
        return
    if b"n" in plan:
        _by_ourselves(plan)
        return
    if plan.seconds is None:
        request.forget(request.KILLWAIT)
    else:
        request.write(request.KILLWAIT, b"%d\n" % plan.seconds)
    request.down(reboot=b"r" in plan, halt=b"H" in plan and b"r" not in plan)


def _touch(path: bytes) -> None:
    """Make an empty file; on a read-only root there is none, and the way down goes on."""
    try:
        posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o644))
    except OSError as error:
        complain(b"shutdown", b"warning", b"unable to create", path, error=error)


def _by_ourselves(plan: Plan) -> None:
    from runit.boot import force, power
    from runit.boot.killall5 import WAIT

    command = power.POWER_OFF
    if b"r" in plan:
        command = power.RESTART
    elif b"H" in plan:
        command = power.HALT
    try:
        force.bring_down(command, WAIT if plan.seconds is None else plan.seconds)
    except OSError as error:
        raise Unable(b"unable to go down", error=error) from None


def _cancel(name: bytes, message: bytes) -> int:
    """Tell the waiting shutdown to end, wait for that, and tell people."""
    from runit.boot.ending import Ending

    if not has_been() or (pending := Pending()).acquire():
        complain(name, b"not running.")
        return 1
    pid = pending.pid()
    try:
        ending = Ending(pid)
        posix.kill(pid, CANCEL)
    except (OSError, OverflowError):
        raise Unable(b"cannot find pid of running shutdown") from None
    if not ending.wait(PATIENCE):
        raise Unable(b"process %d does not end" % pid)
    wall((message + b"\n" if message else b"") + CANCELLED)
    return 0
