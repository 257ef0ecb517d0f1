"""make install-lfs: what a machine boots with, and whose files are whose."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from installing import Maker, tree

from runit.installation import machine
from runit.launchers import LFS, SBIN

BOOTING = ("init", "runit-init", "runit")


class Staged:
    """A file system that a machine's install went to."""

    def __init__(self, maker: Maker, top: Path) -> None:
        self.maker = maker
        self.top = top
        self.said = ""

    def install(self, *variables: str, target: str = "install-lfs", code: int = 0) -> str:
        """Install; what was said, on either output."""
        given = ("PREFIX=/usr", f"DESTDIR={self.top}", "WHEELS=none")
        done = self.maker.run(target, *given, *variables)
        assert (done.returncode != 0) == (code != 0), done.stderr
        self.said = done.stdout + done.stderr
        return self.said

    def uninstall(self, target: str = "uninstall") -> str:
        done = self.maker.run(target, "PREFIX=/usr", f"DESTDIR={self.top}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __truediv__(self, inside: str) -> Path:
        return self.top / inside


def merged(top: Path) -> Path:
    """A root file system whose /sbin is /usr/sbin."""
    (top / "usr/sbin").mkdir(parents=True)
    (top / "sbin").symlink_to("usr/sbin")
    return top


@pytest.fixture
def staged(maker: Maker, tmp_path: Path) -> Staged:
    """A machine's install, for a test to do with as it likes."""
    staged = Staged(maker, merged(tmp_path / "root"))
    staged.install()
    return staged


def test_stages_services_and_configuration_are_installed(staged: Staged) -> None:
    for name in ("1", "2", "3", "ctrlaltdel"):
        assert os.access(staged / f"etc/runit/{name}", os.X_OK)
    assert (staged / "etc/runit/1.d").is_dir()
    assert (staged / "etc/runit.conf").is_file()
    assert os.access(staged / "etc/rc.local", os.X_OK)
    assert os.listdir(staged / "etc/runit/rc.d") == []
    assert os.access(staged / "etc/sv/agetty-tty1/run", os.X_OK)
    assert not (staged / "etc/sv/blfs-servicescripts").exists()


def test_the_commands_of_the_old_world_are_installed(staged: Staged) -> None:
    for name in (*LFS, *SBIN, "post_install_reboot"):
        assert os.access(staged / f"usr/sbin/{name}", os.X_OK), name


def test_what_the_network_needs_is_installed(staged: Staged) -> None:
    for name in ("ifup", "ifdown"):
        assert os.access(staged / f"sbin/{name}", os.X_OK), name
        assert (staged / f"usr/share/man/man8/{name}.8").is_file()
    names = ["ipv4-static", "ipv4-static-route", "ipv6-static", "ipv6-static-route"]
    assert sorted(os.listdir(staged / "lib/services")) == [*names, "network.sh"]
    for name in names:
        assert os.access(staged / f"lib/services/{name}", os.X_OK), name
    assert os.readlink(staged / "lib/lsb") == "services"
    assert "ONBOOT=no\n" in (staged / "etc/sysconfig/ifconfig.eth0").read_text()
    assert not (staged / "etc/runit/network").exists()


def test_settings_and_services_of_interfaces_are_their_owners(staged: Staged) -> None:
    for name in ("etc/sysconfig/ifconfig.eth0", "lib/services/ipv4-static"):
        (staged / name).write_text("mine\n")
    staged.install()
    for name in ("etc/sysconfig/ifconfig.eth0", "lib/services/ipv4-static"):
        assert (staged / name).read_text() == "mine\n"
        assert f"kept: /{name}: it is yours" in staged.said


def test_a_directory_that_others_have_for_lsb_is_left_alone(maker: Maker, tmp_path: Path) -> None:
    top = merged(tmp_path / "root")
    (top / "lib/lsb").mkdir(parents=True)
    (top / "lib/lsb/init-functions").write_text("theirs\n")
    staged = Staged(maker, top)
    staged.install()
    staged.uninstall()
    assert (top / "lib/lsb/init-functions").read_text() == "theirs\n"


def test_a_plain_install_has_none_of_it(maker: Maker, tmp_path: Path) -> None:
    Staged(maker, tmp_path).install(target="install")
    assert sorted(os.listdir(tmp_path / "usr/sbin")) == sorted(SBIN)
    assert sorted(os.listdir(tmp_path / "etc")) == ["runit", "sv"]
    assert os.listdir(tmp_path / "etc/runit") == ["runsvdir"]
    assert not (tmp_path / "usr/share/man/man8/halt.8").exists()


def test_runlevels_have_their_links(staged: Staged) -> None:
    levels = staged / "etc/runit/runsvdir"
    assert sorted(os.listdir(levels / "single")) == ["agetty-serial", "agetty-tty1"]
    terminals = [f"agetty-tty{number}" for number in range(1, 7)]
    expected = ["agetty-serial", *terminals, "update-cache"]
    assert sorted(os.listdir(levels / "multi")) == expected
    for link in (levels / "multi").iterdir():
        assert os.readlink(link) == f"/etc/sv/{link.name}"
        assert (staged / f"etc/sv/{link.name}/run").exists()


def test_what_changes_at_run_time_is_in_run(staged: Staged) -> None:
    assert os.readlink(staged / "etc/runit/stopit") == "/run/runit/stopit"
    assert os.readlink(staged / "etc/runit/reboot") == "/run/runit/reboot"
    assert os.readlink(staged / "etc/runit/runsvdir/current") == "/run/runit/runsvdir/current"
    for service in (staged / "etc/sv").iterdir():
        assert os.readlink(service / "supervise") == f"/run/runit/supervise.{service.name}"
        if (service / "log").exists():
            target = os.readlink(service / "log/supervise")
            assert target == f"/run/runit/supervise.{service.name}.log"


def test_no_link_leads_into_destdir(staged: Staged) -> None:
    for path in staged.top.rglob("*"):
        if path.is_symlink():
            assert not os.readlink(path).startswith(str(staged.top)), path


def test_modes_are_those_of_the_owner_for_all(staged: Staged) -> None:
    for path in (staged / "etc").rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.read_bytes()[:2] == b"#!"
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if executable else 0o644), path


@pytest.mark.parametrize("init", ["sbin/init", "sbin/runit-init"])
def test_the_kernel_finds_init_where_sbin_is_usr_sbin(staged: Staged, init: str) -> None:
    assert "import main" in (staged / init).read_text()
    assert not (staged / f"usr/{init}").is_symlink() or init == "sbin/init"


def test_the_kernel_finds_init_where_sbin_is_a_directory(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "sbin").mkdir()
    (tmp_path / "usr/sbin").mkdir(parents=True)
    staged = Staged(maker, tmp_path)
    staged.install()
    for name in (*BOOTING, *LFS):
        assert os.readlink(staged / f"sbin/{name}") == f"../usr/sbin/{name}"
        assert (staged / f"sbin/{name}").exists()
    staged.uninstall()
    assert os.listdir(tmp_path / "sbin") == []


def test_a_prefix_of_the_root_puts_programs_into_sbin(maker: Maker, tmp_path: Path) -> None:
    done = maker.run("install-lfs", "PREFIX=/", f"DESTDIR={tmp_path}", "WHEELS=none")
    assert done.returncode == 0, done.stderr
    for name in BOOTING:
        assert (tmp_path / f"sbin/{name}").exists()
    assert not (tmp_path / "usr").exists()


def test_the_interpreter_can_be_that_of_another_machine(maker: Maker, tmp_path: Path) -> None:
    Staged(maker, tmp_path).install("INTERPRETER=/opt/python/bin/python3")
    for name in ("sv", "runsvdir"):
        first = (tmp_path / f"usr/bin/{name}").read_text().splitlines()[0]
        assert first == "#!/opt/python/bin/python3 -IBS"


def test_an_sbin_that_leads_out_of_destdir_is_refused(maker: Maker, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "usr").mkdir(parents=True)
    outside.mkdir()
    (root / "usr/sbin").symlink_to(outside)
    said = Staged(maker, root).install(code=1)
    assert f"{root}/usr/sbin: a link leads out of DESTDIR" in said
    assert os.listdir(outside) == []
    assert list(root.rglob("*")) == [root / "usr", root / "usr/sbin"]


def test_elsewhere_than_in_etc_and_run_it_is_refused(maker: Maker, tmp_path: Path) -> None:
    done = maker.run("install-lfs", f"PREFIX={tmp_path}/x", "WHEELS=none")
    assert done.returncode != 0
    assert "a machine's configuration is in /etc and its state in /run" in done.stderr
    assert os.listdir(tmp_path) == []


def test_the_init_of_somebody_else_is_not_overwritten(maker: Maker, tmp_path: Path) -> None:
    staged = Staged(maker, merged(tmp_path))
    (staged / "usr/sbin/init").write_text("SysVinit's")
    before = tree(tmp_path)
    said = staged.install(code=1)
    assert f"{tmp_path}/usr/sbin/init is there and not from a pyrunit" in said
    assert {name: found[:2] for name, found in tree(tmp_path).items()} == {
        name: found[:2] for name, found in before.items()
    }
    staged.install("FORCE=1")
    assert "SysVinit's" not in (staged / "sbin/init").read_text()


def test_uninstall_leaves_nothing(maker: Maker, tmp_path: Path) -> None:
    staged = Staged(maker, merged(tmp_path))
    before = {name: found[:2] for name, found in tree(tmp_path).items()}
    staged.install()
    assert staged.uninstall() == ""
    assert {name: found[:2] for name, found in tree(tmp_path).items()} == before


def test_installing_again_changes_nothing(staged: Staged) -> None:
    before = sorted(tree(staged.top))
    assert "kept" not in staged.install()
    assert sorted(tree(staged.top)) == before


def test_edited_scripts_and_configuration_are_kept(staged: Staged, tmp_path: Path) -> None:
    newer = Staged(Maker(tmp_path / "newer"), staged.top)
    shutil.copytree(staged.maker.checkout, newer.maker.checkout, symlinks=True)
    for path in ("stages/1", "stages/runit.conf", "sv/agetty-tty1/run"):
        with (newer.maker.checkout / path).open("a") as stream:
            stream.write("# newer\n")
    for path in ("etc/runit.conf", "etc/sv/agetty-tty1/run"):
        (staged / path).write_text("#!/bin/sh\n# mine\n")
    newer.install()
    assert (staged / "etc/runit/1").read_text().endswith("# newer\n")
    for path in ("etc/runit.conf", "etc/sv/agetty-tty1/run"):
        assert (staged / path).read_text() == "#!/bin/sh\n# mine\n"
        assert (staged / f"{path}.new").read_text().endswith("# newer\n")
        assert f"kept: /{path}: it is yours, the new one is /{path}.new\n" in newer.said
    assert os.access(staged / "etc/sv/agetty-tty1/run.new", os.X_OK)


def test_a_runlevel_stays_as_its_owner_wants_it(staged: Staged) -> None:
    levels = staged / "etc/runit/runsvdir"
    (levels / "multi/agetty-tty6").unlink()
    (levels / "multi/mine").symlink_to("/etc/sv/mine")
    (levels / "current").unlink()
    (levels / "current").symlink_to("single")
    assert "kept" not in staged.install()
    assert not (levels / "multi/agetty-tty6").is_symlink()
    assert (levels / "multi/mine").is_symlink()
    assert os.readlink(levels / "current") == "single"
    assert not any(path.name.endswith(".new") for path in levels.rglob("*"))


def test_a_service_directory_that_was_removed_stays_away(staged: Staged) -> None:
    shutil.rmtree(staged / "etc/sv/agetty-tty6")
    staged.install()
    assert not (staged / "etc/sv/agetty-tty6").exists()


def test_a_plain_install_over_it_takes_nothing_away(staged: Staged) -> None:
    before = sorted(tree(staged.top))
    staged.install(target="install")
    assert sorted(tree(staged.top)) == before


RULES = """\
# /etc/udev/rules.d/55-lfs.rules: Rule definitions for LFS.

# Core kernel devices

# This causes the system clock to be set as soon as /dev/rtc becomes available.
SUBSYSTEM=="rtc", ACTION=="add", MODE="0644", RUN+="/etc/rc.d/init.d/setclock start"
KERNEL=="rtc", ACTION=="add", MODE="0644", RUN+="/etc/rc.d/init.d/setclock start"

# Comms devices

KERNEL=="ippp[0-9]*", GROUP="dialout"
"""


def test_udevs_rule_that_sets_the_clock_is_disabled(maker: Maker, tmp_path: Path) -> None:
    staged = Staged(maker, tmp_path)
    rules = staged / "usr/lib/udev/rules.d/55-lfs.rules"
    rules.parent.mkdir(parents=True)
    rules.write_text(RULES)
    said = staged.install()
    assert "changed: /usr/lib/udev/rules.d/55-lfs.rules: its line about setclock" in said
    lines = rules.read_text().splitlines()
    assert [line for line in lines if "setclock" in line and not line.startswith("#")] == []
    assert 'KERNEL=="ippp[0-9]*", GROUP="dialout"' in lines
    assert "changed" not in staged.install()
    staged.uninstall()
    assert rules.read_text() == RULES


def as_process_1(name: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run COMMAND where process 1 is called NAME and /run is empty but for runit's."""
    script = (
        "mount -t tmpfs run /run && mkdir /run/runit && "
        f'printf {name} >/proc/1/comm && "$@"; exit $?'
    )
    return subprocess.run(
        ["unshare", "--fork", "--pid", "--mount", "--mount-proc", "sh", "-c", script, "sh"]
        + command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a namespace of processes")
@pytest.mark.parametrize(("name", "target"), [("runit", "uninstall"), ("other", "uninstall")])
def test_uninstall_refuses_on_a_machine_that_runs_on_it(
    maker: Maker, tmp_path: Path, name: str, target: str
) -> None:
    """The prefix is one that nobody boots from, but it has what a machine's has."""
    installed = maker.install(tmp_path / "x")
    manifest = installed.package / "manifest"
    with manifest.open("a") as stream:
        stream.write(f"file - {tmp_path}/x/sbin/{machine.FIRST_REBOOT.name}\n")
    command = ["make", "-s", "-C", str(maker.checkout), f"PREFIX={tmp_path}/x"]
    command.append(f"PYTHON={maker.python}")
    done = as_process_1(name, [*command, target])
    if name == "runit":
        assert done.returncode != 0
        assert "this machine was booted with what is to be removed" in done.stderr
        assert installed.program("sv").exists()
        done = as_process_1(name, [*command, "uninstall-true"])
    assert done.returncode == 0, done.stderr
    assert not installed.program("sv").exists()


def test_the_first_reboot_is_refused_where_it_is_none(staged: Staged) -> None:
    script = (staged / "usr/sbin/post_install_reboot").read_text()
    assert script.index("runit is process 1 already") < script.index("reboot -f")
