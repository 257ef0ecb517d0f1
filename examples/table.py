"""The live table: every service, its state, pid, age and what it runs.

It is drawn anew when a supervisor writes a status record, which inotify tells,
and once a second for the ages; only if it differs, and in one write.  So that a
Ctrl-C ends the table alone and not the make above it, the terminal hands the key
over as a byte instead of sending a signal.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tree import Tree, command_line

from runit.message import printable
from runit.service import status, watch

try:
    import psutil
except ImportError:  # no wheel for this machine
    psutil = None

QUIT = b"q\x03\x04"
"""The keys that end it: q, Ctrl-C, Ctrl-D."""

POLL = 0.25
"""Seconds between looks without inotify."""

GREEN, YELLOW, RED, GREY, BOLD, PLAIN = (f"\x1b[{code}m" for code in (32, 33, 31, 90, 1, 0))
START = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, no wrapping of long lines; `END` undoes it."""
END = "\x1b[?7h\x1b[?25h\x1b[?1049l"


def show(tree: Tree) -> None:
    """Show the table until one of the keys in QUIT."""
    changes = Changes(tree)
    drawn = None
    with screen():
        while True:
            size = os.get_terminal_size(1)
            text = draw(tree, size.lines)
            if (text, size) != drawn:
                write(text)
                drawn = (text, size)
            pause = 1 - time.time() % 1 + 0.005  # ages change with the clock's second
            ready, _, _ = select.select([0, *changes.descriptors], [], [], min(pause, changes.pace))
            if 0 in ready:
                keys = os.read(0, 64)
                if not keys or any(key in QUIT for key in keys):
                    return
            changes.drain()


class Changes:
    """Tells of new status records, and of services that come and go."""

    MASK = watch.CREATE | watch.DELETE | watch.MOVED_TO | watch.MOVED_FROM

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.inotify = watch.inotify()
        self.descriptors = [self.inotify.fileno()] if self.inotify else []
        self.pace = 1.0 if self.inotify else POLL
        self.drain()

    def drain(self) -> None:
        """Take what has come, and watch what is there now."""
        if not self.inotify:
            return
        watch.events(self.inotify)
        runsvdir = self.tree.root / "runsvdir"
        for directory in (runsvdir, self.tree.current, *self.tree.root.glob("sv/**/supervise")):
            try:
                self.inotify.add_watch(os.fsencode(directory), self.MASK)
            except OSError:  # it has just gone
                continue


@contextmanager
def screen() -> Iterator[None]:
    """The terminal as the table needs it; as it was, afterwards."""
    before = termios.tcgetattr(0)
    raw = termios.tcgetattr(0)
    raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    try:
        termios.tcsetattr(0, termios.TCSADRAIN, raw)
        write(START)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        write(END)


def write(text: str) -> None:
    """Everything in one write, so that nothing half drawn is seen."""
    sys.stdout.flush()
    os.write(1, text.encode(errors="replace"))


def draw(tree: Tree, height: int) -> str:
    """The whole screen, HEIGHT lines."""
    now = time.time()
    lines = [
        f"{BOLD}pyrunit{PLAIN}: {tree.root}",
        f"{BOLD}{'SERVICE':12}{'STATE':24}{'PID':>8}{'AGE':>9}  RUNS{PLAIN}",
    ]
    for name in names(tree):
        lines.append(row(tree, name, now))
        if (tree.root / "sv" / name / "log").is_dir():
            lines.append(row(tree, f"{name}/log", now))
    lines += [
        "",
        f"The web server answers at http://127.0.0.1:{tree.port}/ . In another terminal, try",
        f"  export SVDIR={tree.current} PATH={tree.bin}:$PATH",
        "  sv status web        sv stop web          sv start web",
        "  sv once spare        sv pause clock       sv cont clock",
        f"  kill -9 {tree.pid('web') or 'PID'}        ln -s ../../sv/guest $SVDIR/",
        f"{GREY}Ctrl-C or q takes everything down.{PLAIN}",
    ]
    body = "\r\n".join(f"{line}\x1b[K" for line in lines[: height or None])
    return f"\x1b[?2026h\x1b[H{body}\x1b[J\x1b[?2026l"


def names(tree: Tree) -> list[str]:
    """The services of the runlevel in force."""
    try:
        return sorted(name for name in os.listdir(tree.current) if not name.startswith("."))
    except OSError:
        return []


def row(tree: Tree, name: str, now: float) -> str:
    """One service's line."""
    service, slash, _ = name.partition("/")
    shown = "  log" if slash else harmless(service)
    record = tree.status(name)
    if record is None or not tree.supervised(name):
        return f"{shown:12}{GREY}not supervised{PLAIN}"
    color, state = described(record)
    age = duration(max(0, now - record.changed / 1e9))
    return f"{shown:12}{color}{state:24}{PLAIN}{record.pid or '':>8}{age:>9}  {runs(record.pid)}"


def harmless(text: str) -> str:
    """TEXT without what would command the terminal; somebody else may have chosen it."""
    return printable(os.fsencode(text)).decode()


def described(record: status.Status) -> tuple[str, str]:
    """A color and words for what a service does."""
    words = [status.STATES[record.state].decode()]
    if record.paused:
        words.append("paused")
    if record.got_term:
        words.append("got TERM")
    if record.state != status.DOWN and record.want == b"d":
        words.append("want down")
    if record.state == status.DOWN and record.want == b"u":
        words.append("want up")
    if record.paused or record.state == status.FINISH or record.got_term:
        color = YELLOW
    elif record.state == status.RUN:
        color = GREEN
    else:
        color = RED if record.want == b"u" else GREY
    return color, ", ".join(words)


def duration(seconds: float) -> str:
    """For people: 59s, 3m07s, 2h05m, 4d11h."""
    whole = int(seconds)
    for unit, size, smaller, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02}{smaller}"
    return f"{whole}s"


def runs(pid: int) -> str:
    """What a process runs."""
    if not pid:
        return ""
    if psutil is None:
        return harmless(command_line(pid))
    try:
        return harmless(" ".join(psutil.Process(pid).cmdline()))
    except psutil.Error:
        return ""
