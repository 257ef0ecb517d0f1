"""What counts the lines that tests run: `make coverage`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from lines import marks, report
from lines.report import Lines, Place
from support import build

from runit.launchers import interpreter

KINDS = '''"""A docstring is no statement."""

from __future__ import annotations

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import nothing


class Thing:
    """Nor is this."""

    kind = "thing"
    """Nor this."""

    def method(self):
        """Nor this."""
        global counted
        counted = 1

    def never(self):
        counted = 2  # not run


def kinds(number):
    Thing().method()
    if number == 1:
        number += 1
    elif number == 2:  # not run
        number += 2  # not run
    else:
        number += 3  # not run
    for each in [1, 2]:
        if each == 2:
            break
        continue
    else:
        number += 4  # not run
    while number:
        number = 0
    try:
        raise OSError
    except ValueError:
        number += 5  # not run
    except OSError:
        number += 6
    finally:
        number += 7
    try:
        pass
    except OSError:
        number += 8  # not run
    else:
        number += 9
    with open("/dev/null") as file:
        file.read()
    match number:
        case 22:
            number = 0
        case _:
            number = 1  # not run
    del file; number = (
        0
    )
    return number
    return 1  # not run


def main():
    kinds(1)
    posix.kill(posix.getpid(), 9)
    sys.exit()  # not run
'''
FUTURE = "from __future__ import annotations"


def marked(directory: Path, files: dict[str, str]) -> Path:
    """A directory with a package runit of FILES, marked; its lines.json is beside runit."""
    build(directory / "runit", {"__init__.py": "", **files})
    marks.mark(directory, directory / "runit")
    return directory


def seen(directory: Path) -> Lines:
    """What was run until now."""
    table = json.loads((directory / "lines.json").read_text())
    return Lines(table, Path(table["file"]).read_bytes())


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def run(directory: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run CODE as programs are run."""
    begin = f"import sys; sys.path.append({str(directory)!r}); "
    command = [interpreter(), "-IBS", "-c", begin + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def killed(directory: Path, module: str) -> None:
    """Run main() of MODULE, which kills itself in the end."""
    done = run(directory, f"from {module} import main; main()")
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def test_every_statement_that_a_killed_program_ran_is_seen(tmp_path: Path) -> None:
    marked(tmp_path, {"kinds.py": KINDS})
    killed(tmp_path, "runit.kinds")
    lines = seen(tmp_path)
    wanted = {text.strip() for text in KINDS.splitlines() if text.endswith("# not run")}
    assert {place.text for _, place in lines.not_run("runit.kinds")} == wanted
    numbers = [line for _, line, _, _ in lines.modules["runit.kinds"]["statements"]]
    uncounted = (
        *('"""', FUTURE, "import nothing", "global"),
        *("else:", "except", "finally:", "case", "0", ")"),
    )
    assert numbers == [
        number
        for number, text in enumerate(KINDS.splitlines(), 1)
        for _ in text.split("; ")
        if text.strip() and not text.strip().startswith(uncounted)
    ]


def test_a_line_number_in_a_traceback_is_the_sources(tmp_path: Path) -> None:
    marked(tmp_path, {"wrong.py": f'"""Text."""\n\n{FUTURE}\n\n\ndef main():\n    1 / 0\n'})
    done = run(tmp_path, "from runit.wrong import main; main()")
    assert f'{tmp_path}/runit/wrong.py", line 7, in main\n    1 / 0\n' in done.stderr


CHILD = """
import os
def main():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.kill(os.getpid(), 9)
    if os.getuid() == 0:
        os.chroot("EMPTY")
        os.setuid(65534)
    later()
def later():
    at_last = 1
    os.kill(os.getpid(), 9)
"""
KILLED = """
import os
def main():
    os.kill(os.getpid(), 9)
"""


def test_a_child_is_seen_that_has_no_way_to_the_file(tmp_path: Path) -> None:
    """Forked, and then of another user and in another root, where it may be."""
    empty = tmp_path / "empty"
    empty.mkdir()
    marked(tmp_path, {"child.py": CHILD.replace("EMPTY", str(empty))})
    killed(tmp_path, "runit.child")
    missing = [place.text for _, place in seen(tmp_path).not_run("runit.child")]
    assert missing == ([] if os.getuid() == 0 else [f'os.chroot("{empty}")', "os.setuid(65534)"])


def test_a_program_elsewhere_is_seen_by_the_files_other_name(tmp_path: Path) -> None:
    marked(tmp_path, {"here.py": KILLED})
    own = json.loads((tmp_path / "lines.json").read_text())["file"]
    os.rename(own, f"{own}.elsewhere")
    killed(tmp_path, "runit.here")
    os.rename(f"{own}.elsewhere", own)
    assert seen(tmp_path).not_run("runit.here") == []


def test_without_the_file_the_program_runs_all_the_same(tmp_path: Path) -> None:
    marked(tmp_path, {"here.py": KILLED})
    os.unlink(json.loads((tmp_path / "lines.json").read_text())["file"])
    os.unlink(tmp_path / "runit" / marks.BESIDE)
    killed(tmp_path, "runit.here")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    marked(tmp_path, {"here.py": "import os\nopen_ones = os.listdir('/proc/self/fd')\n"})
    done = run(tmp_path, "from runit.here import open_ones; print(open_ones)")
    assert done.stdout == "['0', '1', '2', '3']\n"  # with the directory


SVLOGD = """from runit.log import late
def main():
    one = 1
    if one:
        two = 2
    else:
        three = 3
    def inner():
        three = 3
"""
LATE = """def late():
    from runit.elsewhere import thing
"""


def wrong(directory: Path, not_run: str) -> list[str]:
    return report.complaints(seen(directory), report.listed(not_run))


def test_the_report_wants_each_line_run_or_listed(tmp_path: Path) -> None:
    modules = {"log/__init__.py": "", "log/svlogd.py": SVLOGD, "log/late.py": LATE}
    others = {"elsewhere.py": "thing = 1\n", "cold.py": "need = 'not be run'\n"}
    marked(tmp_path, modules | others)
    assert run(tmp_path, "from runit.log import svlogd; svlogd.main()").returncode == 0
    missing = [
        "runit.elsewhere -: thing = 1",
        "runit.log.late late: from runit.elsewhere import thing",
        "runit.log.svlogd main: three = 3",
        "runit.log.svlogd main.inner: three = 3",
    ]
    complaint = "run by no test, and not listed: "
    assert [one.partition(complaint)[2] for one in wrong(tmp_path, "")] == missing
    listed = (
        "# Words about it.\n\n"
        "runit.elsewhere -: thing = 1\n"
        "    Because of this\n    and that.\n"
        "runit.log.late late: from runit.elsewhere import thing\n    Too late.\n"
        "runit.log.svlogd main: three = 3\n    So.\n"
    )
    entries = report.listed(listed)
    assert entries[Place("runit.elsewhere", "", "thing = 1")] == "Because of this and that."
    inner = "runit.log.svlogd main.inner: three = 3"
    assert wrong(tmp_path, listed) == [
        f"runit.log.svlogd:9: run by no test, and not listed: {inner}"
    ]
    assert wrong(tmp_path, f"{listed}{inner}\n") == [f"listed without a reason: {inner}"]
    whole = f"{listed}{inner}\n    So.\n"
    assert wrong(tmp_path, whole) == []
    was = "runit.log.svlogd main: two = 2"
    gone = "runit.log.svlogd main: four = 4"
    assert wrong(tmp_path, f"{whole}{was}\n By chance, or not.\n") == []
    cold = "runit.cold -: need = 'not be run'"
    assert wrong(tmp_path, f"{whole}{was}\n So.\n{gone}\n So.\n{cold}\n So.\n") == [
        f"listed, but it is run, or need not be: {was}",
        f"listed, but not there: {gone}",
        f"listed, but it is run, or need not be: {cold}",
    ]


def test_the_reports_exit_code_tells_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marked(tmp_path, {"log/__init__.py": "", "log/svlogd.py": "a = 1\n"})
    (tmp_path / "not-run").write_text("")
    monkeypatch.setattr(report, "LISTED", tmp_path / "not-run")
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path)])
    assert report.main() == 1
    assert " 0.0 %      0 of     1  svlogd, 3 modules" in capsys.readouterr().out
    (tmp_path / "not-run").write_text("runit.log.svlogd -: a = 1\n So.\n")
    assert report.main() == 0


def test_every_entry_of_the_list_is_still_there_and_says_why() -> None:
    package = marks.RUNIT
    for place, why in report.listed(report.LISTED.read_text()).items():
        path = package.parent / f"{place.module.replace('.', '/')}.py"
        statements = marks.Module(path.read_text(), 0).statements
        assert why, place
        assert (place.function, place.text) in {(one.function, one.text) for one in statements}
