"""Build what a guest boots from: a kernel, an initramfs, and root file systems.

``python3 tests/boot_qemu/image.py`` makes the images of `PERSONALITIES` under
build/boot, from Debian's packages and this checkout.  It must be run as root, and
does only what is out of date: the base system when its list of packages changed,
an image when the base or anything in the checkout did.

Packages come from wherever this machine's apt gets its own.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
GUEST = HERE / "guest"
PARTS = ("runit", "stages", "sv", "Makefile", "pyproject.toml")
"""Of the checkout, what guests are made of, and what `make install-NAME` needs in one."""

PACKAGES = (
    "udev,util-linux,login,iproute2,procps,kbd,kmod,e2fsprogs,"
    "openssh-server,openssh-client,dbus,cron,busybox-syslogd,nginx-light,make,python3"
)
"""Of the base system, besides debootstrap's smallest.  No init is among them."""

UNWANTED = ("/var/cache/apt", "/var/lib/apt/lists", "/usr/share/doc", "/usr/share/locale")
"""What no guest looks at, and would only make the images larger."""

SYSVINIT = (
    "/usr/sbin/killall5",
    "/usr/bin/pidof",
    "/usr/share/man/man8/killall5.8.gz",
    "/usr/share/man/man8/pidof.8.gz",
)
"""All that a Debian without an init has of SysVinit; INSTALL says to remove it."""

SIZE = "768M"
"""Of an image; it is sparse."""

FIRST_MODULES = ("virtio_pci", "virtio_blk")
"""What the kernel needs to find its disk."""

INITRAMFS = """\
#!/bin/busybox sh
# Find the disk and hand over to the init that the kernel was told of.
bb=/bin/busybox
$bb mount -t devtmpfs devtmpfs /dev
$bb mount -t proc proc /proc
while read -r module; do $bb insmod "$module"; done </modules
init=/sbin/init mode=ro
for word in $($bb cat /proc/cmdline); do
	case $word in
	init=*) init=${word#init=} ;;
	rw) mode=rw ;;
	esac
done
while ! [ -b /dev/vda ]; do $bb usleep 10000; done
$bb mount -t ext4 -o "$mode" /dev/vda /root || exec $bb sh
read -r uptime _ </proc/uptime && echo "$uptime" >/dev/.handed-over
$bb umount /proc
$bb mount -o move /dev /root/dev
exec $bb switch_root /root "$init" "$@"
"""


def main() -> int:
    """Build what is out of date."""
    for program in ("debootstrap", "mke2fs", "apt-get", "dpkg"):
        if shutil.which(program) is None:
            return unable(f"{program} is not installed")
    try:
        build(Path(sys.argv[1]) if sys.argv[1:] else CHECKOUT / "build/boot")
    except subprocess.CalledProcessError as error:
        return unable(f"{error.cmd[0]}: exit code {error.returncode}\n{error.output or ''}")
    return 0


def unable(why: str) -> int:
    """Say WHY there is no image."""
    print(f"image: fatal: {why}", file=sys.stderr)
    return 1


def build(directory: Path) -> None:
    """Fill DIRECTORY: vmlinuz, initramfs, NAME.ext4 of each personality."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    kernels = digest([*FIRST_MODULES, INITRAMFS, *map(inspect.getsource, (kernel, initramfs))])
    bases = digest([PACKAGES, *UNWANTED, *SYSVINIT, inspect.getsource(base)])
    once(directory / "kernel", kernels, lambda: kernel(directory))
    once(directory / "base", bases, lambda: base(directory))
    parts = [CHECKOUT / part for part in PARTS]
    state = digest([kernels, bases, *contents([*parts, GUEST, Path(__file__)])])
    for name in PERSONALITIES:
        once(directory / f"{name}.ext4", state, lambda name=name: image(directory, name))


def once(target: Path, state: str, make: Callable[[], None]) -> None:
    """Make TARGET unless it was made for this STATE."""
    key = target.with_name(target.name + ".key")
    if target.exists() and key.exists() and key.read_text() == state:
        return
    if os.geteuid() != 0:
        raise SystemExit(unable(f"only root can build a root file system, for {target.name}"))
    print(f"making {target.name} ...", flush=True)
    key.unlink(missing_ok=True)
    make()
    key.write_text(state)


def digest(parts: Iterable[str | bytes]) -> str:
    """One short word for all of PARTS."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode() if isinstance(part, str) else part)
        whole.update(b"\0")
    return whole.hexdigest()


def contents(places: list[Path]) -> Iterable[str | bytes]:
    """The name, mode and content of everything at PLACES."""
    for place in places:
        for path in sorted([place, *place.rglob("*")]):
            if "__pycache__" in path.parts:
                continue
            if path.is_symlink():
                yield f"{path} -> {os.readlink(path)}"
            elif path.is_file():
                yield f"{path} {path.stat().st_mode & 0o111:o}"
                yield path.read_bytes()


def run(*command: str | Path, **options: object) -> str:
    """Run COMMAND, quietly unless it fails; what it printed."""
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    words = [str(word) for word in command]
    return str(subprocess.run(words, check=True, text=True, **(usual | options)).stdout)


# Debian's packages


def archive() -> tuple[str, str]:
    """The address that apt has the distribution's main packages from, and its name."""
    release = dict(
        line.rstrip().split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    codename = release.get("VERSION_CODENAME", "stable").strip('"')
    shown = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    )
    for line in shown.splitlines():
        address, suite, component = line.rsplit(" ", 2)
        if (suite, component) == (codename, "main"):
            return address, codename
    raise SystemExit(unable("apt of this machine knows no Debian archive"))


def unpack(package: str, directory: Path, target: Path) -> None:
    """Fetch Debian's PACKAGE and lay its files into TARGET, without configuring it."""
    store = directory / "packages"
    store.mkdir(exist_ok=True)
    found = list(store.glob(f"{package}_*.deb"))
    if not found:
        try:
            run("apt-get", "-q", "download", package, cwd=store)
        except subprocess.CalledProcessError:  # the lists may be old
            run("apt-get", "-q", "update")
            run("apt-get", "-q", "download", package, cwd=store)
        found = list(store.glob(f"{package}_*.deb"))
    target.mkdir(exist_ok=True)
    with subprocess.Popen(["dpkg", "--fsys-tarfile", found[0]], stdout=subprocess.PIPE) as files:
        # Not dpkg -x: that puts directories into the place of links such as /sbin.
        run("tar", "-x", "--keep-directory-symlink", "-C", target, stdin=files.stdout)


def kernel(directory: Path) -> None:
    """The newest of Debian's kernels for virtual machines, and the way to its disk."""
    target = directory / "kernel"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    needed = run("apt-cache", "depends", "--important", "linux-image-cloud-amd64")
    (package,) = {
        line.split()[-1] for line in needed.splitlines() if "Depends: linux-image" in line
    }
    unpack(package, directory, target)
    unpack("busybox-static", directory, target)
    (version,) = os.listdir(target / "lib/modules")
    run(target / "bin/busybox", "depmod", "-b", target, version)
    shutil.copyfile(target / f"boot/vmlinuz-{version}", directory / "vmlinuz")
    initramfs(target, version, directory / "initramfs")


def initramfs(kernel: Path, version: str, target: Path) -> None:
    """A first root with busybox and the modules that lead to the real one."""
    modules = kernel / "lib/modules" / version
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        module, _, others = line.partition(":")
        needs[Path(module).stem] = [*reversed(others.split()), module]
    wanted = list(dict.fromkeys(path for name in FIRST_MODULES for path in needs[name]))
    root = kernel / "initramfs"
    for name in ("bin", "dev", "proc", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy2(kernel / "bin/busybox", root / "bin/busybox")
    for path in wanted:
        shutil.copyfile(modules / path, root / Path(path).name)
    (root / "modules").write_text("".join(f"/{Path(path).name}\n" for path in wanted))
    (root / "init").write_text(INITRAMFS)
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with target.open("wb") as stream:
        subprocess.run(
            [kernel / "bin/busybox", "cpio", "-o", "-H", "newc"],
            cwd=root,
            input=names.encode(),
            stdout=stream,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def base(directory: Path) -> None:
    """A Debian without an init."""
    root = directory / "base.new"
    remove(root)
    address, codename = archive()
    store = directory / "packages"
    store.mkdir(exist_ok=True)
    run(
        "debootstrap",
        "--variant=minbase",
        f"--include={PACKAGES}",
        f"--cache-dir={store}",
        codename,
        root,
        address,
    )
    for path in (*UNWANTED, *SYSVINIT):
        gone = Path(f"{root}{path}")
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    for name in ("/var/cache/apt/archives/partial", "/var/lib/apt/lists/partial"):
        Path(f"{root}{name}").mkdir(parents=True)
    remove(directory / "base")
    root.rename(directory / "base")


# The systems


def image(directory: Path, name: str) -> None:
    """The base with this suite in it, as the personality NAME has it, in a file."""
    root = directory / f"{name}.root"
    remove(root)
    run("cp", "-a", "--reflink=auto", directory / "base", root)
    shutil.copytree(directory / "kernel/lib/modules", root / "lib/modules", symlinks=True)
    run("chroot", root, "depmod", *os.listdir(root / "lib/modules"))
    PERSONALITIES[name].before(root)
    install(root)
    PERSONALITIES[name].after(root, directory)
    lay(GUEST / "common", root)
    for service in sorted(os.listdir(GUEST / "common/etc/sv")):
        (root / "etc/runit/runsvdir/multi" / service).symlink_to(f"/etc/sv/{service}")
    lay(GUEST / PERSONALITIES[name].files, root)
    admit(root, directory)
    target = directory / f"{name}.ext4"
    target.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, target, SIZE)
    remove(root)


def install(root: Path) -> None:
    """This suite, as anybody would pack it for another machine."""
    run(
        "make",
        "-s",
        "-C",
        CHECKOUT,
        "install-lfs",
        "PREFIX=/usr",
        f"DESTDIR={root}",
        f"WHEELS={CHECKOUT}/build/wheels",
        "INTERPRETER=/usr/bin/python3",
        f"PYTHON={sys.executable}",
    )


def lay(source: Path, root: Path) -> None:
    """Copy the files at SOURCE, if any, over ROOT; what starts with #! can be executed."""
    for path in sorted(source.rglob("*")):
        target = root / path.relative_to(source)
        if path.is_dir():
            target.mkdir(exist_ok=True, parents=True)
            continue
        shutil.copyfile(path, target)
        target.chmod(0o755 if path.read_bytes()[:2] == b"#!" else 0o644)


def admit(root: Path, directory: Path) -> None:
    """Let root in: at a terminal without a password, by ssh with a key of this build.

    A minute is not long for the login of a machine that is emulated.
    """
    run("chroot", root, "passwd", "--delete", "root")
    settings = root / "etc/login.defs"
    settings.write_text(re.sub(r"(?m)^LOGIN_TIMEOUT.*", "LOGIN_TIMEOUT 600", settings.read_text()))
    key = directory / "key"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", key)
    home = root / "root/.ssh"
    home.mkdir(0o700)
    shutil.copyfile(directory / "key.pub", home / "authorized_keys")


def remove(root: Path) -> None:
    """Remove a root file system, in which nothing is mounted."""
    if root.exists():
        run("rm", "-rf", "--one-file-system", root)


def nothing(root: Path, *_: Path) -> None:
    """Leave it as it is."""


def without_debian(root: Path) -> None:
    """What LFS has elsewhere or not at all: its shell, its udev, its syslogd."""
    (root / "bin/sh").unlink()
    (root / "bin/sh").symlink_to("bash")
    (root / "lib/systemd/systemd-udevd").unlink()
    (root / "usr/sbin/udevd").symlink_to("../bin/udevadm")
    for path in ("usr/sbin/klogd", "usr/sbin/syslogd", "etc/hostname"):
        (root / path).unlink(missing_ok=True)
    for path in ("etc/init.d", "etc/default", "usr/lib/lsb", *(f"etc/rc{n}.d" for n in "0123456S")):
        shutil.rmtree(root / path, ignore_errors=True)


def with_syslogd(root: Path, directory: Path) -> None:
    """A syslogd that reads the kernel's messages by itself."""
    unpack("inetutils-syslogd", directory, root)


def with_checkout(root: Path, _: Path) -> None:
    """The source tree, for an owner who wants more services."""
    target = root / "usr/src/pyrunit"
    target.mkdir()
    for part in PARTS:
        run("cp", "-a", "--no-preserve=ownership", CHECKOUT / part, target)


def with_reference(root: Path, directory: Path) -> None:
    """The same in everything, but run by the C programs."""
    with_checkout(root, directory)
    unpacked = root / "reference"
    unpack("runit", directory, unpacked)
    shutil.copy2(unpacked / "lib/runit/runit-init", unpacked / "sbin/runit-init")
    for name in REFERENCE:
        place = "usr/bin" if (root / "usr/bin" / name).exists() else "usr/sbin"
        (root / place / name).unlink(missing_ok=True)
        (found,) = (path for path in unpacked.rglob(f"*bin/{name}") if path.is_file())
        shutil.copy2(found, root / place / name)
    shutil.rmtree(unpacked)


REFERENCE = ("runit", "runit-init", "runsvdir", "runsv", "sv", "svlogd", "chpst")
"""What is C in the image `reference`."""


class Personality:
    """What makes one image differ: files, steps before and after the suite is installed."""

    __slots__ = ("after", "before", "files")

    def __init__(
        self,
        files: str,
        before: Callable[[Path], None] = nothing,
        after: Callable[[Path, Path], None] = nothing,
    ) -> None:
        self.files = files
        self.before = before
        self.after = after


PERSONALITIES = {
    "debian": Personality("debian", after=with_checkout),
    "lfs": Personality("lfs", without_debian, with_syslogd),
    "reference": Personality("debian", after=with_reference),
}

if __name__ == "__main__":
    sys.exit(main())
