"""What failed as a script for sh(1), to be done again by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def heading() -> list[str]:
    """How a script begins."""
    return ["#!/bin/sh", "# PATH=/where/the/suite/is:$PATH sh THIS", "cd $(mktemp -d)"]


def shell(root: str, files: Mapping[str, str | None]) -> list[str]:
    """Commands that make in ROOT what `support.build` makes of FILES."""
    lines = [f"mkdir -p {shlex.quote(root)}"]
    for name, content in files.items():
        path = shlex.quote(f"{root}/{name}")
        if content is None:
            lines.append(f"mkdir -p {path}")
            continue
        if "/" in name:
            lines.append(f"mkdir -p {shlex.quote(f'{root}/{name}'.rpartition('/')[0])}")
        if "\n" in content:
            lines += [f"cat >{path} <<'END'", *content.splitlines(), "END"]
        else:
            lines.append(f"printf %s {shlex.quote(content)} >{path}")
        if content.startswith("#!"):
            lines.append(f"chmod +x {path}")
    return lines
