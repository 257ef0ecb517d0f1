"""make install: what is where, and how."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from installing import PROGRAMS, ROOT, Installed, Maker, tree, writable_for_others

from runit.launchers import BIN, LFS, SBIN


def test_a_prefix_holds_the_programs_and_empty_runlevels(installed: Installed) -> None:
    assert sorted(os.listdir(installed.bin)) == sorted(BIN)
    assert sorted(os.listdir(installed.sbin)) == sorted(SBIN)
    assert sorted(os.listdir(installed.runsvdir)) == ["multi", "single"]
    for empty in ("runit/runsvdir/multi", "runit/runsvdir/single", "sv"):
        assert os.listdir(installed.prefix / "etc" / empty) == []


def test_manual_pages_and_documents_are_installed(installed: Installed) -> None:
    machine = (*LFS, "ifup", "ifdown")
    pages = {page.name for page in (ROOT / "docs/man").glob("*.8") if page.stem not in machine}
    assert set(os.listdir(installed.prefix / "share/man/man8")) == pages
    assert "LICENSE" in os.listdir(installed.prefix / "share/doc/pyrunit")


def test_the_private_directory_is_named_without_a_version(installed: Installed) -> None:
    assert os.listdir(installed.prefix / "lib") == ["pyrunit"]
    for module in ("runit", "inotify_simple.py", "psutil", "daemon", "lockfile"):
        assert (installed.package / module).exists()


def test_every_module_is_compiled_and_needs_no_check(installed: Installed) -> None:
    sources = list((installed.package / "runit").rglob("*.py"))
    assert sources
    for source in sources:
        (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
        assert compiled.read_bytes()[4] == 1  # by hash, not to be compared: PEP 552


def test_the_installer_is_not_installed(installed: Installed) -> None:
    assert not (installed.package / "runit/installation").exists()
    assert not (installed.package / "runit/launchers.py").exists()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(
    maker: Maker, wheels: Path, tmp_path: Path, umask: int
) -> None:
    prefix = maker.install(tmp_path / "x", wheels=wheels, umask=umask).prefix
    assert writable_for_others(prefix) == []
    for path in (prefix, *prefix.rglob("*")):
        expected = {0o755} if path.is_dir() or path.parent.name.endswith("bin") else {0o644}
        if path.suffix == ".so":
            expected = {0o644, 0o755}
        assert path.stat().st_mode & 0o7777 in expected, path


def test_destdir_is_in_front_of_everything_and_named_nowhere(maker: Maker, tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    done = maker.run("install", "PREFIX=/usr", f"DESTDIR={stage}", "WHEELS=none")
    assert done.returncode == 0, done.stderr
    assert (stage / "usr/bin/sv").exists()
    assert (stage / "etc/runit/runsvdir/single").is_dir()
    for path in stage.rglob("*"):
        if path.is_file():
            assert os.fsencode(stage) not in path.read_bytes(), path
    assert "/usr/lib/pyrunit" in (stage / "usr/bin/sv").read_text()
    done = maker.run("uninstall", "PREFIX=/usr", f"DESTDIR={stage}")
    assert done.returncode == 0, done.stderr
    assert os.listdir(stage) == []


@pytest.mark.parametrize(
    ("prefix", "sysconfdir"),
    [("/", "/etc"), ("/usr", "/etc"), ("/usr/local", "/etc"), ("/opt/x", "/opt/x/etc")],
)
def test_configuration_is_in_etc_for_the_machine_and_else_under_the_prefix(
    maker: Maker, tmp_path: Path, prefix: str, sysconfdir: str
) -> None:
    done = maker.run("install", f"PREFIX={prefix}", f"DESTDIR={tmp_path}", "WHEELS=none")
    assert done.returncode == 0, done.stderr
    assert Path(f"{tmp_path}{sysconfdir}/runit/runsvdir/multi").is_dir()
    paths = Path(f"{tmp_path}{prefix}/lib/pyrunit/runit/paths.py").read_text()
    assert f"\nSYSCONFDIR = b'{sysconfdir}'\n" in paths


def test_every_directory_can_be_given(maker: Maker, tmp_path: Path) -> None:
    names = ("bindir", "sbindir", "libdir", "sysconfdir", "rundir", "mandir", "docdir")
    given = {name: tmp_path / f"the {name}" for name in names}
    variables = [f"{name.upper()}={path}" for name, path in given.items()]
    done = maker.run("install", f"PREFIX={tmp_path}/x", "WHEELS=none", *variables)
    assert done.returncode == 0, done.stderr
    for path in (
        given["bindir"] / "sv",
        given["sbindir"] / "runsvchdir",
        given["libdir"] / "pyrunit/runit",
        given["sysconfdir"] / "sv",
        given["mandir"],
        given["docdir"] / "README.md",
    ):
        assert path.exists(), path
    paths = (given["libdir"] / "pyrunit/runit/paths.py").read_text()
    assert f"RUNDIR = b'{given['rundir']}'" in paths
    assert not (tmp_path / "x").exists()
    assert maker.run("uninstall", f"PREFIX={tmp_path}/x", *variables).returncode == 0
    assert os.listdir(tmp_path) == []


def test_a_relative_prefix_is_one_in_the_current_directory(maker: Maker, tmp_path: Path) -> None:
    relative = os.path.relpath(tmp_path / "x", maker.checkout)
    maker.install(Path(relative))
    assert f"'{tmp_path}/x/lib/pyrunit'" in (tmp_path / "x/bin/sv").read_text()


def test_installing_changes_nothing_in_the_checkout(maker: Maker, tmp_path: Path) -> None:
    before = tree(maker.checkout)
    maker.install(tmp_path / "x")
    maker.run("uninstall", f"PREFIX={tmp_path}/x")
    assert tree(maker.checkout) == before


def test_python_variables_do_not_steer_the_install(maker: Maker, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for module in ("argparse", "runit", "hashlib"):
        (hostile / f"{module}.py").write_text("raise SystemExit('hostile')\n")
    environment = {
        "PYTHONPATH": str(hostile),
        "PYTHONPYCACHEPREFIX": str(hostile / "cache"),
        "PYTHONOPTIMIZE": "2",
    }
    installed = maker.install(tmp_path / "x", environment=environment)
    assert list((installed.package / "runit/__pycache__").glob("paths.*.pyc"))
    assert not (hostile / "cache").exists()


def test_wheels_that_do_not_exist_are_refused(maker: Maker, tmp_path: Path) -> None:
    done = maker.run("install", f"PREFIX={tmp_path}/x", f"WHEELS={tmp_path}/none/such")
    assert done.returncode != 0
    assert done.stderr.startswith(f"install: fatal: {tmp_path}/none/such: not a directory\n")
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_had_is_said_in_one_line(maker: Maker, wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    # Where a user's pip looks besides does not count.
    besides = {"PIP_FIND_LINKS": str(wheels)}
    installed = maker.install(tmp_path / "x", wheels=tmp_path / "empty", environment=besides)
    (line,) = installed.warned.splitlines()
    expected = "install: warning: inotify-simple, psutil, python-daemon cannot be had: "
    assert line.startswith(expected)


def test_without_pip_the_suite_is_installed_and_the_package_to_get_is_named(
    maker: Maker, tmp_path: Path
) -> None:
    python = tmp_path / "bare/bin/python"
    subprocess.run(
        [maker.python, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=60
    )
    (site,) = (tmp_path / "bare/lib").glob("python*/site-packages")
    (site / "no.pth").write_text("import sys; sys.modules['venv'] = None\n")
    done = Maker(maker.checkout, str(python)).run("install", f"PREFIX={tmp_path}/x")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "warning: inotify-simple, psutil, python-daemon cannot be had" in line
    assert "no pip" in line
    assert "apt-get install python3-venv" in line
    assert sorted(os.listdir(tmp_path / "x/bin")) == sorted(BIN)


def test_launchers_do_not_name_the_virtual_environment_they_were_made_from(
    maker: Maker, tmp_path: Path
) -> None:
    subprocess.run(
        [maker.python, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60
    )
    made = Maker(maker.checkout, str(tmp_path / "venv/bin/python")).install(tmp_path / "x")
    for name in PROGRAMS:
        start = made.program(name).read_text().splitlines()[0]
        assert start == f"#!{maker.python} -IBS"
