"""What an installation consists of, besides the private package directory."""

from __future__ import annotations

from pathlib import Path

from runit import launchers
from runit.installation.items import Item
from runit.installation.layout import Layout

SCRIPTS = ("ifup", "ifdown")
"""Programs of a machine that are not of Python: those of its network."""

DOCUMENTS = ("README.md", "INSTALL", "CHANGELOG.md", "LICENSE")


def files(checkout: Path, layout: Layout) -> list[Item]:
    """The programs of the suite, their pages, and what there is to read."""
    items = programs(layout, layout.bindir, launchers.BIN)
    items += programs(layout, layout.sbindir, launchers.SBIN)
    items += pages(checkout, layout, machine=False)
    documents = [checkout / name for name in DOCUMENTS]
    documents += sorted((checkout / "docs").glob("*.md"))
    items += [Item(layout.docdir / path.name, path.read_bytes()) for path in documents]
    return items


def directories(layout: Layout) -> list[Path]:
    """What must exist besides, empty as it is."""
    runlevels = layout.sysconfdir / "runit/runsvdir"
    return [runlevels / "single", runlevels / "multi", layout.sysconfdir / "sv"]


def programs(layout: Layout, directory: Path, modules: dict[str, str]) -> list[Item]:
    """Launchers in DIRECTORY: name to module."""
    python = layout.interpreter or launchers.interpreter()
    return [
        Item(directory / name, launchers.render(module, str(layout.package), python), 0o755)
        for name, module in modules.items()
    ]


def pages(checkout: Path, layout: Layout, *, machine: bool) -> list[Item]:
    """The manual pages: those of what only a machine has, or the others."""
    return [
        Item(layout.mandir / f"man{page.suffix[1:]}" / page.name, page.read_bytes())
        for page in sorted((checkout / "docs/man").glob("*.[1-8]"))
        if (page.stem in (*launchers.LFS, *SCRIPTS) or page.suffix == ".5") == machine
    ]
