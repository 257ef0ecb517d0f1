"""Wait until services have done what they were told.

All are waited for at once, and nobody polls.  Each supervise directory is watched
for a new status record through inotify; a descriptor on supervise/ok tells of
runsv's end; a ./check that runs has a pidfd, and one that has not agreed is asked
again with every new record and at growing intervals.  Where the kernel or the
package will not serve, the record is read every 420 ms, as the reference does.
"""

from __future__ import annotations

import posix
import select
import time
from errno import ENOSPC

from runit.control import check, conditions
from runit.service import directory, watch
from runit.service.directory import NotRunning, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runit.control.commands import Command
    from runit.control.report import Report
    from runit.service.status import Status

STEP = 0.42
"""Seconds between the reference's polls.  Its deadline is a multiple of it."""

GRACE = (0.0005, 0.001, 0.001, 0.002, 0.002, 0.004)
"""Seconds of naps before inotify: what takes effect at once costs no import."""

FIRST_PAUSE = 0.01
"""Seconds before a ./check that did not agree is asked again; doubled each time."""

HELD = 200
"""So many descriptors on supervise/ok are kept: a process may have 1024 by default."""

LONGEST = 86400.0
"""Seconds that poll(2) is asked to wait at most: it takes no more than some weeks."""


UNWATCHED = b"unable to watch services"

GONE = watch.DELETE_SELF | watch.MOVE_SELF | watch.UNMOUNT | watch.IGNORED
"""Events after which the name of a directory may stand for another."""

RENEWED = watch.MOVED_TO | watch.DELETE_SELF | watch.MOVE_SELF


class Service:
    """One of those waited for.

    found     its last record
    held      descriptor on supervise/ok, or -1
    noticed   whether a new record, and runsv's end, will be noticed
    check     the script, while it runs
    asked_for the process that the script was asked about
    again     monotonic time before which the script is not asked again, 0 for any time
    pause     seconds to leave the script alone when it does not agree
    """

    __slots__ = ("again", "asked_for", "check", "found", "held", "name", "noticed", "pause")

    found: Status

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.held = -1
        self.noticed = False
        self.check: check.Check | None = None
        self.asked_for = 0
        self.again = 0.0
        self.pause = FIRST_PAUSE


class Wait:
    """Wait for services until they have done what COMMAND says.

    SECONDS as on the command line.  STARTED is when the command was sent, in Unix
    nanoseconds; SINCE the same in monotonic seconds.
    """

    def __init__(
        self,
        command: Command,
        seconds: int,
        started: int,
        since: float,
        places: directory.Places,
        report: Report,
    ) -> None:
        self._command = command
        self._started = started // 1000 * 1000  # the reference's records have microseconds
        self._since = since
        self._deadline = since + STEP * (seconds // STEP + 2)
        self._places = places
        self._report = report
        self._pending: dict[Service, None] = {}
        self._poll: select.poll | None = None
        self._by_descriptor: dict[int, Service] = {}
        self._by_watch: dict[int, list[Service]] = {}
        self._inotify: watch.INotify | None = None

    def run(self, names: list[bytes]) -> None:
        """Wait for the services NAMES; each is reported when its time comes."""
        self._pending = dict.fromkeys(Service(name) for name in names)
        self._look(self._pending)
        for nap in GRACE:
            if not self._pending or time.monotonic() > self._since + 2 * sum(GRACE):
                break
            time.sleep(nap)
            self._look(self._pending)
        if self._pending:
            self._attach()
            self._look(self._pending)  # what happened before the watches were there
        while self._pending and time.monotonic() < self._deadline:
            self._look(self._next())
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
            found = service.found = directory.record()
        except NotRunning as trouble:
            if self._command.letters == b"x":
                self._done(service, self._report.shown(service.name) + b": " + trouble.reason)
            else:
                self._fail(service, trouble)
            return
        except Trouble as trouble:
            self._fail(service, trouble)
            return
        new = found.changed >= self._started
        verdict = conditions.judge(self._command.letters, found, new)
        if verdict == conditions.ASK:
            if agrees is None or service.asked_for != found.pid:
                if time.monotonic() < service.again:
                    return
                agrees = self._ask(service)
            if agrees:
                verdict = conditions.REACHED
            elif agrees is False:
                service.again = time.monotonic() + service.pause
                service.pause = min(2 * service.pause, STEP)
        if verdict == conditions.REACHED:
            self._done(service, self._report.service(service.name, found))

    def _ask(self, service: Service) -> bool | None:
        """Start ./check; whether it agrees, None if it runs now."""
        started = check.start(service.name, self._report)
        if isinstance(started, bool):
            return started
        service.asked_for = service.found.pid
        if started.descriptor < 0:
            return started.wait()
        service.check = started
        self._register(started.descriptor, select.POLLIN, service)
        return None

    def _attach(self) -> None:
        """From now on be told what happens to the services."""
        self._poll = select.poll()
        for service in self._pending:
            if service.check is not None:
                self._register(service.check.descriptor, select.POLLIN, service)
        records = self._command.letters != b"x"
        if records:
            self._inotify = watch.inotify()
            if self._inotify is None:
                self._report.warn(UNWATCHED, watch.reason)
            else:
                self._poll.register(self._inotify.fileno(), select.POLLIN)
        for service in list(self._pending)[:HELD]:
            try:
                self._places.enter(service.name)
                service.held = directory.hold()
                self._register(service.held, 0, service)  # errors are always told
                if self._inotify is not None:
                    for place, mask in ((b"supervise", RENEWED), (b".", watch.MOVE_SELF)):
                        number = self._inotify.add_watch(place, mask | watch.ONLYDIR)
                        self._by_watch.setdefault(number, []).append(service)
            except Trouble:
                continue  # what it is will be found when it is looked at
            except OSError as error:
                if error.errno == ENOSPC:
                    self._report.warn(UNWATCHED, b"no inotify watches left")
                continue
            service.noticed = not records or self._inotify is not None

    def _next(self) -> list[Service]:
        """Wait until something happens; the services that are to be looked at."""
        now = time.monotonic()
        until = min(self._deadline, now + LONGEST)
        for service in self._pending:
            if service.again > now and service.check is None:
                until = min(until, service.again)
            if not service.noticed:
                until = min(until, now + STEP)
        assert self._poll is not None
        ready = self._poll.poll(max(0, int((until - now) * 1000) + 1))
        now = time.monotonic()
        due = [
            service
            for service in self._pending
            if not service.noticed or (0 < service.again <= now and service.check is None)
        ]
        for descriptor, _ in ready:
            found = self._by_descriptor.get(descriptor)
            if found is None:
                due += self._changed()
                continue
            due.append(found)
            if descriptor == found.held:  # runsv has gone; another may have come
                self._release(found)
        return due

    def _changed(self) -> list[Service]:
        """The services whose records are new."""
        changed = []
        assert self._inotify is not None
        for number, mask, name in watch.events(self._inotify):
            services = self._by_watch.get(number, [])
            if mask & watch.Q_OVERFLOW:
                services = list(self._pending)
            elif mask & GONE:
                for service in services:
                    service.noticed = False
            elif name != b"status":
                continue
            for service in services:
                service.again = 0.0
            changed += services
        return changed

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
            except Trouble:
                pass

    def _fail(self, service: Service, trouble: Trouble) -> None:
        self._report.trouble(service.name, trouble)
        self._forget(service)

    def _done(self, service: Service, text: bytes, prefix: bytes = b"ok: ") -> None:
        self._report.add(prefix + text + b"\n")
        self._forget(service)

    def _forget(self, service: Service) -> None:
        del self._pending[service]
        self._forget_check(service)
        self._release(service)

    def _forget_check(self, service: Service) -> None:
        if service.check is not None:
            self._unregister(service.check.descriptor)
            service.check.close()
            service.check = None

    def _release(self, service: Service) -> None:
        if service.held >= 0:
            self._unregister(service.held)
            posix.close(service.held)
        service.held = -1
        service.noticed = False

    def _register(self, descriptor: int, events: int, service: Service) -> None:
        if self._poll is not None:
            self._poll.register(descriptor, events)
            self._by_descriptor[descriptor] = service

    def _unregister(self, descriptor: int) -> None:
        if self._poll is not None and self._by_descriptor.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
