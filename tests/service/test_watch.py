"""runit.service.watch: inotify without what it usually costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import build

import runit
from runit.service import watch

ROOT = Path(runit.__file__).resolve().parent.parent


def in_a_fresh_interpreter(code: str, *options: str) -> str:
    """What CODE prints in an interpreter that has imported nothing yet."""
    places = [str(ROOT), *(path for path in sys.path if "site-packages" in path)]
    before = f"import sys; sys.path[:0] = {places!r}\n"
    done = subprocess.run(
        [sys.executable, "-IBS", *options, "-c", before + code],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_moved_file_is_reported_with_its_name(tmp_path: Path) -> None:
    build(tmp_path, {"status.new": "x"})
    instance = watch.inotify()
    assert instance is not None
    try:
        number = instance.add_watch(os.fsencode(tmp_path), watch.MOVED_TO)
        assert watch.events(instance) == []
        (tmp_path / "status.new").rename(tmp_path / "status")
        assert watch.events(instance) == [(number, watch.MOVED_TO, b"status")]
    finally:
        instance.close()


def test_names_are_bytes(tmp_path: Path) -> None:
    instance = watch.inotify()
    assert instance is not None
    name = b"\xff name\n" + b"x" * 240
    try:
        number = instance.add_watch(os.fsencode(tmp_path), watch.CREATE)
        os.mkdir(os.path.join(os.fsencode(tmp_path), name))
        assert watch.events(instance) == [(number, watch.CREATE | watch.ISDIR, name)]
    finally:
        instance.close()


def test_many_events_are_all_read(tmp_path: Path) -> None:
    instance = watch.inotify()
    assert instance is not None
    try:
        instance.add_watch(os.fsencode(tmp_path), watch.CREATE)
        names = [b"%0200d" % number for number in range(1000)]
        for name in names:
            os.mkdir(os.path.join(os.fsencode(tmp_path), name))
        assert [event[2] for event in watch.events(instance)] == names
    finally:
        instance.close()


def test_the_descriptor_is_closed_on_exec_and_does_not_block() -> None:
    instance = watch.inotify()
    assert instance is not None
    try:
        assert not os.get_inheritable(instance.fileno())
        assert not os.get_blocking(instance.fileno())
    finally:
        instance.close()


def test_the_masks_are_the_packages() -> None:
    flags = pytest.importorskip("inotify_simple").flags
    for name, value in flags.__members__.items():
        assert getattr(watch, name, int(value)) == value


def test_loading_starts_no_program_and_leaves_ctypes_util_alone() -> None:
    code = """
from runit.service import watch
assert "inotify_simple" not in sys.modules
assert watch.inotify() is not None
assert "ctypes.util" not in sys.modules
import ctypes.util
assert ctypes.util.find_library.__module__ == "ctypes.util"
del sys.modules["subprocess"]
watch.inotify()
print("subprocess" in sys.modules)
"""
    assert in_a_fresh_interpreter(code) == "False"


def test_a_missing_package_is_told_when_asked() -> None:
    code = """
sys.modules["inotify_simple"] = None
from runit.service import watch
assert watch.inotify() is None
print(watch.reason.decode())
"""
    assert in_a_fresh_interpreter(code) == "package inotify_simple is not installed"


def test_no_descriptor_left_is_told_when_asked() -> None:
    code = """
import resource
from runit.service import watch
watch.inotify().close()
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
assert watch.inotify() is None
print(watch.reason.decode())
"""
    assert in_a_fresh_interpreter(code) == "process cannot open more files"
