"""A log/ directory with a config and no run: our svlogd, without a new interpreter."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import Suite, alive, build, command, open_files, pid, stat, wait_for

SAY = "#!/bin/sh\necho one\necho two\nexec sleep 1000\n"


def current(service: Path) -> str:
    path = service / "log/main/current"
    return path.read_text() if path.exists() else ""


def test_it_logs_with_the_configuration_of_the_log_directory(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s", {"run": SAY, "log/config": "ppre: \n-two\n", "log/main/config": "pno: \n"}
    )
    with ours.runsv(service) as runsv:
        wait_for(lambda: current(service) == "pre: one\n")
        logger = pid(service / "log")
        wait_for(lambda: stat(service / "log") == "run")
        assert Path(f"/proc/{logger}/comm").read_text() == "svlogd\n"
        assert Path(f"/proc/{logger}/cmdline").read_bytes().rstrip(b"\0") == b"svlogd main"
        assert not [one for one in open_files(logger).values() if "supervise" in one]
        command(service, "x")
        assert runsv.wait(30) == 0
        assert not alive(logger)


def test_it_reads_its_configuration_again_at_hup(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": "p1 \n", "log/main": None})
    with ours.runsv(service):
        wait_for(lambda: current(service) == "1 one\n1 two\n")
        (service / "log/config").write_text("p2 \n")
        command(service / "log", "h")
        # A rotation forced behind the HUP shows that it was dealt with.
        command(service / "log", "a")
        wait_for(lambda: [*service.glob("log/main/@*.s")])
        command(service, "t")
        wait_for(lambda: current(service) == "2 one\n2 two\n")


def test_it_takes_options_from_a_file(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {"run": SAY, "log/config": "", "log/options": "-ttt  -R e\n", "log/main": None},
    )
    with ours.runsv(service):
        wait_for(lambda: current(service).count("\n") == 2)
        stamp, words = current(service).splitlines()[0].split(" ", 1)
        assert words == "on_"
        assert stamp[10] == "T"


def test_main_may_be_a_symlink(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": ""})
    (tmp_path / "var").mkdir()
    (service / "log/main").symlink_to(tmp_path / "var")
    with ours.runsv(service):
        wait_for((tmp_path / "var/current").exists)
        wait_for(lambda: current(service) == "one\ntwo\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory away")
def test_it_runs_as_the_owner_of_main(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": "", "log/main": None})
    os.chown(service / "log/main", 65534, 1)
    with ours.runsv(service):
        wait_for(lambda: current(service) == "one\ntwo\n")
        status = Path(f"/proc/{pid(service / 'log')}/status").read_text().splitlines()
        fields = dict(line.split(":\t") for line in status)
        assert fields["Uid"].split() == ["65534"] * 4
        assert fields["Gid"].split() == ["1"] * 4
        assert fields["Groups"].split() == ["1"]
        assert int(fields["CapEff"], 16) == 0
        assert (service / "log/main/current").stat().st_uid == 65534


def test_log_run_comes_first(ours: Suite, tmp_path: Path) -> None:
    service = build(
        tmp_path / "s",
        {"run": SAY, "log/config": "", "log/main": None, "log/run": "#!/bin/sh\nexec cat >heard\n"},
    )
    with ours.runsv(service):
        heard = service / "log/heard"
        wait_for(lambda: heard.exists() and heard.read_text() == "one\ntwo\n")
        assert not current(service)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "unable to start logger for log/main: file does not exist"),
        ({"log/main": None, "log/options": "-x\n"}, "log/options: illegal option -- x"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    ours: Suite, tmp_path: Path, files: dict[str, str | None], words: str
) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": "", **files})
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr, ours.runsv(service, stderr=stderr):
        wait_for(lambda: stat(service) == "run")
        wait_for(errors.read_text)
        assert errors.read_text().splitlines()[0] == f"runsv {service}: fatal: {words}"


def test_what_is_in_the_pipe_outlives_it(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": "", "log/main": None})
    with ours.runsvdir(tmp_path):
        wait_for(lambda: current(service) == "one\ntwo\n")
        logger = pid(service / "log")
        os.kill(logger, signal.SIGSTOP)
        command(service, "t")
        wait_for(lambda: stat(service) == "run")
        os.kill(logger, signal.SIGKILL)
        wait_for(lambda: pid(service / "log") not in (0, logger))

        def logs():
            return "".join(
                path.read_text() for path in sorted(service.glob("log/main/@*")) if path.is_file()
            ) + current(service)

        wait_for(lambda: logs() == "one\ntwo\none\ntwo\n")


def test_sv_drives_it(ours: Suite, tmp_path: Path) -> None:
    service = build(tmp_path / "s", {"run": SAY, "log/config": "", "log/main": None})
    with ours.runsv(service):
        wait_for(lambda: current(service) == "one\ntwo\n")
        first = pid(service / "log")
        assert ours.run("sv", "restart", service / "log").returncode == 0
        assert wait_for(lambda: pid(service / "log")) != first
        assert ours.run("sv", "stop", service / "log").stdout.startswith(b"ok: down: ")
