"""make run: the table for people, the tour for everybody else."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from installing import Installed, Maker
from support import DEADLINE, wait_for


@pytest.fixture(scope="module")
def shown(maker: Maker, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return maker.install(tmp_path_factory.mktemp("demo") / "with a space", wheels=wheels)


def demo(maker: Maker, shown: Installed, **options: object) -> subprocess.Popen[bytes]:
    """Start examples/demo.py as the Makefile does."""
    return subprocess.Popen(
        [maker.python, "-EsB", maker.checkout / "examples/demo.py", shown.prefix], **options
    )


def trees(shown: Installed) -> list[Path]:
    return list((shown.prefix / "trees").iterdir())


def processes(shown: Installed) -> list[str]:
    """What runs with the directory of a demo's tree in its environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(shown.prefix / "trees") in environment.read_bytes():
                found.append(environment.with_name("cmdline").read_text())
        except OSError:
            continue
    return found


def test_the_tour_sees_everything_happen(maker: Maker, shown: Installed) -> None:
    process = demo(maker, shown, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    output = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, output
    assert "\nAll 12 steps happened, in " in output
    assert trees(shown) == []
    assert processes(shown) == []


def test_the_tour_fails_where_something_does_not_happen(maker: Maker, tmp_path: Path) -> None:
    broken = maker.install(tmp_path / "x")
    broken.program("sv").write_text("#!/bin/sh\necho nonsense\n")
    process = demo(maker, broken, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    output = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 1
    assert "\nFAILED  expected: spare is down" in output
    assert "\n        seen: nonsense\n" in output
    assert trees(broken) == []
    assert processes(broken) == []


def test_the_table_shows_the_services_until_ctrl_c(maker: Maker, shown: Installed) -> None:
    terminal, inside = pty.openpty()
    process = demo(maker, shown, stdin=inside, stdout=inside, start_new_session=True)
    os.close(inside)
    screen = b""

    def read() -> bool:
        nonlocal screen
        if not select.select([terminal], [], [], 0.1)[0]:
            return False
        try:
            screen += os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return False
        return True

    def drawn(*words: bytes) -> bool:
        read()
        return all(word in screen.rpartition(b"\x1b[H")[2] for word in words)

    wait_for(lambda: drawn(b"SERVICE", b"clock", b"flaky", b"spare", b"worker", b"http.server"))
    os.write(terminal, b"\x03")
    end = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < end:
        read()
    assert process.returncode == 0
    while read():
        pass
    os.close(terminal)
    assert b"\x1b[?1049l" in screen
    assert screen.endswith(b"no process and no file is left.\r\n")
    assert trees(shown) == []
    assert processes(shown) == []


def test_a_killed_demo_leaves_no_process_and_the_next_clears_its_files(
    maker: Maker, shown: Installed
) -> None:
    process = demo(maker, shown, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(processes(shown)) > 10, "its services")
    process.kill()
    process.wait()
    wait_for(lambda: not processes(shown), "their end")
    assert len(trees(shown)) == 1
    process = demo(maker, shown, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: processes(shown), "the next demo's services")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert trees(shown) == []
    assert processes(shown) == []
