"""The file `config` of a log directory: see CONFIG in svlogd(8).

One instruction a line, its first byte says which.  What is no instruction is
ignored, numbers are read as far as they are digits, and nothing here is an error:
logging goes on with a bad configuration.
"""

from __future__ import annotations

from runit.log.say import warning

SYSLOG_PORT = 514
WORD = (1 << 64) - 1
SIZES = {b"k": 1024, b"m": 1024 * 1024}
AGES = {b"m": 60, b"h": 3600}


class Config:
    """What one log directory is told to do.

    size        bytes of `current` at which it is rotated; 0: never
    keep        old logs to keep (n); 0: all
    least       old logs to keep even on a full disk (N); None: delete none there
    age         seconds after which `current` is rotated; 0: never
    processor   the shell command that old logs go through; empty: none
    prefix      what stands in front of each line
    rules       (selected, pattern) in order, for `current`
    alerts      (selected, pattern) in order, for standard error
    address     where lines are sent by UDP: dotted decimal, port; None: nowhere
    remote_only whether those lines stay out of `current`
    """

    __slots__ = (
        "address",
        "age",
        "alerts",
        "keep",
        "least",
        "prefix",
        "processor",
        "remote_only",
        "rules",
        "size",
    )

    def __init__(self) -> None:
        self.size = 1_000_000
        self.keep = 10
        self.least: int | None = None
        self.age = 0
        self.processor = b""
        self.prefix = b""
        self.rules: list[tuple[bool, bytes]] = []
        self.alerts: list[tuple[bool, bytes]] = []
        self.address: tuple[str, int] | None = None
        self.remote_only = False


def parse(text: bytes) -> Config:
    """The configuration that TEXT, a whole file, asks for."""
    config = Config()
    for line in text.split(b"\n"):
        _instruct(config, line[:1], line[1:])
    return config


def scan(text: bytes) -> tuple[int, bytes]:
    """The number that TEXT starts with, 0 without one, and what is behind it.

    As wide as a word of the machine; what is larger loses its upper bits.
    """
    rest = text.lstrip(b"0123456789")
    digits = text[: len(text) - len(rest)]
    return int(digits[-4000:] or b"0") & WORD, rest


def _instruct(config: Config, letter: bytes, value: bytes) -> None:
    match letter:
        case b"+" | b"-" | b"e" | b"E":
            _add_patterns(config, letter + value)
        case b"s":
            number, rest = scan(value)
            config.size = number * SIZES.get(rest[:1], 1)
        case b"n":
            config.keep = scan(value)[0]
        case b"N":
            config.least = scan(value)[0]
        case b"t":
            number, rest = scan(value)
            config.age = number * AGES.get(rest[:1], 1)
        case b"!" if value:
            config.processor = value.partition(b"\0")[0]
        case b"p" if value:
            config.prefix = value.partition(b"\0")[0]
        case b"u" | b"U":
            _set_address(config, value, remote_only=letter == b"U")


def _add_patterns(config: Config, line: bytes) -> None:
    """Patterns end at a NUL; the reference takes what is behind it for one more."""
    for pattern in line.split(b"\0"):
        sign = pattern[:1]
        if sign in (b"+", b"-"):
            config.rules.append((sign == b"+", pattern[1:]))
        elif sign in (b"e", b"E"):
            config.alerts.append((sign == b"e", pattern[1:]))


def _set_address(config: Config, text: bytes, *, remote_only: bool) -> None:
    """A line whose address cannot be read counts for nothing, but for a warning."""
    numbers, rest = [], b"." + text
    for _ in range(4):
        behind = rest[1:]
        if not rest.startswith(b".") or not behind[:1].isdigit():
            warning(b"unable to scan ip address", text)
            return
        number, rest = scan(behind)
        numbers.append(str(number & 0xFF))
    port = SYSLOG_PORT
    if rest.startswith(b":"):
        port = scan(rest[1:])[0]
        if not port:
            warning(b"unable to scan port number", rest[1:])
            return
    # Like the reference's, a port is a 16-bit number, and 0 is none.
    config.address = (".".join(numbers), port & 0xFFFF) if port & 0xFFFF else None
    config.remote_only = remote_only and config.address is not None
