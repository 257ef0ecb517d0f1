"""pidof: the processes of programs, as SysVinit's tells them.

Where that is a link to killall5, as in Debian, it leads here once this suite's killall5
is in its place.  See killall5(8).
"""

from __future__ import annotations

import posix

from runit.message import complain, emit
from runit.options import Options, UsageError, arguments

USAGE = b"usage: pidof [-cnqsxz] [-d sep] [-o pid[,pid]] ... program ...\n\n"
FOUND, NONE = 0, 1

LONGEST = 15
"""Bytes that the kernel keeps of a process's name."""

DELETED = b" (deleted)"
"""What the kernel puts behind the path of a file that was removed."""


class Wanted:
    """What the command line asks for.

    omitted    pids that are not told
    separator  what stands between pids
    flags      the letters of the options that were given
    names      of programs, in order
    """

    __slots__ = ("flags", "names", "omitted", "separator")

    def __init__(self) -> None:
        self.omitted = {posix.getpid()}
        self.separator = b" "
        self.flags = b""
        self.names: list[bytes] = []


class Process:
    """One process: its name, its first two arguments (None: there is none), its program."""

    __slots__ = ("first", "name", "pid", "place", "second")

    def __init__(self, pid: bytes, zombies: bool) -> None:
        """Raises OSError and ValueError for one that is not there, or does not count."""
        self.place = b"/proc/" + pid
        self.pid = int(pid)
        head, _, tail = _read(self.place + b"/stat").rpartition(b")")
        self.name = head.partition(b"(")[2]
        if tail.split()[0] in b"ZX" and not zombies:
            raise ValueError
        words: list[bytes | None] = [*_read(self.place + b"/cmdline").split(b"\0")[:-1]]
        self.first, self.second = (*words, None, None)[:2]

    def file(self) -> tuple[int, int] | None:
        """Its program's device and inode, if one may know them."""
        return _identity(self.place + b"/exe")

    def path(self) -> bytes | None:
        """Its program's path, if one may know it."""
        try:
            return posix.readlink(self.place + b"/exe").removesuffix(DELETED)
        except OSError:
            return None

    def is_called(self, program: bytes) -> bool:
        """Whether its first argument is PROGRAM, which is no whole path.

        One that has none, or has written a title there, is known by its name.
        """
        base = program.rpartition(b"/")[2]
        if base and self.name == base and (not self.first or b" " in self.first):
            return True
        return self.first in (program, base or program) or _base(self.first) == program

    def runs_script(self, program: bytes) -> bool:
        """Whether it is an interpreter that was started as PROGRAM."""
        base = program.rpartition(b"/")[2]
        if self.name != base[:LONGEST]:
            return False
        return self.second in (program, base or program) or _base(self.second) == program


def main() -> int:
    """Command line; see the manual page."""
    try:
        wanted = command_line(arguments())
    except UsageError:
        emit(USAGE)
        return NONE
    if b"h" in wanted.flags:
        emit(USAGE, 1)
        return FOUND
    try:
        there = processes(wanted)
    except OSError as error:
        complain(b"pidof", b"fatal", b"unable to read /proc", error=error)
        return NONE
    found: list[bytes] = []
    for name in wanted.names:
        pids = [b"%d" % one.pid for one in of_program(there, name, scripts=b"x" in wanted.flags)]
        found += pids[:1] if b"s" in wanted.flags else pids
    if found and b"q" not in wanted.flags:
        emit(wanted.separator.join(found) + b"\n", 1)
    return FOUND if found else NONE


def command_line(words: list[bytes]) -> Wanted:
    """What WORDS ask for; options may stand behind names.  Raises UsageError."""
    wanted = Wanted()
    while words:
        if len(words[0]) < 2 or not words[0].startswith(b"-"):
            wanted.names.append(words[0])
            words = words[1:]
            continue
        options = Options(words, b"cd:hno:qsxz")
        for letter, value in options:
            if letter == b"d":
                wanted.separator = value[:1] or wanted.separator
            elif letter == b"o":
                wanted.omitted |= {pid(part) for part in value.replace(b";", b",").split(b",")}
            wanted.flags += letter
        if words[len(words) - len(options.rest) - 1].startswith(b"--"):
            wanted.names += options.rest
            break
        words = options.rest
    return wanted


def pid(text: bytes) -> int:
    """The number that TEXT starts with, or none: 0.  %PPID is the caller."""
    if text == b"%PPID":
        return posix.getppid()
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits[:20] or b"0")


def processes(wanted: Wanted) -> list[Process]:
    """Those that count, the highest pid first.  Raises OSError."""
    zombies, same_root = b"z" in wanted.flags, b"c" in wanted.flags and posix.geteuid() == 0
    root = posix.readlink(b"/proc/self/root") if same_root else b""
    found = []
    for name in posix.listdir(b"/proc"):
        if not name.isdigit() or int(name) in wanted.omitted:
            continue
        try:
            process = Process(name, zombies)
            if not same_root or posix.readlink(process.place + b"/root") == root:
                found.append(process)
        except (OSError, ValueError, IndexError):
            continue  # it has ended
    return sorted(found, key=lambda one: one.pid, reverse=True)


def of_program(there: list[Process], program: bytes, *, scripts: bool) -> list[Process]:
    """Those among THERE that run PROGRAM: a whole path, or what they are called."""
    if not program:
        return []
    whole = program.startswith(b"/")
    if whole:
        file = _identity(program)
        found = [one for one in there if file and one.file() == file]
        if found:
            return found
    found = []
    for one in there:
        if whole:
            path = one.path()
            same = path == program or (path is None and one.first == program)
        else:
            same = one.is_called(program)
        if same or (scripts and one.runs_script(program)):
            found.append(one)
    return found


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = posix.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _base(argument: bytes | None) -> bytes | None:
    return argument.rpartition(b"/")[2] if argument else None


def _read(path: bytes) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, 65536)
    finally:
        posix.close(descriptor)
