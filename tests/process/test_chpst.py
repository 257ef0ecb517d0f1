"""chpst: what a program finds that was started through it.

Everything is seen from inside that program, mostly in /proc/self.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import masks
import pytest
from support import Suite, build, needs, root_with_a_shell, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
FATAL = b"chpst: fatal: "


def output(suite: Suite, *arguments: str | bytes | Path, **options: object) -> bytes:
    """What the program printed, which must have succeeded without a word of chpst."""
    done = suite.run("chpst", *arguments, **options)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def failure(suite: Suite, *arguments: str | bytes | Path, **options: object) -> bytes:
    """What chpst said when it failed, with 111 and nothing on standard output."""
    done = suite.run("chpst", *arguments, **options)
    assert (done.returncode, done.stdout) == (111, b"")
    assert done.stderr.startswith(FATAL)
    return done.stderr.removeprefix(FATAL).removesuffix(b"\n")


def ids(suite: Suite, *arguments: str, **options: object) -> dict[str, list[int]]:
    """All user, group and supplementary group ids, and the capabilities."""
    status = output(suite, *arguments, "cat", "/proc/self/status", **options).decode()
    found = {}
    for name, values in re.findall(r"^(Uid|Gid|Groups|CapEff|CapPrm):(.*)$", status, re.M):
        found[name] = [int(value, 16 if name[0] == "C" else 10) for value in values.split()]
    return found


def variables(suite: Suite, *arguments: str, **environment: str) -> dict[bytes, bytes]:
    """The environment that /proc/self/environ shows."""
    block = output(suite, *arguments, "/bin/cat", "/proc/self/environ", env=environment)
    return dict(entry.split(b"=", 1) for entry in block.split(b"\0") if entry)


# The program and its name.


def test_the_exit_code_is_the_program_s(suite: Suite) -> None:
    assert suite.run("chpst", "sh", "-c", "exit 7").returncode == 7


def test_arguments_are_handed_on_byte_for_byte(suite: Suite) -> None:
    assert output(suite, "printf", "%s|", b"\xff\xfe", "", "a\nb") == b"\xff\xfe||a\nb|"


def test_b_gives_the_program_another_name(suite: Suite) -> None:
    assert output(suite, "-b", "other name", "sh", "-c", "echo $0") == b"other name\n"


@pytest.mark.parametrize("name", [b"", b"-sh", b"\xff"])
def test_the_other_name_may_be_anything(suite: Suite, name: bytes) -> None:
    line = output(suite, "-b", name, "cat", "/proc/self/cmdline")
    assert line == name + b"\0/proc/self/cmdline\0"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"no-such-program", b"file does not exist"),
        (b"/no/such", b"file does not exist"),
        (b"/etc/passwd", b"access denied"),
        (b"/etc/passwd/x", b"not a directory"),
        (b"/", b"access denied"),
        (b"", b"access denied"),
        (b"x\xff\n", b"file does not exist"),
        (b"-", b"file does not exist"),
    ],
)
def test_what_cannot_be_run_is_told_with_its_reason(
    suite: Suite, program: bytes, reason: bytes
) -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    said = failure(suite, "--", program, env=environment)
    assert said == b"unable to run: " + program + b": " + reason


def test_a_denied_program_is_passed_over_for_the_next_in_path(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"a/prog": "", "b/prog": "#!/bin/sh\necho b\n"})
    environment = {"PATH": f"{tmp_path}/a:{tmp_path}/b:/usr/bin"}
    assert output(suite, "prog", env=environment) == b"b\n"


# Accounts.


@needs_root
@pytest.mark.parametrize(
    ("account", "uid", "gid", "groups"),
    [
        ("daemon", 1, 1, [1]),
        ("daemon:adm", 1, 4, [4]),
        ("daemon:adm:bin", 1, 4, [2, 4]),
        (":1:2", 1, 2, [2]),
        (":1:2:30:40", 1, 2, [2, 30, 40]),
        (":65536:70000", 65536, 70000, [70000]),
        (":1:", 1, 0, [0]),
        ("::3", 0, 3, [3]),
    ],
)
def test_u_takes_on_exactly_these_ids(
    suite: Suite, account: str, uid: int, gid: int, groups: list[int]
) -> None:
    found = ids(suite, "-u", account, extra_groups=[10, 20])
    assert found["Uid"] == [uid] * 4
    assert found["Gid"] == [gid] * 4
    assert sorted(found["Groups"]) == groups


@needs_root
def test_there_is_no_way_back_from_u(suite: Suite) -> None:
    found = ids(suite, "-u", "daemon")
    assert found["CapEff"] == found["CapPrm"] == [0]


@needs_root
def test_u_also_in_the_c_locale(suite: Suite) -> None:
    assert ids(suite, "-u", "daemon", env={"LC_ALL": "C"})["Uid"] == [1] * 4


@pytest.mark.parametrize("option", ["-u", "-U"])
@pytest.mark.parametrize(
    "account",
    ["nobody-such", "", "1", "daemon:", "daemon::adm", "daemon:no-group", "daemon:4", b"\xff\xfe"],
)
def test_an_unknown_name_is_told(suite: Suite, option: str, account: str | bytes) -> None:
    name = account.encode() if isinstance(account, str) else account
    assert failure(suite, option, name, "true") == b"unknown user/group: " + name


@pytest.mark.parametrize("option", ["-u", "-U"])
@pytest.mark.parametrize("numbers", ["", "1", "-1", "1x:2", "1:2x", "1:daemon", "0x1:2", "1:-2"])
def test_numbers_that_are_none_are_told(suite: Suite, option: str, numbers: str) -> None:
    assert failure(suite, option, f":{numbers}", "true") == f"invalid uid/gids: {numbers}".encode()


@pytest.mark.parametrize("numbers", ["4294967296:1", "1:4294967297", "1:" + "9" * 5000])
def test_an_id_beyond_32_bits_is_not_cut_to_another_one(ours: Suite, numbers: str) -> None:
    assert failure(ours, "-u", f":{numbers}", "true") == f"invalid uid/gids: {numbers}".encode()


@needs_root
def test_any_number_of_groups_is_taken(ours: Suite) -> None:
    groups = list(range(100, 200))
    account = ":1:" + ":".join(str(group) for group in groups)
    assert sorted(ids(ours, "-u", account)["Groups"]) == groups


@needs_root
def test_more_groups_than_the_kernel_takes_are_refused(ours: Suite) -> None:
    said = failure(ours, "-u", ":1" + ":" * 65537, "true")
    assert said == b"unable to setgroups: invalid argument"


@needs_root
@pytest.mark.parametrize(
    ("capability", "options", "said"),
    [
        (6, ("-u", "daemon"), b"unable to setgroups: permission denied"),
        (7, ("-u", "daemon"), b"unable to setuid: permission denied"),
        (18, ("-/", "/"), b"unable to change root directory: permission denied"),
        (23, ("-n", "-1"), b"unable to set nice level: permission denied"),
    ],
)
def test_what_is_not_permitted_is_told(
    suite: Suite, capability: int, options: tuple[str, ...], said: bytes
) -> None:
    bounding_set_drop = 24  # prctl(2)

    def without() -> None:
        ctypes.CDLL(None).prctl(bounding_set_drop, capability, 0, 0, 0)

    assert failure(suite, *options, "true", preexec_fn=without) == said


@pytest.mark.parametrize(
    ("account", "uid", "gid"),
    [("daemon", 1, 1), ("daemon:adm", 1, 4), ("daemon:adm:bin", 1, 4), (":7:8:9", 7, 8)],
)
def test_big_u_only_tells_the_ids(suite: Suite, account: str, uid: int, gid: int) -> None:
    found = variables(suite, "-U", account, UID="old", X="y")
    assert found == {b"UID": b"%d" % uid, b"GID": b"%d" % gid, b"X": b"y"}


@needs_root
def test_both_u_and_big_u(suite: Suite) -> None:
    shown = output(suite, "-u", ":5:6", "-U", "daemon", "sh", "-c", "id -u; id -g; echo $UID:$GID")
    assert shown in (b"5\n6\n1:1\n", b"5\n6\n5:1\n")  # some shells set UID themselves


# Environment.


def test_the_environment_is_what_was_given(suite: Suite) -> None:
    given = {b"B": b"1", b"A": b"\xff\n", b"LANG": b"C", b"EMPTY": b""}
    block = output(suite, "/bin/cat", "/proc/self/environ", env=given)
    assert block == b"B=1\0A=\xff\n\0LANG=C\0EMPTY=\0"


def test_the_path_of_the_old_environment_is_searched(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"env/PATH": "/nowhere"})
    assert b"PATH=/nowhere\n" in output(suite, "-e", tmp_path / "env", "env")


def test_the_last_of_two_directories_counts(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"one/A": "1", "two/B": "2"})
    found = variables(suite, "-e", str(tmp_path / "one"), "-e", str(tmp_path / "two"))
    assert found == {b"B": b"2"}


def test_big_u_comes_after_e(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"UID": "file", "A": "a"})
    found = variables(suite, "-U", ":1:2", "-e", str(tmp_path))
    assert found == {b"UID": b"1", b"GID": b"2", b"A": b"a"}


# Session, directory, root, nice value.


def test_big_p_leads_a_new_session(suite: Suite) -> None:
    show = "set -- $(cat /proc/$$/stat); [ $$ = $5 ] && [ $$ = $6 ] && echo leader"
    assert output(suite, "-P", "sh", "-c", show) == b"leader\n"
    assert suite.run("chpst", "sh", "-c", show).returncode != 0


def test_big_p_of_a_group_leader_is_no_failure(suite: Suite) -> None:
    assert output(suite, "-P", "echo", "ok", start_new_session=True) == b"ok\n"


def test_n_adds_to_the_nice_value(suite: Suite) -> None:
    before = int(output(suite, "nice"))
    assert int(output(suite, "-n", "3", "nice")) == min(19, before + 3)
    assert int(output(suite, "-n", "+2", "nice")) == min(19, before + 2)
    assert int(output(suite, "-n", "1000", "nice")) == 19
    assert int(output(suite, "-n", "0", "nice")) == before


@needs_root
def test_n_takes_from_the_nice_value(suite: Suite) -> None:
    before = int(output(suite, "nice"))
    assert int(output(suite, "-n", "-2", "nice")) == max(-20, before - 2)


@needs_root
def test_n_comes_before_u(suite: Suite) -> None:
    before = int(output(suite, "nice"))
    assert int(output(suite, "-u", "daemon", "-n", "-1", "nice")) == max(-20, before - 1)


def test_n_beyond_any_integer_is_as_nice_as_can_be(ours: Suite) -> None:
    assert int(output(ours, "-n", "4294967297", "nice")) == 19
    assert int(output(ours, "-n", "9" * 5000, "nice")) == 19


def has_big_c(suite: Suite) -> None:
    """Skips what older versions of the reference have not."""
    if suite.name == "reference" and not suite.is_reference(2, 2):
        pytest.skip("this version of the reference has no -C")


def test_big_c_changes_the_working_directory(suite: Suite, tmp_path: Path) -> None:
    has_big_c(suite)
    assert output(suite, "-C", tmp_path, "pwd", "-P") == bytes(tmp_path.resolve()) + b"\n"


def test_big_c_that_fails_is_told(suite: Suite, tmp_path: Path) -> None:
    has_big_c(suite)
    wrong = bytes(tmp_path / "missing")
    said = failure(suite, "-C", wrong, "true")
    assert said == b"unable to change directory: " + wrong + b": file does not exist"


def test_big_c_comes_after_e_and_before_the_lock(suite: Suite, tmp_path: Path) -> None:
    has_big_c(suite)
    build(tmp_path, {"env/A": "a", "there": None})
    shown = output(
        suite, "-C", "there", "-l", "lock", "-e", "env", "sh", "-c", "echo $A; ls", cwd=tmp_path
    )
    assert shown == b"a\nlock\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a shell, what the shell needs, and accounts of its own."""
    directory = root_with_a_shell(tmp_path / "root")
    return build(directory, {"etc/passwd": "inside:x:500:600::/:/bin/sh\n", "sub/here": ""})


@needs_root
def test_slash_changes_the_root(suite: Suite, root: Path) -> None:
    assert output(suite, "-/", root, "/bin/sh", "-c", "pwd; echo s*/*") == b"/\nsub/here\n"


@needs_root
def test_big_c_counts_inside_the_new_root(suite: Suite, root: Path) -> None:
    has_big_c(suite)
    options = ("-C", "/sub", "-/", root)
    assert output(suite, *options, "/bin/sh", "-c", "pwd; echo *") == b"/sub\nhere\n"


@needs_root
def test_e_is_read_outside_the_new_root(suite: Suite, root: Path, tmp_path: Path) -> None:
    build(tmp_path, {"env/A": "outside"})
    options = ("-/", "root", "-e", "env")
    assert output(suite, *options, "/bin/sh", "-c", "echo $A", cwd=tmp_path) == b"outside\n"


@needs_root
def test_accounts_and_lock_are_looked_for_inside_the_new_root(suite: Suite, root: Path) -> None:
    (root / "sub").chmod(0o777)
    options = ("-l", "/sub/lock", "-u", "inside", "-U", "inside", "-/", str(root))
    assert output(suite, *options, "/bin/sh", "-c", "echo $GID") == b"600\n"
    assert (root / "sub/lock").stat().st_uid == 500
    said = failure(suite, "-/", root, "-u", "daemon", "/bin/sh")
    assert said == b"unknown user/group: daemon"


@needs_root
@pytest.mark.parametrize("account", ["inside", "inside:adm"])
def test_a_missing_password_or_group_file_is_told(suite: Suite, root: Path, account: str) -> None:
    if account == "inside":
        (root / "etc/passwd").unlink()
    said = failure(suite, "-/", root, "-u", account, "/bin/sh")
    assert said == b"unable to get password/group file entry: file does not exist"


@needs_root
def test_what_was_imported_is_enough_in_an_empty_root(ours: Suite, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    options = ("-/", tmp_path, "-u", ":1:1", "-m", "900000000", "-o", "50", "-n", "1", "-b", "")
    assert failure(ours, *options, "/sh") == b"unable to run: : file does not exist"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "file does not exist"), ("file", "not a directory"), ("", "file does not exist")],
)
def test_a_wrong_root_is_told(suite: Suite, tmp_path: Path, name: str, reason: str) -> None:
    build(tmp_path, {"file": ""})
    said = failure(suite, "-/", name, "true", cwd=tmp_path)
    assert said == f"unable to change directory: {name}: {reason}".encode()


# Locks.


def locked(file: Path) -> bool:
    """Whether somebody holds the lock on FILE."""
    try:
        with file.open("r+b") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("option", ["-l", "-L"])
def test_the_lock_is_held_as_long_as_the_program_lives(
    suite: Suite, tmp_path: Path, option: str
) -> None:
    lock = tmp_path / "lock"
    process = suite.start("chpst", option, lock, "cat", stdin=subprocess.PIPE)
    try:
        wait_for(lambda: locked(lock), "the lock")
        assert lock.stat().st_mode & 0o777 == 0o600
    finally:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not locked(lock)


def test_the_lock_is_the_lowest_free_descriptor(suite: Suite, tmp_path: Path) -> None:
    shown = output(suite, "-l", tmp_path / "lock", "readlink", "/proc/self/fd/3")
    assert shown == bytes(tmp_path / "lock") + b"\n"


def test_a_lock_file_that_is_there_keeps_its_content(suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, {"lock": "content"})
    output(suite, "-L", tmp_path / "lock", "true")
    assert (tmp_path / "lock").read_text() == "content"


def test_big_l_fails_at_once_if_it_is_locked(suite: Suite, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        said = failure(suite, "-L", lock, "true")
    assert said == b"unable to lock: " + bytes(lock) + b": temporary failure"


def test_l_waits_for_the_lock(suite: Suite, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = suite.start("chpst", "-l", lock, "echo", "got it", stdout=subprocess.PIPE)
        waiting = re.compile(rf"-> FLOCK .* {process.pid} ")
        wait_for(lambda: waiting.search(Path("/proc/locks").read_text()), "chpst to wait")
    assert process.communicate(timeout=30)[0] == b"got it\n"


@pytest.mark.parametrize(
    ("file", "reason"),
    [("no/such", "file does not exist"), (".", "is a directory"), ("", "file does not exist")],
)
def test_a_lock_that_cannot_be_opened_is_told(
    suite: Suite, tmp_path: Path, file: str, reason: str
) -> None:
    said = failure(suite, "-l", file, "true", cwd=tmp_path)
    assert said == f"unable to open lock: {file}: {reason}".encode()


@needs_root
def test_the_lock_is_opened_as_the_new_user(suite: Suite, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    said = failure(suite, "-l", "lock", "-u", "daemon", "true", cwd=tmp_path)
    assert said == b"unable to open lock: lock: access denied"


# Descriptors.


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_a_standard_descriptor_is_closed(suite: Suite, descriptor: int) -> None:
    there = ("/usr/bin/test", "-e", f"/proc/self/fd/{descriptor}")
    assert suite.run("chpst", *there).returncode == 0
    assert suite.run("chpst", f"-{descriptor}", *there).returncode == 1


def test_closing_what_is_not_open_is_told(suite: Suite) -> None:
    shell = ("sh", "-c", '"$@" <&-', "sh", suite.program("chpst"), "-0", "true")
    done = subprocess.run(shell, capture_output=True)
    assert done.returncode == 111
    assert done.stderr == FATAL + b"unable to close stdin: file descriptor not open\n"


def test_without_standard_error_a_failure_is_silent(suite: Suite) -> None:
    done = suite.run("chpst", "-2", "/no/such")
    assert (done.returncode, done.stdout, done.stderr) == (111, b"", b"")


def test_the_program_gets_chpst_s_own_descriptors_and_no_other(
    suite: Suite, tmp_path: Path
) -> None:
    build(tmp_path, {"env/A": "a"})
    inherited = os.open("/dev/null", os.O_RDONLY)
    try:
        shown = output(
            suite,
            *("-e", tmp_path / "env", "-o", "100", "-U", "daemon"),
            *("sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"),
            pass_fds=[inherited],
        )
    finally:
        os.close(inherited)
    assert {int(number) for number in shown.split()} == {0, 1, 2, inherited} | open_to_shells()


def open_to_shells() -> set[int]:
    """Descriptors that a shell has for itself."""
    shell = subprocess.run(
        ["sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return {int(number) for number in shell.stdout.split()} - {0, 1, 2}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_stay_closed(suite: Suite, tmp_path: Path, closed: str) -> None:
    build(
        tmp_path,
        {
            "look": '#!/bin/sh\n"$@"\nfor fd in 0 1 2; do\n[ -e /proc/$$/fd/$fd ] && '
            'echo $fd >>"$SHOWN"\ndone\n'
        },
    )
    counted = {}
    for name, command in {"plain": "", "chpst": suite.program("chpst")}.items():
        shown = tmp_path / name
        shown.touch()
        line = f'{command} "$0" {closed}'
        subprocess.run(["sh", "-c", line, tmp_path / "look"], env={**os.environ, "SHOWN": shown})
        counted[name] = shown.read_text()
    assert counted["chpst"] == counted["plain"]


# Limits.

LIMITS = {
    "-d": ["data size"],
    "-o": ["open files"],
    "-p": ["processes"],
    "-f": ["file size"],
    "-c": ["core file size"],
    "-r": ["resident set"],
    "-t": ["cpu time"],
    "-m": ["data size", "stack size", "locked memory", "address space"],
}


def limits(suite: Suite, *arguments: str, **options: object) -> dict[str, tuple[str, str]]:
    """Soft and hard limits, by the kernel's names."""
    shown = output(suite, *arguments, "cat", "/proc/self/limits", **options).decode()
    rows = re.findall(r"^Max (.*?) {2,}(\S+) +(\S+)", shown, re.M)
    return {name: (soft, hard) for name, soft, hard in rows}


@pytest.mark.parametrize("option", LIMITS)
def test_a_limit_is_set_and_no_other(suite: Suite, option: str) -> None:
    before = limits(suite)
    after = limits(suite, option, "200000000")
    for name, (soft, hard) in before.items():
        if name in LIMITS[option]:
            soft = hard if hard != "unlimited" and int(hard) < 200000000 else "200000000"
        assert after[name] == (soft, hard), name


def test_a_limit_is_at_most_the_hard_one(suite: Suite) -> None:
    assert limits(suite, "-o", "100", preexec_fn=low_files)["open files"] == ("60", "60")


def low_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60))


@pytest.mark.parametrize("number", ["18446744073709551615", "99999999999999999999"])
def test_a_huge_limit_is_the_hard_one(suite: Suite, number: str) -> None:
    assert limits(suite, "-o", number, preexec_fn=low_files)["open files"] == ("60", "60")


@pytest.mark.parametrize("number", ["18446744073709551616", "9223372036854775808", "1" * 5000])
def test_a_limit_that_no_word_holds_is_the_hard_one_too(ours: Suite, number: str) -> None:
    assert limits(ours, "-o", number, preexec_fn=low_files)["open files"] == ("60", "60")


@pytest.mark.parametrize(("number", "set_to"), [("007", "7"), ("", "0"), ("0", "0")])
def test_limits_are_decimal_and_nothing_is_none(suite: Suite, number: str, set_to: str) -> None:
    assert limits(suite, "-c", number)["core file size"][0] == set_to


def test_a_later_limit_replaces_an_earlier_one(suite: Suite) -> None:
    after = limits(suite, "-m", "300000000", "-d", "200000000")
    assert (after["data size"][0], after["address space"][0]) == ("200000000", "300000000")
    after = limits(suite, "-d", "200000000", "-m", "300000000")
    assert after["data size"][0] == "300000000"


def test_several_limits_at_once(suite: Suite) -> None:
    after = limits(suite, "-o", "50", "-c", "0", "-f", "4000", "-t", "60")
    names = ("open files", "core file size", "file size", "cpu time")
    assert [after[name][0] for name in names] == ["50", "0", "4000", "60"]


def test_chpst_itself_gets_by_with_next_to_nothing(suite: Suite) -> None:
    for options in (("-o", "0"), ("-d", "0"), ("-m", "0", "-o", "0", "-f", "0")):
        said = failure(suite, *options, "/no/such")
        assert said == b"unable to run: /no/such: file does not exist"


# Signals.


def masks_of(suite: Suite, **options: object) -> dict[str, int]:
    return masks.masks(output(suite, "cat", "/proc/self/status", **options).decode())


def ignore_and_block() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1, 40])


def test_ignored_and_blocked_signals_are_handed_on(suite: Suite) -> None:
    found = masks_of(suite, preexec_fn=ignore_and_block)
    assert found == {"SigIgn": 1 << 0 | 1 << 1 | 1 << 14, "SigBlk": 1 << 9 | 1 << 39}


def test_no_signal_is_ignored_on_chpst_s_account(suite: Suite) -> None:
    assert masks_of(suite) == {"SigIgn": 0, "SigBlk": 0}


def test_an_inherited_ignored_pipe_signal_is_cleared(ours: Suite) -> None:
    assert masks_of(ours, restore_signals=False) == {"SigIgn": 0, "SigBlk": 0}


@needs("strace")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("EPERM", b"permission denied"),
        ("EINVAL", b"invalid argument"),
        ("EIO", b"input/output error"),
    ],
)
def test_a_limit_that_the_kernel_refuses(suite: Suite, error: str, words: bytes) -> None:
    said = []
    for when in range(1, 7):  # one of these calls is the one that sets it
        inject = f"inject=prlimit64:error={error}:when={when}"
        done = subprocess.run(
            ["strace", "-o/dev/null", "-etrace=prlimit64", "-e", inject]
            + [suite.program("chpst"), "-o", "100", "true"],
            capture_output=True,
            check=False,
        )
        said.append((done.returncode, done.stderr))
    assert (111, FATAL + b"unable to setrlimit(): " + words + b"\n") in said
    assert {code for code, _ in said} == {0, 111}
