"""Root file systems with Debian's daemons in them, for throw-away machines to stand on.

``python3 tests/services/real/roots.py`` makes them under build/services, as root: a base
system, and over it layers of packages that can be had together.  Only what is out of
date is made.  A machine puts an overlay over a layer and never writes to it.

Packages come from wherever this machine's apt gets its own; they are installed in the
layer alone, in namespaces, and may not start anything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent.parent
STORE = CHECKOUT / "build/services"

sys.path[:0] = [str(CHECKOUT / "tests/boot_qemu")]

from image import archive, contents, digest, install, once, remove, run, unable  # noqa: E402

BASE = (
    "python3,make,procps,iproute2,curl,netcat-openbsd,ca-certificates,openssl,bind9-dnsutils,"
    "less,kmod,udev"
)
"""Of the base system, besides debootstrap's smallest: the suite's needs, and clients."""

LAYERS = {
    "main": (
        "openssh-server openssh-client nginx-light redis-server redis-tools cron dnsmasq-base "
        "bind9 apache2 mariadb-server mariadb-client postgresql php-fpm libfcgi-bin "
        "samba smbclient winbind rsync dbus avahi-daemon avahi-utils cups-daemon cups-client "
        "cups-bsd acpid at autofs dovecot-imapd haveged krb5-kdc krb5-admin-server krb5-user "
        "slapd ldap-utils smartmontools stunnel4 subversion sysstat unbound vsftpd xinetd "
        "rpcbind nfs-kernel-server nfs-common network-manager bluez isc-dhcp-server "
        "isc-dhcp-client dhcpcd-base wpasupplicant rsyslog chrony squid clamav-daemon clamdscan "
        "mpd mpc seatd containerd docker.io sasl2-bin exim4-daemon-light nftables iptables gpm"
    ),
    "other": "proftpd-core ntpsec postfix syslog-ng-core elogind dbus virtuoso-opensource-7-bin",
    "sendmail": "sendmail-bin",
}
"""Those of one layer do not exclude each other; those of two may."""

UNWANTED = ("var/lib/apt/lists", "usr/share/doc", "usr/share/locale")
"""What no test looks at."""

UNREACHABLE = (
    *("Failed getting release file", "Couldn't download", "Failed to fetch"),
    *("Temporary failure resolving", "Could not resolve", "Could not connect"),
)
"""What debootstrap and apt say where there is no network to the mirror."""

INSTALL = """
set -e
root=$1
shift
mount -t proc proc "$root/proc"
mount --bind "$PACKAGES" "$root/var/cache/apt/archives"
mount -t tmpfs tmpfs "$root/run"
for file in etc/resolv.conf etc/hosts; do
    rm -f "$root/$file"
    cp "/$file" "$root/$file"
done
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
in_root() {
    chroot "$root" "$@"
}
in_root apt-get -q update
in_root apt-get -q -y --no-install-recommends -o APT::Keep-Downloaded-Packages=true install "$@"
rm "$root/usr/sbin/policy-rc.d"
"""
"""Shell, run with PACKAGES in the environment; arguments are the root and the packages."""


def main() -> int:
    """Build what is out of date."""
    for program in ("debootstrap", "apt-get", "unshare", "mount"):
        if shutil.which(program) is None:
            return unable(f"{program} is not installed")
    try:
        build(STORE)
    except subprocess.CalledProcessError as error:
        for line in str(error.output or "").splitlines():
            if any(words in line for words in UNREACHABLE):
                return unable(f"Debian's packages cannot be fetched: {line.strip()}")
        return unable(f"{error.cmd[0]}: exit code {error.returncode}\n{error.output or ''}")
    return 0


def build(store: Path) -> None:
    """Fill STORE with the base and the layers."""
    (store / "packages/partial").mkdir(parents=True, exist_ok=True)
    base_state = digest([BASE, *UNWANTED])
    once(store / "base", base_state, lambda: base(store))
    for name, packages in LAYERS.items():
        state = digest([base_state, packages, INSTALL])
        once(store / name, state, lambda name=name: layer(store, name))
    parts = ("runit", "stages", "sv", "docs", "Makefile", "pyproject.toml")
    state = digest(contents([*(CHECKOUT / part for part in parts), Path(__file__)]))
    once(store / "suite", state, lambda: suite(store / "suite"))


def base(store: Path) -> None:
    """Debian's smallest, and what every machine has."""
    root = store / "base.new"
    remove(root)
    address, codename = archive()
    cache = f"--cache-dir={store / 'packages'}"
    run("debootstrap", "--variant=minbase", f"--include={BASE}", cache, codename, root, address)
    for name in ("usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / name)
    for name in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial"):
        (root / name).mkdir(parents=True, exist_ok=True)
    remove(store / "base")
    root.rename(store / "base")


def layer(store: Path, name: str) -> None:
    """The packages of one layer, installed over the base."""
    upper = store / f"{name}.new"
    remove(upper)
    upper.mkdir()
    with tempfile.TemporaryDirectory(dir=store, prefix=f"{name}.") as directory:
        work, root = Path(directory, "work"), Path(directory, "root")
        work.mkdir()
        root.mkdir()
        options = f"lowerdir={store / 'base'},upperdir={upper},workdir={work}"
        script = f'mount -t overlay overlay -o "{options}" "$1"\n{INSTALL}'
        run(
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "-"),
            *(root, *LAYERS[name].split()),
            env={**os.environ, "PACKAGES": str(store / "packages")},
        )
    for unwanted in UNWANTED:
        shutil.rmtree(upper / unwanted, ignore_errors=True)
    remove(store / name)
    upper.rename(store / name)


def suite(target: Path) -> None:
    """This suite, installed as for another machine, with nothing enabled."""
    remove(target)
    # As the base has them: a directory here would hide its link.
    for name in ("bin", "lib", "sbin"):
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    install(target)
    for link in (target / "etc/runit/runsvdir").glob("*/*"):
        link.unlink()


if __name__ == "__main__":
    sys.exit(main())
