"""Words, numbers and texts that somebody might think of."""

from __future__ import annotations

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-(1 << 70), 1 << 70).map(lambda number: b"%d" % number),
    st.sampled_from(
        [
            *(b"", b"0", b"-0", b"+1", b"-1", b"00", b"1_0", b" 1", b"1 ", b"0x1", b"1e3", b"1.5"),
            *(b"9" * 19, b"9" * 20, b"9" * 21, b"9" * 5000, b"0" * 5000, b"2147483648"),
            *(b"4294967296", b"18446744073709551616", "\N{ARABIC-INDIC DIGIT ONE}".encode()),
        ]
    ),
)

TEXT = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            *(b"", b".", b"..", b"/", b"//", b"-", b"--", b"---", b"-x", b":", b"=", b"~", b"*"),
            *(b"\x1b[2J", b"\x9b", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\n", b"\t", b" "),
            *(b"x" * 255, b"x" * 256, b"x" * 5000, b"%s%n", b"$(x)", b"`x`", b"'", b'"', b"\\"),
            *(b"root", b"nobody", b"now", b"TERM", b"SIGTERM", b"status", b"up", b"current"),
        ]
    ),
)

LINES = st.lists(TEXT, max_size=4).map(b"\n".join)

ARGUMENT = TEXT.map(lambda text: text.replace(b"\0", b""))
"""An argument of a program, which cannot hold a NUL."""

LETTERS = "abcdefhiklmnoprstuvwxACEFHLNPRTUVXZ012/"

OPTION = st.tuples(
    st.sampled_from([b"-" + letter.encode() for letter in LETTERS]),
    st.one_of(st.just(b""), NUMBERS, ARGUMENT),
).map(b"".join)

WORDS = st.lists(st.one_of(OPTION, ARGUMENT, NUMBERS), max_size=5)
"""A command line, without the program."""
