"""Root's programs do what they are told on their command line, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from oldworld import PROGRAMS
from oldworld import Machine as OldMachine
from security.others import needs_root
from staging import Machine, needs_namespaces
from support import Suite, anyones_interpreter, build, pid, wait_for

from runit.launchers import BIN, LFS, SBIN

MODULES = (
    *("posix", "sys", "os", "fcntl", "time", "select", "pwd", "grp", "resource", "ctypes"),
    *("encodings", "site", "sitecustomize", "usercustomize", "runit", "psutil", "daemon"),
    *("inotify_simple", "lockfile", "re", "struct", "subprocess", "codecs", "io", "abc"),
)
"""What programs import, or the interpreter does before them."""

NAMES = (
    *("python", "python3", "sh", "env", "true", "ldconfig", "gcc", "cc", "ld", "objdump", "uname"),
    *("cat", "ps", "mount", "umount", "stty", "id", "hostname", "getent", "locale", "rm", "mkdir"),
    *("sv", "svlogd", "chpst", "runsvdir", "runit", "runit-init", "runlevel", "killall5", "halt"),
)
"""Commands that programs might look for; but for those that are to be looked for."""


class Trap:
    """Modules, packages and commands of somebody else, which leave a mark when they are used."""

    def __init__(self, root: Path, seen: str | None = None) -> None:
        self.mark = root / "mark"
        mark = seen or str(self.mark)
        module = f"open({mark!r}, 'a').write(__name__ + '\\n')\n"
        command = f'#!/bin/sh\necho "$0" >>{mark}\nexec /bin/true\n'
        asked = "import sys; print('python%d.%d' % sys.version_info[:2])"
        words = [anyones_interpreter(), "-c", asked]
        version = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        site = f"home/.local/lib/{version}/site-packages"
        build(root / "bin", dict.fromkeys(NAMES, command))
        for where in ("modules", site):
            build(root / where, {f"{name}.py": module for name in MODULES})
        build(root / site, {"trap.pth": f"import os; {module}"})
        build(root / "modules", {"python.cfg": "", "pyvenv.cfg": "home = /nonexistent\n"})
        here = seen.rpartition("/")[0] if seen else str(root)
        self.modules = f"{here}/modules"
        self.environment = {
            "PATH": f"{here}/bin:{here}/modules",
            "HOME": f"{here}/home",
            "RUNSVDIR": "/nonexistent",
            "PYTHONPATH": self.modules,
            "PYTHONHOME": self.modules,
            "PYTHONSTARTUP": f"{self.modules}/sys.py",
            "PYTHONUSERBASE": f"{here}/home/.local",
            "PYTHONBREAKPOINT": "sys.exit",
            "PYTHONINSPECT": "1",
            "PYTHONVERBOSE": "1",
            "PYTHONPLATLIBDIR": "nowhere",
            "PYTHONPYCACHEPREFIX": self.modules,
            "PYTHONEXECUTABLE": f"{here}/bin/python",
            "PYTHONCASEOK": "1",
            "PYTHONWARNINGS": "error",
            "PYTHONPROFILEIMPORTTIME": "1",
            "ENV": f"{here}/bin/env",
            "BASH_ENV": f"{here}/bin/env",
        }

    def sprung(self) -> str:
        """What was used; empty for nothing."""
        return self.mark.read_text() if self.mark.exists() else ""


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path / "trap")


ONCE: dict[str, tuple[str, ...]] = {
    **{name: ("-Z",) for name in (BIN | SBIN) if name not in ("pause", "runit", "runsvdir")},
    "chpst": ("-e.", "-b", "x", "-o", "100", "/bin/echo", "x"),
    "svlogd": ("-tt", "log"),
    "runsv": ("nothing",),
    "runsvchdir": ("/nonexistent",),
    "runit": (),
}
"""Something for each program to do; each is told so that it ends."""


@pytest.mark.parametrize("name", sorted(ONCE))
def test_nothing_around_it_steers_a_program(everyones: Suite, trap: Trap, name: str) -> None:
    build(Path(trap.modules), {"log/config": "t1\n+*a*\ne*\n"})
    done = everyones.run(name, *ONCE[name], input=b"line\n", cwd=trap.modules, env=trap.environment)
    assert b"Traceback" not in done.stderr
    assert trap.sprung() == ""
    plain = {"PATH": trap.environment["PATH"], "RUNSVDIR": "/nonexistent"}
    again = everyones.run(name, *ONCE[name], input=b"line\n", cwd=trap.modules, env=plain)
    assert done.returncode == again.returncode
    assert again.stderr[26:] == done.stderr[26:]  # what is in front may be the time


def test_nothing_around_it_steers_a_tree(everyones: Suite, trap: Trap, tmp_path: Path) -> None:
    """runsvdir, runsv, the built-in logger, sv as it waits; runsv itself may be looked for."""
    run = "#!/bin/sh\nPATH=/usr/bin:/bin\nexec sleep 1000\n"
    files: dict[str, str | None] = {"s/run": run, "s/log/config": "+*\n", "s/log/main": None}
    services = build(tmp_path / "services", files)
    with everyones.runsvdir(services, env=trap.environment, cwd=trap.modules):
        wait_for(lambda: pid(services / "s"))
        wait_for((services / "s/log/main/current").exists)
        environment = {**trap.environment, "SVDIR": str(services)}
        for words in (["-w20", "restart", "s"], ["-w20", "-v", "down", "s"], ["status", "s"]):
            done = everyones.run("sv", *words, cwd=trap.modules, env=environment)
            assert (done.returncode, done.stderr) == (0, b"")
    assert trap.sprung() == ""


@needs_root
@pytest.mark.parametrize("name", sorted(LFS))
def test_nothing_around_it_steers_the_way_down(machine: OldMachine, name: str) -> None:
    trap = Trap(machine.root / "trap", "/trap/mark")
    program = f"{PROGRAMS}/{name}"
    words = {
        "halt": [],
        "poweroff": [],
        "reboot": [],
        "shutdown": ["-h", "+30"],
        "runlevel": [],
        "killall5": ["-o", "1"],
        "init": ["0"],
        "telinit": ["6"],
    }[name]
    script = 'cd /trap/modules && exec "$@" </dev/null >/dev/null 2>/said'
    code, _, said = machine.ask(
        run=["/bin/sh", "-c", script, "sh", program, *words], env=trap.environment
    )
    assert code in (0, 1 if name == "runlevel" else 2), said  # unknown; nobody to be killed
    if name == "shutdown":
        assert machine.run("shutdown", "-c")[0] == 0
    assert (machine.root / "said").read_text() == ""
    assert trap.sprung() == ""


@needs_namespaces
@pytest.mark.parametrize("name", ["1", "2", "3", "ctrlaltdel"])
def test_stages_set_their_own_path(tmp_path: Path, name: str) -> None:
    script = '. /etc/runit/functions && . /etc/runit/1.d/configuration.sh; echo "$PATH"'
    hostile = ["/usr/bin/env", "PATH=/hostile:.", "ENV=/hostile"]
    machine = Machine(tmp_path / "root")
    done = machine.run(*hostile, "/bin/sh", "-c", script, f"/etc/runit/{name}")
    assert done.stdout == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"


def test_a_launcher_names_all_that_it_needs(everyones: Suite) -> None:
    for name in BIN | SBIN | LFS:
        first, *rest = Path(everyones.program(name)).read_text().splitlines()
        assert first.startswith("#!/")
        assert first.endswith("python3 -IBS") or " -IBS" in first
        assert f"sys.path.append({str(everyones.directory.parent / 'package')!r})" in rest
