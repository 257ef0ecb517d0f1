"""The options of svlogd, on its command line or for the built-in logger of runsv."""

from __future__ import annotations

from runit import __version__
from runit.log.config import scan
from runit.log.rules import has_long_lines
from runit.log.stamp import STYLES
from runit.message import emit
from runit.options import Options as Letters
from runit.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.stamp import Style

LENGTH = 1000
BUFFER = 1024
PRINTABLE = range(32, 127)


class Options:
    """How to log, whatever the directory.

    style        makes the time stamps (-t)
    table        what to replace each byte with (-r, -R), as bytes.translate takes it;
                 None: nothing is replaced
    length       bytes of a line that patterns see and copies have (-l)
    verbose      whether to tell what happens (-v)
    directories  the arguments behind the options
    """

    __slots__ = ("directories", "length", "style", "table", "verbose")

    def __init__(self) -> None:
        self.style: Style = STYLES[0]
        self.table: bytes | None = None
        self.length = LENGTH
        self.verbose = False
        self.directories: list[bytes] = []

    def replace(self, block: bytes) -> bytes:
        """BLOCK, which is whole lines, with their first `length` bytes each replaced."""
        table, length = self.table, self.length
        if table is None:
            return block
        if not has_long_lines(block, length):
            return block.translate(table)
        lines = block.split(b"\n")
        return b"\n".join([line[:length].translate(table) + line[length:] for line in lines])


def parse_options(arguments: list[bytes]) -> Options:
    """What ARGUMENTS ask for.

    The size of the buffer (-b) is checked as the reference checks it, but it limits
    nothing here.  Raises UsageError, its sentence empty if usage says it all.
    """
    options = Options()
    letters = Letters(arguments, b"R:r:l:b:tvV")
    buffer, stamps = BUFFER, 0
    replacement, charset = b"", None
    for letter, value in letters:
        match letter:
            case b"R":
                charset = value
            case b"r":
                if len(value) != 1:
                    raise UsageError(b"")
                replacement = value
            case b"l":
                options.length = scan(value)[0] or LENGTH
            case b"b":
                buffer = scan(value)[0] or BUFFER
            case b"t":
                stamps = min(stamps + 1, len(STYLES) - 1)
            case b"v":
                options.verbose = True
            case b"V":
                emit(b"pyrunit %b\n" % __version__.encode())
                raise UsageError(b"")
    if buffer <= options.length:
        raise UsageError(b"")
    options.style = STYLES[stamps]
    if replacement or charset is not None:
        options.table = _table(replacement or b"_", charset or b"")
    options.directories = letters.rest
    return options


def _table(replacement: bytes, charset: bytes) -> bytes:
    """REPLACEMENT for what is not printable and for each byte of CHARSET; newlines stay."""
    kept = [byte for byte in PRINTABLE if byte not in charset]
    return bytes(
        byte if byte in kept or byte == ord(b"\n") else ord(replacement) for byte in range(256)
    )
