"""sv and runsvchdir start in little more than the bare interpreter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes import down, up

import runit
from runit.launchers import interpreter

ROOT = Path(runit.__file__).resolve().parent.parent
DEAR = (
    *("os", "re", "enum", "signal", "socket", "subprocess", "argparse", "logging", "pathlib"),
    *("typing", "dataclasses", "collections", "functools", "contextlib", "asyncio", "ctypes"),
    *("inotify_simple", "select", "site"),
)

CODE = """
import posix, sys
sys.path.append({root!r})
sys.argv = {argv!r}
from {module} import main
code = main()
print([name for name in {dear!r} if name in sys.modules])
"""


def loaded(module: str, *argv: str) -> str:
    code = CODE.format(root=str(ROOT), argv=list(argv), module=module, dear=DEAR)
    done = subprocess.run([interpreter(), "-IBS", "-c", code], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("word", ["status", "up", "exit"])
def test_nothing_dear_is_imported_to_report_or_to_send(fake, word: str) -> None:
    service = fake("a", up())
    assert loaded("runit.control.sv", "sv", word, str(service.directory)) == "[]"


def test_what_takes_effect_at_once_needs_no_inotify(fake) -> None:
    service = fake("a", down())
    found = loaded("runit.control.sv", "sv", "stop", str(service.directory))
    assert found == "['select']"


def test_runsvchdir_imports_nothing_dear() -> None:
    assert loaded("runit.control.runsvchdir", "runsvchdir", ".") == "[]"
