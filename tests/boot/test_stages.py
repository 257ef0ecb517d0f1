"""Stage 1, part by part: what it does on which machine, and that nothing ends it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from staging import CHECKOUT, SHELLS, STAGES, Machine, needs_namespaces

SETTINGS = ("runit.conf", "ifconfig.eth0")
FILES = [path for path in sorted(STAGES.rglob("*")) if path.is_file() and path.name not in SETTINGS]
IDS = [str(path.relative_to(STAGES)) for path in FILES]

HARDWARE = (
    "mount",
    "udevd",
    "udevadm",
    "ip",
    "hwclock",
    "modprobe",
    "dmraid",
    "btrfs",
    "vgchange",
    "cryptsetup",
    "fsck",
    "fsck.ext4",
    "swapon",
    "setfont",
    "loadkeys",
    "kbd_mode",
    "sysctl",
    "ifup",
    "syslogd",
    "klogd",
    "dmesg",
)


@pytest.mark.parametrize("path", FILES, ids=IDS)
@pytest.mark.parametrize("shell", [["dash"], ["busybox", "ash"], ["bash", "--posix"]], ids=" ".join)
def test_every_shell_can_read_it(shell: list[str], path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run([*shell, "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_shellcheck_has_no_complaint() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "-s", "sh", *FILES], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_what_runs_is_executable_and_what_is_sourced_is_not() -> None:
    for path in FILES:
        assert os.access(path, os.X_OK) == (path.read_bytes()[:2] == b"#!"), path


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root", request.param)


@pytest.fixture
def one(tmp_path: Path) -> Machine:
    """With Debian's /bin/sh: for what does not hang on the shell."""
    return Machine(tmp_path / "root")


def boot(machine: Machine, **environment: str) -> tuple[str, str]:
    """Run stage 1, which ends well; what it wrote to standard output and error."""
    done = machine.run("/etc/runit/1", **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


FSTAB = """\
# device point type options dump pass
/dev/vda / ext4 defaults 1 1

UUID=a-b /home ext4 defaults 0 2
/dev/vdc none swap pri=1 0 0
server:/x /srv nfs _netdev 0 0
"""


@needs_namespaces
def test_a_machine_with_everything_boots_in_this_order(machine: Machine) -> None:
    machine.tools(*HARDWARE, "utmpset")
    machine.files(
        {
            "etc/fstab": FSTAB,
            "etc/crypttab": "home /dev/vdd none luks,discard\n",
            "etc/sysctl.conf": "",
            "etc/sysconfig/ifconfig.eth0": "ONBOOT=yes\n",
            "etc/sysconfig/ifconfig.eth0~": "",
            "sys/class/rtc/rtc0/hctosys": "0\n",
            "sys/class/net/lo/flags": "0x8\n",
        }
    )
    assert boot(machine) == ("", "")
    wanted = [
        "mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run",
        "udevd --daemon",
        "udevadm trigger --action=add --type=subsystems",
        "udevadm trigger --action=add --type=devices",
        "hwclock --hctosys --localtime",
        "dmraid -i -ay",
        "btrfs device scan",
        "vgchange --sysinit -a ay",
        "cryptsetup open --type luks --batch-mode --allow-discards /dev/vdd home",
        "vgchange --sysinit -a ay",
        "fsck -T -a /",
        "fsck -A -R -M -T -a",
        "mount -o remount,rw /",
        "mount -a -O no_netdev -t nonfs,nonfs4,nocifs,nosmb3,noncp,noncpfs,noafs,noceph",
        "swapon -a",
        "ifup eth0",
        "syslogd -m 0",
        "klogd",
    ]
    calls = machine.calls()
    rest = iter(calls)
    missing = [call for call in wanted if call not in rest]
    assert missing == [], calls
    others = set(calls) - set(wanted)
    # Beside each other, or things that busybox does itself.
    assert {call.split()[0] for call in others} <= {
        *("mount", "udevadm", "ip", "utmpset", "dmesg", "sysctl")
    }
    assert machine.read("proc/sys/kernel/printk") == "4\n"
    assert machine.read("run/utmp") == ""
    assert len(machine.read("var/lib/random-seed")) == 512


@needs_namespaces
@pytest.mark.parametrize("shell", ["dash", "bash"])  # busybox has everything
def test_where_there_are_no_tools_there_are_no_complaints(tmp_path: Path, shell: str) -> None:
    machine = Machine(tmp_path / "root", shell)
    machine.tools("mount")
    machine.files(
        {
            "etc/fstab": FSTAB,
            "etc/crypttab": "home /dev/vdd none luks\n",
            "etc/sysctl.conf": "",
            "etc/runit.conf": "MODULES=loop\nKEYMAP=de\nFONT=x\n",
            "sys/class/rtc/rtc0/hctosys": "0\n",
            "sys/class/net/lo/flags": "0x8\n",
        }
    )
    assert boot(machine) == ("", "")


@needs_namespaces
@pytest.mark.parametrize("sign", ["container", "dot/.dockerenv", "dot/run/.containerenv"])
def test_a_container_has_no_hardware(machine: Machine, sign: str) -> None:
    machine.tools(*HARDWARE)
    machine.files(
        {
            "etc/fstab": FSTAB,
            "etc/hostname": "other\n",
            "proc/cmdline": "forcefsck single\n",
            "sys/class/rtc/rtc0/hctosys": "0\n",
            "tmp/old": "",
            "run/runit/booted": "",
        }
    )
    if sign == "container":
        said = boot(machine, container="test")
    else:
        machine.files({sign.removeprefix("dot/"): ""})
        said = boot(machine)
    assert said == ("", "")
    assert machine.calls() == []
    assert machine.read("proc/sys/kernel/hostname") == ""
    assert sorted(os.listdir(machine.root / "tmp")) == [".ICE-unix", ".X11-unix"]
    assert os.listdir(machine.root / "run/runit") == []


@needs_namespaces
def test_what_is_mounted_on_a_containers_tmp_is_not_emptied(machine: Machine) -> None:
    machine.files({"proc/self/mounts": "x / ext4 rw 0 0\nx /tmp ext4 rw 0 0\n", "tmp/theirs": ""})
    boot(machine, container="test")
    assert (machine.root / "tmp/theirs").exists()


# 10-filesystems


@needs_namespaces
def test_fstab_says_how_to_mount_if_it_does(one: Machine) -> None:
    one.tools("mount")
    one.files({"etc/fstab": "tmpfs /run tmpfs size=1m 0 0\nnone /dev/shm tmpfs defaults 0 0\n"})
    boot(one)
    calls = one.calls("mount")
    assert "mount /run" in calls
    assert "mount /dev/shm" in calls
    assert "mount -t sysfs -o nosuid,nodev,noexec sysfs /sys" in calls
    assert not any(call.endswith(" /run") and "-t" in call for call in calls)


@needs_namespaces
def test_an_fstab_entry_that_fails_is_made_up_for(one: Machine) -> None:
    one.tools(mount='[ "$*" != /run ]')
    one.files({"etc/fstab": "tmpfs /run tmpfs size=1x 0 0\n"})
    assert boot(one)[1] == ""
    assert "mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run" in one.calls()


@needs_namespaces
def test_what_is_mounted_stays(one: Machine) -> None:
    one.tools("mount")
    points = ("/", "/proc", "/sys", "/dev", "/run", "/dev/pts", "/dev/shm", "/sys/fs/cgroup")
    one.files({"proc/self/mounts": "".join(f"x {point} x rw 0 0\n" for point in points)})
    assert boot(one) == ("", "")
    assert one.calls() == []


@needs_namespaces
def test_dev_shm_may_be_a_link(one: Machine) -> None:
    one.tools("mount")
    (one.root / "dev/shm").symlink_to("../run/shm")
    boot(one)
    assert stat.S_IMODE((one.root / "run/shm").stat().st_mode) == 0o1777
    assert not any("/dev/shm" in call for call in one.calls())


# devtmpfs would be the real machine's.
REAL_MOUNT = """
[ "$2" != devtmpfs ] || exec /real/bin/mount -t tmpfs tmpfs /dev
exec /real/bin/mount "$@"
"""
PLAY = """\
#!/bin/sh
/etc/runit/1
echo "ended: $?"
while read -r _ point type options _; do echo "$point $type $options"; done </proc/self/mounts
"""


@needs_namespaces
def test_file_systems_are_really_mounted(machine: Machine) -> None:
    machine.tools(mount=REAL_MOUNT)
    machine.files({"play": PLAY, "etc/fstab": "tmpfs /run tmpfs nosuid,size=5m 0 0\n", "level": ""})
    shutil.rmtree(machine.root / "proc")
    (machine.root / "proc").mkdir()
    (machine.root / "sys").rename(machine.root / "sys.aside")
    (machine.root / "sys").mkdir()
    proc = machine.root / "proc"
    machine.prepare = (
        f"mount -t proc proc '{proc}'\n"
        f"mount --bind '{machine.root}/level' '{proc}/sys/kernel/printk'\n" + machine.prepare
    )
    done = machine.run("/play")
    assert "ended: 0\n" in done.stdout
    mounted = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line[0] == "/")
    types = {point: kind.split()[0] for point, kind in mounted.items()}
    assert types["/sys"] == "sysfs"
    assert types["/run"] == types["/dev/shm"] == "tmpfs"
    assert types["/dev/pts"] == "devpts"
    assert "size=5120k" in mounted["/run"]
    assert "nosuid" in mounted["/dev/shm"]
    assert machine.read("level") == "4\n"


# 12-console-messages


@needs_namespaces
@pytest.mark.parametrize(
    ("given", "written"), [("1", "1"), ("8", "8"), ("warn", "5"), ("debug", "8"), ("x", "4")]
)
def test_the_log_level_is_a_number_or_a_name(one: Machine, given: str, written: str) -> None:
    one.tools("mount")
    one.files({"etc/runit.conf": f"LOGLEVEL={given}\n"})
    said = boot(one)[1]
    assert one.read("proc/sys/kernel/printk") == f"{written}\n"
    assert ("which is no level" in said) == (given == "x")


# 20-udev


@needs_namespaces
def test_a_udevd_that_does_not_start_gives_a_shell_and_the_boot_goes_on(machine: Machine) -> None:
    machine.tools("mount", "udevadm", udevd="exit 1", sulogin="echo in the shell")
    out, said = boot(machine)
    if machine.shell != "ash":  # which has a sulogin of its own
        assert "in the shell" in out
    assert "udevd does not start" in said
    assert machine.calls("udevadm") == []
    assert (machine.root / "run/utmp").exists()


@needs_namespaces
def test_the_root_is_checked_while_udev_works(machine: Machine) -> None:
    waits = "until /real/bin/grep -q remount,rw /calls; do /real/bin/sleep 0.01; done"
    machine.tools("mount", "udevd", "fsck", "fsck.ext4")
    machine.tools(udevadm=f'[ "$1" != settle ] || {{ {waits}; echo settled >>/calls; }}')
    machine.files({"etc/fstab": "/dev/vda / ext4 defaults 0 1\n", "sys/class/rtc": None})
    machine.files({"sys/class/rtc/rtc0/hctosys": "1\n"})
    if machine.shell == "ash":
        machine.files({"etc/runit/1.d/40-volumes.sh": ""})  # busybox might have tools for it
    boot(machine)
    assert "fsck -T -a /" in machine.calls()
    assert "settled" in machine.calls()


@needs_namespaces
def test_other_file_systems_are_looked_for_when_udev_is_done(machine: Machine) -> None:
    slow = '[ "$1" != settle ] || { /real/bin/sleep 0.2; echo settled >>/calls; }'
    machine.tools("mount", "udevd", "fsck", "swapon", udevadm=slow)
    machine.files({"etc/fstab": FSTAB})
    boot(machine)
    calls = machine.calls("settled", "fsck", "mount")
    assert calls.index("settled") < calls.index("fsck -A -R -M -T -a")
    assert any(call.startswith("mount -a") for call in calls[calls.index("settled") :])


# 25-hostname


@needs_namespaces
@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "localhost"),
        ({"etc/hostname": "# the name\nbox\n"}, "box"),
        ({"etc/hostname": "box"}, "box"),
        ({"etc/sysconfig/network": "# x\nHOSTNAME=lfs\n"}, "lfs"),
        ({"etc/sysconfig/network": 'HOSTNAME="lfs" # x\n'}, "lfs"),
        ({"etc/hostname": "box\n", "etc/sysconfig/network": "HOSTNAME=lfs\n"}, "box"),
        ({"etc/rc.site": "HOSTNAME=site\n"}, "site"),
    ],
)
def test_the_host_name(machine: Machine, files: dict[str, str], name: str) -> None:
    machine.tools("mount")
    machine.files(files)
    boot(machine)
    assert machine.read("proc/sys/kernel/hostname") == f"{name}\n"


# 27-loopback


@needs_namespaces
@pytest.mark.parametrize(("flags", "calls"), [("0x8", ["ip link set lo up"]), ("0x9", [])])
def test_loopback_is_brought_up_if_it_is_not(one: Machine, flags: str, calls: list[str]) -> None:
    one.tools("mount", "ip")
    one.files({"sys/class/net/lo/flags": flags + "\n"})
    boot(one)
    assert one.calls("ip") == calls


# 30-clock


CLOCKS = [
    ("0", "", "", "hwclock --hctosys --localtime"),
    ("1", "", "", "hwclock --systz --localtime"),
    ("1", "HARDWARECLOCK=UTC\n", "0.000000 1 0\n0\nLOCAL\n", "hwclock --systz --utc"),
    ("1", "", "0.5 1 0\n0\nUTC\n", "hwclock --hctosys --utc"),
    ("1", "CLOCKPARAMS=--verbose\n", "", "hwclock --hctosys --localtime --verbose"),
]


@needs_namespaces
@pytest.mark.parametrize(("kernel", "settings", "adjtime", "call"), CLOCKS)
def test_the_system_clock(
    one: Machine, kernel: str, settings: str, adjtime: str, call: str
) -> None:
    one.tools("mount", "hwclock")
    one.files({"sys/class/rtc/rtc0/hctosys": kernel + "\n", "etc/runit.conf": settings})
    if adjtime:
        one.files({"etc/adjtime": adjtime})
    assert boot(one) == ("", "")
    assert one.calls("hwclock") == [call]


@needs_namespaces
def test_the_kernels_time_zone_is_the_one_that_is_set(one: Machine) -> None:
    one.tools("mount", hwclock='echo "in $TZ" >>/calls')
    one.files(
        {
            "sys/class/rtc/rtc0/hctosys": "0\n",
            "etc/runit.conf": "TIMEZONE=Asia/Tokyo\n",
            "usr/share/zoneinfo/Asia/Tokyo": "",
        }
    )
    boot(one)
    assert "in Asia/Tokyo" in one.calls()


@needs_namespaces
def test_a_clock_that_comes_with_udev_is_read_then(one: Machine) -> None:
    made = "[ $1 != settle ] || { /real/bin/mkdir -p /sys/class/rtc/rtc0; }"
    one.tools("mount", "udevd", "hwclock", udevadm=made)
    boot(one)
    assert one.calls("hwclock") == ["hwclock --hctosys --localtime"]


# 35-modules


@needs_namespaces
def test_modules_are_loaded_with_their_arguments(machine: Machine) -> None:
    machine.tools("mount", modprobe='[ "$2" != bad ]')
    machine.files(
        {
            "proc/modules": "",
            "etc/runit.conf": "MODULES='loop bad fuse'\n",
            "etc/sysconfig/modules": "# those\nsnd-dummy index=1 id=x # x\n\nlast",
        }
    )
    said = boot(machine)[1]
    if machine.shell != "ash":  # which has a modprobe of its own
        assert machine.calls("modprobe") == [
            *("modprobe -q loop", "modprobe -q bad", "modprobe -q fuse"),
            *("modprobe -q snd-dummy index=1 id=x", "modprobe -q last"),
        ]
        assert said == "runit: stage 1: module bad cannot be loaded\n"


# 40-volumes


@needs_namespaces
def test_lines_of_crypttab(machine: Machine) -> None:
    machine.tools("mount", "mkswap", cryptsetup="[ $# != 0 ] && ! [ -e /fail ]")
    machine.files(
        {
            "etc/crypttab": "# name device key options\n"
            "one UUID=a-b none luks\n"
            "swap /dev/vdb /dev/urandom swap,cipher=aes,size=512\n"
            "later /dev/vdc none luks,noauto\n"
            "three LABEL=x /key readonly,keyfile-size=32\n"
        }
    )
    boot(machine)
    plain, luks = (f"cryptsetup open --type {kind} --batch-mode" for kind in ("plain", "luks"))
    assert machine.calls("cryptsetup") == [
        f"{luks} /dev/disk/by-uuid/a-b one",
        f"{plain} --cipher=aes --key-size=512 --key-file=/dev/urandom /dev/vdb swap",
        f"{luks} --readonly --keyfile-size=32 --key-file=/key /dev/disk/by-label/x three",
    ]
    if machine.shell != "ash":
        assert machine.calls("mkswap") == ["mkswap /dev/mapper/swap"]


@needs_namespaces
def test_a_device_that_cannot_be_opened_costs_itself(one: Machine) -> None:
    one.tools("mount", cryptsetup="exit 2")
    one.files({"etc/crypttab": "one /dev/vdb none\ntwo /dev/vdc none\n"})
    assert boot(one)[1].splitlines() == [
        f"runit: stage 1: {name} of /etc/crypttab cannot be opened" for name in ("one", "two")
    ]


# 50-root, 55-mount


@needs_namespaces
@pytest.mark.parametrize(
    ("mode", "fstab", "remounted"),
    [
        ("ro,relatime", "", True),
        ("rw,relatime", "", False),
        ("ro", "/dev/vda / ext4 defaults 0 0\n", True),
        ("ro", "/dev/vda / ext4 ro 0 0\n", False),
        ("ro", "/dev/vda / ext4 noatime,ro,x=y 0 0\n", False),
        ("ro", "/dev/vda / ext4 errors=remount-ro 0 0\n", True),
    ],
)
def test_the_root_becomes_writable_unless_fstab_has_it_otherwise(
    one: Machine, mode: str, fstab: str, remounted: bool
) -> None:
    one.tools("mount")
    one.files({"etc/fstab": fstab, "proc/self/mounts": f"/dev/vda / ext4 {mode} 0 0\n"})
    boot(one)
    assert ("mount -o remount,rw /" in one.calls()) == remounted


@needs_namespaces
def test_nothing_is_called_for_what_fstab_has_not(one: Machine) -> None:
    one.tools("mount", "swapon", "fsck")
    one.files({"etc/fstab": "/dev/vda / ext4 defaults 0 0\nserver:/x /srv nfs defaults 0 0\n"})
    boot(one)
    assert not any(call.startswith(("swapon", "fsck", "mount -a")) for call in one.calls())


@needs_namespaces
def test_file_systems_that_fail_do_not_end_the_boot(machine: Machine) -> None:
    machine.tools(mount="exit 32", swapon="exit 255")
    machine.files({"etc/fstab": FSTAB})
    said = boot(machine)[1]
    assert "not every file system of /etc/fstab could be mounted" in said
    assert "/ stays read-only" in said
    assert (machine.root / "run/utmp").exists()


# 57-cgroups


@needs_namespaces
def test_control_groups(machine: Machine) -> None:
    machine.tools("mount")
    machine.files({"sys/fs/cgroup": None, "proc/cgroups": "#n\ncpu\t1\t1\t1\nmemory\t0\t1\t0\n"})
    boot(machine)
    v2 = "mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup"
    assert [call for call in machine.calls() if "cgroup" in call] == [v2]
    machine.files({"etc/runit.conf": "CGROUPS=hybrid\n", "calls": ""})
    boot(machine)
    assert [call for call in machine.calls() if "cgroup" in call] == [
        "mount -t tmpfs -o mode=0755,nosuid,nodev,noexec cgroup /sys/fs/cgroup",
        "mount -t cgroup -o nosuid,nodev,noexec,cpu cgroup /sys/fs/cgroup/cpu",
        v2 + "/unified",
    ]


# 60-cleaning


@needs_namespaces
def test_tmp_is_emptied(machine: Machine) -> None:
    machine.tools("mount")
    names = ("a", ".b", "..c", "two words", "dir/x", "lost+found/kept", "-rf")
    machine.files({"keep/me": "", **{f"tmp/{name}": "" for name in names}})
    (machine.root / "tmp/link").symlink_to("/keep")
    assert boot(machine)[1] == ""
    left = {path.name for path in (machine.root / "tmp").iterdir()}
    assert left == {"lost+found", ".ICE-unix", ".X11-unix"}
    assert (machine.root / "keep/me").exists()
    assert stat.S_IMODE((machine.root / "tmp/.X11-unix").stat().st_mode) == 0o1777


@needs_namespaces
@pytest.mark.parametrize("setting", ["SKIPTMPCLEAN=yes", "SKIPTEMPCLEAN=1", "SKIPTMPCLEAN=T"])
def test_tmp_stays_if_that_is_wanted(one: Machine, setting: str) -> None:
    one.tools("mount")
    one.files({"etc/runit.conf": setting, "tmp/a": ""})
    boot(one)
    assert (one.root / "tmp/a").exists()


@needs_namespaces
def test_files_for_one_boot_are_removed(one: Machine) -> None:
    one.tools("mount")
    names = ("etc/nologin", "run/nologin", "forcefsck", "forcequotacheck", "fastboot")
    one.files(dict.fromkeys(names, ""))
    boot(one)
    assert not any((one.root / name).exists() for name in names)


@needs_namespaces
def test_createfiles_is_one_command_per_line(machine: Machine) -> None:
    machine.tools("mount")
    commands = "\nmkdir '/tmp/two words'\nfalse\nexit 3\nif\n  : >/tmp/file; chmod 600 /tmp/file"
    machine.files({"etc/runit.conf": f'CREATEFILES="{commands}"\n'})
    said = boot(machine)[1]
    assert (machine.root / "tmp/two words").is_dir()
    assert stat.S_IMODE((machine.root / "tmp/file").stat().st_mode) == 0o600
    failed = [line for line in said.splitlines() if "CREATEFILES: this failed" in line]
    assert [line.rpartition(": ")[2] for line in failed] == ["false", "exit 3", "if"]


@needs_namespaces
def test_createfiles_of_linux_from_scratch(machine: Machine) -> None:
    machine.tools("mount")
    machine.files(
        {
            "etc/sysconfig/createfiles": "# name type mode user group\n"
            "/run/file file 640 0 0\n/run/dir dir 1777 0 0\n"
            "/run/pipe dev 600 0 0 pipe\n/run/odd thing 600 0 0\n/run/file dir 755 0 0\n"
        }
    )
    said = boot(machine)[1]
    assert stat.S_IMODE((machine.root / "run/file").stat().st_mode) == 0o640
    assert stat.S_IMODE((machine.root / "run/dir").stat().st_mode) == 0o1777
    assert (machine.root / "run/pipe").is_fifo()
    assert said == "runit: stage 1: /etc/sysconfig/createfiles: /run/odd cannot be made\n"


# 80-udev-late


@needs_namespaces
def test_udev_looks_again_once_the_root_is_writable(machine: Machine) -> None:
    machine.tools("mount", "udevadm")
    machine.files(
        {
            "run/udev/tmp-rules--70-net.rules": "rule\n",
            "etc/udev/rules.d/70-net.rules": "old\n",
            "etc/sysconfig/udev_retry": "# x\nnet\n",
            "etc/runit.conf": "SUBSYSTEM='rtc none'\n",
            "sys/class/net": None,
            "sys/class/rtc": None,
        }
    )
    boot(machine)
    assert machine.calls("udevadm") == [
        "udevadm trigger --action=add --subsystem-match=rtc --subsystem-match=net"
    ]
    assert machine.read("etc/udev/rules.d/70-net.rules") == "old\nrule\n"
    assert not (machine.root / "run/udev/tmp-rules--70-net.rules").exists()


# 65-timezone


@needs_namespaces
def test_the_time_zone_becomes_a_link(machine: Machine) -> None:
    machine.tools("mount")
    machine.files({"usr/share/zoneinfo/Asia/Tokyo": "TZ", "etc/localtime": "a copy"})
    local = machine.root / "etc/localtime"
    boot(machine)
    assert not local.is_symlink()
    machine.files({"etc/runit.conf": "TIMEZONE=Asia/Tokyo\n"})
    for _ in range(2):
        assert boot(machine)[1] == ""
        assert os.readlink(local) == "/usr/share/zoneinfo/Asia/Tokyo"
    machine.files({"etc/runit.conf": "TIMEZONE=Asia/Atlantis\n"})
    assert "there is no /usr/share/zoneinfo/Asia/Atlantis" in boot(machine)[1]
    assert os.readlink(local) == "/usr/share/zoneinfo/Asia/Tokyo"


# 70-random


@needs_namespaces
def test_the_seed_is_used_once(machine: Machine) -> None:
    machine.tools("mount")
    machine.files({"var/lib/random-seed": "old", "dev/urandom": ""})
    seed = machine.root / "var/lib/random-seed"
    before = seed.stat()
    boot(machine)
    assert machine.read("dev/urandom") == "old"
    assert seed.stat().st_ino != before.st_ino
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600


# 90-syslog


@needs_namespaces
@pytest.mark.parametrize(
    ("settings", "refused", "calls"),
    [
        ("", "", ["syslogd -m 0", "klogd"]),
        ("", "-m", ["syslogd -m 0", "syslogd", "klogd"]),
        ("SYSLOGD_PARMS='-s -p /x'\nKLOGD_PARMS=\n", "", ["syslogd -s -p /x", "klogd"]),
        ("KLOGD_PARMS='-c 1'\n", "", ["syslogd -m 0", "klogd -c 1"]),
    ],
)
def test_syslogd_and_klogd_get_their_parameters(
    one: Machine, settings: str, refused: str, calls: list[str]
) -> None:
    one.tools("mount", "klogd", syslogd=f'[ "$1" != "{refused or "none"}" ]')
    one.files({"etc/runit.conf": settings})
    boot(one)
    assert one.calls("syslogd", "klogd") == calls


@needs_namespaces
def test_a_syslogd_that_is_a_service_is_left_to_runsvdir(one: Machine) -> None:
    one.tools("mount", "klogd", "syslogd")
    one.files({"etc/runit/runsvdir/multi/rsyslogd/run": ""})
    boot(one)
    assert one.calls("syslogd", "klogd") == []


# What goes wrong


@needs_namespaces
@pytest.mark.parametrize("text", ["if then (\n", "exit 5\n", ": ${none?}\n", "unset -f warn; no\n"])
def test_a_broken_part_costs_itself(machine: Machine, text: str) -> None:
    machine.tools("mount")
    machine.files({"etc/runit/1.d/40-volumes.sh": text})
    said = boot(machine)[1]
    if "unset" not in text:
        assert "/etc/runit/1.d/40-volumes.sh failed" in said
    assert machine.calls().count("mount -t sysfs -o nosuid,nodev,noexec sysfs /sys") == 1
    assert machine.read("run/utmp") == ""


@needs_namespaces
def test_a_file_with_another_name_is_no_part(one: Machine) -> None:
    one.tools("mount")
    one.files({"etc/runit/1.d/40-x.sh.new": "exit 1\n", "etc/runit/1.d/README.sh": "exit 1\n"})
    assert boot(one) == ("", "")


@needs_namespaces
def test_a_part_of_the_owners_is_run_in_its_place(one: Machine) -> None:
    one.tools("mount")
    one.files({"etc/runit/1.d/52-mine.sh": "echo mine >>/calls\n"})
    boot(one)
    calls = one.calls()
    assert calls.index("mount -o remount,rw /") < calls.index("mine")


def test_the_checkout_has_no_part_twice() -> None:
    for directory in ("1.d", "3.d"):
        numbers = [path.name[:2] for path in (CHECKOUT / "stages" / directory).glob("[0-9]*")]
        assert len(set(numbers)) == len(numbers)
