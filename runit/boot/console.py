"""The console of process 1: where it speaks, and where a person can be let in.

A line goes to /dev/console, opened anew for each: it may have come or gone since.  No
terminal may stop process 1, so what it does not take in a moment is dropped.  In a
container the console is standard error, and is left alone.
"""

from __future__ import annotations

import fcntl
import os
import termios
import time

from runit.message import Text, line

CONSOLE = b"/dev/console"
SPEAK = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
LISTEN = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY

PATIENCE = 0.1
"""Seconds for which a line is tried again that the console does not take."""

SHELLS = (b"/sbin/sulogin", b"/usr/sbin/sulogin", b"/bin/sh", b"/usr/bin/sh")
"""Whom to call when a stage cannot be started; root's password is asked if it can be."""

PATH = b"/usr/sbin:/usr/bin:/sbin:/bin"


class Console:
    """Says what happens; with OWN it is /dev/console and not standard error as given."""

    __slots__ = ("own",)

    def __init__(self, own: bool) -> None:
        self.own = own

    def attach(self) -> None:
        """Put the console where descriptors 0 to 2 are; /dev/null where there is none."""
        for number in range(3):
            if not _is_given(number):
                _put(b"/dev/null", os.O_RDWR, (number,))
        if self.own:
            _put(CONSOLE, SPEAK, (0, 1, 2))

    def say(self, *parts: Text, error: OSError | int | None = None) -> None:
        """Print one line in runit's form, ``- runit: PARTS``.  Never raises."""
        if self.own:
            _put(CONSOLE, SPEAK, (2,))
        text = b"- runit: " + line(*parts, error=error)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                os.write(2, text)
            except BlockingIOError:  # full, or somebody else writes at this very moment
                if time.monotonic() < end:
                    time.sleep(PATIENCE / 10)
                    continue
            except OSError:
                pass
            return

    def warn(self, *parts: Text, error: OSError | int | None = None) -> None:
        """As `say`, as a warning."""
        self.say("warning", *parts, error=error)

    def survive(self, error: BaseException) -> None:
        """What cannot happen has: say so, and go on."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name} {trace.tb_lineno}" if trace else ""
        self.warn("unexpected", where, repr(error))

    def become_input(self) -> None:
        """In a child: the console, open for both, is standard input.

        It does not become the controlling terminal: the end of a session that has one
        hangs the terminal up, under the feet of everybody else.
        """
        if self.own:
            _put(CONSOLE, LISTEN, (0,), blocking=True)

    def become_output(self) -> None:
        """In a child: what it says may wait for the console, as programs expect."""
        if self.own:
            _put(CONSOLE, SPEAK, (1, 2), blocking=True)

    def become_shell(self) -> None:
        """In a child that leads a session: an emergency shell on the console.

        Returns if there is none.
        """
        _put(CONSOLE, LISTEN, (0, 1, 2), blocking=True)
        try:
            fcntl.ioctl(0, termios.TIOCSCTTY, 1)  # take it from whoever has it
        except OSError:
            pass  # no terminal at all: a file, a pipe
        os.environ.setdefault("PATH", os.fsdecode(PATH))
        for shell in SHELLS:
            if os.access(shell, os.X_OK):
                os.write(2, b"- runit: warning: starting " + shell + b" on the console...\n")
                try:
                    os.execv(shell, [shell])
                except OSError:
                    continue


def _is_given(number: int) -> bool:
    """Whether process 1 was started with it: what a library opens, closes itself at exec."""
    try:
        return os.get_inheritable(number)
    except OSError:
        return False


def _put(path: bytes, flags: int, numbers: tuple[int, ...], *, blocking: bool = False) -> None:
    """Open PATH as each of the descriptors NUMBERS; on failure they stay as they are.

    The opening never waits, not even for a modem; BLOCKING is about what comes then.
    """
    try:
        descriptor = os.open(path, flags)
        if blocking:
            os.set_blocking(descriptor, True)
        for number in numbers:
            os.dup2(descriptor, number)
        if descriptor in numbers:  # for which dup2(2) has done nothing
            os.set_inheritable(descriptor, True)
        else:
            os.close(descriptor)
    except OSError:
        pass
