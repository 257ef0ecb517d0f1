"""killall5: end every process but those that the way down needs.

psutil finds the processes and waits for them.  A machine must go down without it too:
then /proc is read here, and each process is waited for in turn.  See killall5(8).

Called as pidof, through a link, it is `runit.boot.pidof`.
"""

from __future__ import annotations

import posix
import time

from runit.boot.ending import Ending
from runit.message import complain, emit
from runit.options import arguments, called_as
from runit.process.numbers import unsigned
from runit.process.signals import _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    import psutil

WAIT = 5
"""Seconds from TERM to KILL."""

AFTER_KILL = 2.0
"""Seconds until what was killed must be gone: longer takes who sleeps in the kernel."""

GLANCE = 0.25
"""Seconds until what is left is looked for anew."""

ROUNDS = 10
"""How often is looked again for processes that were started meanwhile."""

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD in the flags of /proc/PID/stat
KILLED, NO_PROC, NOBODY = 0, 1, 2


class Wanted:
    """What the command line asks for: SIGNAL alone, or None for TERM, waiting, KILL."""

    __slots__ = ("omitted", "signal", "wait")

    def __init__(self) -> None:
        self.signal: int | None = None
        self.omitted = {1, posix.getpid()}
        self.wait = WAIT


def main() -> int:
    """Command line; see the manual page."""
    name = called_as()
    if name == b"pidof":
        from runit.boot import pidof  # by far the rarer one

        return pidof.main()
    try:
        wanted = command_line(arguments())
    except ValueError:
        emit(b"usage: " + name + b" [-SIGNAL] [-t sec] [-o pid[,pid]] ...\n\n")
        return 1
    try:
        posix.stat(b"/proc/self/stat")
    except OSError as error:
        complain(name, b"fatal", b"unable to read /proc", error=error)
        return NO_PROC
    if wanted.signal is None:
        return KILLED if end_all(wanted.omitted, wanted.wait) else NOBODY
    return KILLED if send(wanted.signal, wanted.omitted) else NOBODY


def command_line(words: list[bytes]) -> Wanted:
    """What WORDS ask for.  Raises ValueError."""
    wanted = Wanted()
    words = list(words)
    while words:
        word = words.pop(0)
        if word in (b"-o", b"-t"):
            if not words:
                raise ValueError
            word += words.pop(0)
        if word.startswith(b"-o"):
            wanted.omitted |= {number(part) for part in word[2:].split(b",")}
        elif word.startswith(b"-t"):
            wanted.wait = number(word[2:])
        elif (word.startswith(b"-") or word.isdigit()) and wanted.signal is None:
            wanted.signal = signal_number(word.removeprefix(b"-"))
        else:
            raise ValueError
    return wanted


def number(text: bytes) -> int:
    """TEXT's number.  Raises ValueError."""
    value = unsigned(text) if text else None
    if value is None or value > 1 << 31:
        raise ValueError
    return value


def signal_number(text: bytes) -> int:
    """A signal by its number, or by its name with or without SIG.  Raises ValueError."""
    if not text.isdigit():
        name = "SIG" + text.decode("ascii").removeprefix("SIG")
        value = getattr(_signal, name, None)
        if value is None or name.startswith("SIG_"):
            raise ValueError
        return int(value)
    value = number(text)
    if not 0 < value < _signal.NSIG:
        raise ValueError
    return value


def end_all(omitted: set[int], wait: float) -> int:
    """TERM to all, and KILL to who has not ended WAIT seconds later; how many there were."""
    ended = send(_signal.SIGTERM, omitted)
    if ended:
        wait_for_end(omitted, wait)
        if send(_signal.SIGKILL, omitted):
            wait_for_end(omitted, AFTER_KILL)
    return ended


def send(signal: int, omitted: set[int]) -> int:
    """SIGNAL to every process, once; how many got it.

    Those that others start meanwhile are found in another round: nothing is stopped
    first, because the root file system may live on a process.
    """
    reached: set[int] = set()
    tried: set[int] = set()
    for _ in range(ROUNDS):
        new = find(omitted) - tried
        if not new:
            break
        for pid in new:
            tried.add(pid)
            try:
                posix.kill(pid, signal)
                reached.add(pid)
                if signal == _signal.SIGTERM:
                    posix.kill(pid, _signal.SIGCONT)  # who is stopped does not end
            except OSError:
                continue
    return len(reached)


def find(omitted: set[int]) -> set[int]:
    """The processes that are to end, but for OMITTED."""
    try:
        import psutil
    except ImportError:
        found = _find_in_proc()
    else:
        found = _find_by_psutil(psutil.process_iter())
    own = posix.getsid(0)
    return {pid for pid in found - omitted if _session(pid) not in (own, None)}


def _find_by_psutil(processes: Iterable[psutil.Process]) -> set[int]:
    """PROCESSES without kernel threads and zombies, and without ``@``."""
    import psutil

    found = set()
    for process in processes:
        try:
            with process.oneshot():
                words = process.cmdline()
                if process.memory_info().vms and not (words and words[0].startswith("@")):
                    found.add(process.pid)
        except psutil.Error:
            continue
    return found


def _find_in_proc() -> set[int]:
    """The same from /proc itself."""
    found = set()
    for name in posix.listdir(b"/proc"):
        if not name.isdigit():
            continue
        try:
            state, *rest = _read(b"/proc/" + name + b"/stat").rpartition(b")")[2].split()
            words = _read(b"/proc/" + name + b"/cmdline")
        except (OSError, ValueError):
            continue
        kernel = int(rest[5]) & _KERNEL_THREAD
        if not kernel and state not in b"ZX" and not words.startswith(b"@"):
            found.add(int(name))
    return found


def _read(path: bytes) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, 4096)
    finally:
        posix.close(descriptor)


def _session(pid: int) -> int | None:
    try:
        return posix.getsid(pid)
    except OSError:
        return None


def wait_for_end(omitted: set[int], seconds: float) -> None:
    """Return when nothing is left, or after SECONDS."""
    end = time.monotonic() + seconds
    while (left := find(omitted)) and (rest := end - time.monotonic()) > 0:
        try:
            import psutil
        except ImportError:
            _wait_by_descriptor(left, end)
            continue
        processes = []
        for pid in left:
            try:
                processes.append(psutil.Process(pid))
            except psutil.Error:
                continue
        # One that became a zombie may look alive to older ones of psutil: look again.
        psutil.wait_procs(processes, timeout=min(rest, GLANCE))


def _wait_by_descriptor(pids: set[int], end: float) -> None:
    """Wait until all PIDS have ended, or until END of the monotonic clock."""
    for pid in pids:
        try:
            with Ending(pid) as ending:
                ending.wait(end - time.monotonic())
        except OSError:
            continue
