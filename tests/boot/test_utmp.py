"""runit.boot.utmp: records in the C library's layout."""

from __future__ import annotations

import os
import platform
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runit.boot import utmp
from runit.boot.utmp import Record

X86 = "<hxxi32s4s32s256shhiii4i20x"
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64's layout")


@on_x86
def test_a_record_has_the_c_library_s_size() -> None:
    assert utmp.SIZE == struct.calcsize(X86) == 384


@on_x86
def test_each_field_is_in_its_place() -> None:
    record = Record()
    record.type = utmp.USER_PROCESS
    record.pid = 4711
    record.line = b"tty1"
    record.id = b"1"
    record.user = b"ann"
    record.host = b"example.org"
    record.session = -2
    record.seconds = 1_700_000_000
    record.microseconds = 999_999
    fields = struct.unpack(X86, record.raw)
    assert [f.rstrip(b"\0") if isinstance(f, bytes) else f for f in fields] == [
        *(7, 4711, b"tty1", b"1", b"ann", b"example.org"),
        *(0, 0, -2, 1_700_000_000, 999_999, 0, 0, 0, 0),
    ]


@given(st.binary(min_size=utmp.SIZE, max_size=utmp.SIZE))
def test_what_is_not_set_stays_as_it_was(raw: bytes) -> None:
    record = Record(raw)
    assert bytes(record.raw) == raw
    record.user = b"x"
    assert (record.raw[:44], record.raw[76:]) == (raw[:44], raw[76:])
    assert record.user == b"x"


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_number_reads_as_it_was_set(number: int) -> None:
    record = Record()
    record.pid = number
    assert record.pid == number


def test_text_is_cut_to_its_field_and_may_fill_it() -> None:
    record = Record()
    record.line = b"a" * 40
    assert record.line == b"a" * 32
    assert record.id == b""


def test_a_time_that_does_not_fit_is_cut_not_refused() -> None:
    record = Record()
    record.seconds = 1 << 80 | 5
    assert record.seconds == 5


def test_the_runlevel_is_in_the_pid() -> None:
    record = Record()
    record.type, record.line, record.pid = utmp.RUN_LVL, b"~", ord("5") + 256 * ord("N")
    assert divmod(record.pid, 256) == (ord("N"), ord("5"))


def test_part_of_a_record_at_the_end_is_none(tmp_path: Path) -> None:
    file = tmp_path / "utmp"
    file.write_bytes(bytes(utmp.SIZE) * 2 + b"part")
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert len(list(utmp.read(descriptor))) == 2
    finally:
        os.close(descriptor)


def test_a_record_is_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "wtmp"
    file.write_bytes(b"before")
    child = os.fork()
    if child == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            utmp.append(os.open(file, os.O_WRONLY | os.O_APPEND), Record())
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read_bytes() == b"before"
