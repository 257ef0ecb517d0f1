"""docs/security.md names tests: they are there, and none of this directory is left out."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs/security.md"


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"[\w/]*test_\w+\.py", PAGE.read_text()))
    assert named
    for name in named:
        assert (TESTS / name).is_file(), name
    here = {f"security/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert here - named == set()
