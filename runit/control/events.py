"""What the kernel tells about services that are waited for.

A new status record comes through inotify, runsv's end through a descriptor on
supervise/ok, which poll(2) finds in error once nobody reads it, and the end of a
./check through a pidfd.  A service of which nothing will be told, for want of the
package, of descriptors or of rights, is to be looked at every 420 ms.
"""

from __future__ import annotations

import posix
import select
import time
from errno import ENOSPC

from runit.service import directory, watch
from runit.service.directory import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from runit.control.check import Check
    from runit.control.report import Report
    from runit.service.status import Status

STEP = 0.42
"""Seconds between looks at a service of which nothing is told; the reference's pace."""

FIRST_PAUSE = 0.01
"""Seconds before a ./check that did not agree is asked again."""

HELD = 200
"""So many descriptors on supervise/ok are kept: a process may have 1024 by default."""

LATER = 1.0
"""Seconds after which all are looked at if nothing was told: a link may lead elsewhere now."""

UNWATCHED = b"unable to watch services"

GONE = watch.DELETE_SELF | watch.MOVE_SELF | watch.UNMOUNT | watch.IGNORED
"""Events after which the name of a directory may stand for another."""

WATCHES = (
    (b"supervise", watch.MOVED_TO | watch.DELETE_SELF | watch.MOVE_SELF | watch.ONLYDIR),
    (b".", watch.MOVE_SELF | watch.ONLYDIR),
)


class Service:
    """One of those waited for.

    found     its last record
    before    when it had changed last before the command was sent, as records tell it
    held      descriptor on supervise/ok, or -1
    told      whether a new record, and runsv's end, will be told
    check     the script, while it runs
    asked_for the process that the script was asked about
    again     monotonic time before which the script is not asked again, 0 for any time
    pause     seconds to leave the script alone when it does not agree
    """

    __slots__ = ("again", "asked_for", "before", "check", "found", "held", "name", "pause", "told")

    found: Status

    def __init__(self, name: bytes, before: int) -> None:
        self.name = name
        self.before = before
        self.held = -1
        self.told = False
        self.check: Check | None = None
        self.asked_for = 0
        self.again = 0.0
        self.pause = FIRST_PAUSE


class Events:
    """The events of SERVICES, whose names are looked up in PLACES.

    RECORDS: new records count; else only runsv's end does.
    """

    def __init__(
        self,
        services: Collection[Service],
        places: directory.Places,
        report: Report,
        *,
        records: bool,
    ) -> None:
        self._poll = select.poll()
        self._by_descriptor: dict[int, Service] = {}
        self._by_watch: dict[int, list[Service]] = {}
        self._inotify = watch.inotify() if records else None
        if self._inotify is not None:
            self._poll.register(self._inotify.fileno(), select.POLLIN)
        elif records:
            report.warn(UNWATCHED, watch.reason)
        for service in services:
            self.add_check(service)
        for service in list(services)[:HELD]:
            try:
                places.enter(service.name)
                self._hold(service)
                self._watch(service)
            except Trouble:
                continue  # what it is will be found when it is looked at
            except OSError as error:
                if error.errno == ENOSPC:
                    report.warn(UNWATCHED, b"no inotify watches left")
                continue
            service.told = not records or self._inotify is not None

    def add_check(self, service: Service) -> None:
        """The service's ./check runs now."""
        if service.check is not None:
            self._register(service.check.descriptor, select.POLLIN, service)

    def forget_check(self, service: Service) -> None:
        """It has ended."""
        if service.check is not None:
            self._unregister(service.check.descriptor)

    def forget(self, service: Service) -> None:
        """No more is told of a service, but for its ./check."""
        if service.held >= 0:
            self._unregister(service.held)
            posix.close(service.held)
        service.held = -1
        service.told = False

    def wait(self, services: Collection[Service], deadline: float) -> list[Service]:
        """The first of SERVICES that are to be looked at, after some time all.

        None if DEADLINE, in monotonic seconds, comes before.  Some may be named that need not be.
        """
        now = began = time.monotonic()
        until = min(deadline, now + LATER)
        for service in services:
            if service.again > now and service.check is None:
                until = min(until, service.again)
            if not service.told:
                until = min(until, now + STEP)
        ready = self._poll.poll(max(0, int((until - now) * 1000) + 1))
        now = time.monotonic()
        if not ready and now - began >= LATER:
            return list(services)
        due = [
            service
            for service in services
            if not service.told or (0 < service.again <= now and service.check is None)
        ]
        for descriptor, _ in ready:
            found = self._by_descriptor.get(descriptor)
            if found is None:
                due += self._renewed(services)
                continue
            due.append(found)
            if descriptor == found.held:  # this runsv has gone; another may have come
                self.forget(found)
        return due

    def _renewed(self, services: Collection[Service]) -> list[Service]:
        """Those whose records are new, or whose directories are gone."""
        renewed: list[Service] = []
        assert self._inotify is not None
        for number, mask, name in watch.events(self._inotify):
            concerned = self._by_watch.get(number, [])
            if mask & watch.Q_OVERFLOW:
                concerned = list(services)
            elif mask & GONE:
                for service in concerned:
                    service.told = False
            elif name != b"status":
                continue
            for service in concerned:
                service.again = 0.0
            renewed += concerned
        return renewed

    def _hold(self, service: Service) -> None:
        service.held = directory.hold()
        self._register(service.held, 0, service)  # poll(2) tells errors unasked

    def _watch(self, service: Service) -> None:
        if self._inotify is not None:
            for place, mask in WATCHES:
                number = self._inotify.add_watch(place, mask)
                self._by_watch.setdefault(number, []).append(service)

    def _register(self, descriptor: int, events: int, service: Service) -> None:
        self._poll.register(descriptor, events)
        self._by_descriptor[descriptor] = service

    def _unregister(self, descriptor: int) -> None:
        if self._by_descriptor.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
