"""The commands that sv knows, and what each stands for."""

from __future__ import annotations

CHECK = b"C"
"""Sent to nobody: the service is to be as it was last told to be."""


class Command:
    """What to do with each service.

    letters  what to send to runsv (runsv(8), CONTROL), none to report the status
    wait     whether to wait for the effect, and report it, without -v too
    force    whether to send KILL when that takes too long
    """

    __slots__ = ("force", "letters", "wait")

    def __init__(self, letters: bytes, *, wait: bool = False, force: bool = False) -> None:
        self.letters = letters
        self.wait = wait
        self.force = force


WORDS = {
    b"start": Command(b"u", wait=True),
    b"stop": Command(b"d", wait=True),
    b"reload": Command(b"h", wait=True),
    b"restart": Command(b"tcu", wait=True),
    b"shutdown": Command(b"x", wait=True),
    b"check": Command(CHECK, wait=True),
    b"try-restart": Command(b"tc", wait=True),
    b"force-stop": Command(b"d", wait=True, force=True),
    b"force-reload": Command(b"tc", wait=True, force=True),
    b"force-restart": Command(b"tcu", wait=True, force=True),
    b"force-shutdown": Command(b"x", wait=True, force=True),
}
INITIALS = {
    b"s": Command(b""),
    b"e": Command(b"x"),
    b"D": WORDS[b"force-stop"],
    b"T": WORDS[b"force-reload"],
    b"E": WORDS[b"force-shutdown"],
    b"X": WORDS[b"force-shutdown"],
}
SENT_AS_THEY_ARE = b"udopchaiq12tkx"


def command(word: bytes) -> Command | None:
    """The command that WORD, or else its first letter, stands for; None for none."""
    found = WORDS.get(word) or INITIALS.get(word[:1])
    if found is None and word and word[:1] in SENT_AS_THEY_ARE:
        return Command(word[:1])
    return found
