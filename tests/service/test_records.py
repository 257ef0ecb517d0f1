"""runit.service: stamps and records as daemontools and runit write them."""

from __future__ import annotations

import pytest
from support import Suite, build, wait_for

from runit.service import status, tai64n


def test_a_label_is_an_at_sign_and_24_hex_digits() -> None:
    assert tai64n.label(0) == b"@400000000000000a00000000"
    assert tai64n.label(1_700_000_000_123_456_789) == b"@400000006553f10a075bcd15"


def test_a_stamp_reads_back_before_and_after_1970() -> None:
    for moment in (-1, 0, 1, 1_700_000_000_123_456_789, 2**40 * 10**9 + 5):
        assert tai64n.unix(tai64n.stamp(moment)) == moment


def test_a_record_reads_back() -> None:
    record = status.Status(5, 77, paused=True, want=b"u", got_term=True, state=status.FINISH).pack()
    assert len(record) == status.SIZE
    assert record[12:] == b"\x4d\0\0\0\x01u\x01\x02"
    again = status.unpack(record)
    assert again.pack() == record


def test_a_record_of_daemontools_has_18_bytes() -> None:
    assert status.unpack(status.Status(5, 77, state=status.RUN).pack()[:18]).state == status.RUN
    assert status.unpack(status.Status(5, 0).pack()[:18]).state == status.DOWN


def test_a_short_record_is_an_error() -> None:
    with pytest.raises(ValueError, match="too short"):
        status.unpack(b"x" * 17)


def test_the_reference_writes_what_we_read(reference: Suite, tmp_path) -> None:
    service = build(tmp_path / "s", {"run": "#!/bin/sh\nexec sleep 1000\n"})
    with reference.runsv(service):
        wait_for(lambda: status.unpack((service / "supervise/status").read_bytes()).pid)
        record = (service / "supervise/status").read_bytes()
        assert status.unpack(record).state == status.RUN
        assert status.unpack(record).want == b"u"
        assert status.unpack(record).pack() == record
