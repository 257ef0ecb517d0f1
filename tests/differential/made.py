"""Service directories made by hand, whose runsv is the test: any records, any parts."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st
from support import build, listening, wait_for

TAI_OF_1970 = 4611686018427387914

FUTURE = -1000
"""The age of what is newer than anything, whenever that is looked at."""


@dataclass(frozen=True)
class Record:
    """What supervise/status holds; AGE is in seconds before now.

    pid, paused, want, term and state are its bytes; LENGTH of it are written.
    """

    age: int
    pid: int
    paused: int
    want: bytes
    term: int
    state: int
    length: int = 20

    def data(self, now: int) -> bytes:
        """The bytes."""
        stamp = (TAI_OF_1970 + now - self.age).to_bytes(8, "big") + (1).to_bytes(4, "big")
        return (stamp + self._behind())[: self.length]

    def _behind(self) -> bytes:
        flags = bytes((self.paused,)) + self.want + bytes((self.term, self.state))
        return self.pid.to_bytes(4, "little") + flags

    def shell(self, file: str) -> str:
        """A command that writes it into FILE."""
        octal = "".join(f"\\{byte:03o}" for byte in (1).to_bytes(4, "big") + self._behind())
        return f"record {self.age} '{octal}' | head -c {self.length} >{file}"


STAMP = (
    "record() { stamp=$(printf %016x $(($(date +%s) + "
    f"{TAI_OF_1970} - $1)) | sed 's/../\\\\x&/g'); "
    '/usr/bin/printf "$stamp$2"; }'
)
"""A shell function for `Record.shell`."""

SCRIPTS = {
    "agrees": "#!/bin/sh\n: >asked\n",
    "fails": "#!/bin/sh\n: >asked\nexit 1\n",
    "fails badly": "#!/bin/sh\n: >asked\nexit 100\n",
    "is slow": "#!/bin/sh\n: >asked\nsleep 0.2\n",
    "has no interpreter": "#!/nowhere\n",
}
"""What ./check may be, besides one of ODD."""

ODD = ("missing", "file", "directory", "loop", "dangling", "denied")
"""What may be in the place of anything."""


@dataclass(frozen=True)
class Made:
    """One service directory: what is in the place of each of its parts.

    status is the record; ok and control are ``heard`` where they are read, ``deaf`` FIFOs
    where not, control ``full`` if nothing more goes in; supervise, down and log are
    directories, files, or odd.
    """

    status: Record | str = "missing"
    ok: str = "heard"
    control: str = "heard"
    supervise: str = "directory"
    itself: str = "directory"
    down: str = "missing"
    log: Made | str = "missing"
    check: str = "missing"

    def shell(self, name: str) -> list[str]:
        """Commands that make it, called NAME."""
        return [line for line in self._shell(name) if line != ":"]

    def _shell(self, name: str) -> list[str]:
        place = shlex.quote(name)
        if self.itself != "directory":
            return [_odd(place, self.itself)]
        lines = [f"mkdir -p {place}", _odd(f"{place}/down", self.down)]
        if self.check in SCRIPTS:
            content = shlex.quote(SCRIPTS[self.check])
            lines.append(f"printf %s {content} >{place}/check; chmod +x {place}/check")
        else:
            lines.append(_odd(f"{place}/check", self.check))
        if isinstance(self.log, Made):
            lines += self.log.shell(f"{name}/log")
        else:
            lines.append(_odd(f"{place}/log", self.log))
        if self.supervise != "directory":
            return [*lines, _odd(f"{place}/supervise", self.supervise)]
        lines.append(f"mkdir {place}/supervise")
        if isinstance(self.status, Record):
            lines.append(self.status.shell(f"{place}/supervise/status"))
        else:
            lines.append(_odd(f"{place}/supervise/status", self.status))
        for part, kind in (("ok", self.ok), ("control", self.control)):
            fifo = f"{place}/supervise/{part}"
            if kind in ("heard", "deaf", "full"):
                lines.append(f"mkfifo {fifo}")
            else:
                lines.append(_odd(fifo, kind))
            if kind in ("heard", "full"):
                lines.append(f"sleep 99 <>{fifo} &")
            if kind == "full":
                lines.append(f"head -c 65536 /dev/zero >{fifo}")
        return lines


def _odd(path: str, kind: str) -> str:
    """The command that puts something of KIND there."""
    return {
        "missing": ":",
        "file": f": >{path}",
        "directory": f"mkdir {path}",
        "loop": f"ln -s loop {path}",
        "dangling": f"ln -s nowhere {path}",
        "denied": f"mkdir {path}; chmod 0 {path}",
    }[kind]


def make_odd(path: Path, kind: str) -> None:
    """Put something of KIND there."""
    if kind == "file":
        path.touch()
    elif kind in ("directory", "denied"):
        path.mkdir()
        if kind == "denied":
            path.chmod(0)
    elif kind in ("loop", "dangling"):
        path.symlink_to(path.name if kind == "loop" else "nowhere")


class Services:
    """Services, made in ROOT, and held as their runsv does until `close`.

    NOW is what the ages of their records count from.
    """

    def __init__(self, root: Path, made: dict[str, Made], now: int) -> None:
        self.root = root
        self.now = now
        self._controls: dict[str, int] = {}
        self._oks: dict[str, int] = {}
        build(root, {"file": "", "empty": None})
        for name, one in made.items():
            self._make(name, one)

    def _make(self, name: str, made: Made) -> None:
        place = self.root / name
        if made.itself != "directory":
            return make_odd(place, made.itself)
        build(place, {"check": SCRIPTS[made.check]} if made.check in SCRIPTS else {})
        for part in ("check", "down", "supervise", "log"):
            kind = getattr(made, part)
            if kind in ODD:
                make_odd(place / part, kind)
        if isinstance(made.log, Made):
            self._make(f"{name}/log", made.log)
        if made.supervise != "directory":
            return None
        supervise = place / "supervise"
        if isinstance(made.status, Record):
            (supervise / "status").write_bytes(made.status.data(self.now))
        else:
            make_odd(supervise / "status", made.status)
        for part, kind in (("ok", made.ok), ("control", made.control)):
            if kind not in ("heard", "deaf", "full"):
                make_odd(supervise / part, kind)
                continue
            os.mkfifo(supervise / part)
            if kind == "deaf":
                continue
            held = os.open(supervise / part, os.O_RDWR | os.O_NONBLOCK)
            (self._oks if part == "ok" else self._controls)[name] = held
            if kind == "full":
                os.write(held, b"\0" * 65536)
        return None

    def control(self, name: str) -> int:
        """The descriptor on which is read what is sent to service NAME."""
        return self._controls[name]

    def write(self, name: str, record: Record) -> None:
        """Replace the record of NAME, as runsv does."""
        supervise = self.root / name / "supervise"
        (supervise / "status.new").write_bytes(record.data(self.now))
        (supervise / "status.new").rename(supervise / "status")

    def leave(self, name: str) -> None:
        """The runsv of NAME ends, as far as anybody can see."""
        for held in (self._controls, self._oks):
            if name in held:
                os.close(held.pop(name))
        # A child that another thread is about to start may still hold a copy.
        wait_for(lambda: not listening(self.root / name))

    def seen(self) -> list[str]:
        """What arrived in each FIFO that was not closed, and whose ./check was asked."""
        found = []
        for name, descriptor in self._controls.items():
            try:
                found.append(f"{name} got {os.read(descriptor, 1000)!r}")
            except BlockingIOError:
                found.append(f"{name} got nothing")
        files = [path for path in self.root.glob("*/supervise/control") if path.is_file()]
        found += [f"{path.parent.parent.name} has {path.read_bytes()!r}" for path in sorted(files)]
        asked = sorted(path.parent.name for path in self.root.glob("*/asked"))
        return [*found, f"asked: {asked}"]

    def close(self) -> None:
        """Let go of them all, and remove them."""
        for descriptor in (*self._oks.values(), *self._controls.values()):
            os.close(descriptor)
        for path in [self.root, *self.root.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self.root)


def unprivileged() -> list[str]:
    """What comes before a command, so that files which are denied are denied to root too."""
    without = "--bounding-set=-dac_override,-dac_read_search"
    return [] if os.geteuid() else ["setpriv", without]


# Not of this second: the reference compares whole seconds, and takes what happened before
# the command for its effect.  Of all, the last two digits may grow.
AGES = (100, 1100, 86400, 10**9)

FIFO = ("missing", "deaf", "file", "directory", "loop", "denied")
ODDITIES: list[tuple[str, str | int]] = [
    *(("length", length) for length in (0, 18, 19)),
    *(("status", kind) for kind in ODD),
    *(("ok", kind) for kind in FIFO),
    *(("control", kind) for kind in (*FIFO, "full")),
    *((part, kind) for part in ("itself", "supervise") for kind in ODD if kind != "directory"),
    *((part, kind) for part in ("down", "log") for kind in ODD if kind != "missing"),
]
"""What may be unusual about a service: a part and what is in its place, or the record's length."""


def records(*ages: int) -> st.SearchStrategy[Record]:
    """Any records of AGES."""
    return st.builds(
        Record,
        age=st.sampled_from(ages),
        pid=st.sampled_from([77, 2**31 - 1, 0, 1]),
        paused=st.sampled_from([0, 0, 0, 1]),
        want=st.sampled_from([b"u", b"d", b"u", b"d", b"\0", b"x"]),
        term=st.sampled_from([0, 0, 1]),
        state=st.sampled_from([1, 0, 1, 2, 3]),
    )


def services(
    record: st.SearchStrategy[Record],
    oddities: Sequence[tuple[str, str | int]],
    **parts: st.SearchStrategy[Made | str],
) -> st.SearchStrategy[Made]:
    """Services with RECORD and any PARTS, a third of them with one of ODDITIES."""
    usual = [("ok", "heard")] * len(oddities) * 2
    return st.builds(_made, record, st.sampled_from([*usual, *oddities]), **parts)


def _made(record: Record, oddity: tuple[str, str | int], **parts: Made | str) -> Made:
    part, kind = oddity
    if part == "length":
        return Made(replace(record, length=kind), **parts)
    return Made(**{"status": record, **parts, part: kind})


# Of a log's record in part, the reference shows the rest from the service's.
LOG = services(records(*AGES), [one for one in ODDITIES if one[0] not in ("length", "log")])
DOWN = st.sampled_from(["missing", "missing", "file"])
ANY = services(records(*AGES), ODDITIES, down=DOWN, log=st.one_of(st.just("missing"), LOG))
