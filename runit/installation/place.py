"""Install and uninstall: what may be done to a file is asked of the manifest.

Whatever is not in the manifest belongs to somebody else and is left alone.  Each
step leaves a tree that works and a manifest that lists at least what is there,
so either command can be killed and given again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runit.installation import package
from runit.installation.items import Item, write
from runit.installation.layout import Layout
from runit.installation.manifest import Manifest, checksum_of, load
from runit.installation.refusal import Refused


class Outcome:
    """What there is to tell after an install.

    missing  the dependencies that could not be had, and `reason` for it
    remarks  lines about files of the owner's
    """

    __slots__ = ("missing", "reason", "remarks")

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.reason = ""
        self.remarks: list[str] = []


def install(
    layout: Layout,
    checkout: Path,
    items: list[Item],
    empty: list[Path] | None = None,
    *,
    wheels: Path | None = None,
    force: bool = False,
) -> Outcome:
    """Put the suite and ITEMS into place, over an older one if there is one.

    EMPTY are directories that must exist besides.

    Raises Refused when something of somebody else's is in the way, OSError.
    """
    os.umask(0o022)
    outcome, manifest = Outcome(), Manifest()
    made = make_directory(layout, layout.libdir)
    with locked(layout.real(layout.libdir)):
        try:
            former = known(layout)
            if not force:
                refuse_foreign(layout, items, former)
            kept = [item for item in items if edited(layout, item, former)]
            items = [item for item in items if item not in kept]
            items += laid_beside(layout, kept, former)
            needed = [*(item.path.parent for item in items), *(empty or [])]
            for directory in needed:
                made += make_directory(layout, directory)
            manifest.directories.update(made, outside(layout, former.directories))
            for item in (*items, *(item for item in kept if item.path in former)):
                manifest.add(item.path, item.checksum, conf=item.conf)
            replace_package(layout, checkout, wheels, former, manifest, outcome)
        except BaseException:
            remove_directories(layout, made)
            raise
        outcome.remarks += [remark(item, items) for item in kept if not item.target]
        for item in items:
            item.put(layout.real(item.path))
        remove_obsolete(layout, former, manifest, needed, outcome)
        write(layout.real(layout.manifest), manifest.text())
    return outcome


def replace_package(
    layout: Layout,
    checkout: Path,
    wheels: Path | None,
    former: Manifest,
    manifest: Manifest,
    outcome: Outcome,
) -> None:
    """Build the new package directory and let it change places with the old one.

    The manifest that comes with it lists the FORMER files too: until they are
    removed, they are still ours.
    """
    old = layout.real(layout.package)
    stage = layout.real(layout.libdir / ".pyrunit.new")
    shutil.rmtree(stage, ignore_errors=True)  # of an install that was killed
    try:
        stage.mkdir()
        outcome.missing, outcome.reason = package.build(stage, checkout, layout, wheels)
        package.record(stage, layout, manifest)
        for path in package.rescue(old, stage, layout, former):
            outcome.remarks.append(f"replaced: {path}: it had been changed")
        everything = Manifest()
        for one in (former, manifest):
            everything.directories |= one.directories
            everything.files |= one.files
        write(stage / layout.manifest.name, everything.text())
        package.exchange(stage, old)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def remove_obsolete(
    layout: Layout, former: Manifest, manifest: Manifest, needed: list[Path], outcome: Outcome
) -> None:
    """Remove FORMER files and directories that the new version does not have."""
    for path in sorted(set(outside(layout, former.files)) - set(manifest.files)):
        if not remove_file(layout, path, former):
            outcome.remarks.append(f"kept: {path}: no longer ours, but it had been changed")
    used = {*needed, *manifest.files}
    used.update(parent for path in list(used) for parent in path.parents)
    unused = set(outside(layout, former.directories)) - used
    manifest.directories -= set(remove_directories(layout, unused))


def outside(layout: Layout, paths: Iterable[Path]) -> Iterator[Path]:
    """Those of PATHS that are not in the package directory, which is exchanged whole."""
    return (path for path in paths if layout.package not in path.parents)


def uninstall(layout: Layout) -> list[str]:
    """Take away what the manifest lists; returns remarks about what stays.

    Raises Refused, OSError.
    """
    place = layout.real(layout.manifest)
    if not place.exists():
        raise Refused(f"nothing is installed: {place}: no manifest")
    with locked(layout.real(layout.libdir)):
        manifest = known(layout)
        kept = [path for path in manifest.files if not remove_file(layout, path, manifest)]
        place.unlink()
    left = manifest.directories - set(remove_directories(layout, manifest.directories))
    ours = left | set(kept)
    remarks = [f"kept: {path}: it was changed since it was installed" for path in sorted(kept)]
    for directory in sorted(left):
        names = (directory / name for name in os.listdir(layout.real(directory)))
        if any(name not in ours for name in names):
            remarks.append(f"kept: {directory}: there is something of yours in it")
    return remarks


def known(layout: Layout) -> Manifest:
    """The manifest of what is installed; an empty one for nothing."""
    try:
        return load(layout.real(layout.manifest)) or Manifest()
    except ValueError:
        raise Refused(f"{layout.real(layout.manifest)}: not a manifest of ours") from None


def refuse_foreign(layout: Layout, items: list[Item], former: Manifest) -> None:
    """Raise Refused if a file that FORMER does not list is in the way."""
    places = [item.path for item in items if not item.conf and item.path not in former]
    if not former.files:
        places.append(layout.package)
    found = [path for path in places if os.path.lexists(layout.real(path))]
    if found:
        more = f" (and {len(found) - 1} more)" if found[1:] else ""
        raise Refused(
            f"{layout.real(found[0])}{more} is there and not from a pyrunit installed here: "
            "nothing was changed; FORCE=1 overwrites"
        )


def edited(layout: Layout, item: Item, former: Manifest) -> bool:
    """Whether the place of configuration ITEM is as its owner wants it.

    A file that was there before us, one that was edited, one that was deleted.
    """
    if not item.conf:
        return False
    place = layout.real(item.path)
    if item.path not in former:
        return os.path.lexists(place)
    return checksum_of(place) not in (former.files[item.path], item.checksum)


def laid_beside(layout: Layout, kept: list[Item], former: Manifest) -> list[Item]:
    """The new versions of KEPT files, to be put beside those that differ.

    Not of what the owner has removed or already knows, not in the place of a file
    of the owner's, and not of a link: a second one in a runlevel would be a service.
    """
    beside = []
    for item in kept:
        place, other = layout.real(item.path), item.beside()
        if item.target or checksum_of(place) in ("", item.checksum):
            continue
        if other.path in former or (
            former.files.get(item.path) != item.checksum
            and not os.path.lexists(layout.real(other.path))
        ):
            beside.append(other)
    return beside


def remark(item: Item, laid: list[Item]) -> str:
    """What to say of an ITEM that was kept."""
    new = item.beside().path
    also = f", the new one is {new}" if any(other.path == new for other in laid) else ""
    return f"kept: {item.path}: it is yours{also}"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold DIRECTORY's lock: one install or uninstall at a time."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_directory(layout: Layout, path: Path) -> list[Path]:
    """Make PATH and what is missing above it; returns those that were made."""
    if layout.destdir:
        os.makedirs(layout.destdir, exist_ok=True)
        top = Path(layout.destdir).resolve()
        if not layout.real(path).resolve().is_relative_to(top):
            raise Refused(f"{layout.real(path)}: a link leads out of DESTDIR")
    made = []
    for directory in (*reversed(path.parents), path):
        real = layout.real(directory)
        if real.is_dir():
            continue
        if os.path.lexists(real):
            raise NotADirectoryError(errno.ENOTDIR, "", str(real))
        real.mkdir(0o755)
        made.append(directory)
    return made


def remove_file(layout: Layout, path: Path, manifest: Manifest) -> bool:
    """Remove a file of MANIFEST's unless it was changed; whether it is gone."""
    real = layout.real(path)
    if os.path.lexists(real):
        if checksum_of(real) != manifest.files[path]:
            return False
        real.unlink()
    return True


def remove_directories(layout: Layout, paths: Iterable[Path]) -> list[Path]:
    """Remove those of PATHS that are empty; returns those that are gone."""
    gone = []
    for path in sorted(set(paths), reverse=True):
        try:
            layout.real(path).rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # something is in it, or its owner put a link in its place
            continue
        gone.append(path)
    return gone
