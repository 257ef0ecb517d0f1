"""One clear line on standard error (or elsewhere) for people and scripts.

The form is the reference's: ``prog: fatal: what: name: reason``.  Each line goes
out in a single write(2), so lines of many programs that share one log do not
mix.  Nothing here raises: a program whose standard error is gone goes on.

Imports only what the interpreter has built in: see DESIGN, "Cold programs stay
thin".
"""

from __future__ import annotations

import posix

from runit.errors import words

Text = bytes | str


def encode(text: Text) -> bytes:
    """Bytes as they are; a str back to the bytes that it was decoded from."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def line(*parts: Text, error: OSError | int | None = None) -> bytes:
    """PARTS joined with ``: ``, the error's words behind them, and a newline."""
    texts = [encode(part) for part in parts]
    if error is not None:
        texts.append(words(error))
    return b": ".join(texts) + b"\n"


def emit(text: Text, descriptor: int = 2) -> None:
    """Write all of TEXT to DESCRIPTOR; what cannot be written is dropped."""
    data = encode(text)
    try:
        while data:
            data = data[posix.write(descriptor, data) :]
    except OSError:
        pass


def complain(*parts: Text, error: OSError | int | None = None) -> None:
    """Print one line, as made by `line`, on standard error, `shown` as that may be."""
    emit(shown(line(*parts, error=error).removesuffix(b"\n"), 2) + b"\n")


def shown(text: bytes, descriptor: int) -> bytes:
    """TEXT, in which there may be anybody's names, as it may be written to DESCRIPTOR.

    A terminal obeys control characters, so there it is `printable`.  Elsewhere it stays
    as it is.
    """
    return printable(text) if posix.isatty(descriptor) else text


def printable(text: bytes, kept: str = "") -> bytes:
    """TEXT with a question mark for each control character, and for what cannot be shown.

    Those in KEPT stay.
    """
    decoded = text.decode("utf-8", "surrogateescape")
    return "".join(one if one.isprintable() or one in kept else "?" for one in decoded).encode()
