"""Accounts: from a name, or numbers, to the ids that a process takes.

The password and group files are those of the root directory at the time of the
call: chpst looks after it has changed its root.  See -u and -U in chpst(8).
"""

from __future__ import annotations

import grp
import posix
import pwd
import sys
from errno import EINVAL

from runit.process.numbers import unsigned
from runit.process.unable import Unable, attempt

LARGEST = 0xFFFFFFFF


class Account:
    """uid, and one or more gids of which the first is the primary one."""

    __slots__ = ("gids", "uid")

    def __init__(self, uid: int, gids: list[int]) -> None:
        self.uid = uid
        self.gids = gids


def account(text: bytes) -> Account:
    """``user``, ``user:group[:group...]``, or ``:uid:gid[:gid...]`` in numbers.

    An empty number is 0.  Raises Unable, which quotes TEXT.
    """
    if text.startswith(b":"):
        return _numeric(text[1:])
    name, *groups = text.split(b":")
    try:
        file = b"/etc/passwd"
        entry = pwd.getpwnam(_decoded(name))
        file = b"/etc/group"
        gids = [grp.getgrnam(_decoded(group)).gr_gid for group in groups]
    except KeyError:
        _check(file, b"unable to get password/group file entry")
        raise Unable(b"unknown user/group", text) from None
    return Account(entry.pw_uid, gids or [entry.pw_gid])


def user(name: bytes) -> Account:
    """The account NAME, and nothing but a name: as the daemontools programs have it."""
    try:
        entry = pwd.getpwnam(_decoded(name))
    except KeyError:
        _check(b"/etc/passwd", b"unable to get password file entry")
        raise Unable(b"unknown account", name) from None
    return Account(entry.pw_uid, [entry.pw_gid])


def export(account: Account) -> None:
    """Put $GID and $UID into the environment that is handed on."""
    posix.putenv(b"GID", b"%d" % account.gids[0])
    posix.putenv(b"UID", b"%d" % account.uid)


def become(account: Account) -> None:
    """Take on ACCOUNT's ids, and no others: nothing is left to return to."""
    try:
        posix.setgroups(account.gids)
    except (OSError, ValueError) as error:  # ValueError: more than the kernel's limit
        number = error.errno if isinstance(error, OSError) else None
        raise Unable(b"unable to setgroups", error=number or EINVAL) from None
    try:
        posix.setgid(account.gids[0])
    except OSError as error:
        raise Unable(b"unable to setgid", error=error) from None
    try:
        posix.setuid(account.uid)
    except OSError as error:
        raise Unable(b"unable to setuid", error=error) from None


def _numeric(text: bytes) -> Account:
    """``uid:gid[:gid...]``; numbers that are no ids are refused, not cut to size."""
    ids = [unsigned(part) for part in text.split(b":")]
    numbers = [number for number in ids if number is not None and number <= LARGEST]
    if len(ids) < 2 or len(numbers) < len(ids):
        raise Unable(b"invalid uid/gids", text)
    return Account(numbers[0], numbers[1:])


def _check(file: bytes, trouble: bytes) -> None:
    """A name was not found: was it because FILE cannot be read?  Raises Unable then.

    The interpreter's modules do not tell one from the other.
    """
    flags = posix.O_RDONLY | posix.O_CLOEXEC
    posix.close(attempt(trouble, do=lambda: posix.open(file, flags)))


def _decoded(name: bytes) -> str:
    """What the interpreter turns back into NAME."""
    return name.decode(sys.getfilesystemencoding(), "surrogateescape")
