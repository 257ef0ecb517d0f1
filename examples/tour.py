"""The tour: everything once, measured where time matters, believed only when seen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tree import Failure, Tree, command_line, wait

from runit.service import status, tai64n

MULTI = ("clock", "flaky", "spare", "web", "worker")


def give(installation: Path, services: Path) -> None:
    """Take every step; raises Failure at the first that did not happen."""
    start = time.monotonic()
    number = 0
    with Tree(installation, services) as tree:
        say(f"Services of {services}, run by {tree.bin}/runsvdir in\n{tree.root}")
        try:
            for number, step in enumerate(STEPS, 1):
                say(f"\n{number:2}. {step.__doc__}")
                step(tree)
        except Failure as failure:
            failure.seen += f"\n{tree.messages()}"
            raise
        say(f"\n{number + 1:2}. Everything is taken down: HUP for runsvdir.")
    seen(not tree.root.exists(), "no process and no file is left", str(tree.root))
    say(f"\nAll {number + 1} steps happened, in {time.monotonic() - start:.1f} seconds.")


def everything_is_up(tree: Tree) -> None:
    """Everything is up, but what is normally down."""
    for name in ("clock", "web", "worker"):
        wait(
            lambda name=name: tree.pid(name) and tree.pid(f"{name}/log"),
            f"{name} and its log service are up",
            lambda: command(tree, "sv", "status", *MULTI),
        )
    wait(lambda: tree.supervised("spare"), "spare is supervised")
    output = command(tree, "sv", "status", *MULTI)
    seen("\ndown: spare: " in output, "spare is down, as its file `down` says", output)
    wait(lambda: "supervised web server" in tree.page(), "the web server answers", pace=0.02)
    done(f"http://127.0.0.1:{tree.port}/ answers")


def a_killed_service_is_back(tree: Tree) -> None:
    """A service that is killed is back at once."""
    pid = old_enough(tree, "web")
    os.kill(pid, signal.SIGKILL)
    say(f"    $ kill -9 {pid}")
    back = wait(
        lambda: tree.pid("web") not in (0, pid),
        "web runs again",
        lambda: command(tree, "sv", "status", "web"),
    )
    answers = wait(tree.page, "the web server answers again", pace=0.005)
    done(f"web is back after {back:.1f} ms as {tree.pid('web')}")
    done(f"and its page after {back + answers:.0f} ms: that is how long it takes to start")


def stop_and_start(tree: Tree) -> None:
    """Stop it, start it; `start` waits until its check script agrees."""
    pid = tree.pid("web")
    output = command(tree, "sv", "stop", "web")
    seen(output.startswith("ok: down: web: "), "sv says that web is down", output)
    seen(not command_line(pid), "its process is gone", command_line(pid))
    seen(not tree.page(), "nobody answers", tree.page())
    output = command(tree, "sv", "start", "web")
    seen(output.startswith("ok: run: web: "), "sv says that web runs", output)
    seen("supervised" in tree.page(), "its page is there as soon as sv returns", "no answer")


def once(tree: Tree) -> None:
    """Run the job that is normally down a single time."""
    output = command(tree, "sv", "once", "spare")
    seen(not output, "sv once has nothing to say", output)
    wait(lambda: tree.pid("spare"), "spare runs")
    output = command(tree, "sv", "status", "spare")
    seen("run: spare: " in output and "want down" in output, "spare runs, once", output)
    wait(lambda: not tree.pid("spare"), "spare ends", pace=0.01)
    output = command(tree, "sv", "status", "spare")
    seen(output.startswith("down: spare: "), "it has ended and stays down", output)


def pause_and_go_on(tree: Tree) -> None:
    """Pause a service and let it go on."""
    pid = tree.pid("clock")
    command(tree, "sv", "pause", "clock")
    wait(lambda: process_state(pid) == "T", "the kernel has stopped it", pace=0.005)
    done(f"the kernel has stopped process {pid}")
    output = command(tree, "sv", "status", "clock")
    seen(f"(pid {pid})" in output and ", paused" in output, "sv says that it is paused", output)
    command(tree, "sv", "cont", "clock")
    wait(lambda: process_state(pid) in ("S", "R"), "it goes on", pace=0.005)
    done("it goes on")


def a_crash_is_no_trouble(tree: Tree) -> None:
    """A service that crashes every few seconds is started every few seconds."""
    first = wait_for_pid(tree, "flaky")
    took = wait(
        lambda: tree.pid("flaky") not in (0, first),
        "flaky crashes and is started again",
        lambda: command(tree, "sv", "status", "flaky"),
        pace=0.01,
    )
    log = tree.root / "sv/flaky/log/main/current"
    wait(lambda: "run has ended: exit code" in text(log), f"its last words in {log}")
    done(f"flaky was {first}, and after {took / 1000:.1f} s it is {tree.pid('flaky')}")
    for line in text(log).splitlines()[-2:]:
        say(f"    | {line}")


def limits_are_set(tree: Tree) -> None:
    """A service gets its environment, priority and limits from chpst."""
    pid = wait_for_pid(tree, "worker")
    wait(lambda: "work" in command_line(pid), "worker has become what it runs")
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    seen(b"GREETING=Hello" in environment, "env/GREETING is in its environment", "it is not")
    niceness, ours = (os.getpriority(os.PRIO_PROCESS, one) for one in (pid, 0))
    seen(niceness == min(ours + 5, 19), "-n 5: nicer by 5", f"niceness {niceness}")
    limits = Path(f"/proc/{pid}/limits").read_text()
    files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    seen(files.split()[3] == "64", "-o 64: no more than 64 open files", files)


def a_new_service_is_picked_up(tree: Tree) -> None:
    """A service that is linked in is started, one that is unlinked is ended."""
    link = tree.current / "guest"
    link.symlink_to("../../sv/guest")
    say(f"    $ ln -s ../../sv/guest {link.relative_to(tree.root)}")
    took = wait(lambda: tree.pid("guest"), "guest is started")
    done(f"guest runs as {tree.pid('guest')} after {took:.1f} ms")
    link.unlink()
    say(f"    $ rm {link.relative_to(tree.root)}")
    took = wait(lambda: not tree.supervised("guest"), "guest and its runsv have ended")
    seen(not tree.pid("guest"), f"guest and its supervisor are gone after {took:.1f} ms", "up")


def another_runlevel(tree: Tree) -> None:
    """Switch to the runlevel `single` and back: what is in both is not touched."""
    clock, logger = tree.pid("clock"), tree.pid("clock/log")
    command(tree, "runsvchdir", "single")
    for name in ("flaky", "spare", "web", "worker"):
        wait(lambda name=name: not tree.supervised(name), f"{name} has gone", pace=0.002)
    output = command(tree, "sv", "status", *sorted(os.listdir(tree.current)))
    seen(output.startswith(f"run: clock: (pid {clock})"), "only clock is left", output)
    command(tree, "runsvchdir", "multi")
    wait(lambda: all(map(tree.pid, ("web", "worker", "web/log"))), "all are back", pace=0.002)
    wait(lambda: "supervised" in tree.page(), "the web server answers", pace=0.02)
    seen(
        (clock, logger) == (tree.pid("clock"), tree.pid("clock/log")),
        f"all are back; clock is {clock} and its log {logger}, as before",
        f"clock {tree.pid('clock')}, log {tree.pid('clock/log')}",
    )


def logs_are_rotated(tree: Tree) -> None:
    """Logs are written and rotated: by svlogd, and by the built-in logger."""
    for name in ("web", "clock"):
        main = tree.root / "sv" / name / "log/main"
        wait(lambda main=main: text(main / "current"), f"lines in {main}", pace=0.02)
        before = set(main.glob("@*.s"))
        command(tree, "sv", "alarm", f"{name}/log")
        wait(
            lambda main=main, before=before: set(main.glob("@*.s")) - before,
            f"a rotated file in {main}",
            lambda main=main: str(sorted(os.listdir(main))),
            pace=0.005,
        )
        newest = max(main.glob("@*.s"))
        moment = time.strftime("%H:%M:%S", time.localtime(stamp(newest.name)))
        done(f"sv/{name}/log/main/{newest.name} was closed at {moment}; it ends with")
        say(f"    | {text(newest).splitlines()[-1]}")


def a_supervisor_comes_back(tree: Tree) -> None:
    """Kill runsvdir itself: a new one adopts what runs."""
    names = ("clock", "web", "worker", "web/log")
    before = [tree.pid(name) for name in names]
    tree.runsvdir.kill()
    tree.runsvdir.wait()
    say(f"    $ kill -9 {tree.runsvdir.pid}; runsvdir -P runsvdir/current &")
    tree.start()
    link = tree.current / "guest"
    link.symlink_to("../../sv/guest")
    took = wait(lambda: tree.pid("guest"), "the new runsvdir starts what is linked in")
    done(f"the new runsvdir has started guest after {took:.0f} ms")
    now = [tree.pid(name) for name in names]
    seen(now == before, "all other services run on, untouched", f"pids {before}, now {now}")


STEPS: tuple[Callable[[Tree], None], ...] = (
    everything_is_up,
    a_killed_service_is_back,
    stop_and_start,
    once,
    pause_and_go_on,
    a_crash_is_no_trouble,
    limits_are_set,
    a_new_service_is_picked_up,
    another_runlevel,
    logs_are_rotated,
    a_supervisor_comes_back,
)


def say(line: str) -> None:
    """Print a line now."""
    print(line, flush=True)


def done(what: str) -> None:
    """Tell what has been seen to be so."""
    say(f"    ok: {what}")


def seen(truth: object, expected: str, otherwise: str) -> None:
    """Tell that it is so, or raise Failure."""
    if not truth:
        raise Failure(expected, otherwise)
    done(expected)


def command(tree: Tree, program: str, *arguments: str) -> str:
    """Run and show a command that must succeed; returns its output."""
    say(f"    $ {' '.join((program, *arguments))}")
    ended = tree.run(program, *arguments)
    output = ended.stdout
    for line in (ended.stderr + output).splitlines():
        say(f"    | {line}")
    if ended.returncode:
        raise Failure(f"{program} exits 0", f"exit code {ended.returncode}")
    return output


def wait_for_pid(tree: Tree, name: str) -> int:
    """The pid of a service, once it runs."""
    wait(lambda: tree.pid(name), f"{name} runs", pace=0.005)
    return tree.pid(name)


def old_enough(tree: Tree, name: str) -> int:
    """The pid of a service that has run for more than a second.

    A younger one would be restarted no sooner than a second after its end.
    """

    def age() -> float:
        record = tree.status(name) or status.Status(0)
        return time.time() - record.changed / 1e9 if record.pid else 0

    wait(lambda: age() > 1.1, f"{name} has run for a second", pace=0.02)
    return tree.pid(name)


def process_state(pid: int) -> str:
    """The kernel's letter for what a process does: T is stopped."""
    return text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[0]


def text(path: Path) -> str:
    """A file's content, empty if there is no file."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def stamp(name: str) -> float:
    """The Unix time in the name of an old log."""
    return tai64n.unix(bytes.fromhex(name[1:25])) / 1e9
