"""sv: report on services and control them.

Called by another name, it is the init script of the service of that name, with
the exit codes of the Linux Standard Base.  See sv(8).
"""

from __future__ import annotations

import gc
import posix
import time

from runit import __version__
from runit.control.commands import CHECK, Command, command
from runit.control.report import LSB_FAILED, LSB_OK, MOST_FAILED, Report
from runit.message import complain, emit
from runit.options import Options, UsageError, arguments, called_as
from runit.process import signals
from runit.service.directory import FAIL, NotRunning, Places, Trouble, record, send
from runit.service.status import Status

SECONDS = 7
"""How long to wait for the effect of a command, by default."""

MANY = 500
"""Services that are asked for their status by more than one process: two parts.LEAST."""


class Wrong(Exception):
    """A wrong command line."""


class Request:
    """The command line.

    verbose  whether to wait for the effect of any command
    seconds  how long to wait
    command  what to do
    names    the services, in order
    """

    __slots__ = ("command", "names", "seconds", "verbose")

    command: Command
    names: list[bytes]

    def __init__(self) -> None:
        self.verbose = False
        self.seconds = SECONDS


def main() -> int:
    """Command line; see the manual page.  Returns the exit code."""
    signals.as_given()
    name = called_as()
    script = name != b"sv"
    try:
        request = _request(name, script)
    except Wrong:
        form = b"[-w sec] command" if script else b"[-v] [-w sec] command service ..."
        emit(b"usage: %b %b\n\n" % (name, form))
        return 2 if script else 100
    try:
        places = _places()
    except OSError as error:
        complain(b"fatal", b"unable to open current directory", error=error)
        return 151 if script else 100
    report = Report()
    gc.disable()  # a tenth of the time for a thousand services, and no cycles to collect
    if request.command.letters:
        _control(request, places, report)
    else:
        _statuses(request.names, places, report)
    report.flush()
    if not script:
        return min(report.failed, MOST_FAILED)
    if request.command.letters:
        return LSB_FAILED if report.failed else LSB_OK
    return report.state


def _request(name: bytes, script: bool) -> Request:
    """Read the command line and $SVWAIT.  Raises Wrong."""
    request = Request()
    given = posix.environ.get(b"SVWAIT")
    if given is not None:
        request.seconds = _number(given)
    options = Options(arguments(), b"w:vV")
    try:
        for letter, value in options:
            if letter == b"V":
                emit(b"pyrunit %b\n" % __version__.encode())
                raise Wrong
            request.verbose = True
            if letter == b"w":
                request.seconds = _number(value)
    except UsageError as error:
        complain(name, error.sentence)
        raise Wrong from None
    word, *names = options.rest or [b""]
    found = command(word)
    if found is None or not (names or script):
        raise Wrong
    if script and not found.letters and word != b"status":  # no s, no statu: not for scripts
        raise Wrong
    request.command = found
    request.names = [name] if script else names
    return request


def _number(text: bytes) -> int:
    """The digits that TEXT starts with; none are 0."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits[:20] or b"0")


def _places() -> Places:
    """Where services are.  What is opened from here on is no standard descriptor."""
    while True:
        places = Places()
        if places.origin > 2:
            return places
        posix.close(places.origin)
        posix.open("/dev/null", posix.O_RDWR)


def _statuses(names: list[bytes], places: Places, report: Report) -> None:
    """Report on services and their log services."""

    def ask(names: list[bytes], report: Report) -> None:
        for name in names:
            _status(name, places, report)

    if len(names) < MANY:
        ask(names, report)
    else:
        from runit.control.parts import ask_all  # not a cost of those who ask few

        ask_all(names, ask, report)


def _status(name: bytes, places: Places, report: Report) -> None:
    """Report on one service and its log service."""
    try:
        places.enter(name)
        found = record()
    except Trouble as trouble:
        report.trouble(name, trouble)
        return
    report.add(report.service(name, found))
    state = report.state
    _log_status(name, found, report)
    report.state = state  # an init script's exit code is not about its log service


def _log_status(name: bytes, found: Status, report: Report) -> None:
    """Report on the log service of the service NAME, which is as FOUND."""
    try:
        posix.chdir(b"log")
    except FileNotFoundError:
        report.add(b"\n")
        return
    except OSError as error:
        report.add(b"; ")
        trouble = Trouble(b"warning", b"unable to change directory", error)
        report.trouble(name + b"/log", trouble)
        return
    report.add(b"; ")
    try:
        found = record()
    except Trouble as trouble:
        report.trouble(name + b"/log", trouble)
        if trouble.kind == FAIL:
            return
        # The reference goes on with the record that it has, which is the service's.
    report.add(report.status(name, b"log", found) + b"\n")


def _control(request: Request, places: Places, report: Report) -> None:
    """Send the command to all services, then wait for all, if that is wanted."""
    letters = request.command.letters
    told = []
    since = time.monotonic()
    for name in request.names:
        try:
            places.enter(name)
            found = record()
            if letters != CHECK and not _is_told(letters, found.want, found.got_term):
                send(letters)
        except NotRunning as trouble:
            if letters == b"x":
                report.add(b"ok: " + report.shown(name) + b": " + trouble.reason + b"\n")
            else:
                report.trouble(name, trouble)
        except Trouble as trouble:
            report.trouble(name, trouble)
        else:
            told.append((name, found.changed))
    report.flush()
    if told and (request.verbose or request.command.wait):
        from runit.control.waiting import Wait  # not a cost of those who do not wait

        Wait(request.command, request.seconds, since, places, report).run(told)


def _is_told(letters: bytes, want: bytes, got_term: bool) -> bool:
    """Whether what would be sent is what runsv is about to do anyway."""
    return letters[:1] == want and (want != b"d" or got_term)
