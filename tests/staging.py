"""A machine to run the stages on: a chroot in namespaces of its own.

Nothing in it is real but the shell, the C library and a few tools that only touch
files: /proc, /sys and /dev are plain directories that a test fills, and every tool
that would touch hardware is a stand-in that writes down how it was called.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import build

from runit import launchers

CHECKOUT = Path(__file__).resolve().parent.parent
STAGES = CHECKOUT / "stages"

SHELLS = {"dash": "dash", "ash": "busybox", "bash": "bash"}
"""What /bin/sh may be, and the program for it."""

TOOLS = {
    *("cat", "chgrp", "chmod", "chown", "date", "dd", "env", "find", "ln", "ls", "mkdir"),
    *("mkfifo", "mknod", "mv", "readlink", "rm", "rmdir", "sleep", "touch", "true"),
}
"""Those that are real, and only touch the files that they are told."""

NAMESPACES = ("unshare", "--fork", "--pid", "--mount", "--uts", "--net", "--kill-child")

# Not even by mistake may the real clock be set, a module be loaded, or the machine go down.
HARMLESS = ("setpriv", "--bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio")

UDEVD = (
    "/usr/lib/systemd/systemd-udevd",
    "/lib/systemd/systemd-udevd",
    "/usr/lib/udev/udevd",
    "/lib/udev/udevd",
)

SETUP = f"""
set -e
udevds='{" ".join(UDEVD)}'
root=$1
shift
mount --bind "$root" "$root"
for directory in usr/lib usr/lib32 usr/lib64; do
    [ -d /$directory ] || continue
    mkdir -p $root/$directory
    mount --bind /$directory $root/$directory
done
for directory in lib lib32 lib64; do
    if [ -L /$directory ]; then
        [ -L $root/$directory ] || cp -P /$directory $root/$directory
    elif [ -d /$directory ]; then
        mkdir -p $root/$directory
        mount --bind /$directory $root/$directory
    fi
done
mkdir -p $root/real/bin $root/real/sbin
mount --bind /usr/bin $root/real/bin
mount --bind /usr/sbin $root/real/sbin
for udevd in $udevds; do
    [ ! -e $root$udevd ] || mount --bind /dev/null $root$udevd
done
cd $root
"""


def may_unshare() -> bool:
    """Whether namespaces and a chroot can be had here."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    probe = (*NAMESPACES, "sh", "-c", "mount --bind /usr/bin /mnt")
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not may_unshare(), reason="needs namespaces and a chroot")


class Machine:
    """The chroot at `root`; /bin/sh in it is SHELL."""

    def __init__(self, root: Path, shell: str = "dash") -> None:
        if shutil.which(SHELLS[shell]) is None:
            pytest.skip(f"{SHELLS[shell]} is not installed")
        self.root = root
        self.shell = shell
        self.told = ""
        """What a service's script wrote to its runsv, for tests that look at that."""
        self.prepare = 'exec "$@"'
        """Shell, run outside of the chroot before what is run in it."""
        build(
            root,
            {
                "proc/self/mounts": "/dev/vda / ext4 ro,relatime 0 0\n",
                "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda ro\n",
                "proc/sys/kernel/printk": "",
                "proc/sys/kernel/hostname": "",
                "sys/class": None,
                "dev/null": "",
                "dev/urandom": "noise" * 200,
                "run": None,
                "tmp": None,
                "var/log": None,
                "var/lib": None,
                "etc/runit": None,
                "usr/sbin": None,
                "usr/bin": None,
                "calls": "",
            },
        )
        for name in ("bin", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "var/run").symlink_to("../run")
        (root / "usr/bin/sh").symlink_to(f"/real/bin/{SHELLS[shell]}")
        for name in TOOLS:
            (root / "usr/bin" / name).symlink_to(f"/real/bin/{name}")
        if shell == "ash":  # busybox says that it has these, and has them not without /proc
            self.tools("syslogd", "klogd")
        shutil.copytree(STAGES, root / "etc/runit", dirs_exist_ok=True)
        for name in ("runit.conf", "rc.local"):
            (root / "etc/runit" / name).unlink()
        self.files({f"etc/runit/runsvdir/{name}": None for name in ("single", "multi")})

    def files(self, files: Mapping[str, str | bytes | None]) -> None:
        """Make files: name to content; see `build`."""
        build(self.root, files)

    def read(self, name: str) -> str:
        """What is in a file."""
        return (self.root / name).read_text()

    def tools(self, *names: str, **bodies: str) -> None:
        """Stand-ins: each notes its call in /calls, and runs its body, or succeeds."""
        for name, body in {**dict.fromkeys(names, ""), **bodies}.items():
            name = name.replace("_", "-")
            text = f'#!/real/bin/dash\necho "{name}${{*:+ $*}}" >>/calls\n{body}\n'
            build(self.root / "usr/sbin", {name: text})

    def calls(self, *names: str) -> list[str]:
        """How the stand-ins were called, in order; only those of NAMES, if given."""
        lines = self.read("calls").splitlines()
        return [line for line in lines if not names or line.split()[0] in names]

    def share(self, *paths: str | Path) -> None:
        """Let what is at PATHS outside be there inside, too."""
        for path in map(str, paths):
            place = Path(f"{self.root}{path}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_dir():
                place.mkdir(exist_ok=True)
            else:
                place.unlink(missing_ok=True)
                place.touch()
            self.prepare = f"mount --bind '{path}' '{place}'\n{self.prepare}"

    def install(self) -> None:
        """The suite's own programs, with a /proc that shows what runs inside."""
        programs = launchers.BIN | launchers.SBIN | launchers.LFS
        python = Path(launchers.interpreter())
        package = self.root / "package"
        shutil.copytree(
            CHECKOUT / "runit", package / "runit", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("inotify_simple", "psutil"):
            found = importlib.util.find_spec(name)
            if found is None or found.origin is None:
                pytest.skip(f"{name} is not installed")
            origin = Path(found.origin)
            if origin.name == "__init__.py":
                shutil.copytree(origin.parent, package / name)
            else:
                shutil.copy(origin, package)
        launchers.write(self.root / "usr/sbin", programs, "/package", str(python))
        shutil.rmtree(self.root / "proc")
        (self.root / "proc").mkdir()
        self.prepare = f"mount -t proc proc '{self.root}/proc'\n{self.prepare}"
        self.share("/dev/null", "/dev/urandom", python.resolve())
        if not python.resolve().is_relative_to("/usr/bin"):
            self.share(sys.base_prefix)
        place = Path(f"{self.root}{python}")
        if not place.exists():
            place.symlink_to(python.resolve())

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, such as /etc/runit/1, with nothing else in its environment."""
        return subprocess.run(
            [*NAMESPACES, "sh", "-c", SETUP + self.prepare, "-", self.root, *HARMLESS]
            + ["chroot", self.root, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", **environment},
            timeout=60,
            check=False,
        )
