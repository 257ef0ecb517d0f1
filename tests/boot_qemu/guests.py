"""What tests of guests ask of them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from qemu import Guest

Boot = Callable[..., Guest]

CURRENT = "/etc/runit/runsvdir/current"

ALL_UP = f"""
for service in {CURRENT}/*; do
	case $(sv status $service) in run:*) ;; *) sv status $service; exit 1 ;; esac
done
sv status {CURRENT}/*
"""

ALARMING = re.compile(
    r"error|fail|fatal|warning|not found|no such|cannot|unable|invalid|illegal|denied"
    r"|traceback|crash|panic|emergency|usage:|timed? out",
    re.I,
)
KERNEL = re.compile(r"^\[ *\d+\.\d+\] ")
HARMLESS = re.compile(
    # What this kernel says of this machine, whatever the init is.
    r"iommu: DMA domain TLB invalidation policy|fail to add MMCONFIG information"
    # Of its clocks, when the host is busy.
    r"|calibrat|tsc: |clocksource: "
)


def copy_of(image: Path, directory: Path) -> Path:
    """A disk of its own for a guest."""
    if not image.exists():
        raise FileNotFoundError(f"{image} is not there: make check-boot builds it")
    target = directory / image.name
    subprocess.run(["cp", "--sparse=always", image, target], check=True)
    return target


def lay(image: Path, files: Mapping[str, str], full: bool = False) -> None:
    """Put FILES, their contents by path, into the file system of an IMAGE; fill it up if FULL.

    What starts with #! can be executed.
    """
    commands = []
    with tempfile.TemporaryDirectory() as directory:
        for number, (path, content) in enumerate(files.items()):
            source = Path(directory) / str(number)
            source.write_text(content)
            mode = "0100755" if content.startswith("#!") else "0100644"
            commands += [f"rm {path}", f"write {source} {path}", f"sif {path} mode {mode}"]
        if full:
            free = subprocess.run(
                ["dumpe2fs", "-h", image], capture_output=True, text=True, check=True
            ).stdout
            blocks = int(re.search(r"^Free blocks: +(\d+)$", free, re.M).group(1))
            script = ["write /dev/null /filler", f"fallocate /filler 0 {blocks - 64}"]
            commands += script
        subprocess.run(
            ["debugfs", "-w", "-f", "-", image],
            input="\n".join([*commands, ""]),
            capture_output=True,
            text=True,
            check=True,
        )


def clean(image: Path) -> bool:
    """Whether the file system of a machine that is off needs no repair."""
    shown = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, check=True)
    assert re.search(r"^Filesystem state: +clean$", shown.stdout, re.M), shown.stdout
    assert "needs_recovery" not in shown.stdout
    checked = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    return True


def alarms(guest: Guest) -> list[str]:
    """What the guest complained of that nobody had provoked."""
    found = []
    for line in guest.transcript().splitlines():
        if not ALARMING.search(line) or (HARMLESS.search(line) and KERNEL.match(line)):
            continue
        if not any(re.search(provoked, line) for provoked in guest.provoked):
            found.append(line)
    return found


def everything_is_up(guest: Guest) -> str:
    """Wait until every service of the current runlevel is; what sv says."""
    return guest.until(ALL_UP)


def pid(guest: Guest, service: str) -> int:
    """The pid of a service that is up."""
    return int(guest.until(f"cat {CURRENT}/{service}/supervise/pid", r"^\d+$"))


def comes_back(guest: Guest, service: str, former: int) -> None:
    """Wait until a SERVICE that was FORMER runs again."""
    guest.until(
        f"p=$(cat {CURRENT}/{service}/supervise/pid) && test -n $p && test $p != {former} "
        f"&& kill -0 $p && sv status {CURRENT}/{service}",
        r"^run: ",
    )
