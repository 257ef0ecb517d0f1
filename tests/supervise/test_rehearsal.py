"""The rehearsal of runsvdir: it plays to the end, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from support import Suite, build, pid, wait_for

from runit.supervise import heap, rehearsal

RUN = {"run": "#!/bin/sh\nexec sleep 1000\n"}

PLAY = """
import os, sys
from runit.process import signals
from runit.supervise import rehearsal, spawn

spawn.environment()
signals.cleanse()
rehearsal.PLENTY = 1000.0
lives = 0
life = rehearsal.Stage.life
def counted(stage, **how):
    global lives
    life(stage, **how)
    lives += 1
rehearsal.Stage.life = counted
before = sorted(os.listdir("/proc/self/fd"))
stage = rehearsal.Stage(b"a play", None, ())
stage.play()
stage.clear()
os.close(stage.descriptor)
assert sorted(os.listdir("/proc/self/fd")) == before
assert not os.path.exists(stage.path)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print(lives)
"""


def status(process: int, field: str) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0], 16)


def test_all_lives_are_played_and_nothing_is_left() -> None:
    played = subprocess.run([sys.executable, "-c", PLAY], stdout=subprocess.PIPE, check=True)
    assert int(played.stdout) == 1 + rehearsal.LIVES  # one to see what is used


def test_runsvdir_is_afterwards_as_if_there_had_been_none(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/s", RUN)
    with (
        (tmp_path / "errors").open("wb") as errors,
        ours.runsvdir(tmp_path / "d", stderr=errors) as new,
    ):
        wait_for(lambda: pid(one))
        for place in rehearsal.PLACES:
            assert not os.path.exists(os.path.join(place, b"runsvdir.%d" % new.pid))
        assert os.readlink(f"/proc/{new.pid}/cwd") == str(tmp_path / "d")
        assert os.readlink(f"/proc/{new.pid}/fd/2") == str(tmp_path / "errors")
        wait_for(lambda: status(new.pid, "SigBlk") == 0)
        children = Path(f"/proc/{new.pid}/task/{new.pid}/children").read_text().split()
        assert len(children) == 1
    assert (tmp_path / "errors").read_bytes() == b""


def test_a_signal_during_it_is_heard_after_it(ours: Suite, tmp_path: Path) -> None:
    """However early it comes, as long as runsvdir can hear at all."""
    build(tmp_path / "d/s", RUN)
    new = ours.start("runsvdir", tmp_path / "d")
    held = 1 << signal.SIGHUP - 1
    wait_for(lambda: status(new.pid, "SigBlk") & held or status(new.pid, "SigCgt") & held)
    new.send_signal(signal.SIGHUP)
    assert new.wait(30) == 111


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_it_is_left_out_where_there_is_no_place(ours: Suite, tmp_path: Path) -> None:
    one = build(tmp_path / "d/s", RUN)
    places = " ".join(os.fsdecode(place) for place in rehearsal.PLACES)
    script = (
        f"for place in {places}; do\n"
        "    mount --bind $place $place && mount -o remount,ro,bind $place || exit\n"
        'done\nmount --bind "$PWD" "$PWD" && mount -o remount,rw,bind "$PWD" && cd "$PWD" || exit\n'
        'exec "$@" .'
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh", ours.program("runsvdir")]
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        new = subprocess.Popen(command, cwd=tmp_path / "d", env=ours.environment(), stderr=stderr)
    try:
        wait_for(lambda: pid(one))
    finally:
        new.send_signal(signal.SIGHUP)
        assert new.wait(30) == 111
    assert errors.read_bytes() == b""


def test_an_exec_anew_takes_no_child_for_its_own(ours: Suite, tmp_path: Path) -> None:
    """Those that end meanwhile are not reaped by a play, but started again."""
    one = build(tmp_path / "d/s", RUN)
    with ours.runsvdir(tmp_path / "d") as new:
        wait_for(lambda: pid(one))
        for _ in range(5):
            before = pid(one)
            children = Path(f"/proc/{new.pid}/task/{new.pid}/children").read_text().split()
            new.send_signal(signal.SIGUSR1)
            os.kill(int(children[0]), signal.SIGTERM)
            wait_for(lambda before=before: pid(one) not in (0, before))


def test_what_is_gathered_does_the_same_as_before() -> None:
    module = types.ModuleType("gathered")
    source = (
        "NUMBER = 123456\nTEXT = b'some text'\n"
        "def outer(x):\n    def inner(y=2):\n        return x + y + 70000, b'bytes', (1, 'a')\n"
        "    return inner()\n"
        "class Thing:\n    def method(self):\n        return super().__repr__()[:9], NUMBER, TEXT\n"
        "def steps():\n    got = yield 1\n    yield got\n"
    )
    exec(source, vars(module))
    vars(module).update({"__name__": "gathered"})
    for thing in (module.outer, module.Thing, module.steps):
        thing.__module__ = "gathered"
    before = module.outer(1), module.Thing().method(), list(module.steps())
    codes = [module.outer.__code__, module.Thing.method.__code__]
    used = heap.used_by(lambda: (module.outer(1), module.Thing().method(), list(module.steps())))
    heap.gather([module], used)
    assert (module.outer(1), module.Thing().method(), list(module.steps())) == before
    assert module.outer.__code__ is not codes[0]
    assert module.Thing.method.__code__ is not codes[1]
