"""`make install-NAME` and `make uninstall-NAME`: whose files, which links, which words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from installing import Maker, copy_checkout, tree
from support import Suite, build, pid, stat, supervised, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(copy_checkout(tmp_path_factory.mktemp("services") / "checkout"))


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return build(tmp_path / "prefix/etc", {"runit/runsvdir/multi": None})


def variables(etc: Path, **more: str) -> list[str]:
    return [f"PREFIX={etc.parent}", *(f"{name}={value}" for name, value in more.items())]


def make(maker: Maker, target: str, etc: Path, **more: str) -> subprocess.CompletedProcess[str]:
    done = maker.run(target, *variables(etc, **more))
    assert done.returncode == 0, done.stderr
    return done


def names(directory: Path) -> set[str]:
    return set(os.listdir(directory))


def test_a_service_is_installed_and_enabled(maker: Maker, etc: Path) -> None:
    said = make(maker, "install-sshd", etc).stdout
    assert said == f"installed: {etc}/sv/sshd, in runlevel multi\n"
    assert os.readlink(etc / "runit/runsvdir/multi/sshd") == f"{etc}/sv/sshd"
    assert os.access(etc / "sv/sshd/run", os.X_OK)
    run = etc.parent / "run/runit"
    assert os.readlink(etc / "sv/sshd/supervise") == f"{run}/supervise.sshd"
    assert os.readlink(etc / "sv/sshd/log/supervise") == f"{run}/supervise.sshd.log"


def test_the_makefile_beside_the_services_does_the_same(maker: Maker, etc: Path) -> None:
    make(maker, "install-samba", etc)
    first = {name for name in tree(etc) if not name.startswith("sv/.installed")}
    make(maker, "uninstall-samba", etc)
    beside = Maker(maker.checkout / "sv/blfs-servicescripts", maker.python)
    make(beside, "install-samba", etc)
    assert {name for name in tree(etc) if not name.startswith("sv/.installed")} == first
    assert {"smbd", "nmbd"} <= names(etc / "sv")


def test_make_alone_lists_the_targets(maker: Maker) -> None:
    beside = Maker(maker.checkout / "sv/blfs-servicescripts", maker.python)
    listed = beside.run("list").stdout.split()
    assert {"sshd", "alsa", "service-wpa", "wpa_supplicant", "xinetd"} <= set(listed)


@pytest.mark.parametrize("target", ["install-nonsense", "uninstall-nonsense"])
@pytest.mark.parametrize("where", ["", "sv/blfs-servicescripts"])
def test_an_unknown_service_is_one_line_and_exit_code_2(
    maker: Maker, etc: Path, where: str, target: str
) -> None:
    before = tree(etc)
    done = Maker(maker.checkout / where, maker.python).run(target, *variables(etc))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "there is no service nonsense" in done.stderr
    assert tree(etc) == before


def test_uninstall_takes_away_only_its_own(maker: Maker, etc: Path) -> None:
    make(maker, "install-cron", etc)
    build(etc, {"sv/mine/run": "#!/bin/sh\n", "sysconfig/nginx": "OPTIONS=\n"})
    before = set(tree(etc.parent))
    make(maker, "install-nginx", etc)
    assert make(maker, "uninstall-nginx", etc).stdout == "disabled: nginx in multi\n"
    assert set(tree(etc.parent)) == before
    make(maker, "uninstall-cron", etc)
    assert names(etc / "sv") == {"mine"}


def test_an_edited_file_is_kept_and_the_new_one_laid_beside_it(maker: Maker, etc: Path) -> None:
    make(maker, "install-nginx", etc)
    run = etc / "sv/nginx/run"
    run.write_text("#!/bin/sh\nexec mine\n")
    source = maker.checkout / "sv/blfs-servicescripts/services/nginx/run"
    was = source.read_text()
    source.write_text(was + "# newer\n")
    try:
        said = make(maker, "install-nginx", etc).stdout
    finally:
        source.write_text(was)
    assert f"kept: {run}: it is yours, the new one is {run}.new\n" in said
    assert run.read_text() == "#!/bin/sh\nexec mine\n"
    assert run.with_name("run.new").read_text().endswith("# newer\n")
    said = make(maker, "uninstall-nginx", etc).stdout
    assert f"kept: {run}: it was changed since it was installed\n" in said
    assert names(run.parent) == {"run"}
    assert not (etc / "runit/runsvdir/multi/nginx").is_symlink()


def test_a_service_of_somebody_elses_is_left_alone(maker: Maker, etc: Path) -> None:
    build(etc, {"sv/nginx/run": "#!/bin/sh\nexec theirs\n"})
    before = tree(etc / "sv/nginx")
    done = maker.run("install-nginx", *variables(etc))
    assert done.returncode == 2
    assert "is there and not from here: nothing was changed; FORCE=1 overwrites" in done.stderr
    assert tree(etc / "sv/nginx") == before
    assert not (etc / "runit/runsvdir/multi/nginx").is_symlink()
    make(maker, "install-nginx", etc, FORCE="1")
    assert "theirs" not in (etc / "sv/nginx/run").read_text()


def test_what_an_owner_left_for_a_service_is_there_when_it_is_installed_again(
    maker: Maker, etc: Path
) -> None:
    make(maker, "install-nginx", etc)
    conf = etc / "sv/nginx/conf"
    conf.write_text("OPTIONS=-q\n")
    make(maker, "uninstall-nginx", etc)
    assert names(conf.parent) == {"conf"}
    make(maker, "install-nginx", etc)
    assert conf.read_text() == "OPTIONS=-q\n"
    assert os.access(conf.with_name("run"), os.X_OK)


@pytest.mark.parametrize("to", ["elsewhere", "nowhere"])
def test_a_link_in_the_place_of_a_service_is_left_alone(maker: Maker, etc: Path, to: str) -> None:
    build(etc, {"sv": None, "elsewhere": None})
    (etc / "sv/nginx").symlink_to(etc / to)
    done = maker.run("install-nginx", *variables(etc))
    assert (done.returncode, "is there and not from here" in done.stderr) == (2, True)
    assert names(etc / "elsewhere") == set()


def test_another_runlevel_is_named_and_must_be_there(maker: Maker, etc: Path) -> None:
    done = maker.run("install-nginx", *variables(etc, RUNLEVEL="desktop"))
    assert done.returncode == 2
    level = etc / "runit/runsvdir/desktop"
    assert f"there is no runlevel desktop: mkdir {level}" in done.stderr
    assert not (etc / "sv/nginx").exists()
    level.mkdir()
    make(maker, "install-nginx", etc, RUNLEVEL="desktop")
    assert (level / "nginx").is_symlink()
    assert names(etc / "runit/runsvdir/multi") == set()


@pytest.mark.parametrize("name", ["../multi", ".", "a/b"])
def test_a_runlevel_is_a_name_and_no_path(maker: Maker, etc: Path, name: str) -> None:
    done = maker.run("install-nginx", *variables(etc, RUNLEVEL=name))
    assert (done.returncode, "not the name of a runlevel" in done.stderr) == (2, True)


def test_a_service_that_was_removed_by_hand_is_installed_again(maker: Maker, etc: Path) -> None:
    make(maker, "install-nginx", etc)
    (etc / "runit/runsvdir/multi/nginx").unlink()
    subprocess.run(["rm", "-r", etc / "sv/nginx"], check=True)
    make(maker, "install-nginx", etc)
    assert (etc / "sv/nginx/run").exists()
    assert (etc / "runit/runsvdir/multi/nginx").is_symlink()


def test_uninstall_disables_it_in_every_runlevel(maker: Maker, etc: Path) -> None:
    make(maker, "install-nginx", etc)
    build(etc, {"runit/runsvdir/desktop": None})
    (etc / "runit/runsvdir/desktop/web").symlink_to("../../../sv/nginx")
    (etc / "runit/runsvdir/desktop/mine").symlink_to("/elsewhere/nginx")
    said = make(maker, "uninstall-nginx", etc).stdout
    assert said == "disabled: nginx in desktop\ndisabled: nginx in multi\n"
    assert names(etc / "runit/runsvdir/desktop") == {"mine"}


def test_what_is_not_installed_cannot_be_uninstalled(maker: Maker, etc: Path) -> None:
    done = maker.run("uninstall-nginx", *variables(etc))
    assert (done.returncode, "nginx is not installed" in done.stderr) == (2, True)


def test_into_another_root_the_links_are_those_of_the_machine(maker: Maker, tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = maker.run("install-slapd", f"DESTDIR={root}", "PREFIX=/usr")
    assert done.returncode == 0, done.stderr
    assert os.readlink(root / "etc/runit/runsvdir/multi/slapd") == "/etc/sv/slapd"
    assert os.readlink(root / "etc/sv/slapd/supervise") == "/run/runit/supervise.slapd"
    assert (root / "etc/sysconfig/slapd").exists()
    assert not (root / "run").exists()
    assert maker.run("uninstall-slapd", f"DESTDIR={root}", "PREFIX=/usr").returncode == 0
    assert not list(root.rglob("*slapd*"))


def test_a_sample_that_was_edited_stays(maker: Maker, etc: Path) -> None:
    make(maker, "install-dhcpd", etc)
    sample = etc / "sysconfig/dhcpd"
    sample.write_text("INTERFACES=eth0\n")
    make(maker, "uninstall-dhcpd", etc)
    assert sample.read_text() == "INTERFACES=eth0\n"


def test_a_running_service_starts_at_once_and_is_ended(
    maker: Maker, etc: Path, suite: Suite
) -> None:
    level = etc / "runit/runsvdir/multi"
    service = etc / "sv/cron"
    tools = build(etc.parent / "tools", {"cron": "#!/bin/sh\nexec sleep 1000\n"})
    environment = suite.environment()
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    # Its log goes to a place of ours.
    source = maker.checkout / "sv/blfs-servicescripts/services/cron/log/run"
    was = source.read_text()
    source.write_text(was.replace("/var/log", f"{etc.parent}/log"))
    log = open(etc.parent / "said", "wb")
    try:
        with suite.runsvdir(level, "-P", env=environment, stdout=log, stderr=log):
            make(maker, "install-cron", etc)
            wait_for(lambda: stat(service) == "run" and pid(service))
            process = pid(service)
            make(maker, "uninstall-cron", etc)
            assert not supervised(service)
            assert not Path(f"/proc/{process}").exists()
            assert not service.exists()
            assert names(etc.parent / "run/runit") == set()
    finally:
        source.write_text(was)


def test_an_interrupted_install_can_be_given_again(maker: Maker, etc: Path) -> None:
    # Everything but the link: as if it had been killed before its last step.
    make(maker, "install-nginx", etc)
    whole = set(tree(etc))
    (etc / "runit/runsvdir/multi/nginx").unlink()
    make(maker, "install-nginx", etc)
    assert set(tree(etc)) == whole


def test_every_variable_has_the_default_of_the_makefile_at_the_top() -> None:
    def default(makefile: Path, name: str) -> str:
        return next(line for line in makefile.read_text().splitlines() if line.startswith(name))

    for name in ("PYTHON", "PREFIX", "SYSCONFDIR", "RUNDIR", "DESTDIR", "FORCE"):
        places = (ROOT, ROOT / "sv/blfs-servicescripts")
        lines = {default(place / "Makefile", f"{name} =") for place in places}
        assert len(lines) == 1, lines


def test_a_script_of_ifups_comes_with_what_it_reads(maker: Maker, tmp_path: Path) -> None:
    root = tmp_path / "root"
    where = (f"DESTDIR={root}", "PREFIX=/usr")
    scripts = root / "lib/services"
    for name in ("bridge", "wpa", "dhclient", "dhcpcd"):
        assert maker.run(f"install-service-{name}", *where).returncode == 0
    assert names(scripts) == {"bridge", "wpa", "dhclient", "dhcpcd", "network.sh"}
    assert os.access(scripts / "bridge", os.X_OK)
    for name in ("wpa", "dhclient", "dhcpcd"):
        assert maker.run(f"uninstall-service-{name}", *where).returncode == 0
    assert names(scripts) == {"bridge", "network.sh"}
    maker.run("uninstall-service-bridge", *where)
    assert names(scripts) == set()


def test_ifups_own_common_part_is_left_alone(maker: Maker, tmp_path: Path) -> None:
    root = tmp_path / "root"
    where = (f"DESTDIR={root}", "PREFIX=/usr")
    build(root, {"lib/services/network.sh": "# of ifup\n"})
    done = maker.run("install-service-bridge", *where)
    assert (done.returncode, done.stdout) == (0, "")
    maker.run("uninstall-service-bridge", *where)
    assert names(root / "lib/services") == {"network.sh"}
