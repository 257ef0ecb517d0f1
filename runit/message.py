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
    """Print one line, as made by `line`, on standard error."""
    emit(line(*parts, error=error))
