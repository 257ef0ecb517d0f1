"""The name and the command line that ps, pgrep and top show for this process.

The kernel lets a process write its name to /proc/self/comm, and its own argument
area, whose place stands in /proc/self/stat, through /proc/self/mem: see proc(5).
A last byte that is not NUL tells the kernel that the area holds one string now,
ended by its first NUL (as setproctitle(3) does it), which may run on into the
environment behind it.  That is a copy from before the start, which nobody reads
any more once `runit.process.environment` has.
"""

from __future__ import annotations

import posix

from runit.options import arguments, called_as

WRITE = posix.O_WRONLY | posix.O_CLOEXEC


class Area:
    """The bytes from START to END of this process's memory that show as its arguments."""

    __slots__ = ("end", "limit", "start")

    def __init__(self, start: int, end: int, limit: int) -> None:
        self.start = start
        self.end = end
        self.limit = limit


_area: Area | None = None


def area() -> Area | None:
    """Where this process's arguments are; None where the kernel does not say.

    Asked for once: a forked child has them where its parent had.
    """
    global _area  # noqa: PLW0603 (it does not change)
    if _area is None:
        _area = _find()
    return _area


def _find() -> Area | None:
    try:
        descriptor = posix.open("/proc/self/stat", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            text = posix.read(descriptor, 4096)
        finally:
            posix.close(descriptor)
        # Behind the parenthesis comes field 3; wanted are 48 to 51.
        fields = text[text.rindex(b")") + 2 :].split()
        start, end, environment, limit = (int(field) for field in fields[45:49])
    except (OSError, ValueError):
        return None
    if not 0 < start < end:
        return None
    return Area(start, end, limit if environment == end else end)


def show(title: bytes, name: bytes, where: Area | None) -> None:
    """Show TITLE as the command line and NAME (15 bytes at most) as the name.

    What the kernel refuses stays as it was.
    """
    _write(b"/proc/self/comm", name)
    if where is None:
        return
    size = where.limit - where.start
    if len(title) >= size:
        title = title[: size - 1]
    text = title + b"\0"
    _write(b"/proc/self/mem", text, where.start)
    if where.start + len(text) < where.end:
        _write(b"/proc/self/mem", b".", where.end - 1)


def show_own() -> None:
    """Show the name and the arguments of this program, as if there were no interpreter.

    That is shorter than what stands there, so the environment behind it stays.
    """
    name = called_as()
    show(b" ".join([name, *arguments()]), name[:15], area())


def _write(path: bytes, data: bytes, offset: int = 0) -> None:
    try:
        descriptor = posix.open(path, WRITE)
    except OSError:
        return
    try:
        if offset:
            posix.lseek(descriptor, offset, 0)  # comm takes no pwrite(2), mem likes both
        posix.write(descriptor, data)
    except OSError:
        pass
    finally:
        posix.close(descriptor)
