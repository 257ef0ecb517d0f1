"""Who lets the machine be shut down from its keyboard: /etc/shutdown.allow."""

from __future__ import annotations

import posix

from runit import paths
from runit.boot.wall import users
from runit.process.unable import Unable

ALLOW = paths.SYSCONFDIR + b"/shutdown.allow"
"""A user's name in each line; empty ones and those that start with # do not count."""


def authorized() -> bool:
    """Whether somebody in ALLOW, or root, is logged in on a virtual console.

    Without that file everybody is authorized.  Raises Unable.
    """
    try:
        descriptor = posix.open(ALLOW, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return True
        raise Unable(b"unable to open", ALLOW, error=error) from None
    with open(descriptor, "rb") as stream:
        allowed = {word.strip() for word in stream if not word.startswith(b"#")} - {b""}
    return any(
        one.line.startswith(b"tty")
        and one.line[3:].isdigit()
        and (one.user == b"root" or one.user in allowed)
        for one in users()
    )
