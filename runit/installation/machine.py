"""What makes a machine boot with this suite: `make install-lfs`.

The stages and their configuration, the service directories of a base system,
/sbin/init, and the commands of the old world.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from runit import launchers
from runit.installation import contents
from runit.installation.items import Item, write
from runit.installation.layout import Layout
from runit.installation.manifest import Manifest
from runit.installation.refusal import Refused

SBIN = Path("/sbin")
"""Where the kernel, and everybody else, looks for init and its relatives."""

BOOTING = ("init", "runit-init", "runit")

OUTSIDE = ("runit.conf", "rc.local")
"""Those of stages/ that go to SYSCONFDIR itself, not to SYSCONFDIR/runit."""

NETWORK = "network"
"""What of stages/ goes elsewhere: see `network`."""

SERVICES = Path("/lib/services")
"""Where ifup finds the services of interfaces, as lfs-bootscripts has it."""

OWN_TARGETS = ("bridge", "dhclient", "dhcpcd", "wpa")
"""Those that have targets of their own, as in BLFS: `make install-service-NAME`."""

FLAGS = ("stopit", "reboot")

RUNLEVELS = {
    "single": ("agetty-serial", "agetty-tty1"),
    "multi": ("agetty-serial", "update-cache", *(f"agetty-tty{n}" for n in range(1, 7))),
}
"""What is enabled at first.  agetty-serial goes down where there is no serial console."""

FIRST_REBOOT = Path(__file__).with_name("post_install_reboot")

RULES = [
    Path(directory) / "udev/rules.d/55-lfs.rules" for directory in ("/etc", "/usr/lib", "/lib")
]
DISABLED = "# disabled by pyrunit: "


def files(checkout: Path, layout: Layout) -> list[Item]:
    """Every file and link outside the package directory that a plain install has not."""
    if (str(layout.sysconfdir), str(layout.rundir)) != ("/etc", "/run"):
        raise Refused("a machine's configuration is in /etc and its state in /run")
    items = contents.programs(layout, layout.sbindir, launchers.LFS)
    if "init" not in launchers.LFS:
        items.insert(0, Item(layout.sbindir / "init", target="runit-init"))
    items += links(layout)
    items.append(
        Item(layout.sbindir / FIRST_REBOOT.name, FIRST_REBOOT.read_bytes(), mode(FIRST_REBOOT))
    )
    items += contents.pages(checkout, layout, machine=True)
    items += network(checkout / "stages" / NETWORK, layout)
    items += configuration(checkout / "stages", layout)
    items += services(checkout / "sv", layout)
    return items


def directories(layout: Layout) -> list[Path]:
    """What must exist besides, empty as it is."""
    return [*contents.directories(layout), layout.sysconfdir / "runit/rc.d"]


def installed(former: Manifest) -> bool:
    """Whether FORMER is of an installation that a machine boots with."""
    return any(path.name == FIRST_REBOOT.name for path in former.files)


def booted(layout: Layout) -> bool:
    """Whether this very machine was booted with the suite that LAYOUT is of."""
    try:
        name = Path("/proc/1/comm").read_text().strip()
    except OSError:
        return False
    return not layout.destdir and name == "runit" and Path("/run/runit").is_dir()


def links(layout: Layout) -> list[Item]:
    """Names in /sbin for what is not there; none where /sbin is SBINDIR itself."""
    if same_directory(layout, SBIN, layout.sbindir):
        return []
    to = os.path.relpath(layout.sbindir, SBIN)
    names = dict.fromkeys((*BOOTING, *launchers.LFS, *contents.SCRIPTS))
    return [Item(SBIN / name, target=f"{to}/{name}") for name in names]


def same_directory(layout: Layout, one: Path, other: Path) -> bool:
    """Whether two names lead to one directory, where the files are to go.

    Where neither is there yet, it will be as it is on this machine.
    """
    if one == other:
        return True
    for places in ((layout.real(one), layout.real(other)), (one, other)):
        if all(place.is_dir() for place in places):
            return os.path.samefile(*places)
    return False


def configuration(stages: Path, layout: Layout) -> list[Item]:
    """The stages and their parts, and the flags where a read-only root has them."""
    top = layout.sysconfdir / "runit"
    items = tree(stages, top, (*OUTSIDE, NETWORK))
    for name in OUTSIDE:
        if (stages / name).exists():
            items += tree(stages / name, layout.sysconfdir / name)
    state = layout.rundir / "runit"
    given = {item.path for item in items}
    changing = {top / name: state / name for name in FLAGS}
    changing[top / "runsvdir/current"] = state / "runsvdir/current"
    items += [
        Item(path, target=str(target), conf=True)
        for path, target in changing.items()
        if path not in given
    ]
    return items


def network(source: Path, layout: Layout) -> list[Item]:
    """ifup, the services that it calls, and an interface as an example."""
    ifup, ifdown = (layout.sbindir / name for name in contents.SCRIPTS)
    items = [
        Item(ifup, (source / ifup.name).read_bytes(), 0o755),
        Item(ifdown, target=ifup.name),
        *tree(source / "services", SERVICES, OWN_TARGETS),
        Item(SERVICES.with_name("lsb"), target=SERVICES.name, conf=True),
    ]
    for path in source.glob("ifconfig.*"):
        items += tree(path, layout.sysconfdir / "sysconfig" / path.name)
    return items


def services(source: Path, layout: Layout) -> list[Item]:
    """The service directories, what supervises them in /run, and the runlevels."""
    items = []
    names = sorted(path.name for path in source.glob("*") if (path / "run").exists())
    for name in names:
        place = layout.sysconfdir / "sv" / name
        items += tree(source / name, place)
        for inner, suffix in (("", ""), ("log/", ".log")):
            link = place / f"{inner}supervise"
            if (source / name / f"{inner}run").exists() and link not in {i.path for i in items}:
                target = layout.rundir / f"runit/supervise.{name}{suffix}"
                items.append(Item(link, target=str(target), conf=True))
    for level, wanted in RUNLEVELS.items():
        directory = layout.sysconfdir / "runit/runsvdir" / level
        for name in wanted:
            if name in names:
                items.append(Item(directory / name, target=f"/etc/sv/{name}", conf=True))
    return items


def tree(source: Path, target: Path, left_out: tuple[str, ...] = ()) -> list[Item]:
    """SOURCE, a file or a directory with all that is in it, as configuration at TARGET."""
    items, left = [], [(name,) for name in left_out]
    for path in sorted([source, *source.rglob("*")]):
        inside = path.relative_to(source)
        if (
            inside.parts[:1] in left
            or path.name.startswith(".")
            or path.name.endswith(("~", ".md"))
        ):
            continue
        if path.is_symlink():
            items.append(Item(target / inside, target=os.readlink(path), conf=True))
        elif path.is_file():
            items.append(Item(target / inside, path.read_bytes(), mode(path), conf=True))
    return items


def mode(path: Path) -> int:
    """What a file is installed with, whatever the umask was at the checkout."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def silence_setclock(layout: Layout) -> list[str]:
    """Disable LFS's rule that sets the clock by a script that is no more; the remarks."""

    def disabled(line: str) -> str:
        return DISABLED + line if "setclock" in line and not line.startswith("#") else line

    return edit_rules(layout, disabled, "its line about setclock is disabled")


def restore_setclock(layout: Layout) -> list[str]:
    """Undo `silence_setclock`."""
    return edit_rules(
        layout, lambda line: line.removeprefix(DISABLED), "its line about setclock is as it was"
    )


def edit_rules(layout: Layout, change: Callable[[str], str], remark: str) -> list[str]:
    """Put every line of udev's rules for LFS through CHANGE."""
    remarks = []
    for path in RULES:
        place = layout.real(path)
        if place.is_symlink() or not place.is_file():
            continue
        before = place.read_text(errors="surrogateescape")
        after = "".join(map(change, before.splitlines(keepends=True)))
        if after != before:
            write(place, after.encode(errors="surrogateescape"), place.stat().st_mode & 0o7777)
            remarks.append(f"changed: {path}: {remark}")
    return remarks
