"""Each service directory, with a stand-in for its daemon that tells how it was called."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from support import Suite, alive, build, pid, stat, wait_for

from runit.installation import services

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOURCE = CHECKOUT / "sv/blfs-servicescripts"
SERVICES = sorted(path.name for path in (SOURCE / "services").iterdir() if path.is_dir())
SCRIPTS = sorted(
    path
    for path in (SOURCE / "services").rglob("*")
    if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o100
)
SHELLS = {"dash": ["dash"], "ash": ["busybox", "ash"], "bash": ["bash", "--posix"]}

DAEMON = """#!/usr/bin/python3 -IS
import json, os, sys, time
with open("{calls}.new", "w") as stream:
    json.dump({{"argv": sys.argv, "cwd": os.getcwd(), "pid": os.getpid()}}, stream)
os.rename("{calls}.new", "{calls}")
print("the daemon speaks", flush=True)
time.sleep(1000)
"""

FOREGROUND = {
    "acpid": ("acpid", "-f"),
    "atd": ("atd", "-f"),
    "autofs": ("automount", "--foreground"),
    "avahi-daemon": ("avahi-daemon", ""),
    "bind": ("named", "-g"),
    "bluetooth": ("bluetoothd", "--nodetach"),
    "chrony": ("chronyd", "-d"),
    "clamd": ("clamd", "--foreground"),
    "containerd": ("containerd", ""),
    "cron": ("crond", "-f"),
    "cupsd": ("cupsd", "-f"),
    "dbus": ("dbus-daemon", "--nofork"),
    "dhcpcd": ("dhcpcd", "--nobackground"),
    "dnsmasq": ("dnsmasq", "--keep-in-foreground"),
    "docker": ("dockerd", ""),
    "dovecot": ("dovecot", "-F"),
    "elogind": ("elogind", ""),
    "exim": ("exim", "-bdf"),
    "fcron": ("fcron", "--foreground"),
    "haveged": ("haveged", "-F"),
    "httpd": ("httpd", "-DFOREGROUND"),
    "kadmind": ("kadmind", "-nofork"),
    "kdm": ("kdm", "-nodaemon"),
    "krb5": ("krb5kdc", "-n"),
    "lxdm": ("lxdm", ""),
    "mountd": ("rpc.mountd", "--foreground"),
    "mpd": ("mpd", "--no-daemon"),
    "networkmanager": ("NetworkManager", "--no-daemon"),
    "nfs-client": ("rpc.statd", "--foreground"),
    "nginx": ("nginx", "daemon off;"),
    "ntpd": ("ntpd", "-n"),
    "php-fpm": ("php-fpm", "--nodaemonize"),
    "proftpd": ("proftpd", "--nodaemon"),
    "qpopper": ("popper", "-F"),
    "qpopper-ssl": ("popper", "-F"),
    "rpcbind": ("rpcbind", "-f"),
    "rsyslog": ("rsyslogd", "-n"),
    "saslauthd": ("saslauthd", "-d"),
    "sddm": ("sddm", ""),
    "seatd": ("seatd", ""),
    "sendmail": ("sendmail", "-bD"),
    "smartd": ("smartd", "--no-fork"),
    "soprano": ("sopranod", ""),
    "squid": ("squid", "--foreground"),
    "sshd": ("sshd", "-D"),
    "syslog-ng": ("syslog-ng", "--foreground"),
    "unbound": ("unbound", "-d"),
    "vboxservice": ("VBoxService", "--foreground"),
    "wicd": ("wicd", "--no-daemon"),
    "xinetd": ("xinetd", "-dontfork"),
}
"""What a service starts, and the word that keeps it in the foreground."""

ELSEWHERE = {
    *("audio", "dhcpd", "gpm", "iptables", "iptables-ipv6", "mysql", "netfs", "nfs-server"),
    *("nftables", "nmbd", "postfix", "postgresql", "redis", "rsyncd", "slapd", "smbd", "stunnel"),
    *("svn", "swat", "sysstat", "virtuoso", "vsftpd", "winbindd", "wpa_supplicant"),
}
"""Those that want users, files or devices of a machine first: see tests/services/real."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_every_target_has_its_services_and_every_service_a_target() -> None:
    named = {name for names in services.targets(CHECKOUT).values() for name in names}
    assert {name for name in named if not name.startswith("service-")} == set(SERVICES)
    assert set(FOREGROUND) | ELSEWHERE == set(SERVICES)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_can_be_read_by_every_shell(shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{SHELLS[shell][0]} is not installed")
    for script in [*SCRIPTS, SOURCE / "services/.functions"]:
        done = subprocess.run([*SHELLS[shell], "-n", script], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b""), script


def test_shellcheck_has_no_complaint() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [*SCRIPTS, SOURCE / "services/.functions"]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_directory_is_whole(name: str) -> None:
    directory = SOURCE / "services" / name
    assert os.readlink(directory / "supervise") == f"/run/runit/supervise.{name}"
    assert os.readlink(directory / "log/supervise") == f"/run/runit/supervise.{name}.log"
    log = (directory / "log/run").read_text()
    assert log == (SOURCE / "services/nginx/log/run").read_text()
    run = (directory / "run").read_text()
    last = run.rstrip().splitlines()[-1]
    assert "\nexec " in run, "a service is exec'd"
    assert last.startswith("exec ")
    assert "sleep" not in run


class Place:
    """A copy of the services where nothing is a machine's: /etc/sv is ROOT/sv."""

    def __init__(self, root: Path, suite: Suite) -> None:
        self.root = root
        self.suite = suite
        self.calls = root / "calls"
        shutil.copytree(SOURCE / "services", root / "sv", symlinks=True)
        build(root, {"bin": None, "sysconfig": None})
        # Those links lead out of here; to where nothing is, so that a glob finds none.
        for path in list((root / "sv").rglob("*")):
            if path.name == "supervise":
                path.unlink()

    def service(self, name: str) -> Path:
        """A service without its log and check: what it prints is to be seen."""
        directory = self.root / "sv" / name
        shutil.rmtree(directory / "log")
        (directory / "check").unlink(missing_ok=True)
        return directory

    def daemon(self, name: str) -> None:
        build(self.root / "bin", {name: DAEMON.format(calls=self.calls)})

    def options(self) -> dict[str, object]:
        path = f"{self.root / 'bin'}:{self.suite.directory}:/usr/bin:/bin"
        return {"env": {"PATH": path}, "stdout": open(self.root / "log", "ab")}

    def log(self) -> str:
        return (self.root / "log").read_text()


@pytest.fixture
def place(tmp_path: Path, ours: Suite) -> Place:
    return Place(tmp_path, ours)


@needs_root
@pytest.mark.parametrize("name", FOREGROUND)
def test_starts_one_daemon_in_the_foreground_with_its_options(place: Place, name: str) -> None:
    program, word = FOREGROUND[name]
    service = place.service(name)
    run = service / "run"
    # What it depends on is here, and nothing outside is made.
    text = run.read_text().replace("/run/", f"{place.root}/run/")
    run.write_text(text.replace("/etc/", f"{place.root}/etc/"))
    for needed in ("sv", "ssh-keygen", "modprobe", "id"):
        build(place.root / "bin", {needed: "#!/bin/sh\nexit 0\n"})
    # Among Debian's daemons of this machine ours is the one.
    functions = place.root / "sv/.functions"
    functions.write_text(functions.read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", ""))
    place.daemon(program)
    config = "autofs.conf" if name == "autofs" else name
    build(place.root / "sysconfig", {config: "OPTIONS='--first --second'\n"})
    build(service, {"conf": 'OPTIONS="$OPTIONS --third"\n'})
    with place.suite.runsv(service, **place.options()):
        wait_for(place.calls.exists, f"the daemon: {place.log()}")
        call = json.loads(place.calls.read_text())
        assert call["pid"] == pid(service), "not exec'd"
        assert call["argv"][0].endswith(f"/{program}")
        assert call["cwd"] == str(service)
        words = call["argv"][1:]
        assert word in words or not word
        assert [one for one in words if one in ("--first", "--second", "--third")] == [
            "--first",
            "--second",
            "--third",
        ]
        assert not [one for one in words if one == "" or one.endswith("=")], "an empty setting"
        wait_for(lambda: "the daemon speaks" in place.log())


def stand_in(place: Place, name: str, body: str = "exit 0") -> None:
    """A program that notes how it was called, and does BODY."""
    build(place.root / "bin", {name: f'#!/bin/sh\necho {name} "$@" >>{place.calls}\n{body}\n'})


def called(place: Place, *calls: str) -> None:
    """Wait for exactly these calls."""
    wait_for(
        lambda: place.calls.exists() and place.calls.read_text().splitlines() == [*calls],
        f"{calls}: {place.log()}",
    )


def test_the_levels_of_a_mixer_are_restored_and_stored(place: Place) -> None:
    service = place.service("audio")
    stand_in(place, "alsactl")
    with place.suite.runsv(service, **place.options()):
        called(place, "alsactl restore")
        place.suite.run("sv", "down", service)
        called(place, "alsactl restore", "alsactl store")


def test_the_mouse_is_where_its_configuration_says(place: Place) -> None:
    service = place.service("gpm")
    run = service / "run"
    run.write_text(run.read_text().replace("rm -f /run/", f"rm -f {place.root}/"))
    build(place.root, {"sysconfig/mouse": "MDEVICE=/dev/null PROTOCOL=ps2 GPMOPTS=-3\n"})
    place.daemon("gpm")
    with place.suite.runsv(service, **place.options()):
        wait_for(place.calls.exists, f"the daemon: {place.log()}")
    argv = json.loads(place.calls.read_text())["argv"]
    assert argv[1:] == ["-D", "-m", "/dev/null", "-t", "ps2", "-3"]


def test_threads_of_the_nfs_server_start_and_end_with_the_service(place: Place) -> None:
    service = place.service("nfs-server")
    for script in (service / "run", service / "finish"):
        text = script.read_text().replace("/proc/", f"{place.root}/proc/")
        script.write_text(text.replace("$PATH:/usr/local/sbin:/usr/sbin:/sbin", "$PATH"))
    functions = place.root / "sv/.functions"
    functions.write_text(functions.read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", ""))
    build(
        place.root,
        {
            "proc/filesystems": "nodev\tnfsd\n",
            "proc/mounts": "",
            "proc/fs/nfsd/threads": "0\n",
            "sysconfig/nfs-server": "PROCESSES=4\n",
        },
    )
    for name in ("rpc.nfsd", "exportfs", "mount"):
        stand_in(place, name)
    build(place.root / "bin", {"sv": "#!/bin/sh\nexit 0\n"})
    first = (f"mount -t nfsd nfsd {place.root}/proc/fs/nfsd", "exportfs -r", "rpc.nfsd 4")
    with place.suite.runsv(service, **place.options()):
        called(place, *first)
        place.suite.run("sv", "down", service)
        called(place, *first, "rpc.nfsd 0", "exportfs -au")


def test_mounting_is_served_when_the_nfs_server_has_threads(place: Place) -> None:
    service, server = place.service("mountd"), place.root / "sv/nfs-server"
    check = server / "check"
    check.write_text(check.read_text().replace("/proc/", f"{place.root}/proc/"))
    shutil.rmtree(server / "log")
    (server / "finish").unlink()
    build(server, {"run": "#!/bin/sh\nexec pause\n"})
    build(place.root, {"proc/fs/nfsd/threads": "0\n"})
    place.daemon("rpc.mountd")
    with place.suite.runsv(server, **place.options()):
        wait_for(lambda: stat(server) == "run")
        with place.suite.runsv(service, **place.options()):
            wait_for(lambda: stat(service) == "run")
            assert not place.calls.exists()
            build(place.root, {"proc/fs/nfsd/threads": "8\n"})
            wait_for(place.calls.exists, f"the daemon: {place.log()}")


def test_without_a_disk_to_watch_smartd_is_down_and_tells(place: Place) -> None:
    service = place.service("smartd")
    stand_in(place, "smartd", "exit 17")
    with place.suite.runsv(service, **place.options()):
        wait_for(lambda: "no disk that it can watch" in place.log(), "a word")

        def given_up() -> bool:
            return b"want up" not in place.suite.run("sv", "status", service).stdout

        wait_for(lambda: stat(service) == "down" and given_up())
    assert "smartd --no-fork\n" in place.calls.read_text()


def test_what_could_be_mounted_stays_while_the_rest_is_tried_again(place: Place) -> None:
    service = place.service("netfs")
    for script in (service / "finish", place.root / "sv/.functions"):
        script.write_text(script.read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", ""))
    build(place.root, {"sysconfig/netfs": "TYPES=9p\n"})
    stand_in(place, "ip", "echo an address")
    stand_in(place, "umount")
    tried = f"{place.root}/tried"
    stand_in(place, "mount", f"test -e {tried} || {{ : >{tried}; exit 32; }}")
    looked = "ip -o address show up scope global"
    first = (looked, "mount -a -t 9p")
    mounted = (*first, *first, "mount -a -O _netdev")
    with place.suite.runsv(service, **place.options()):
        called(place, *mounted)
        place.suite.run("sv", "down", service)
        called(place, *mounted, "umount -a -f -t 9p", "umount -a -f -O _netdev")


@pytest.mark.parametrize("text", ["CONFIG='never closed\n", "CONFIG=/nowhere\n"])
def test_stunnel_goes_on_when_it_is_told_to_read_what_is_broken(place: Place, text: str) -> None:
    service = place.service("stunnel")
    (place.root / "run").mkdir()
    for script in (service / "run", service / "configure"):
        script.write_text(script.read_text().replace("/run/stunnel", f"{place.root}/run/stunnel"))
    sysconfig = place.root / "sysconfig/stunnel"
    settings = f"CONFIG={place.root}/stunnel.conf\n"
    build(place.root, {"stunnel.conf": "; empty\n", "sysconfig/stunnel": settings})
    place.daemon("stunnel")
    with place.suite.runsv(service, **place.options()):
        wait_for(place.calls.exists, f"the daemon: {place.log()}")
        first = pid(service)
        sysconfig.write_text(text)
        place.suite.run("sv", "hup", service)
        wait_for(lambda: "stunnel: /" in place.log(), "a word")
        assert (pid(service), stat(service)) == (first, "run")
        # Down by its owner's word, it cannot be up again.
        place.suite.run("sv", "restart", service)
        wait_for(lambda: 'down until told "sv up stunnel"' in place.log(), "the last word")


def test_swat_is_served_by_stunnel_in_the_foreground(place: Place) -> None:
    service = place.service("swat")
    (place.root / "run").mkdir()
    for script in (service / "run", service / "configure"):
        script.write_text(script.read_text().replace("/run/stunnel", f"{place.root}/run/stunnel"))
    build(
        place.root,
        {
            "swat.conf": "foreground = no\npid = /run/x\n[swat]\nexec = /usr/sbin/swat\n",
            "sysconfig/swat": f"CONFIG={place.root}/swat.conf\n",
        },
    )
    place.daemon("stunnel")
    with place.suite.runsv(service, **place.options()):
        wait_for(place.calls.exists, f"the daemon: {place.log()}")
    copy = Path(json.loads(place.calls.read_text())["argv"][1])
    assert copy.read_text() == "foreground = yes\n[swat]\nexec = /usr/sbin/swat\n"


@pytest.mark.parametrize("name", SERVICES)
def test_a_daemon_that_is_not_installed_is_told_once(place: Place, name: str) -> None:
    service = place.service(name)
    functions = place.root / "sv/.functions"
    # A PATH with nothing on it but what the script itself needs.
    for tool in ("sh", "tr", "grep", "env"):
        (place.root / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    functions.write_text(functions.read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", ""))
    run = service / "run"
    text = run.read_text()
    for directory in ("/usr/lib", "/usr/sbin", "/usr/libexec", "/opt"):
        text = text.replace(directory, f"{place.root}{directory}")
    run.write_text(text)
    options = {**place.options(), "env": {"PATH": str(place.root / "bin")}}
    (service / "finish").unlink(missing_ok=True)
    with place.suite.runsv(service, **options):
        wait_for(lambda: "not installed" in place.log(), f"a word: {place.log()}")
        wait_for(lambda: stat(service) == "down", f"the end: {place.log()}")
    lines = place.log().splitlines()
    assert lines == [lines[0]]
    assert lines[0].startswith(f"{name}: ")
    assert lines[0].endswith(f'not installed: down until told "sv up {name}"')


@pytest.mark.parametrize("where", ["sysconfig/nginx", "sv/nginx/conf"])
def test_a_broken_configuration_is_told_and_the_service_is_down(place: Place, where: str) -> None:
    service = place.service("nginx")
    place.daemon("nginx")
    build(place.root, {where: "OPTIONS='never closed\n"})
    with place.suite.runsv(service, **place.options()):
        wait_for(lambda: "broken" in place.log(), f"a word: {place.log()}")
        wait_for(lambda: stat(service) == "down")
        build(place.root, {where: "OPTIONS=--again\n"})
        place.suite.run("sv", "up", service)
        wait_for(place.calls.exists, "the daemon")
    assert "--again" in json.loads(place.calls.read_text())["argv"]


def test_a_service_that_depends_on_another_tries_until_it_is_there(place: Place) -> None:
    service = place.service("bluetooth")
    other = place.service("dbus")
    place.daemon("bluetoothd")
    build(other, {"run": "#!/bin/sh\nexec pause\n"})
    with place.suite.runsv(service, **place.options()):
        wait_for(lambda: stat(service) == "run")
        assert not place.calls.exists()
        with place.suite.runsv(other, **place.options()):
            wait_for(place.calls.exists, "the daemon")


def test_the_log_of_a_service_is_made_where_logs_are(place: Place, tmp_path: Path) -> None:
    log = place.root / "sv/nginx/log/run"
    log.write_text(log.read_text().replace("/var/log", str(tmp_path / "var/log")))
    place.daemon("nginx")
    service = place.root / "sv/nginx"
    current = tmp_path / "var/log/sv/nginx/current"
    with place.suite.runsv(service, **place.options()):
        wait_for(lambda: current.exists() and "the daemon speaks" in current.read_text())
    assert current.parent.stat().st_mode & 0o777 == 0o750


WORKS = """#!/bin/sh
exec 3<>fifo
if [ "$1" != worker ]; then
    "$0" worker &
    echo $! >"$PWD/worker.$$"
fi
read -r word <&3
"""


@pytest.mark.skipif(not shutil.which("pkill"), reason="pkill is not installed")
@pytest.mark.parametrize("own", [True, False], ids=["in its own session", "in another's"])
def test_workers_of_a_killed_master_are_ended_if_they_are_its_own(place: Place, own: bool) -> None:
    service = place.service("squid")
    build(place.root / "bin", {"squid": WORKS})
    shutil.rmtree(service / "control")
    build(service, {"run": "#!/bin/sh\nexec squid\n"})
    os.mkfifo(service / "fifo")

    def worker() -> int:
        """The worker of the service that runs."""

        def told() -> str:
            return (service / f"worker.{pid(service)}").read_text()

        return int(wait_for(told, "the worker"))

    workers: list[int] = []
    try:
        with place.suite.runsv(service, start_new_session=own, **place.options()):
            workers.append(worker())
            first = pid(service)
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: pid(service) not in (0, first), "the next")
            workers.append(worker())
            assert alive(workers[1])
            assert alive(workers[0]) != own
    finally:
        for one in workers:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
