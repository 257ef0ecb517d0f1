"""The parts that programs are made of, where the kernel says no."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import failing, needs, python

import runit

pytestmark = needs("strace")


RESTORE = """
from runit.process import environment
environment.restore()
print(posix.environ.get(b"LC_CTYPE"))
"""


@pytest.mark.parametrize(
    "given",
    [
        {"LC_ALL": "C.UTF-8", "LC_CTYPE": "C.UTF-8"},
        {"LANG": "de_DE.UTF-8", "LC_CTYPE": "C.UTF-8"},
    ],
)
def test_without_proc_a_variable_that_somebody_may_have_set_stays(given: dict[str, str]) -> None:
    no_proc = failing("openat:error=ENOENT", paths=("/proc/self/environ",))
    assert python(RESTORE, *no_proc, **given) == "b'C.UTF-8'\n"


def test_a_closed_descriptor_stays_closed_without_dev_null() -> None:
    code = (
        "from runit.process import descriptors\n"
        "posix.close(0)\n"
        "descriptors.fill()\n"
        "print(posix.listdir('/proc/self/fd'))\n"
    )
    no_null = failing("openat:error=ENOENT", paths=("/dev/null",))
    assert python(code, *no_null) == "['0', '1', '2']\n"  # 0 is the listing's own


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("def INotify(nonblocking): raise MemoryError", "b'out of memory'"),
        ("", "b'system call not available'"),
    ],
)
def test_changes_that_cannot_be_heard_of_have_a_reason(module: str, reason: str) -> None:
    code = (
        "stub = sys.modules['inotify_simple'] = type(sys)('inotify_simple')\n"
        f"exec({module!r}, stub.__dict__)\n"
        "from runit.service import watch\n"
        "print(watch.inotify(), watch.reason)\n"
    )
    assert python(code) == f"None {reason}\n"


def test_what_else_is_imported_stays_as_it_was() -> None:
    code = (
        "import ctypes.util\n"
        "from runit.service import watch\n"
        "before = ctypes.util\n"
        "watch.load()\n"
        "print(sys.modules['ctypes.util'] is before)\n"
    )
    assert python(code) == "True\n"


def test_who_ends_while_his_state_is_read_has_ended() -> None:
    code = (
        "del posix.pidfd_open\n"
        "from runit.boot.ending import Ending\n"
        "print(Ending(int(sys.argv[1])).wait(60))\n"
    )
    root = Path(runit.__file__).parent.parent
    begin = f"import posix, sys; sys.path.append({str(root)!r})\n"
    with subprocess.Popen(["sleep", "1000"]) as other:
        path = f"/proc/{other.pid}/stat"
        ends = failing("read:error=ESRCH", paths=(path,))
        words = [*ends, sys.executable, "-ISBc", begin + code, str(other.pid)]
        done = subprocess.run(words, stdout=subprocess.PIPE, timeout=60, check=False)
        other.kill()
    assert done.stdout == b"True\n"
