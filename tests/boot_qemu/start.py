"""`make boot`: a guest to log in to, or, without a terminal, one that shows itself.

``python3 tests/boot_qemu/start.py [IMAGE [WORD ...]]``: WORDs go to the kernel.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from guests import copy_of, everything_is_up
from qemu import BUILD, Guest, free_port, options

SHOWN = (
    "uname -sr; cat /proc/1/comm",
    "runlevel",
    "sv status /etc/runit/runsvdir/current/*",
    "ps -eo pid,ppid,args --forest | awk '$1 != 2 && $2 != 2'",
    "last -x",
)


def main() -> int:
    """Start it, from a copy that is thrown away."""
    name, *words = sys.argv[1:] or ["debian"]
    if shutil.which("qemu-system-x86_64") is None:
        print("boot: fatal: QEMU is not installed (Debian: qemu-system-x86)", file=sys.stderr)
        return 1
    append = " ".join(["init=/sbin/runit-init", *words])
    with tempfile.TemporaryDirectory(prefix="pyrunit-guest-") as directory:
        image = copy_of(BUILD / f"{name}.ext4", Path(directory))
        if sys.stdin.isatty() and sys.stdout.isatty():
            return talk(image, append)
        return show(image, append, Path(directory) / "log")


def talk(image: Path, append: str) -> int:
    """Give the terminal to the guest."""
    port = free_port()
    print("Log in as root; there is no password. `poweroff' ends it, so does Control-A x.")
    print(f"By ssh: ssh -i {BUILD / 'key'} -p {port} root@127.0.0.1", flush=True)
    command = [*options(image, append, port), "-serial", "mon:stdio"]
    return os.spawnvp(os.P_WAIT, command[0], command)


def show(image: Path, append: str, log: Path) -> int:
    """Let the guest boot, tell of itself, and power off."""
    with Guest(image, append, log=log) as guest:
        try:
            guest.login()
            everything_is_up(guest)
            for command in SHOWN:
                print(f"\n# {command}\n{guest.run(command, code=None)}", flush=True)
            guest.send("poweroff\n")
            guest.wait_off()
        finally:
            print("\n# the console, from the first process on")
            print(guest.transcript().partition("as init process\n")[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
