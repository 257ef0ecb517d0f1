"""What all log directories of one svlogd share."""

from __future__ import annotations

import posix

from runit.log.say import insist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runit.log.options import Options
    from runit.log.signals import Signals
    from runit.process.environment import Given


class Context:
    """The surroundings of the log directories.

    options      how to log
    config       the file to read instead of each directory's own, or None
    environment  what processors get; None: what this program was given
    signals      the signals that came
    """

    __slots__ = ("_home", "config", "environment", "options", "signals")

    def __init__(
        self,
        options: Options,
        signals: Signals,
        *,
        config: bytes | None,
        environment: Given | None,
    ) -> None:
        self.options = options
        self.signals = signals
        self.config = config
        self.environment = environment
        self._home = posix.open(b".", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)

    def go_home(self) -> None:
        """Make the directory that this program was started in the working directory."""
        insist(
            b"unable to change to initial working directory",
            b".",
            lambda: posix.fchdir(self._home),
        )
