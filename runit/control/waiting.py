"""Wait until services have done what they were told.

All are waited for at once.  After a few naps, which are short unless services are
many, nothing is done until the kernel tells that something has happened; a ./check
that has not agreed is asked again with every new record and at growing intervals.
See sv(8), Waiting.
"""

from __future__ import annotations

import time

from runit.control import check, conditions
from runit.control.commands import CHECK
from runit.control.events import STEP, Events, Service
from runit.service import directory
from runit.service.directory import NotRunning, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runit.control.commands import Command
    from runit.control.report import Report

NAPS = (0.0005, 0.001, 0.001, 0.002, 0.002, 0.004)
"""Seconds to sleep before inotify is loaded: what takes effect at once needs none."""

TOGETHER = 16
"""So many more services, and naps are longer by their length: else looking at all of them
would keep a processor from those who obey."""


class Wait:
    """Wait for services until they have done what COMMAND says.

    SECONDS as on the command line.  SINCE is when the command was sent, in monotonic
    seconds.
    """

    def __init__(
        self,
        command: Command,
        seconds: int,
        since: float,
        places: directory.Places,
        report: Report,
    ) -> None:
        self._command = command
        self._deadline = since + STEP * (seconds // STEP + 2)  # when the reference gives up
        self._places = places
        self._report = report
        self._pending: dict[Service, None] = {}
        self._events: Events | None = None

    def run(self, told: list[tuple[bytes, int]]) -> None:
        """Wait for the services TOLD; each is reported when its time comes.

        With each name comes when the service had changed last, before it was told.
        """
        self._pending = dict.fromkeys(Service(name, before) for name, before in told)
        if len(told) < TOGETHER or self._command.letters == CHECK:
            self._look(self._pending)
        for nap in NAPS:
            left = self._deadline - time.monotonic()
            if not self._pending or left <= 0:
                break
            time.sleep(min(nap * (1 + len(self._pending) / TOGETHER), left))
            self._look(self._pending)
        if self._pending:
            records = self._command.letters != b"x"
            self._events = Events(self._pending, self._places, self._report, records=records)
            self._look(self._pending)  # what happened before the watches were there
            while self._pending and time.monotonic() < self._deadline:
                self._look(self._events.wait(self._pending, self._deadline))
        for service in list(self._pending):
            self._give_up(service)
        self._report.flush()

    def _look(self, services: Iterable[Service]) -> None:
        """Look at SERVICES; those that are ready, or never will be, are reported."""
        for service in list(services):
            if service in self._pending:
                self._look_at(service)
        self._report.flush()

    def _look_at(self, service: Service) -> None:
        agrees: bool | None = None
        if service.check is not None:
            if not service.check.ended():
                return
            agrees = service.check.wait()
            self._forget_check(service)
        try:
            self._places.enter(service.name)
            service.found = directory.record()
        except NotRunning as trouble:
            if self._command.letters == b"x":
                self._done(service, self._report.shown(service.name) + b": " + trouble.reason)
            else:
                self._fail(service, trouble)
        except Trouble as trouble:
            self._fail(service, trouble)
        else:
            if self._reached(service, agrees):
                self._done(service, self._report.service(service.name, service.found))

    def _reached(self, service: Service, agrees: bool | None) -> bool:
        """Whether it is as it should be; AGREES is ./check's answer, if there is one."""
        found = service.found
        # Not whether it is later than the command: the clock may be set meanwhile.
        new = found.changed != service.before
        verdict = conditions.judge(self._command.letters, found, new)
        if verdict != conditions.ASK:
            return verdict == conditions.REACHED
        if agrees is None or service.asked_for != found.pid:
            if time.monotonic() < service.again:
                return False
            agrees = self._ask(service)
        if agrees is False:
            service.again = time.monotonic() + service.pause
            service.pause = min(2 * service.pause, STEP)
        return agrees is True

    def _ask(self, service: Service) -> bool | None:
        """Start ./check; whether it agrees, None if it runs now."""
        started = check.start(service.name, self._report)
        if isinstance(started, bool):
            return started
        service.asked_for = service.found.pid
        if started.descriptor < 0:
            return started.wait()
        service.check = started
        if self._events is not None:
            self._events.add_check(service)
        return None

    def _give_up(self, service: Service) -> None:
        """Time is over: look once more, wait for a ./check that runs, then say so."""
        service.again = 0.0
        self._look_at(service)
        if service.check is not None:
            service.check.wait()
            self._look_at(service)
        if service not in self._pending:
            return
        try:
            self._places.enter(service.name)
        except Trouble as trouble:
            self._fail(service, trouble)
            return
        self._report.failed += 1
        prefix = b"kill: " if self._command.force else b"timeout: "
        self._done(service, self._report.service(service.name, service.found), prefix)
        self._report.flush()
        if self._command.force:
            try:
                directory.send(b"k")
            except Trouble as trouble:  # one more failure of the same service
                self._report.trouble(service.name, trouble)

    def _fail(self, service: Service, trouble: Trouble) -> None:
        self._report.trouble(service.name, trouble)
        self._forget(service)

    def _done(self, service: Service, text: bytes, prefix: bytes = b"ok: ") -> None:
        self._report.add(prefix + text + b"\n")
        self._forget(service)

    def _forget(self, service: Service) -> None:
        del self._pending[service]
        self._forget_check(service)
        if self._events is not None:
            self._events.forget(service)

    def _forget_check(self, service: Service) -> None:
        if self._events is not None:
            self._events.forget_check(service)
        if service.check is not None:
            service.check.close()
            service.check = None
