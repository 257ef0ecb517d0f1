"""svlogd where the kernel says no to one call, or has it wait."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from log.logs import current, everything, logging, old_logs
from oldworld import Terminal
from support import Suite, build, needs, wait_for

pytestmark = needs("strace")

ROTATE = b"s2000\n"


def failing(inject: str, path: Path | str = "") -> list[str]:
    """What svlogd is started by, to have calls fail; those about PATH only."""
    calls = inject.partition(":")[0]
    filters = [f"-P{path}"] if path else []
    return ["strace", "-qqo/dev/null", *filters, f"-etrace={calls}", f"-einject={inject}"]


def lines(count: int) -> bytes:
    return b"".join(b"%099d\n" % number for number in range(count))


def test_current_is_clean_whatever_close_says(ours: Suite, tmp_path: Path) -> None:
    command = failing("close:error=EIO", tmp_path / "log/current")
    with logging(ours, tmp_path / "log", command=command) as work:
        work.log(b"abc\n")
        assert work.end() == 0
        assert (tmp_path / "log/current").stat().st_mode & 0o777 == 0o744
        assert work.stderr == b""


def test_without_a_pipe_for_signals_it_does_not_start(ours: Suite, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    done = subprocess.run(
        [*failing("pipe,pipe2:error=EMFILE"), ours.program("svlogd"), tmp_path / "log"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = b"svlogd: fatal: unable to create pipe: process cannot open more files\n"
    assert (done.returncode, done.stderr) == (111, said)


def test_input_that_others_took_meanwhile_is_waited_for(ours: Suite, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "log").mkdir()
    descriptor = os.open(fifo, os.O_RDWR)
    os.write(descriptor, b"abc\n")
    command = failing("read:error=EAGAIN:when=1", fifo)
    process = subprocess.Popen(
        [*command, ours.program("svlogd"), tmp_path / "log"], stdin=os.open(fifo, os.O_RDONLY)
    )
    wait_for(lambda: current(tmp_path / "log") == b"abc\n")
    os.close(descriptor)
    process.terminate()
    process.wait(30)


def test_a_directory_that_cannot_be_read_is_told(ours: Suite, tmp_path: Path) -> None:
    command = failing("getdents64:error=EIO", tmp_path / "log")
    with logging(ours, tmp_path / "log", config=ROTATE + b"n2\n", command=command) as work:
        for _ in range(3):
            work.write(lines(20))
        work.said(b"svlogd: warning: unable to read directory: log: input/output error\n", 3)
        wait_for(lambda: everything(tmp_path / "log") == lines(20) * 3)


def test_an_old_log_that_cannot_be_removed_is_told(ours: Suite, tmp_path: Path) -> None:
    command = failing("unlink,unlinkat:error=EPERM")
    with logging(ours, tmp_path / "log", config=ROTATE + b"n2\n", command=command) as work:
        for _ in range(3):
            work.write(lines(20))
        work.said(b"svlogd: warning: unable to unlink oldest logfile: log: permission denied\n")
        wait_for(lambda: everything(tmp_path / "log") == lines(20) * 3)


def test_more_copies_than_a_pipe_takes_at_once_reach_a_terminal(
    ours: Suite, tmp_path: Path
) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / "config").write_bytes(b"e*\n")
    terminal = Terminal()
    process = ours.start("svlogd", directory, stdin=subprocess.PIPE, stderr=terminal.slave)
    assert process.stdin is not None
    process.stdin.write(b"\x1b[1m\n" + lines(100))
    process.stdin.close()
    assert terminal.read(lines(100)[-50:]) == b"?[1m\n" + lines(100)
    assert process.wait(30) == 0
    terminal.close()


def test_a_processor_of_which_nobody_knows_how_it_ended_runs_again(
    ours: Suite, tmp_path: Path
) -> None:
    command = failing("wait4,waitid:error=ECHILD:when=1")
    with logging(ours, tmp_path / "log", config=ROTATE + b"!cat\n", command=command) as work:
        work.write(lines(21))
        work.said(b"svlogd: warning: processor failed, restart: log\n")
        wait_for(lambda: old_logs(tmp_path / "log", ".s"), "what is processed")
        wait_for(lambda: everything(tmp_path / "log") == lines(21))


def test_a_log_that_cannot_be_removed_is_processed_again(ours: Suite, tmp_path: Path) -> None:
    command = failing("unlink,unlinkat:error=EPERM:when=1")
    with logging(ours, tmp_path / "log", config=ROTATE + b"!cat\n", command=command) as work:
        work.write(lines(21))
        work.said(b": permission denied\n")
        assert (
            b"svlogd: warning: unable to unlink: log/<label>.u: permission denied\n" in work.stderr
        )
        wait_for(lambda: everything(tmp_path / "log") == lines(21))


def test_a_processor_that_cannot_be_run_is_told_and_tried_again(
    ours: Suite, tmp_path: Path
) -> None:
    command = failing("clone,clone3,vfork:error=EPERM:when=1")
    with logging(ours, tmp_path / "log", config=ROTATE + b"!cat\n", command=command) as work:
        work.write(lines(21))
        work.said(b"svlogd: fatal: unable to run processor: log: permission denied\n")
        wait_for(lambda: old_logs(tmp_path / "log", ".s"), "what is processed")


def test_a_processor_may_remove_what_it_made(ours: Suite, tmp_path: Path) -> None:
    config = ROTATE + b"![ -e failed ] || { : >failed; rm @*.t; exit 1; }; cat\n"
    with logging(ours, tmp_path / "log", config=config) as work:
        work.write(lines(21))
        work.said(b"svlogd: warning: processor failed, restart: log\n")
        wait_for(lambda: old_logs(tmp_path / "log", ".s"), "what is processed")
        assert work.stderr.count(b"\n") == 1


def test_a_line_that_alone_is_too_large_begins_with_its_log(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", config=ROTATE) as work:
        work.write(b"x" * 1500)
        wait_for(lambda: current(tmp_path / "log") == b"x" * 1500)
        work.write(b"y" * 5000 + b"\n")
        wait_for(lambda: everything(tmp_path / "log") == b"x" * 1500 + b"y" * 5000 + b"\n")
        assert [path.stat().st_size for path in old_logs(tmp_path / "log")] == [2000, 2000, 2000]


def test_an_empty_log_comes_of_age_unseen(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", config=b"t1\n") as work:
        time.sleep(1.1)  # nothing is to happen meanwhile
        assert old_logs(tmp_path / "log") == []
        work.write(b"abc\n")
        wait_for(lambda: [path.read_bytes() for path in old_logs(tmp_path / "log")] == [b"abc\n"])


def test_a_closed_input_is_none_even_without_dev_null(ours: Suite, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", ours.program("svlogd"), "log"]
    process = subprocess.Popen(
        [*failing("openat:error=ENOENT", "/dev/null"), *closed],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for((tmp_path / "log/current").exists)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)
    assert (tmp_path / "log/current").read_bytes() == b""


def test_the_end_of_a_line_in_pieces_may_fill_a_log(ours: Suite, tmp_path: Path) -> None:
    with logging(ours, tmp_path / "log", config=ROTATE) as work:
        work.write(b"x" * 1500)
        wait_for(lambda: current(tmp_path / "log") == b"x" * 1500)
        work.write(b"\n")
        wait_for(lambda: [path.stat().st_size for path in old_logs(tmp_path / "log")] == [1501])


def test_a_processor_outlives_its_directory(ours: Suite, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo")
    config = ROTATE + b"!echo $$ >pid; read x <../fifo; cat\n"
    (tmp_path / "one/config").write_bytes(config)
    with (tmp_path / "errors").open("wb") as errors:
        process = ours.start(
            "svlogd", "one", "two", cwd=tmp_path, stdin=subprocess.PIPE, stderr=errors
        )
    assert process.stdin is not None
    process.stdin.write(lines(21))
    process.stdin.flush()
    pid = int(wait_for((tmp_path / "one/pid").read_text))
    (tmp_path / "one").rename(tmp_path / "gone")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: b"one" in (tmp_path / "errors").read_bytes())
    (tmp_path / "fifo").write_bytes(b"\n")
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    process.stdin.close()
    assert process.wait(30) == 0
    assert everything(tmp_path / "two") == lines(21)


SHORT = """
import posix
from runit.log import logger
really_read, really_split, read = logger._read, logger._split, posix.read
def short(*words):
    posix.read = read
    raise MemoryError
def once(size):
    logger._read = really_read
    posix.read = short
    return really_read(size)
def split(*words):
    if logger._split is split:
        logger._split = really_split
        raise MemoryError
    return really_split(*words)
logger._read, logger._split = once, split
"""


def test_a_lack_of_memory_is_told_and_waited_for(ours: Suite, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    end = "posix._exit(main())"
    program = Path(ours.program("svlogd")).read_text().replace(end, SHORT + end)
    spy = build(tmp_path / "spy", {"svlogd": program}) / "svlogd"
    done = subprocess.run(
        [spy, "log"], cwd=tmp_path, input=b"abc\n", capture_output=True, timeout=30
    )
    said = (
        "svlogd: pausing: unable to read: standard input: out of memory\n"
        "svlogd: pausing: unable to work on: standard input: out of memory\n"
    )
    assert (done.returncode, done.stderr.decode()) == (0, said)
    assert current(tmp_path / "log") == b"abc\n"
