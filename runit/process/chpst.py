"""chpst: change the process state, then become another program.

Called envdir, envuidgid, pgrphack, setlock, setuidgid or softlimit, it has the
command line of that program of daemontools.  A leading ``d`` of the name does not
count.  See chpst(8).
"""

from __future__ import annotations

from runit import __version__
from runit.message import complain, emit
from runit.options import Options, UsageError, arguments, called_as
from runit.process import environment, signals
from runit.process.change import Change, become
from runit.process.numbers import HUGE, signed, unsigned
from runit.process.unable import Unable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = (
    b"[-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root] [-C pwd]"
    b" [-n nice] [-l|-L lock] [-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog"
)
ACCOUNT = b"account child"
ENVDIR = b"dir child"
PGRPHACK = b"child"
SETLOCK = b"[ -nNxX ] file program [ arg ... ]"
SOFTLIMIT = (
    b"[-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes]"
    b" [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes]"
    b" [-t cpusecs] child"
)
MOST_NICE = 40
"""Nice values are 40 apart at most, so more than that makes no difference."""


class Wrong(Exception):
    """A wrong command line; `usage` says how it is to be."""

    def __init__(self, usage: bytes) -> None:
        super().__init__(usage)
        self.usage = usage


def main() -> int:
    """Command line; see the manual page.  Returns only if something went wrong."""
    signals.as_given()
    environment.restore()
    name = called_as().removeprefix(b"d")
    change = Change()
    try:
        program = COMMAND_LINES.get(name, _chpst)(change)
    except Wrong as wrong:
        emit(b"usage: %b %b\n\n" % (name, wrong.usage))
        return 100
    try:
        become(change, program)
    except Unable as unable:
        if change.lenient:
            return 0
        complain(b"chpst: fatal", *unable.parts)
    except MemoryError:  # a limit may leave too little for the last steps
        complain(b"chpst: fatal", b"out of memory")
    return 111


def _chpst(change: Change) -> list[bytes]:
    """Read the command line of chpst into CHANGE; returns the program."""
    options = Options(arguments(), b"vVP012u:U:b:e:/:C:n:l:L:m:d:o:p:f:c:r:t:")
    for letter, value in _read(options, USAGE):
        match letter:
            case b"u":
                change.account = value
            case b"U":
                change.variables = value
            case b"b":
                change.argv0 = value
            case b"e":
                change.envdir = value
            case b"/":
                change.root = value
            case b"C":
                change.directory = value
            case b"n":
                change.nice = _nice(value)
            case b"l" | b"L":
                if change.lock is not None:
                    raise Wrong(USAGE)
                change.lock, change.wait = value, letter == b"l"
            case b"P":
                change.session = True
            case b"0" | b"1" | b"2":
                change.shut.add(int(letter))
            case b"V":
                emit(b"pyrunit %b\n" % __version__.encode())
                raise Wrong(USAGE)
            case b"v":
                pass  # there is no limit here that Linux has not
            case _:
                _limit(change, letter, unsigned(value))
    return _split(options.rest, 0, USAGE)[1]


def _envdir(change: Change) -> list[bytes]:
    (change.envdir,), program = _split(arguments(), 1, ENVDIR)
    change.strict = True
    return program


def _envuidgid(change: Change) -> list[bytes]:
    (change.variables,), program = _split(arguments(), 1, ACCOUNT)
    change.plain = True
    return program


def _setuidgid(change: Change) -> list[bytes]:
    (change.account,), program = _split(arguments(), 1, ACCOUNT)
    change.plain = True
    return program


def _pgrphack(change: Change) -> list[bytes]:
    change.session = True
    return _split(arguments(), 0, PGRPHACK)[1]


def _setlock(change: Change) -> list[bytes]:
    options = Options(arguments(), b"nNxX")
    change.wait = False
    for letter, _ in _read(options, SETLOCK):
        if letter in b"nN":
            change.wait = letter == b"n"
        else:
            change.lenient = letter == b"x"
    (change.lock,), program = _split(options.rest, 1, SETLOCK)
    return program


def _softlimit(change: Change) -> list[bytes]:
    options = Options(arguments(), b"a:c:d:f:l:m:o:p:r:s:t:")
    for letter, value in _read(options, SOFTLIMIT):
        _limit(change, letter, HUGE if value == b"=" else unsigned(value))
    return _split(options.rest, 0, SOFTLIMIT)[1]


def _read(options: Options, usage: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The OPTIONS; a wrong one is told of and is Wrong, in which case USAGE is right."""
    try:
        yield from options
    except UsageError as error:
        complain(called_as(), error.sentence)
        raise Wrong(usage) from None


def _split(rest: list[bytes], count: int, usage: bytes) -> tuple[list[bytes], list[bytes]]:
    """REST as COUNT arguments and a program; Wrong if there is not as much."""
    if len(rest) <= count:
        raise Wrong(usage)
    return rest[:count], rest[count:]


def _nice(text: bytes) -> int:
    increment = signed(text)
    if increment is None:
        raise Wrong(USAGE)
    return max(-MOST_NICE, min(MOST_NICE, increment))


def _limit(change: Change, letter: bytes, number: int | None) -> None:
    """One more limit; a number that is none gets chpst's usage, whatever the name."""
    from runit.process import limits  # only those who want limits pay for it

    if number is None:
        raise Wrong(USAGE)
    limits.wish(change.limits, letter, number)


COMMAND_LINES = {
    b"envdir": _envdir,
    b"envuidgid": _envuidgid,
    b"pgrphack": _pgrphack,
    b"setlock": _setlock,
    b"setuidgid": _setuidgid,
    b"softlimit": _softlimit,
}
