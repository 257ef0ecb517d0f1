"""The names of daemontools that chpst answers to, through links that a user makes."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from pathlib import Path

import pytest
from support import Suite, build, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")

USAGES = {
    "envdir": "dir child",
    "envuidgid": "account child",
    "pgrphack": "child",
    "setlock": "[ -nNxX ] file program [ arg ... ]",
    "setuidgid": "account child",
    "softlimit": "[-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] "
    "[-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] "
    "[-t cpusecs] child",
}


@pytest.fixture
def names(suite: Suite, tmp_path: Path) -> Suite:
    """The suite as the six names, plain and with a d in front."""
    directory = tmp_path / "names"
    directory.mkdir()
    for name in USAGES:
        (directory / name).symlink_to(suite.program("chpst"))
        (directory / f"d{name}").symlink_to(name)
    return Suite(directory, suite.name)


def usage(name: str) -> bytes:
    return f"usage: {name} {USAGES[name]}\n\n".encode()


def failure(names: Suite, *arguments: str | bytes | Path, **options: object) -> bytes:
    done = names.run(*arguments, **options)
    assert (done.returncode, done.stdout) == (111, b"")
    return done.stderr.removeprefix(b"chpst: fatal: ").removesuffix(b"\n")


@pytest.mark.parametrize("prefix", ["", "d"])
@pytest.mark.parametrize("name", USAGES)
def test_too_few_arguments_are_usage(names: Suite, name: str, prefix: str) -> None:
    done = names.run(prefix + name)
    assert (done.returncode, done.stdout, done.stderr) == (100, b"", usage(name))


@pytest.mark.parametrize("name", ["envdir", "envuidgid", "setlock", "setuidgid"])
def test_one_argument_is_too_few_for_some(names: Suite, name: str) -> None:
    assert names.run(name, "daemon").stderr == usage(name)


@pytest.mark.parametrize("prefix", ["", "d"])
@pytest.mark.parametrize("name", ["setlock", "softlimit"])
def test_an_unknown_option_is_named(names: Suite, name: str, prefix: str) -> None:
    done = names.run(prefix + name, "-q", "x", "true")
    assert done.returncode == 100
    assert done.stderr == f"{prefix}{name}: illegal option -- q\n".encode() + usage(name)


@pytest.mark.parametrize("name", ["envdir", "envuidgid", "setuidgid"])
def test_the_others_have_no_options(names: Suite, name: str) -> None:
    said = failure(names, name, "-v", "true")
    assert said in (
        b"unable to switch to directory: -v: file does not exist",
        b"unknown account: -v",
    )


@pytest.mark.parametrize(
    "arguments",
    [("envdir", "."), ("envuidgid", "daemon"), ("pgrphack",), ("setlock", "lock"), ("softlimit",)],
)
def test_a_program_that_is_not_there_is_told(
    names: Suite, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    build(tmp_path, {"cwd": None})
    path = {"PATH": "/usr/bin:/bin"}
    said = failure(names, *arguments, "no-such", cwd=tmp_path / "cwd", env=path)
    assert said == b"unable to run: no-such: file does not exist"


# envdir has its tests in test_envdir.py.


def test_envuidgid_tells_the_ids(names: Suite) -> None:
    done = names.run("envuidgid", "daemon", "sh", "-c", "echo $GID; id -u")
    assert done.stdout == b"1\n%d\n" % os.geteuid()


@needs_root
def test_setuidgid_takes_them_on(names: Suite) -> None:
    done = names.run("setuidgid", "bin", "cat", "/proc/self/status", extra_groups=[10])
    found = re.findall(rb"^(?:Uid|Gid|Groups):\t(.*?) *$", done.stdout, re.M)
    assert found == [b"2\t2\t2\t2", b"2\t2\t2\t2", b"2"]


@pytest.mark.parametrize("name", ["envuidgid", "setuidgid"])
@pytest.mark.parametrize("account", ["nobody-such", "", ":1:2", "daemon:adm", "1", b"\xff"])
def test_an_account_is_a_name_and_nothing_else(
    names: Suite, name: str, account: str | bytes
) -> None:
    spelled = account.encode() if isinstance(account, str) else account
    assert failure(names, name, account, "true") == b"unknown account: " + spelled


def test_pgrphack_leads_a_session(names: Suite) -> None:
    show = "set -- $(cat /proc/$$/stat); [ $$ = $5 ] && [ $$ = $6 ] && echo leader"
    assert names.run("pgrphack", "sh", "-c", show).stdout == b"leader\n"


# setlock: it does not wait unless told, other than daemontools'.


@pytest.mark.parametrize("options", [(), ("-N",), ("-nN",), ("-X",), ("-xX", "-N")])
def test_setlock_fails_at_once(names: Suite, tmp_path: Path, options: tuple[str, ...]) -> None:
    with (tmp_path / "lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        said = failure(names, "setlock", *options, "lock", "true", cwd=tmp_path)
    assert said == b"unable to lock: lock: temporary failure"


@pytest.mark.parametrize("options", ["-n", "-Nn", "-nx"])
def test_setlock_n_waits(names: Suite, tmp_path: Path, options: str) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = names.start("setlock", options, lock, "echo", "got it", stdout=subprocess.PIPE)
        waiting = re.compile(rf"-> FLOCK .* {process.pid} ")
        wait_for(lambda: waiting.search(Path("/proc/locks").read_text()), "setlock to wait")
    assert process.communicate(timeout=30)[0] == b"got it\n"


def test_setlock_x_says_nothing_and_exits_zero(names: Suite, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        for arguments in (
            ("-x", "lock", "echo", "no"),
            ("-Xx", "lock", "echo", "no"),
            ("-x", "no/such", "echo", "no"),
            ("-nx", "no/such", "echo", "no"),
            ("-x", "other", "/no/such"),
        ):
            done = names.run("setlock", *arguments, cwd=tmp_path)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), arguments


def test_setlock_tells_what_it_cannot_open(names: Suite, tmp_path: Path) -> None:
    said = failure(names, "setlock", "no/such", "true", cwd=tmp_path)
    assert said == b"unable to open lock: no/such: file does not exist"


def test_setlock_locks_for_the_program(names: Suite, tmp_path: Path) -> None:
    done = names.run("setlock", tmp_path / "lock", "readlink", "/proc/self/fd/3")
    assert done.stdout == bytes(tmp_path / "lock") + b"\n"


# softlimit

LIMITS = {
    "-a": ["address space"],
    "-c": ["core file size"],
    "-d": ["data size"],
    "-f": ["file size"],
    "-l": ["locked memory"],
    "-m": ["data size", "stack size", "locked memory", "address space"],
    "-o": ["open files"],
    "-p": ["processes"],
    "-r": ["resident set"],
    "-s": ["stack size"],
    "-t": ["cpu time"],
}


def limits(names: Suite, *options: str) -> dict[str, tuple[str, str]]:
    done = names.run("softlimit", *options, "cat", "/proc/self/limits")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = re.findall(r"^Max (.*?) {2,}(\S+) +(\S+)", done.stdout.decode(), re.M)
    return {name: (soft, hard) for name, soft, hard in rows}


@pytest.mark.parametrize("option", LIMITS)
def test_softlimit_sets_a_limit_and_no_other(names: Suite, option: str) -> None:
    before = limits(names)
    after = limits(names, option, "200000000")
    for name, (soft, hard) in before.items():
        if name in LIMITS[option]:
            soft = hard if hard != "unlimited" and int(hard) < 200000000 else "200000000"
        assert after[name] == (soft, hard), name


@pytest.mark.parametrize("option", LIMITS)
def test_softlimit_with_an_equals_sign_means_the_hard_limit(names: Suite, option: str) -> None:
    after = limits(names, option, "=")
    for name in LIMITS[option]:
        assert after[name][0] == after[name][1]


@pytest.mark.parametrize("number", ["abc", "-5", "5x", "=5"])
def test_a_limit_that_is_no_number_gets_chpst_s_usage(names: Suite, number: str) -> None:
    done = names.run("softlimit", "-o", number, "true")
    assert done.returncode == 100
    assert done.stderr.startswith(b"usage: softlimit [-vVP012] [-u user[:group]] ")
