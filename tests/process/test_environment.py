"""runit.process.environment: children get the environment that the kernel gave us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import Suite, run_with_environment

import runit

ROOT = Path(runit.__file__).resolve().parent.parent

RESTORE = (
    f"import posix, sys; sys.path.append({str(ROOT)!r})\n"
    "from runit.process import environment; environment.restore()\n"
)
SHOW = "posix.execv('/usr/bin/env', ['env', '-0'])"
START = (sys.executable, "-ISBc")

GIVEN = [
    [],
    [b"LANG=C"],
    [b"LANG=POSIX", b"A=1"],
    [b"LANG=", b"LC_ALL=", b"LC_CTYPE="],
    [b"LC_CTYPE=C", b"A=1"],
    [b"A=1", b"LC_CTYPE=POSIX", b"B=2"],
    [b"LC_CTYPE=C.UTF-8", b"A=1"],
    [b"LANG=C", b"LC_CTYPE=C.utf8"],
    [b"LC_ALL=C", b"LC_CTYPE=C"],
    [b"LC_ALL=POSIX"],
    [b"LANG=en_US.UTF-8"],
    [b"LANG=en_US.ISO-8859-1", b"LC_CTYPE=C"],
    [b"LC_ALL=no_SUCH.locale"],
    [b"LC_CTYPE=\xff\xfe", b"A=\xff"],
    [b"Z=1", b"\xff=\n", b"=odd", b"no variable", b"", b"LANG=C", b"A="],
    [b"LC_CTYPE=C", b"A=1", b"LC_CTYPE=POSIX", b"A=2"],
    [b"PYTHONCOERCECLOCALE=0", b"PYTHONUTF8=0", b"PYTHONHOME=/no/such"],
]


@pytest.mark.parametrize("given", GIVEN)
def test_a_program_s_environment_is_byte_for_byte_what_was_given(given: list[bytes]) -> None:
    code = RESTORE + "posix.execv('/bin/cat', ['cat', '/proc/self/environ'])"
    shown = run_with_environment(given, *START, code)
    assert shown == b"".join(entry + b"\0" for entry in given)


@pytest.mark.parametrize("given", GIVEN)
def test_so_it_is_through_chpst(suite: Suite, given: list[bytes]) -> None:
    shown = run_with_environment(given, suite.program("chpst"), "/bin/cat", "/proc/self/environ")
    assert shown == b"".join(entry + b"\0" for entry in given)


@pytest.mark.parametrize("given", [{}, {b"LC_CTYPE": b"C"}, {b"LC_CTYPE": b"C.UTF-8"}])
def test_the_interpreter_s_own_copy_agrees(given: dict[bytes, bytes]) -> None:
    code = RESTORE + "print(posix.environ.get(b'LC_CTYPE'))"
    done = subprocess.run([*START, code], env=given, capture_output=True, check=True)
    assert done.stdout == b"%r\n" % given.get(b"LC_CTYPE")


def hidden_proc() -> list[str]:
    """A command prefix under which /proc is empty; skips where that cannot be had."""
    prefix = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if os.geteuid() != 0 or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    return prefix


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({b"A": b"1"}, {b"A": b"1"}),
        ({b"LANG": b"C"}, {b"LANG": b"C"}),
        ({b"LANG": b""}, {b"LANG": b""}),
        ({b"LANG": b"C.UTF-8"}, {b"LANG": b"C.UTF-8"}),
        (
            {b"LANG": b"en_US.UTF-8", b"LC_CTYPE": b"C.UTF-8"},
            {b"LANG": b"en_US.UTF-8", b"LC_CTYPE": b"C.UTF-8"},
        ),
        (
            {b"LC_ALL": b"C", b"LC_CTYPE": b"C.UTF-8"},
            {b"LC_ALL": b"C", b"LC_CTYPE": b"C.UTF-8"},
        ),
    ],
)
def test_without_proc_the_other_variables_tell(
    given: dict[bytes, bytes], kept: dict[bytes, bytes]
) -> None:
    prefix = hidden_proc()
    done = subprocess.run(
        [*prefix, *START, RESTORE + SHOW],
        env={**given, b"PATH": os.environb[b"PATH"]},
        capture_output=True,
        check=True,
    )
    found = dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry)
    for set_by_the_shell in (b"PATH", b"PWD", b"OLDPWD", b"SHLVL", b"_"):
        found.pop(set_by_the_shell, None)
    assert found == kept
