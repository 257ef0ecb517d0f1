"""Where everything goes.

Every directory can be given; what is not follows from PREFIX, as INSTALL tells.
"""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM = ("/", "/usr", "/usr/local")
"""Prefixes of the machine's own: their configuration is /etc, not PREFIX/etc."""


class Layout:
    """One installation's directories, as its programs will know them.

    DESTDIR stands in front of every path while files are put into place (see
    `real`), and nowhere else.  Arguments are what the user typed; empty ones
    take their default.  INTERPRETER is what the programs are to run with where that
    is not the one that installs them.
    """

    __slots__ = (
        "bindir",
        "destdir",
        "docdir",
        "interpreter",
        "libdir",
        "mandir",
        "prefix",
        "rundir",
        "sbindir",
        "sysconfdir",
    )

    def __init__(
        self,
        prefix: str = "",
        *,
        bindir: str = "",
        sbindir: str = "",
        libdir: str = "",
        sysconfdir: str = "",
        rundir: str = "",
        mandir: str = "",
        docdir: str = "",
        destdir: str = "",
        interpreter: str = "",
    ) -> None:
        self.prefix = absolute(prefix or "/usr/local")
        top = Path("/") if str(self.prefix) in SYSTEM else self.prefix
        self.bindir = absolute(bindir or self.prefix / "bin")
        self.sbindir = absolute(sbindir or self.prefix / "sbin")
        self.libdir = absolute(libdir or self.prefix / "lib")
        self.sysconfdir = absolute(sysconfdir or top / "etc")
        self.rundir = absolute(rundir or top / "run")
        self.mandir = absolute(mandir or self.prefix / "share/man")
        self.docdir = absolute(docdir or self.prefix / "share/doc/pyrunit")
        self.interpreter = interpreter
        self.destdir = str(absolute(destdir)).rstrip("/") if destdir else ""

    @property
    def package(self) -> Path:
        """The private directory of the package and its dependencies."""
        return self.libdir / "pyrunit"

    @property
    def manifest(self) -> Path:
        """The list of what was installed."""
        return self.package / "manifest"

    def real(self, path: Path) -> Path:
        """Where PATH is while the files are put into place."""
        return Path(f"{self.destdir}{path}")


def absolute(path: str | Path) -> Path:
    """PATH from the root, without dots and doubled slashes; links are kept."""
    return Path(os.path.abspath(os.path.expanduser(path)).replace("//", "/"))
