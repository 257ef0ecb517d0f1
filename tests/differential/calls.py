"""Calls of chpst, and what the program sees that is started by one.

That program stops itself, and is looked at in /proc: so it needs nothing but a shell, in
whatever root, with whatever limits and descriptors.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from differential.scripts import heading, shell
from support import Suite, reference_version, wait_for

LOOKED_AT = "kill -STOP $$; exit 7"

PLACE: dict[str, str | None] = {
    "run": f"#!/bin/sh\n{LOOKED_AT}\n",
    "plain": "no program\n",
    "env/NEW": "new \t\nsecond",
    "env/KEPT": "changed",
    "env/CUT": "",
    "env/.hidden": "seen",
    "env/with=sign": "odd",
    "env/spaces": "x  ",
    "env/PATH": "/nowhere",
    "env/UID": "of env",
    "sub/env/sub/file": "",
    "sub/env/A": "in sub",
    "empty": None,
    "content": "kept",
}
"""Where chpst is called, and where it is after it has changed its root."""

CALLERS = {
    "umask": "umask 027",
    "extra": "exec 9<run",
    "no input": "exec <&-",
    "no output": "exec >&-",
    "no errors": "exec 2>&-",
    "few files": "ulimit -Sn 50",
    "few files at most": "ulimit -n 60",
    "no core": "ulimit -c 0",
}
PREFIXES = {
    "leader": "setsid",
    "ignoring": "env --ignore-signal=HUP --ignore-signal=USR1",
    "blocking": "env --block-signal=USR2 --block-signal=TERM",
    "nice": "nice -n 3",
    "weak": "setpriv --bounding-set=-setgid",
    "weaker": "setpriv --bounding-set=-setuid,-sys_chroot,-sys_nice,-sys_resource,-dac_override",
}
"""How chpst may be called: what a shell does before, or what it is started through."""


@dataclass
class Call:
    """A call of chpst, under whatever name: how, the words behind it, and files in `any`."""

    words: list[str]
    name: str = "chpst"
    caller: list[str] = field(default_factory=list)
    any: dict[str, bytes | None] = field(default_factory=dict)

    def shell(self) -> str:
        """The call as a line for sh(1); what it is started through is no part of the result."""
        before = [CALLERS[one] for one in self.caller if one in CALLERS]
        through = [PREFIXES[one] for one in self.caller if one in PREFIXES]
        return "; ".join([*before, " ".join(["exec", *through, self.name, shlex.join(self.words)])])


def play(suite: Suite, place: Path, root: Path, call: Call) -> list[str]:
    """What comes of CALL: exit code, messages, files that were made, the program."""
    clear(place, root)
    shutil.rmtree(place / "any", ignore_errors=True)
    (place / "any").mkdir()
    for name, content in call.any.items():
        path = os.path.join(os.fsencode(place), b"any", os.fsencode(name))
        if content is None:
            os.mkdir(path)
        else:
            Path(os.fsdecode(path)).write_bytes(content)
    program = place / "bin" / suite.name / call.name
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        program.symlink_to(suite.program("chpst"))
    # Not first on PATH: the program is looked for there, too.
    line = call.shell().replace(f" {call.name} ", f" {program} ", 1)
    with (place / "stdout").open("wb") as stdout, (place / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=place,
            env={"PATH": "/usr/bin:/bin", "KEPT": "1", "CUT": "2", "ODD": "\udcff"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    seen = []
    status = os.waitpid(process.pid, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        wait_for(lambda: b"\nState:\tT" in Path(f"/proc/{process.pid}/status").read_bytes())
        seen = look(process.pid)
        os.kill(process.pid, signal.SIGCONT)
        status = os.waitpid(process.pid, 0)[1]
    process.returncode = os.waitstatus_to_exitcode(status)
    messages = (place / "stderr").read_bytes().replace(bytes(place), b"PLACE")
    if reference_version() < (2, 2):
        messages = messages.replace(b" [-C pwd]", b"")
    messages = re.sub(rb"^(\$Id: \w+ \$|pyrunit [\d.]+)$", b"VERSION", messages, flags=re.M)
    lines = [
        f"exit code {process.returncode}",
        *messages.decode("latin1").splitlines(),
        *sorted((place / "stdout").read_text("latin1").splitlines()),  # of env, in any order
        *made(place, root),
        *seen,
    ]
    return [line.replace(f"/bin/{suite.name}/", "/bin/") for line in lines]


LOCK_FILES = ("lock", "made", "sub/lock")


def clear(*directories: Path) -> None:
    """Take away what an earlier call has made."""
    for directory, name in product(directories, LOCK_FILES):
        (directory / name).unlink(missing_ok=True)


def made(*directories: Path) -> list[str]:
    """The files that were made, whose they are, and what is in the one that was there."""
    found = []
    for directory, name in product(directories, LOCK_FILES):
        with suppress(FileNotFoundError):
            about = (directory / name).lstat()
            mode = stat.filemode(about.st_mode)
            found.append(f"{directory.name}/{name}: {mode} {about.st_uid} {about.st_gid}")
    return [*found, *((directory / "content").read_text() for directory in directories)]


STATUS = ("Uid", "Gid", "Groups", "SigIgn", "SigBlk", "Umask", "CapInh", "CapPrm", "CapEff")


def look(process: int) -> list[str]:
    """What PROCESS is, as /proc has it."""
    proc = Path(f"/proc/{process}")
    lines = [
        f"arguments {(proc / 'cmdline').read_bytes()!r}",
        *(repr(entry) for entry in sorted((proc / "environ").read_bytes().split(b"\0"))),
        *(one for one in (proc / "status").read_text().splitlines() if one.startswith(STATUS)),
        *re.sub(" +", " ", (proc / "limits").read_text()).splitlines(),
        *(f"{name} {os.readlink(proc / name)}" for name in ("cwd", "root", "exe")),
    ]
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    lines.append(f"group {fields[2] == str(process)}, session {fields[3] == str(process)}")
    lines.append(f"nice {fields[16]}")
    for link in sorted((proc / "fd").iterdir(), key=lambda one: int(one.name)):
        info = (proc / "fdinfo" / link.name).read_text()
        flags = [one for one in info.splitlines() if one.startswith(("flags", "lock"))]
        line = f"{link.name}: {os.readlink(link)} {' '.join(flags)}"
        lines.append(re.sub(rf"\b{process} [0-9a-f:]+\b", "ITS FILE", line))
    return lines


def script(place: Path, root: Path, call: Call) -> list[str]:
    """The call, for a person to do it again."""
    files = {
        name: None if content is None else content.decode("latin1")
        for name, content in call.any.items()
    }
    return [
        *heading(),
        f"# In {place} is more of what it may need: cp -a that.  Other bytes than ASCII are latin1",
        *shell(".", PLACE),
        *shell("any", files),
        f"ln -s {root} root; ln -s loop loop; ln -s content link; ln -s made dangling; mkfifo fifo",
        f"(cd {root}; rm -f {' '.join(LOCK_FILES)})",
        'link() { mkdir bin; ln -s "$(command -v chpst)" bin/$1; PATH=$PATH:$PWD/bin; }',
        *([] if call.name == "chpst" else [f"link {call.name}"]),
        "KEPT=1 CUT=2 ODD=$(printf '\\377'); export KEPT CUT ODD",
        f"({call.shell()}) & sleep 1; head -n 99 /proc/$!/status /proc/$!/limits; kill -CONT $!",
        "wait $!; echo exit code $?",
    ]
