"""What chpst does to its process: each change, and the order of them all.

See chpst(8).
"""

from __future__ import annotations

import fcntl
import posix

from runit.process import accounts, envdir
from runit.process.execute import execute
from runit.process.unable import attempt

STANDARD = (b"stdin", b"stdout", b"stderr")


class Change:
    """The changes that are wanted, in the order in which they are made.

    session    become the leader of a new session
    envdir     directory of variables to set; strict: without subdirectories in it
    root       new root directory
    directory  new working directory
    nice       what is added to the nice value
    variables  account that $UID and $GID shall tell
    account    account to become; plain: both accounts are just a user's name
    lock       file to lock and to keep open; wait: until it is free
    shut       which of the descriptors 0 to 2 are closed
    limits     soft limits, as runit.process.limits has them
    argv0      the name that the program is started by, if it is not its own
    lenient    if something goes wrong, that is no failure
    """

    __slots__ = (
        "account",
        "argv0",
        "directory",
        "envdir",
        "lenient",
        "limits",
        "lock",
        "nice",
        "plain",
        "root",
        "session",
        "shut",
        "strict",
        "variables",
        "wait",
    )

    def __init__(self) -> None:
        self.session = False
        self.envdir: bytes | None = None
        self.strict = False
        self.root: bytes | None = None
        self.directory: bytes | None = None
        self.nice = 0
        self.variables: bytes | None = None
        self.account: bytes | None = None
        self.plain = False
        self.lock: bytes | None = None
        self.wait = True
        self.shut: set[int] = set()
        self.limits: dict[bytes, int] = {}
        self.argv0: bytes | None = None
        self.lenient = False


def become(change: Change, program: list[bytes]) -> None:
    """Make the changes, and replace this process by PROGRAM: its name and arguments.

    Raises Unable; what was changed before stays so.
    """
    name = program[0] if change.argv0 is None else change.argv0
    if not name:
        import ctypes  # noqa: F401 (execute wants it, when its files may be out of reach)

    if change.session:
        _lead_session()
    if change.envdir is not None:
        envdir.export(change.envdir, strict=change.strict)
    _move(change.root, change.directory)
    if change.nice:
        attempt(b"unable to set nice level", do=lambda: posix.nice(change.nice))
    find = accounts.user if change.plain else accounts.account
    if change.variables is not None:
        accounts.export(find(change.variables))
    if change.account is not None:
        accounts.become(find(change.account))
    if change.lock is not None:
        _lock(change.lock, change.wait)
    for descriptor in sorted(change.shut):
        _shut(descriptor)
    if change.limits:
        from runit.process import limits  # loaded since the command line was read

        limits.set_soft(change.limits)
    attempt(
        b"unable to run",
        name,  # as the reference: even where -b says that it is called otherwise
        do=lambda: execute([name, *program[1:]], program=program[0]),
    )


def _lead_session() -> None:
    """New session and process group; who leads a group already stays where it is."""
    try:
        posix.setsid()
    except OSError:
        pass


def _move(root: bytes | None, directory: bytes | None) -> None:
    """Another root directory, then another working directory in it."""
    if root is not None:
        _change_directory(root)
        attempt(b"unable to change root directory", do=lambda: posix.chroot(b"."))
    if directory is not None:
        _change_directory(directory)


def _change_directory(directory: bytes) -> None:
    attempt(b"unable to change directory", directory, do=lambda: posix.chdir(directory))


def _lock(file: bytes, wait: bool) -> None:
    """Lock FILE through a descriptor that the program inherits, and the lock with it."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NONBLOCK
    descriptor = attempt(b"unable to open lock", file, do=lambda: posix.open(file, flags, 0o600))
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    attempt(b"unable to lock", file, do=lambda: fcntl.flock(descriptor, how))
    posix.set_inheritable(descriptor, True)


def _shut(descriptor: int) -> None:
    attempt(b"unable to close " + STANDARD[descriptor], do=lambda: posix.close(descriptor))
