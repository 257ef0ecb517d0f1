"""What a service sees is what runit would give it, and nothing of ours."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import Suite, build, needs, open_files, pid, wait_for

INTERNAL = 1 << 31 | 1 << 32
"""Signals 32 and 33, the C library's own: its posix_spawn leaves them ignored."""


@contextmanager
def tree(ours: Suite, how: str, tmp_path: Path, **options: object) -> Iterator[Path]:
    """A service with a log, under a runsv that was exec'd or forked."""
    service = build(
        tmp_path / "d/s",
        {"run": "#!/bin/sh\nexec /bin/sleep 1000\n", "log/run": "#!/bin/sh\nexec /bin/cat\n"},
    )
    if how == "exec'd":
        with ours.runsv(service, **options):
            yield service
        return
    with ours.runsvdir(tmp_path / "d", **options):
        wait_for(lambda: pid(service))
        yield service


HOW = pytest.mark.parametrize("how", ["exec'd", "forked"])


@HOW
@pytest.mark.parametrize("variables", [[], ["LANG=C", "X=1"], ["LC_CTYPE=C"], ["LC_ALL=C"]])
def test_the_environment_is_what_it_was(
    ours: Suite, tmp_path: Path, how: str, variables: list[str]
) -> None:
    environment = dict(one.split("=", 1) for one in ["PATH=/usr/bin:/bin", *variables])
    with tree(ours, how, tmp_path, env=environment) as service:
        process = wait_for(lambda: pid(service))
        wait_for(lambda: b"sleep" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0])
        entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")[:-1]
        # The shell of the script adds the directory that it is in.
        seen = sorted(
            one.decode() for one in entries if not one.startswith((b"PWD=", b"_=", b"OLDPWD="))
        )
        assert seen == sorted(["PATH=/usr/bin:/bin", *variables])


@HOW
def test_descriptors_are_0_to_2(ours: Suite, tmp_path: Path, how: str) -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    with tree(ours, how, tmp_path, pass_fds=[leak]) as service:
        for where in (service, service / "log"):
            process = wait_for(lambda where=where: pid(where))
            names = Path(f"/proc/{process}/comm")
            wait_for(lambda names=names: names.read_text() in ("sleep\n", "cat\n"))
            # The program loader may still have a library open.
            found = Path(f"/proc/{process}/fd")
            wait_for(lambda found=found: sorted(os.listdir(found)) == ["0", "1", "2"])
    os.close(leak)


@HOW
def test_no_signal_is_ignored_or_blocked(ours: Suite, tmp_path: Path, how: str) -> None:
    def spoil() -> None:
        for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD])

    with tree(ours, how, tmp_path, preexec_fn=spoil) as service:
        for where in (service, service / "log"):
            process = wait_for(lambda where=where: pid(where))
            names = Path(f"/proc/{process}/comm")
            wait_for(lambda names=names: names.read_text() in ("sleep\n", "cat\n"))
            fields = dict(
                line.split(":\t")
                for line in Path(f"/proc/{process}/status").read_text().splitlines()
            )
            assert int(fields["SigBlk"], 16) == 0
            assert int(fields["SigIgn"], 16) & ~INTERNAL == 0


@needs("pgrep")
def test_a_forked_runsv_lets_go_of_what_is_not_its_own(ours: Suite, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        build(tmp_path / "d" / name, {"run": "#!/bin/sh\nexec sleep 1000\n"})
    with ours.runsvdir(tmp_path / "d", "log: " + "." * 100) as runsvdir:
        wait_for(lambda: all(pid(tmp_path / "d" / name) for name in "abc"))
        for child in subprocess.check_output(["pgrep", "-P", str(runsvdir.pid)], text=True).split():
            here = Path(f"/proc/{child}/cwd").resolve()
            for number, target in open_files(int(child)).items():
                assert "inotify" not in target
                assert "mountinfo" not in target
                if target.startswith("/") and number > 2:
                    assert target.startswith(str(here))


@needs("ps")
@HOW
def test_ps_shows_runsv_and_the_name(ours: Suite, tmp_path: Path, how: str) -> None:
    with tree(ours, how, tmp_path) as service:
        parent = subprocess.check_output(
            ["ps", "-o", "ppid=", "-p", str(wait_for(lambda: pid(service)))], text=True
        ).strip()
        name = str(service) if how == "exec'd" else "s"
        command = Path(f"/proc/{parent}/cmdline").read_bytes().rstrip(b"\0")
        assert command.decode() == f"runsv {name}"
        assert Path(f"/proc/{parent}/comm").read_text() == "runsv\n"
        shown = subprocess.check_output(["ps", "-ww", "-o", "args=", "-p", parent], text=True)
        assert shown == f"runsv {name}\n"
        found = subprocess.check_output(["pgrep", "-x", "runsv"], text=True)
        assert parent in found.split()
