"""Bar logins: files that login(1), sshd(8) and pam_nologin(8) look for.

pam_nologin reads /run/nologin first, then /etc/nologin; sshd and shadow's login without
PAM read /etc/nologin only.
"""

from __future__ import annotations

import posix

from runit import paths

FILES = (paths.RUNDIR + b"/nologin", paths.SYSCONFDIR + b"/nologin")

_FLAGS = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC


def missing() -> list[bytes]:
    """Those of FILES that are not there: one that somebody else made is not ours."""
    return [path for path in FILES if not _exists(path)]


def bar(files: list[bytes], text: bytes) -> None:
    """Make FILES, each with TEXT for whom it sends away.  What cannot be made is not."""
    for path in files:
        try:
            descriptor = posix.open(path, _FLAGS, 0o644)
            posix.write(descriptor, text)
            posix.close(descriptor)
        except OSError:
            continue


def allow(files: list[bytes]) -> None:
    """Remove those of FILES that are ours to remove."""
    for path in files:
        if path in FILES:
            try:
                posix.unlink(path)
            except OSError:
                pass


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True
