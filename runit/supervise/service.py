"""One service, from event to event: the heart of runsv.

    down -> run -> (finish ->) down

A service obeys control characters in order, notices the end of its process, and
starts the next one when it is wanted and its pace allows.  Nothing here waits: a
control/ script that has to end before a command can go on suspends the command,
not the program.  See runsv(8), and CONTRACT for what the manual leaves out.
"""

from __future__ import annotations

import os
import time
from errno import EAGAIN, ENOMEM

from runit.message import complain
from runit.process.signals import _signal
from runit.service import status
from runit.service.status import DOWN, FINISH, RUN
from runit.supervise import files, mark, orphan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runit.supervise.orphan import Orphan

    Command = Generator[bytes, bool, None]
    """Yields the letters of control/ scripts to run, is sent whether each exited 0."""

    Launch = Callable[[bytes, list[bytes], "Service | None"], int]
    """Starts a program, given its file and arguments; the pid.  Raises OSError.

    With a Service it is the service itself, and is noted.
    """

WANT_UP, WANT_DOWN, WANT_EXIT = 0, 1, 2
WANTED = (b"", b"down", b"exit")

PACE = 1.0
"""Seconds: a run younger than this at its end is restarted this long after it."""

FORK_PAUSE = 5.0
"""Seconds until the next try when the system has no process to give."""

AT_ONCE = 256
"""Bytes of commands in one read.  So few that they need no memory from malloc(3)."""

QUEUE_FULL = 65536
"""Bytes of commands that wait; the FIFO and its writers hold the rest."""

SIGNALS = {
    ord("p"): _signal.SIGSTOP,
    ord("c"): _signal.SIGCONT,
    ord("h"): _signal.SIGHUP,
    ord("a"): _signal.SIGALRM,
    ord("i"): _signal.SIGINT,
    ord("q"): _signal.SIGQUIT,
    ord("1"): _signal.SIGUSR1,
    ord("2"): _signal.SIGUSR2,
    ord("k"): _signal.SIGKILL,
}

COULD_NOT_START = 111 << 8
"""The wait status of a process that could not be started."""

UNKNOWN = -256
"""In place of the wait status of a process that is not our child: finish gets -1 and 0."""


class Service:
    """The service in the current directory, or with WHERE ``log/`` its log service.

    WHO begins each message, ``runsv NAME``; LAUNCH starts its programs.
    """

    __slots__ = (
        "_command",
        "_outcome",
        "_pid_too",
        "_script",
        "began",
        "changed",
        "control",
        "due",
        "ending",
        "got_term",
        "launch",
        "lock",
        "not_before",
        "on_disk",
        "orphan",
        "paused",
        "pid",
        "pipe",
        "queue",
        "short",
        "state",
        "untold",
        "want",
        "where",
        "who",
    )

    def __init__(self, who: bytes, launch: Launch, where: bytes = b"") -> None:
        self.who = who
        self.launch = launch
        self.where = where
        self.state = DOWN
        self.want = WANT_UP
        self.pid = 0
        self.paused = False
        self.got_term = False
        self.changed = time.time_ns()  # for the record: what people call the time
        self.began = 0.0  # for the pace: monotonic seconds
        self.not_before = 0.0
        self.control = -1
        self.lock = -1
        self.on_disk = True  # what is in supervise/, and not in memory
        self.pipe = 0  # the inode of the one between the service and its log service
        self.orphan = -1  # a pidfd of the process, if it is not our child
        self.queue = bytearray()
        self.ending = False  # runsv is about to exit: nothing is wanted any more
        self.short = False  # of processes, which has been said
        self.due = False  # to be started, though not wanted up: once
        self.untold = False  # something changed which no record says yet
        self._pid_too = False  # supervise/pid is to be written
        self._outcome = 0  # the wait status that finish will hear of
        self._command: Command | None = None
        self._script = 0  # pid of the control/ script that the command waits for

    # What others see

    def open_lock(self) -> None:
        """Open supervise/lock, and see whether what is beside it is on a disk.  Raises Trouble."""
        self.lock = files.open_lock(self.where)
        self.on_disk = not files.in_memory(self.lock)

    def record(self, *, pid_too: bool = False) -> None:
        """Write supervise/stat and status, and pid where it has changed.

        A pid that cannot be written comes first at the next time, and the others wait
        for it.
        """
        self._pid_too |= pid_too
        self.untold = True  # or what memory is lacking for would never be told
        self._write_record()
        self.untold = False

    def _write_record(self) -> None:
        directory = self.where + b"supervise/"
        # What keeps one from being written keeps the others: one line is enough.
        if self._pid_too:
            text = b"%d\n" % self.pid if self.pid else b""
            done = files.replace(self.who, directory + b"pid", text, on_disk=self.on_disk)
            if done != files.IN_PLACE:
                return
            self._pid_too = False
        want = WANTED[self.want]
        text = files.describe(self.state, self.paused, self.got_term, want)
        if files.replace(self.who, directory + b"stat", text, on_disk=self.on_disk):
            want = b"u" if self.want == WANT_UP else b"d"
            text = status.record(
                self.changed, self.pid, self.paused, want, self.got_term, self.state
            )
            files.replace(self.who, directory + b"status", text, on_disk=self.on_disk)

    # What happens to it

    def adopt(self, left: Orphan) -> None:
        """Go on with a process that a runsv before us started."""
        if not left.marked or orphan.enter(self.lock, left.pid, left.state, left.pipe):
            mark.remove(left.pid)
        self.pid = left.pid
        self.orphan = left.descriptor
        self.state = left.state
        self._pid_too = True  # perhaps runsv was killed before it wrote that
        self.began = time.monotonic()
        record = left.record
        if record is not None:
            if record.pid == left.pid:  # else runsv was killed before it said so
                self.changed = record.changed
                self.paused = record.paused
                self.got_term = record.got_term
            if record.want == b"u":
                self.want = WANT_UP
            elif record.want == b"d":
                self.want = WANT_DOWN

    def orphan_ended(self) -> None:
        """Take note of the end of the adopted process."""
        os.close(self.orphan)
        self.orphan = -1
        self._process_ended(UNKNOWN)

    def hear(self) -> None:
        """Read the commands that wait in the FIFO."""
        try:
            self.queue += os.read(self.control, AT_ONCE)
        except BlockingIOError:
            pass

    def ended(self, pid: int, status: int) -> bool:
        """Take note that process PID ended with wait status STATUS; was it ours?"""
        if pid == self._script:
            self._script = 0
            self._go_on(status == 0)
        elif pid == self.pid:
            self._process_ended(status)
        else:
            return False
        return True

    def step(self, now: float) -> None:
        """Do what can be done NOW, in monotonic seconds."""
        self._obey()
        if self._command is None and not self.pid and now >= self.not_before:
            self._start_next(now)
        if self.untold:
            self.record()

    def _start_next(self, now: float) -> None:
        if self.state == FINISH:
            self._start_finish(now)
        elif self.want == WANT_UP or self.due:
            if self._has_scripts():
                self._command = self._start()
                self._go_on(None)
            else:
                self._start_run()

    def deadline(self) -> float | None:
        """When `step` has to be called at the latest; None if only after an event."""
        if self._command is not None or self.pid:
            return None
        if self.state == FINISH or self.want == WANT_UP or self.due:
            return self.not_before
        return None

    def has_children(self) -> bool:
        """Whether there is a process, of its own or of a control/ script."""
        return (self.pid != 0 and self.orphan < 0) or self._script != 0

    def running(self) -> bool:
        """Whether there is a process, or finish has yet to be started."""
        return self.pid != 0 or self.state != DOWN

    def run_once_more(self) -> None:
        """Start it again when its pace allows, whatever is wanted."""
        self.due = True

    def gone(self) -> bool:
        """Told to exit, and down, and nothing left to do."""
        return (
            self.want == WANT_EXIT
            and self.state == DOWN
            and self._command is None
            and not self.queue
        )

    # Commands

    def _obey(self) -> None:
        if not self.queue:
            return
        while self.queue and self._command is None:
            letter = self.queue[0]
            del self.queue[0]
            self._command = self._carry_out(letter)
            self._go_on(None)
        if self.untold and not self.pid:  # before it is started: runsv may be killed then
            self.record()

    def _go_on(self, answer: bool | None) -> None:
        """Let the command run on, up to a script that has to be waited for."""
        command = self._command
        assert command is not None
        try:
            letter = next(command) if answer is None else command.send(answer)
            while not self._run_script(letter):
                letter = command.send(False)
        except StopIteration:
            self._command = None
        except MemoryError:
            self._command = None  # or nothing would ever end it
            raise

    def _carry_out(self, letter: int) -> Command:
        match letter:
            case 0x75:  # u
                self._wish(WANT_UP)
            case 0x6F:  # o
                self._wish(WANT_DOWN)
                self.due = not self.pid and self.state == DOWN and not self.ending
            case 0x64:  # d
                self._wish(WANT_DOWN)
                yield from self._stop()
            case 0x78 if not self.where:  # x
                self._wish(WANT_EXIT)
                yield from self._stop()
            case 0x74:  # t
                yield from self._stop()
            case _ if letter in SIGNALS:
                yield from self._signal(letter)

    def _wish(self, want: int) -> None:
        if self.ending:
            return
        self.want = want
        self.due = False
        self.untold = True

    def _stop(self) -> Command:
        if self.state != RUN:
            return
        pid = self.pid
        replaced = yield b"t"
        if not replaced and pid == self.pid:
            self.got_term = True
            try:
                if self.untold:  # what is wanted is told before it is done
                    self.record()
                else:
                    self.untold = True
            finally:
                self._kill(pid, _signal.SIGTERM)
        if self.want != WANT_UP:
            self._kill(pid, _signal.SIGCONT)
            yield b"d" if self.want == WANT_DOWN else b"x"

    def _signal(self, letter: int) -> Command:
        if self.state == RUN:
            pid = self.pid
            replaced = yield bytes((letter,))
            if not replaced:
                self._kill(pid, SIGNALS[letter])
        if letter in b"pc":
            self.paused = letter == ord("p")
            self.untold = True

    def _kill(self, pid: int, number: int) -> None:
        """Signal the process that a command was for, if it is still there."""
        if not pid or pid != self.pid:
            return
        try:
            if self.orphan >= 0:
                _signal.pidfd_send_signal(self.orphan, number)
            else:
                os.kill(pid, number)
        except OSError:  # it became another user's; the reference does not say so either
            pass

    def _has_scripts(self) -> bool:
        return not self.where and os.access(b"control", os.F_OK)

    def _run_script(self, letter: bytes) -> bool:
        """Start control/LETTER; False if there is none that could be waited for."""
        if not self._has_scripts():
            return False
        path = b"control/" + letter
        try:
            if not os.stat(path).st_mode & 0o100:
                return False
        except FileNotFoundError:
            return False
        except OSError as error:
            complain(self.who, "warning", b"unable to stat " + path, error=error)
            return False
        if self.untold:  # which a script may ask for
            self.record()
        try:
            self._script = self.launch(path, [path], None)
        except OSError as error:
            if error.errno in (EAGAIN, ENOMEM):
                complain(self.who, "warning", b"unable to fork for " + path, error=error)
            else:  # a question mark, whatever the letter: the reference's words
                complain(self.who, "fatal", "unable to run control/?", error=error)
            return False
        return True

    # Processes

    def _start(self) -> Command:
        yield b"u"
        self._start_run()

    def _start_run(self) -> None:
        try:
            pid = self._spawn(b"./run", [b"./run"])
        except OSError:
            return
        self.due = False
        self.state = RUN
        self.changed = time.time_ns()
        self.began = time.monotonic()
        if pid:
            self._running(pid)
        else:
            self._process_ended(COULD_NOT_START)

    def _start_finish(self, now: float) -> None:
        status = self._outcome
        code = -1 if status == UNKNOWN or status & 0x7F else status >> 8 & 0xFF
        try:
            pid = self._spawn(b"./finish", [b"./finish", b"%d" % code, b"%d" % (status & 0xFF)])
        except OSError:
            return
        if pid:
            self._running(pid)
        else:
            self._process_ended(COULD_NOT_START)

    def _running(self, pid: int) -> None:
        self.pid = pid
        self.paused = False
        self.got_term = False
        self.record(pid_too=True)

    def _spawn(self, file: bytes, arguments: list[bytes]) -> int:
        """The pid; 0 if FILE is out of reach.  Raises OSError if the system has no process."""
        try:
            pid = self.launch(file, arguments, self)
        except OSError as error:
            if error.errno in (EAGAIN, ENOMEM):
                self.not_before = time.monotonic() + FORK_PAUSE
                if not self.short:
                    complain(self.who, "warning", "unable to fork, sleeping", error=error)
                self.short = True
                raise
            self.failed(file, error)
            pid = 0
        self.short = False
        return pid

    def note(self, pid: int) -> bool:
        """Write down for a successor of this runsv that PID was started; whether it is.

        Below 0: one that is marked so will be; 0: none was.  Until it is exec'd it has the
        lock open, so no successor comes before.
        """
        state = FINISH if self.state == FINISH else RUN
        return orphan.enter(self.lock, pid, state, self.pipe)

    def failed(self, file: bytes, error: OSError) -> None:
        """Complain that FILE cannot be started."""
        complain(self.who, "fatal", b"unable to start " + self.where + file, error=error)

    def _process_ended(self, status: int) -> None:
        self.pid = 0
        self.got_term = False
        if self.state == RUN and not self.where and os.access(b"finish", os.R_OK):
            self.state = FINISH
            self._outcome = status
        else:
            self.state = DOWN
            self.changed = time.time_ns()
            now = time.monotonic()
            if now - self.began < PACE:
                self.not_before = now + PACE
        # `step` comes next: what it starts at once has a record of its own.
        self.untold = self._pid_too = True
