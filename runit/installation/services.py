"""Services for daemons: `make install-NAME`, `make uninstall-NAME`.

A target (see sv/blfs-servicescripts/targets) is one service directory or several.  They
go to SYSCONFDIR/sv, and a link in a runlevel enables each: it is made last and in one
step, so a runsvdir that sees it finds everything in place.  What was installed for a
target is listed in SYSCONFDIR/sv/.installed/TARGET; rules for files of the owner's are
those of `runit.installation.place`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runit.installation import place
from runit.installation.items import Item, link, write
from runit.installation.layout import Layout
from runit.installation.machine import mode, tree
from runit.installation.manifest import Manifest, load
from runit.installation.refusal import Refused

FUNCTIONS = ".functions"
"""What run scripts source, beside the service directories."""

SAMPLES = {
    "autofs": "autofs.conf",
    "bluetooth": "bluetooth",
    "dhcpd": "dhcpd",
    "saslauthd": "saslauthd",
    "slapd": "slapd",
}
"""Configuration that comes with a target, in SYSCONFDIR/sysconfig."""

SCRIPTS = Path("/lib/services")
"""Where ifup looks for its scripts: targets `service-NAME`."""

LONGEST = 60
"""Seconds that a service may take to end before an uninstall gives up."""

ONCE_MORE = 10
"""Seconds until it is told again."""


class Unknown(Refused):
    """There is no such target."""


def targets(checkout: Path) -> dict[str, list[str]]:
    """Every target, and the names of its services."""
    found = {}
    for line in (checkout / "sv/blfs-servicescripts/targets").read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            found[words[0]] = words[1:] or words[:1]
    return found


def install(
    layout: Layout, checkout: Path, target: str, runlevel: str, *, force: bool = False
) -> list[str]:
    """Put the services of TARGET into place and enable them in RUNLEVEL; the remarks.

    Raises Unknown, Refused, OSError.
    """
    names = services(checkout, target)
    links = [] if names == [] else enabling(layout, names, runlevel)
    items = contents(layout, checkout, target, names)
    os.umask(0o022)
    top = layout.sysconfdir / "sv"
    place.make_directory(layout, top)
    with place.locked(layout.real(top)):
        former = known(layout, target)
        for path in list(former.files):
            # One whose owner has removed all of it is to come back.
            if any(top / name in path.parents for name in names if gone(layout, top / name)):
                del former.files[path]
        if not force:
            refuse_foreign(layout, names, former)
        for other in others(layout, target):
            # What several targets have in common belongs to each of them.
            for path in (item.path for item in items if item.path in other):
                former.files.setdefault(path, other.files[path])
        kept = [] if force else [item for item in items if place.edited(layout, item, former)]
        ours = [item for item in items if item not in kept]
        ours += place.laid_beside(layout, kept, former)
        manifest = Manifest()
        for item in (*ours, *(item for item in kept if item.path in former)):
            place.make_directory(layout, item.path.parent)
            manifest.add(item.path, item.checksum, conf=item.conf)
            manifest.directories.update(one for one in item.path.parents if top in one.parents)
        if names and not layout.destdir:
            place.make_directory(layout, layout.rundir / "runit")
        place.make_directory(layout, listing(layout, target).parent)
        write(layout.real(listing(layout, target)), manifest.text())
        for item in ours:
            item.put(layout.real(item.path))
        remarks = [place.remark(item, ours) for item in kept if not item.target]
        remarks += [
            f"kept: {path}: no longer ours, but it had been changed"
            for path in sorted(set(former.files) - set(manifest.files))
            if not place.remove_file(layout, path, former)
        ]
        for one, to in links:
            remarks += enable(layout, one, to)
    return remarks


def uninstall(layout: Layout, checkout: Path, target: str) -> list[str]:
    """Disable and stop the services of TARGET, and take away what is its own; the remarks.

    Raises Unknown, Refused (also where a service does not end), OSError.
    """
    names = services(checkout, target)
    if not layout.real(listing(layout, target)).exists():
        raise Refused(
            f"{target} is not installed: {layout.real(listing(layout, target))} is not there"
        )
    with place.locked(layout.real(layout.sysconfdir / "sv")):
        manifest = known(layout, target)
        remarks = []
        for name in names:
            remarks += disable(layout, name)
        for name in names:
            if not layout.destdir:
                stop(layout.real(layout.sysconfdir / "sv" / name))
                forget(layout, name)
        common = {path for other in others(layout, target) for path in other.files}
        remarks += [
            f"kept: {path}: it was changed since it was installed"
            for path in sorted(set(manifest.files) - common)
            if not place.remove_file(layout, path, manifest)
        ]
        layout.real(listing(layout, target)).unlink()
        place.remove_directories(layout, {*manifest.directories, listing(layout, target).parent})
    return remarks


def services(checkout: Path, target: str) -> list[str]:
    """The services of TARGET; none for a script of ifup's."""
    found = targets(checkout).get(target)
    if found is None:
        raise Unknown(f"there is no service {target}: `make' in sv/blfs-servicescripts lists them")
    return [] if target.startswith("service-") else found


def contents(layout: Layout, checkout: Path, target: str, names: list[str]) -> list[Item]:
    """The files and links of TARGET, but for those that enable it."""
    if not names:
        return scripts(layout, checkout, target.removeprefix("service-"))
    source = checkout / "sv/blfs-servicescripts"
    top = layout.sysconfdir / "sv"
    functions = source / "services" / FUNCTIONS
    items = [Item(top / FUNCTIONS, functions.read_bytes(), mode(functions), conf=True)]
    for name in names:
        items += [supervised(layout, item) for item in tree(source / "services" / name, top / name)]
    if target in SAMPLES:
        sample = SAMPLES[target]
        items += tree(source / "sysconfig" / sample, layout.sysconfdir / "sysconfig" / sample)
    return items


def scripts(layout: Layout, checkout: Path, name: str) -> list[Item]:
    """A script of ifup's, and what they all read where nobody has brought that yet."""
    source = checkout / "stages/network/services"
    if not (source / name).exists():
        raise FileNotFoundError(errno.ENOENT, "", str(source / name))
    items = [Item(SCRIPTS / name, (source / name).read_bytes(), 0o755, conf=True)]
    common = SCRIPTS / "network.sh"
    target = f"service-{name}"
    users = (known(layout, target), *others(layout, target))
    if any(common in one for one in users) or not os.path.lexists(layout.real(common)):
        items.append(Item(common, (source / common.name).read_bytes(), conf=True))
    return items


def supervised(layout: Layout, item: Item) -> Item:
    """ITEM; a link to where its supervisor keeps its state leads to RUNDIR."""
    if item.path.name != "supervise":
        return item
    target = layout.rundir / Path(item.target).relative_to("/run")
    return Item(item.path, target=str(target), conf=True)


def listing(layout: Layout, target: str) -> Path:
    """The list of what was installed for TARGET."""
    return layout.sysconfdir / "sv/.installed" / target


def known(layout: Layout, target: str) -> Manifest:
    """What was installed for TARGET."""
    path = layout.real(listing(layout, target))
    try:
        return load(path) or Manifest()
    except ValueError:
        raise Refused(f"{path}: not a manifest of ours") from None


def others(layout: Layout, target: str) -> Iterator[Manifest]:
    """What was installed for all other targets."""
    directory = layout.real(listing(layout, target)).parent
    for path in sorted(directory.glob("[!.]*")):
        if path.name != target:
            yield known(layout, path.name)


def refuse_foreign(layout: Layout, names: list[str], former: Manifest) -> None:
    """Raise Refused where a service of that name is somebody else's.

    A directory without `run` is none: an owner's conf outlives an uninstall.
    """
    for name in names:
        run = layout.sysconfdir / "sv" / name / "run"
        real = layout.real(run.parent)
        if run in former or not os.path.lexists(real):
            continue
        if not real.is_dir() or real.is_symlink() or os.path.lexists(real / "run"):
            raise Refused(
                f"{real} is there and not from here: nothing was changed; FORCE=1 overwrites"
            )


def gone(layout: Layout, directory: Path) -> bool:
    """Whether DIRECTORY is not there."""
    return not os.path.lexists(layout.real(directory))


def enabling(layout: Layout, names: list[str], runlevel: str) -> list[tuple[Path, Path]]:
    """The links that enable services in RUNLEVEL, and where they lead to.

    A runlevel must be there, but for multi, which is made.
    """
    directory = layout.sysconfdir / "runit/runsvdir" / runlevel
    if "/" in runlevel or runlevel.startswith(".") or not runlevel:
        raise Refused(f"RUNLEVEL={runlevel}: not the name of a runlevel")
    if not layout.real(directory).is_dir():
        if runlevel != "multi":
            raise Refused(f"there is no runlevel {runlevel}: mkdir {layout.real(directory)}")
        place.make_directory(layout, directory)
    return [(directory / name, layout.sysconfdir / "sv" / name) for name in names]


def enable(layout: Layout, path: Path, to: Path) -> list[str]:
    """Make the link at PATH unless it is there; a remark if it is another."""
    real = layout.real(path)
    if os.path.lexists(real):
        if leads_to(layout, real, to):
            return []
        return [f"kept: {path}: it does not lead to {to}"]
    link(real, str(to))
    return []


def disable(layout: Layout, name: str) -> list[str]:
    """Remove the links to service NAME from all runlevels, and tell which."""
    remarks = []
    for real in sorted(layout.real(layout.sysconfdir / "runit/runsvdir").glob("*/*")):
        level = real.parent
        if not level.is_symlink() and leads_to(layout, real, layout.sysconfdir / "sv" / name):
            real.unlink()
            remarks.append(f"disabled: {name} in {level.name}")
    return remarks


def leads_to(layout: Layout, real: Path, to: Path) -> bool:
    """Whether a link is one to TO, however it is spelt."""
    if not real.is_symlink():
        return False
    target = real.parent / os.readlink(real)
    if layout.destdir and os.path.isabs(os.readlink(real)):
        target = layout.real(Path(os.readlink(real)))
    return os.path.normpath(target) == str(layout.real(to))


def stop(directory: Path) -> None:
    """Wait until nobody supervises the service in DIRECTORY, which was told to end.

    It is told again now and then: some daemons miss a TERM while they start.
    """
    sv = [sys.executable, "-EsB", "-m", "runit.control.sv", "-w", str(ONCE_MORE), "exit"]
    end = time.monotonic() + LONGEST
    while is_supervised(directory):
        if time.monotonic() > end:
            raise Refused(f"{directory.name} does not end: it is disabled, but still there")
        subprocess.run([*sv, str(directory)], capture_output=True, check=False)
        time.sleep(0.02)


def is_supervised(directory: Path) -> bool:
    """Whether a runsv holds the lock of DIRECTORY, until the very end."""
    try:
        lock = os.open(directory / "supervise/lock", os.O_WRONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def forget(layout: Layout, name: str) -> None:
    """Remove what the supervisor of NAME has left behind in RUNDIR."""
    for suffix in ("", ".log"):
        state = layout.rundir / f"runit/supervise.{name}{suffix}"
        if state.is_dir() and not state.is_symlink():
            shutil.rmtree(state, ignore_errors=True)
