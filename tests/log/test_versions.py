"""What versions of svlogd do not do alike, and which of them this suite follows."""

from __future__ import annotations

from pathlib import Path

from log.logs import logging, old_logs
from support import Suite, build, wait_for


def test_what_is_processed_is_not_removed_as_the_oldest(suite: Suite, tmp_path: Path) -> None:
    """The next one is, from 2.3 on; before, none."""
    older = [f"@40000000800000000000000{number}.s" for number in (1, 2)]
    log = build(tmp_path / "log", {"config": "n2\n!cat; echo done\n", **dict.fromkeys(older, "x")})
    with logging(suite, log) as work:
        work.log(b"line\n")
        work.rotate()
        wait_for(lambda: any(path.read_bytes() == b"line\ndone\n" for path in old_logs(log, ".s")))
        assert work.end() == 0
    all_stay = suite.name == "reference" and not suite.is_reference(2, 3)
    assert [(log / name).exists() for name in older] == [all_stay, True]
    assert len(old_logs(log)) == 2 + all_stay
