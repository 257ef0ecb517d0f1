"""Mark the lines of the suite's programs, so that whatever process runs one is seen.

``marks.py DIRECTORY PACKAGE`` copies the checkout's package runit to
DIRECTORY/checkout/runit, and compiles each module of the copy and of PACKAGE, an
installed runit, anew: with a mark before each statement.  To pass a mark sets one byte
of a file that all processes share in their memory.  DIRECTORY/lines.json tells which
byte is whose.  Sources stay as they are: only the byte code beside them is another.

Why not coverage.py (7.17 was tried): it is to be started in each process, by the
site module or a .pth file, which isolated programs (-I -S) never read; it keeps what it
saw in the process and writes that down at its end.  Its patches of os._exit, exec and
fork do not help a process that ends by posix._exit, as programs do here, or that is
killed, as half of the tests do to it; and a process that has changed its user or its
root cannot write the file any more.  A byte in shared memory is there at once, whatever
becomes of the process.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import marshal
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

RUNIT = Path(__file__).resolve().parent.parent.parent / "runit"
BESIDE = "marks"
"""The file's other name, in the package: for programs that see nothing else of us."""

INSTALLING = ("installation", "launchers.py")
"""What is not installed itself."""

PREAMBLE = """
def _hit():
    import posix
    import sys
    if hasattr(sys, "_pyrunit_marks"):
        return sys._pyrunit_marks
    sys._pyrunit_marks = bytearray({size})
    try:
        import mmap
    except ImportError:
        return sys._pyrunit_marks
    for path in ({path!r}, __file__.rpartition("/runit/")[0] + "/runit/{beside}"):
        try:
            descriptor = posix.open(path, posix.O_RDWR | posix.O_CLOEXEC)
        except OSError:
            continue
        try:
            own = posix.dup(descriptor)
            posix.close(own)
            sys._pyrunit_marks = mmap.mmap(descriptor, {size})
            posix.close(own)  # the one that the mapping has opened for itself
            break
        except OSError:
            pass
        finally:
            posix.close(descriptor)
    return sys._pyrunit_marks
_hit = _hit()
"""
"""Begins each module: `_hit` is the file, or nobody's memory where there is no way to it."""


class Statement(NamedTuple):
    """One statement: its number in the file, and where it is."""

    number: int
    line: int
    function: str
    text: str


class Module:
    """A module's statements, numbered from FIRST on, and its TREE with marks."""

    def __init__(self, source: str, first: int) -> None:
        self.lines = source.splitlines()
        self.first = first
        self.statements: list[Statement] = []
        self.tree = ast.parse(source)
        body = self.tree.body
        self.start = 0  # what must come first stays there
        while self.start < len(body) and _comes_first(body[self.start]):
            self.start += 1
        self.tree.body[self.start :] = self._marked(body[self.start :], "")

    def preamble(self, path: str, size: int) -> None:
        """Have the module open the file PATH, of SIZE bytes."""
        begin = ast.parse(PREAMBLE.format(path=path, size=size, beside=BESIDE)).body
        self.tree.body[self.start : self.start] = begin

    def _marked(self, body: list[ast.stmt], function: str) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for statement in body:
            # A text says something about what is before it; the first has to stay there.
            if not (isinstance(statement, ast.Global | ast.Nonlocal) or _is_text(statement)):
                marked.append(self._mark(statement, function))
                self._inside(statement, function)
            marked.append(statement)
        return marked

    def _inside(self, statement: ast.stmt, function: str) -> None:
        """Mark what STATEMENT is made of."""
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = f"{function}.{statement.name}".lstrip(".")
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            return
        parts: list[ast.AST] = [statement]
        parts += getattr(statement, "handlers", [])
        parts += getattr(statement, "cases", [])
        for part in parts:
            for field in ("body", "orelse", "finalbody"):
                if getattr(part, field, None):
                    setattr(part, field, self._marked(getattr(part, field), function))

    def _mark(self, statement: ast.stmt, function: str) -> ast.stmt:
        number = self.first + len(self.statements)
        text = self.lines[statement.lineno - 1].strip()
        self.statements.append(Statement(number, statement.lineno, function, text))
        mark = ast.parse(f"_hit[{number}] = 1").body[0]
        for node in ast.walk(mark):
            ast.copy_location(node, statement)
            if isinstance(node, ast.expr | ast.stmt):
                node.end_lineno, node.end_col_offset = node.lineno, node.col_offset
        return mark


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _comes_first(statement: ast.stmt) -> bool:
    future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    return future or _is_text(statement)


def imports(tree: ast.AST) -> list[str]:
    """The modules of this suite that TREE may import, also those it imports late.

    What is there for the type checker only is not imported.
    """
    found: set[str] = set()
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return []
    if isinstance(tree, ast.Import):
        found.update(name.name for name in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module:
        found.add(tree.module)
        found.update(f"{tree.module}.{name.name}" for name in tree.names)
    for node in ast.iter_child_nodes(tree):
        found.update(imports(node))
    return sorted(name for name in found if name.partition(".")[0] == "runit")


def compile_with(module: Module, source: Path) -> None:
    """Write the byte code of MODULE, which is SOURCE with marks, where SOURCE's belongs.

    The interpreter takes it for SOURCE's, by its time and size.
    """
    code = compile(ast.fix_missing_locations(module.tree), source, "exec", dont_inherit=True)
    it = source.stat()
    head = importlib.util.MAGIC_NUMBER + b"".join(
        (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (0, int(it.st_mtime), it.st_size)
    )
    place = Path(importlib.util.cache_from_source(source))
    place.parent.mkdir(exist_ok=True)
    new = place.with_suffix(".new")
    new.write_bytes(head + marshal.dumps(code))
    new.rename(place)


def sources(package: Path) -> list[Path]:
    """The modules of PACKAGE that programs are made of, in a lasting order."""
    return sorted(
        path.relative_to(package)
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in INSTALLING
    )


def shared_file(size: int) -> str:
    """Make the file, where every user may open it; its path.

    It is in the directory for temporary files, in which tests make machines: they link
    it into those.
    """
    descriptor, path = tempfile.mkstemp(prefix="pyrunit-lines-")
    os.fchmod(descriptor, 0o666)
    os.ftruncate(descriptor, size)
    os.close(descriptor)
    return path


def mark(directory: Path, package: Path, *others: Path) -> Path:
    """Mark PACKAGE and OTHERS, of which each has the modules of PACKAGE.

    Returns DIRECTORY/lines.json, which `report` reads.  Raises ValueError if one of
    OTHERS is made of other statements.
    """
    modules, first = {}, 0
    for path in sources(package):
        modules[path] = Module((package / path).read_text(), first)
        first += len(modules[path].statements)
    shared = shared_file(first)
    for place in (package, *others):
        link(Path(shared), place / BESIDE)
        for path, module in modules.items():
            again = Module((place / path).read_text(), module.first)
            if len(again.statements) != len(module.statements):
                raise ValueError(f"{place / path} is another module than {package / path}")
            again.preamble(shared, first)
            compile_with(again, place / path)
    table = {
        ".".join(("runit", *path.with_suffix("").parts)).removesuffix(".__init__"): {
            "imports": imports(ast.parse((package / path).read_text())),
            "statements": sorted(module.statements, key=lambda one: one.line),
        }
        for path, module in modules.items()
    }
    lines = directory / "lines.json"
    lines.write_text(json.dumps({"file": shared, "modules": table}, indent=1))
    return lines


def link(shared: Path, place: Path) -> None:
    """Have the file SHARED at PLACE too; on another file system its lines are not seen."""
    place.unlink(missing_ok=True)
    try:
        place.hardlink_to(shared)
    except OSError as error:
        print(f"{place}: {error}", file=sys.stderr)


def main() -> int:
    """Command line; see the module's docstring."""
    directory, installed = Path(sys.argv[1]), Path(sys.argv[2])
    lines = directory / "lines.json"
    if lines.exists():  # of the last time
        Path(json.loads(lines.read_text())["file"]).unlink(missing_ok=True)
    package = directory / "checkout/runit"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(RUNIT, package, ignore=shutil.ignore_patterns("__pycache__"))
    mark(directory, package, installed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
