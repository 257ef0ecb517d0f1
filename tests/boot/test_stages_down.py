"""Stage 3 and ctrlaltdel: the way down, in order, whatever fails."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from staging import SHELLS, Machine, needs_namespaces

pytestmark = needs_namespaces

TOOLS = ("sv", "halt", "hwclock", "ifdown", "udevadm", "killall5", "mount", "umount", "swapoff")
STAT = "{pid} (a ) b) S 1 {pid} {session} 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", request.param)
    made.tools(*TOOLS)
    made.files(
        {
            "run/runit": None,
            "etc/runit/runsvdir/multi/one/run": "",
            "etc/runit/runsvdir/multi/two/run": "",
            "proc/self/mounts": "/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\n",
            "proc/swaps": "Filename Type Size Used Priority\n",
        }
    )
    process(made, "self", session=1)
    (made.root / "etc/runit/runsvdir/current").symlink_to("multi")
    return made


def process(machine: Machine, pid: int | str, words: str = "sleep\0", session: int = 7) -> None:
    """Let /proc show a process."""
    machine.files(
        {
            f"proc/{pid}/cmdline": words,
            f"proc/{pid}/stat": STAT.format(pid=pid, session=session),
        }
    )


def go_down(machine: Machine, **environment: str) -> tuple[str, str]:
    """Run stage 3, which ends well; its output and errors."""
    done = machine.run("/etc/runit/3", **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_everything_is_done_in_this_order(machine: Machine) -> None:
    machine.files(
        {
            "sys/class/rtc/rtc0/date": "",
            "etc/sysconfig/ifconfig.eth0": "ONBOOT=yes\n",
            "etc/runit.conf": "HARDWARECLOCK=UTC\n",
            "proc/self/mounts": "/dev/vda / ext4 rw 0 0\n/dev/vdb /home ext4 rw 0 0\n"
            "server:/x /srv nfs rw 0 0\n",
            "proc/swaps": "Filename Type\n/dev/vdc partition\n",
        }
    )
    process(machine, 50)
    out, said = go_down(machine)
    calls = machine.calls()
    if machine.shell == "ash":  # whose umount is not our stand-in
        pytest.skip("busybox unmounts by itself")
    assert (out, said) == ("stopping the services ...\n", "")
    assert "halt -w" in calls
    assert "hwclock --systohc --utc" in calls
    services = "/etc/runit/runsvdir/current/one /etc/runit/runsvdir/current/two"
    assert [call for call in calls if call.split()[0] not in ("halt", "hwclock")] == [
        f"sv -w 10 force-stop {services}",
        "umount -a -f -t nfs,nfs4,cifs,smb3",
        "ifdown eth0",
        "killall5 -t 5",
        "swapoff -a",
        "umount -a -r -t noproc,nosysfs,nodevtmpfs,nodevpts,notmpfs,nocgroup,nocgroup2,noefivarfs",
        "mount -o remount,ro /",
    ]
    assert len(machine.read("var/lib/random-seed")) == 512
    seed = machine.root / "var/lib/random-seed"
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600


def test_nothing_is_called_that_is_not_needed(machine: Machine) -> None:
    machine.files({"proc/self/mounts": "/dev/vda / ext4 ro 0 0\ntmpfs /run tmpfs rw 0 0\n"})
    go_down(machine)
    assert {call.split()[0] for call in machine.calls()} == {"sv", "halt"}


def test_a_container_only_stops_what_runs(machine: Machine) -> None:
    machine.files({"sys/class/rtc/rtc0/date": ""})
    process(machine, 50)
    go_down(machine, container="test")
    assert [call.split()[0] for call in machine.calls()] == ["sv", "killall5"]


@pytest.mark.parametrize(
    ("pid", "words", "session", "killed"),
    [
        (50, "sleep\0100\0", 7, True),
        (50, "", 7, False),  # a kernel thread, or a zombie
        (50, "@plymouthd\0", 7, False),
        (50, "sleep\0", 1, False),  # of this session
        (1, "runit\0", 7, False),
        (50, " odd\n)name\0", 7, True),
    ],
)
def test_killall5_is_called_if_there_is_somebody(
    machine: Machine, pid: int, words: str, session: int, killed: bool
) -> None:
    process(machine, pid, words, session)
    go_down(machine)
    assert machine.calls("killall5") == ["killall5 -t 5"] * killed


@pytest.mark.parametrize(("text", "wait"), [("0\n", "0"), ("30", "30"), ("x\n", "5"), ("", "5")])
def test_the_wait_may_be_told(machine: Machine, text: str, wait: str) -> None:
    process(machine, 50)
    machine.files({"run/runit/killwait": text})
    go_down(machine)
    assert machine.calls("killall5") == [f"killall5 -t {wait}"]


def clock(machine: Machine, zone: str, off: int, keeps: str) -> list[str]:
    """What stage 3 does about a hardware clock that is OFF seconds wrong."""
    hours, minutes = int(zone[:3]), int(zone[0] + zone[3:])
    shown = int(time.time()) + off + (hours * 3600 + minutes * 60) * (keeps == "localtime")
    machine.files(
        {
            "sys/class/rtc/rtc0/since_epoch": f"{shown}\n",
            "etc/runit.conf": f"HARDWARECLOCK={keeps}\n",
            "calls": "",
        }
    )
    # date's own name for hours east of Greenwich
    go_down(machine, TZ=f"<zone>{-hours}:{abs(minutes):02}")
    return machine.calls("hwclock")


@pytest.mark.parametrize("zone", ["+0000", "+0900", "-0530"])
@pytest.mark.parametrize("keeps", ["UTC", "localtime"])
def test_a_hardware_clock_that_is_right_is_left_alone(
    machine: Machine, zone: str, keeps: str
) -> None:
    assert clock(machine, zone, 0, keeps) == []
    option = "--utc" if keeps == "UTC" else "--localtime"
    assert clock(machine, zone, 3600, keeps) == [f"hwclock --systohc {option}"]
    assert clock(machine, zone, -90, keeps) == [f"hwclock --systohc {option}"]


def test_everything_may_fail(machine: Machine) -> None:
    machine.tools(**dict.fromkeys(TOOLS, "exit 1"))
    machine.files({"proc/swaps": "x\ny\n", "etc/sysconfig/ifconfig.eth0": ""})
    said = go_down(machine)[1]
    for line in ("interface eth0 is not down", "swap is still in use", "/ stays writable"):
        assert f"runit: stage 3: {line}\n" in said


def test_a_service_that_does_not_stop_is_named(machine: Machine) -> None:
    machine.tools(sv="echo ok: down: a: 0s; echo 'kill: run: b: (pid 5) 9s, got TERM'; exit 1")
    out, said = go_down(machine)
    assert out == "stopping the services ...\n"
    assert said == "runit: stage 3: kill: run: b: (pid 5) 9s, got TERM\n"


@pytest.mark.parametrize("text", ["if then (\n", "exit 5\n"])
def test_a_broken_part_costs_itself(machine: Machine, text: str) -> None:
    machine.files({"etc/runit/3.d/30-network.sh": text})
    assert "3.d/30-network.sh failed" in go_down(machine)[1]
    assert machine.calls("sv", "mount")[-1] == "mount -o remount,ro /"
    assert len(machine.calls("sv")) == 1


def test_ctrlaltdel_warns_and_asks_for_a_restart(machine: Machine) -> None:
    machine.tools("wall")
    for flag in ("stopit", "reboot"):  # as on a read-only root
        (machine.root / "etc/runit" / flag).symlink_to(f"/run/runit/{flag}")
    done = machine.run("/etc/runit/ctrlaltdel")
    assert (done.returncode, done.stderr) == (0, "")
    for flag in ("stopit", "reboot"):
        assert stat.S_IMODE((machine.root / "run/runit" / flag).stat().st_mode) == 0o100
    if machine.shell != "ash":
        assert machine.calls("wall")[0].startswith("wall The system is going down for reboot")


def test_flags_that_are_no_links_are_set_too(machine: Machine) -> None:
    machine.files({"etc/runit/stopit": ""})
    assert machine.run("/etc/runit/ctrlaltdel").returncode == 0
    for flag in ("stopit", "reboot"):
        assert stat.S_IMODE((machine.root / "etc/runit" / flag).stat().st_mode) == 0o100


# From stage 1 to stage 3, with the suite's own programs


WHOLE = """\
#!/bin/sh
/etc/runit/1 || echo "stage 1 ended with $?"
/etc/runit/2 &
stage=$!
for service in one two; do
    until read -r state </etc/sv/$service/supervise/stat && [ "$state" = run ]; do sleep 0.05; done
done 2>/dev/null
cat /calls
setsid sleep 1000 &
kill $stage
wait $stage
echo "stage 2 ended with $?"
setsid /etc/runit/3 || echo "stage 3 ended with $?"
cat /etc/sv/one/supervise/stat /etc/sv/two/supervise/stat
for process in /proc/[1-9]*; do
    case ${process#/proc/} in 1) continue ;; esac
    read -r words <"$process/cmdline"
    [ -z "$words" ] || echo "left: $words"
done 2>/dev/null
"""


def test_a_container_from_its_start_to_its_end(machine: Machine) -> None:
    machine.install()
    for name in ("setsid", "sleep"):
        place = machine.root / "usr/bin" / name
        place.unlink(missing_ok=True)
        place.symlink_to(f"/real/bin/{name}")
    services = machine.root / "etc/runit/runsvdir/multi"
    for name in ("one", "two"):
        (services / name / "run").unlink()
        (services / name).rmdir()
        (services / name).symlink_to(f"/etc/sv/{name}")
        machine.files({f"etc/sv/{name}/run": "#!/bin/sh\nexec sleep 1000\n"})
        (machine.root / "etc/sv" / name / "supervise").symlink_to(f"/run/runit/supervise.{name}")
    machine.files(
        {
            "etc/sv/two/finish": "#!/bin/sh\necho two finishes $* >>/calls\n",
            "etc/rc.local": "#!/bin/sh\necho rc.local >>/calls\n",
            "calls": "",
            "play": WHOLE,
        }
    )
    done = machine.run("/play", container="test")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "rc.local",
        "stage 2 ended with 0",
        "stopping the services ...",
        "down",
        "down",
    ]
    assert machine.calls() == ["rc.local", "two finishes -1 15"]
