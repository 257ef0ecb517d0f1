"""An installed suite at work: for anybody, anywhere, and without leaving a trace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from installing import ANSWERING, Installed, Maker, PlainUser, tree
from support import alive, build, pid, wait_for

SERVICE = {"run": "#!/bin/sh\nexec sleep 1000\n", "log/run": "#!/bin/sh\nexec svlogd ./main\n"}


@contextmanager
def supervised(installed: Installed, service: Path, **options: object) -> Iterator[Path]:
    """SERVICE, linked into the installation's runlevel `multi` and up."""
    link = installed.runsvdir / "multi" / service.name
    link.symlink_to(service)
    current = installed.runsvdir / "current"
    current.symlink_to("multi")
    (service / "log/main").mkdir(exist_ok=True)
    if "user" in options:
        for path in (service, *service.rglob("*")):
            os.chown(path, options["user"], options["group"])
    environment = {"PATH": f"{installed.bin}:{installed.sbin}:/usr/bin:/bin"}
    process = subprocess.Popen(
        [installed.program("runsvdir"), current],
        env=environment,
        stdin=subprocess.DEVNULL,
        **options,
    )
    try:
        wait_for(lambda: pid(service) and pid(service / "log"), "the service and its log")
        yield service
    finally:
        process.send_signal(signal.SIGHUP)
        process.wait(30)
        wait_for(lambda: not pid(service) and not pid(service / "log"), "their end")
        current.unlink()
        link.unlink()


@pytest.mark.parametrize("name", ANSWERING)
def test_every_program_starts(installed: Installed, name: str) -> None:
    ended = installed.run(name)
    assert b"Traceback" not in ended.stderr
    assert ended.returncode in (0 if name == "runit-init" else 1, 100, 111)


def test_pause_starts_and_waits(installed: Installed) -> None:
    process = subprocess.Popen([installed.program("pause")])
    status = Path(f"/proc/{process.pid}/status")
    wait_for(
        lambda: re.search(r"^SigIgn:.*[13579bdf]$", status.read_text(), re.M), "HUP to be ignored"
    )
    process.terminate()
    assert process.wait(30) == 0


def test_sv_looks_into_the_runlevel_of_its_own_installation(
    installed: Installed, tmp_path: Path
) -> None:
    with supervised(installed, build(tmp_path / "it", SERVICE)) as service:
        output = installed.run("sv", "status", "it").stdout
        assert output.startswith(b"run: it: (pid %d) " % pid(service))


def test_runsvchdir_switches_the_runlevel_of_its_own_installation(
    installed: Installed, tmp_path: Path
) -> None:
    with supervised(installed, build(tmp_path / "it", SERVICE)) as service:
        process = pid(service)
        assert installed.run("runsvchdir", "single").returncode == 0
        assert os.readlink(installed.runsvdir / "current") == "single"
        wait_for(lambda: not alive(process), "the service's end")
    (installed.runsvdir / "previous").unlink()


def test_nothing_is_written_at_run_time(installed: Installed, tmp_path: Path) -> None:
    parts = ("bin", "sbin", "lib", "share")
    before = [tree(installed.prefix / part) for part in parts]
    with supervised(installed, build(tmp_path / "it", SERVICE)):
        for name in ANSWERING:
            installed.run(name)
        assert installed.run("sv", "restart", "it").returncode == 0
    assert [tree(installed.prefix / part) for part in parts] == before


def test_a_plain_user_installs_and_runs_it(
    maker: Maker, wheels: Path, open_directory: Path, plain_user: PlainUser
) -> None:
    home = open_directory / "home of a user"
    home.mkdir()
    wheelhouse = open_directory / "wheels"
    build(wheelhouse, {wheel.name: wheel.read_bytes() for wheel in wheels.glob("*.whl")})
    if plain_user.options:
        os.chown(home, plain_user.options["user"], plain_user.options["group"])
    made = Maker(maker.checkout, plain_user.python).install(
        home / "x",
        wheels=wheelhouse,
        environment={"HOME": str(home)},
        **plain_user.options,
    )
    assert made.warned == ""
    service = build(open_directory / "it", SERVICE)
    with supervised(made, service, **plain_user.options):
        output = made.run("sv", "restart", "it", **plain_user.options)
        assert output.stdout.startswith(b"ok: run: it: (pid %d) " % pid(service))
    gone = Maker(maker.checkout, plain_user.python).run(
        "uninstall", f"PREFIX={home}/x", **plain_user.options
    )
    assert gone.returncode == 0, gone.stderr
    assert os.listdir(home) == []


def test_without_the_packages_it_supervises_and_logs(bare: Installed, tmp_path: Path) -> None:
    assert not (bare.package / "psutil").exists()
    with supervised(bare, build(tmp_path / "it", SERVICE)) as service:
        for command, answer in (
            ("restart", b"ok: run: it: "),
            ("stop", b"ok: down: it: "),
            ("start", b"ok: run: it: "),
        ):
            assert bare.run("sv", command, "it").stdout.startswith(answer)
        late = build(tmp_path / "late", {"run": "#!/bin/sh\nexec chpst -n 1 sleep 1000\n"})
        link = bare.runsvdir / "multi/late"
        link.symlink_to(late)
        wait_for(lambda: pid(late), "the service that was linked in")
        link.unlink()
        wait_for(lambda: not pid(late), "its end")
        assert (service / "log/main/current").exists()


def test_modules_of_others_do_not_steer_the_programs(installed: Installed, tmp_path: Path) -> None:
    modules = ("posix", "sys", "fcntl", "time", "encodings", "runit", "sitecustomize", "psutil")
    hostile = build(tmp_path, {f"{name}.py": "raise SystemExit('hostile')\n" for name in modules})
    build(tmp_path / "runit", {"__init__.py": "raise SystemExit('hostile')\n"})
    environment = {
        "PYTHONPATH": str(hostile),
        "PYTHONHOME": str(hostile),
        "PYTHONSTARTUP": str(hostile / "sys.py"),
        "PYTHONINSPECT": "1",
        "PYTHONVERBOSE": "1",
        "PYTHONPLATLIBDIR": "nowhere",
        "PYTHONWARNINGS": "error",
    }
    for name in ANSWERING:
        plain = installed.run(name)
        steered = installed.run(name, cwd=hostile, environment=environment)
        assert (steered.returncode, steered.stderr) == (plain.returncode, plain.stderr)


def test_programs_pass_python_variables_on_untouched(installed: Installed) -> None:
    ended = installed.run("chpst", "env", environment={"PYTHONPATH": "/x", "PYTHONHOME": "/y"})
    assert {b"PYTHONPATH=/x", b"PYTHONHOME=/y"} <= set(ended.stdout.splitlines())
