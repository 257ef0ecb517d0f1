"""Sending lines by UDP."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from log.logs import Run, current, log, logging, masked
from support import Suite, needs, wait_for

NOWHERE = b"255.255.255.255:9"
"""Sending there needs a permission that svlogd does not ask for."""


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(30)
        yield udp


def address(receiver: socket.socket) -> bytes:
    return b"%b:%d" % (b"127.0.0.1", receiver.getsockname()[1])


def received(receiver: socket.socket, count: int) -> list[bytes]:
    return [masked(receiver.recv(65536)) for _ in range(count)]


@pytest.mark.parametrize("letter", [b"u", b"U"])
def test_selected_lines_are_sent_cut_with_stamp_and_prefix(
    suite: Suite, tmp_path: Path, receiver: socket.socket, letter: bytes
) -> None:
    config = b"pP: \n%b%b\n-foo*\ne01*\n" % (letter, address(receiver))
    data = b"abc\nfoo\n0123456789abcdef\n0123456789\n012345678\n\n"
    done = log(suite, tmp_path / "log", data, "-tt", "-l", "10", config=config)
    mark = b"<calendar> P: "
    assert received(receiver, 5) == [
        mark + b"abc\n",
        mark + b"0123456789...\n",
        mark + b"0123456789...\n",
        mark + b"012345678\n",
        mark + b"\n",
    ]
    assert done.stderr == (
        mark + b"0123456789...\n" + mark + b"0123456789...\n" + mark + b"012345678\n"
    )
    whole = [b"abc", b"0123456789abcdef", b"0123456789", b"012345678", b""]
    expected = b"".join(mark + line + b"\n" for line in whole)
    assert done.text == (expected if letter == b"u" else b"")


def test_replaced_characters_are_sent_replaced(
    suite: Suite, tmp_path: Path, receiver: socket.socket
) -> None:
    config = b"U%b\n" % address(receiver)
    log(suite, tmp_path / "log", b"a\tb\n", "-r", "_", config=config)
    assert received(receiver, 1) == [b"a_b\n"]


@needs("strace")
def test_the_standard_port_is_syslogs(ours: Suite, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-f", "-e", "trace=sendto", "-o", str(trace)]
    with logging(ours, tmp_path / "log", config=b"u127.0.0.1\n", command=command) as work:
        work.log(b"abc\n")
        wait_for(lambda: "sin_port=htons(514)" in trace.read_text())
        assert 'inet_addr("127.0.0.1")' in trace.read_text()


@pytest.mark.parametrize("letter", [b"u", b"U"])
def test_what_cannot_be_sent_is_told_in_the_log(
    suite: Suite, tmp_path: Path, letter: bytes
) -> None:
    config = b"pP: \n%b%b\n" % (letter, NOWHERE)
    done = log(suite, tmp_path / "log", b"a\n0123456789abc\n", "-tt", "-l", "10", config=config)
    mark = b"<calendar> P: "
    failure = b"warning: failure sending through udp: " + mark
    lines = [
        failure + b"a\n",
        mark + b"a\n",
        failure + b"0123456789...\n",
        mark + b"0123456789abc\n",
    ]
    assert done.text == b"".join(lines if letter == b"u" else lines[::2])


@needs("strace")
def test_without_a_socket_the_log_says_so(suite: Suite, tmp_path: Path) -> None:
    command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=socket:error=EMFILE"]
    with logging(suite, tmp_path / "log", config=b"u127.0.0.1:9\n", command=command) as work:
        work.log(b"abc\n")
        assert current(work.directory) == b"warning: no udp socket available: abc\nabc\n"


def test_a_line_in_pieces_is_sent_once(
    ours: Suite, tmp_path: Path, receiver: socket.socket
) -> None:
    for letter, count in ((b"u", 1), (b"U", 0)):
        config = b"%b%b\n" % (letter, address(receiver))
        with logging(ours, tmp_path / letter.decode(), "-l", "10", config=config) as work:
            work.write(b"x" * 30)
            assert received(receiver, 1) == [b"xxxxxxxxxx...\n"]
            work.write(b"y" * 30 + b"\nz\n")
            assert received(receiver, 1) == [b"z\n"]
            assert work.end() == 0
        expected = b"x" * 30 + b"y" * 30 + b"\nz\n"
        assert Run(0, b"", work.directory).text == expected * count


def test_a_new_address_counts_from_hup_on(
    ours: Suite, tmp_path: Path, receiver: socket.socket
) -> None:
    with logging(ours, tmp_path / "log", "-v", config=b"u127.0.0.1:9\n") as work:
        work.log(b"abc\n")
        (work.directory / "config").write_bytes(b"U%b\n" % address(receiver))
        work.signal(signal.SIGHUP)
        work.said(b"append: log/current")
        work.write(b"def\n")
        assert received(receiver, 1) == [b"def\n"]
    assert current(work.directory) == b"abc\n"
