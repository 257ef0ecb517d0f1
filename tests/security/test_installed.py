"""What is installed belongs to who installed it, and nobody else may change it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from install.conftest import maker
from install.conftest import open_directory as open_directory
from install.test_lfs import merged
from installing import Maker, writable_for_others

__all__ = ["maker", "open_directory"]

NAMES = ("sshd", "stunnel", "autofs", "mariadb")
"""With configuration, with a log, with a script that is to be run once."""


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_machine_has_nothing_that_others_may_write_to(
    maker: Maker, tmp_path: Path, umask: int
) -> None:
    top = merged(tmp_path / "root")
    given = (f"DESTDIR={top}", "WHEELS=none")
    known = maker.run("services").stdout.split()
    for target in ("install-lfs", *(f"install-{name}" for name in NAMES if name in known)):
        done = maker.run(target, *given, umask=umask)
        assert done.returncode == 0, done.stderr
    made = [path for path in top.rglob("*") if not path.is_symlink()]
    assert len(made) > 200
    assert [path for path in writable_for_others(top) if path in made] == []
    for path in made:
        assert not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), path
        if path.is_dir() and path not in (top / "usr", top / "usr/sbin"):
            assert path.stat().st_mode & 0o555 == 0o555, path
