"""Somebody else: a user without any rights, and what he does."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import DEADLINE, Suite

NOBODY = 65534

AS_NOBODY: Mapping[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
"""Options for subprocess."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def of_nobody(path: Path, mode: int | None = None) -> Path:
    """PATH, which nobody owns from now on; not what it leads to, if it is a link."""
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)
    return path


def everybodys(path: Path) -> Path:
    """PATH, a directory that everybody may write to, as /tmp."""
    path.mkdir()
    path.chmod(0o1777)
    return path


def on_terminal(
    suite: Suite, name: str, *arguments: str | bytes | Path, input: bytes = b"", **options: Any
) -> tuple[int, bytes]:
    """Run a program that writes to a terminal: exit code, and what the terminal got."""
    options.setdefault("env", suite.environment())
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [suite.program(name), *arguments],
            stdin=subprocess.PIPE,
            stdout=slave,
            stderr=slave,
            **options,
        )
        assert process.stdin is not None
        process.stdin.write(input)
        process.stdin.close()
        code = process.wait(DEADLINE)
        got = b""
        while select.select([master], [], [], 0)[0]:
            got += os.read(master, 65536)
        return code, got
    finally:
        os.close(master)
        os.close(slave)
