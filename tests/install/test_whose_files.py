"""Installing over something, upgrading, uninstalling: others' files are theirs."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from installing import Installed, Maker, tree

from runit.installation import manifest, place
from runit.installation.items import Item
from runit.installation.layout import Layout


def test_a_program_of_somebody_else_is_not_overwritten(maker: Maker, tmp_path: Path) -> None:
    prefix = tmp_path / "x"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/sv").write_text("theirs")
    before = tree(tmp_path)
    done = maker.run("install", f"PREFIX={prefix}", "WHEELS=none")
    assert done.returncode != 0
    line, *_ = done.stderr.splitlines()
    assert line.startswith(f"install: fatal: {prefix}/bin/sv is there and not from a pyrunit")
    assert {name: found[:2] for name, found in tree(tmp_path).items()} == {
        name: found[:2] for name, found in before.items()
    }


def test_force_overwrites(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sv").write_text("theirs")
    maker.install(tmp_path, "FORCE=1")
    assert "runit.control.sv" in (tmp_path / "bin/sv").read_text()


def test_a_private_directory_without_our_manifest_is_refused(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "lib/pyrunit").mkdir(parents=True)
    done = maker.run("install", f"PREFIX={tmp_path}", "WHEELS=none")
    assert done.returncode != 0
    assert f"{tmp_path}/lib/pyrunit is there" in done.stderr
    assert os.listdir(tmp_path) == ["lib"]


def test_a_manifest_that_is_none_is_refused(bare: Installed, maker: Maker) -> None:
    (bare.package / "manifest").write_text("file\n")
    for target in ("install", "uninstall"):
        done = maker.run(target, f"PREFIX={bare.prefix}", "WHEELS=none")
        assert done.returncode != 0
        assert "manifest: not a manifest of ours" in done.stderr
    assert bare.program("sv").exists()


def test_uninstall_leaves_nothing(maker: Maker, wheels: Path, tmp_path: Path) -> None:
    maker.install(tmp_path / "a/b/x", wheels=wheels)
    done = maker.run("uninstall", f"PREFIX={tmp_path}/a/b/x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []


def test_uninstall_keeps_directories_that_were_there(maker: Maker, tmp_path: Path) -> None:
    for directory in ("bin", "etc/sv", "share/man/man8"):
        (tmp_path / directory).mkdir(parents=True)
    before = {name: found[:2] for name, found in tree(tmp_path).items()}
    maker.install(tmp_path)
    assert maker.run("uninstall", f"PREFIX={tmp_path}").returncode == 0
    assert {name: found[:2] for name, found in tree(tmp_path).items()} == before


def test_uninstall_keeps_what_is_the_users_and_names_it(bare: Installed, maker: Maker) -> None:
    service = bare.prefix / "etc/sv/mine"
    service.mkdir()
    link = bare.runsvdir / "multi/mine"
    link.symlink_to("../../../sv/mine")
    changed = bare.program("chpst")
    changed.write_text("#!/bin/sh\n")
    replaced = bare.program("utmpset")
    replaced.unlink()
    replaced.symlink_to("/bin/true")
    done = maker.run("uninstall", f"PREFIX={bare.prefix}")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"kept: {changed}: it was changed since it was installed",
        f"kept: {bare.runsvdir}/multi: there is something of yours in it",
        f"kept: {bare.prefix}/etc/sv: there is something of yours in it",
        f"kept: {replaced}: it was changed since it was installed",
    ]
    left = {path for path in bare.prefix.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert left == {link, changed, replaced}
    assert service.is_dir()


def test_uninstall_without_an_install_says_so(maker: Maker, tmp_path: Path) -> None:
    done = maker.run("uninstall", f"PREFIX={tmp_path}/x")
    assert done.returncode != 0
    expected = f"nothing is installed: {tmp_path}/x/lib/pyrunit/manifest: no manifest\n"
    assert done.stderr.startswith(f"uninstall: fatal: {expected}")


def test_an_install_over_the_same_gives_the_same(bare: Installed, maker: Maker) -> None:
    before = sorted(tree(bare.prefix))
    listed = (bare.package / "manifest").read_bytes()
    assert maker.install(bare.prefix).warned == ""
    assert sorted(tree(bare.prefix)) == before
    assert (bare.package / "manifest").read_bytes() == listed


def test_an_upgrade_removes_what_the_new_version_does_not_have(
    maker: Maker, tmp_path: Path
) -> None:
    older = Maker(tmp_path / "older")
    shutil.copytree(maker.checkout, older.checkout, symlinks=True)
    (older.checkout / "docs/man/gone.8").write_text("gone")
    (older.checkout / "runit/gone").mkdir()
    (older.checkout / "runit/gone/__init__.py").write_text("")
    (older.checkout / "runit/log/.cache/empty").mkdir(parents=True)
    installed = older.install(tmp_path / "x")
    page = installed.prefix / "share/man/man8/gone.8"
    assert page.exists()
    assert (installed.package / "runit/gone/__init__.py").exists()
    assert not (installed.package / "runit/log/.cache").exists()
    installed = maker.install(tmp_path / "x")
    assert not page.exists()
    assert not (installed.package / "runit/gone").exists()
    assert b"gone" not in (installed.package / "manifest").read_bytes()


def test_an_upgrade_follows_directories_that_have_moved(bare: Installed, maker: Maker) -> None:
    maker.install(bare.prefix, f"BINDIR={bare.prefix}/programs")
    assert (bare.prefix / "programs/sv").exists()
    assert not bare.bin.exists()


def test_an_upgrade_keeps_what_others_put_beside_ours(bare: Installed, maker: Maker) -> None:
    (bare.package / "plugin").mkdir()
    (bare.package / "plugin/mine.py").write_text("mine")
    (bare.runsvdir / "multi/mine").symlink_to("/etc/sv/mine")
    maker.install(bare.prefix)
    assert (bare.package / "plugin/mine.py").read_text() == "mine"
    assert (bare.runsvdir / "multi/mine").is_symlink()
    done = maker.run("uninstall", f"PREFIX={bare.prefix}")
    assert done.returncode == 0, done.stderr
    assert (bare.package / "plugin/mine.py").read_text() == "mine"


def test_an_upgrade_tells_which_changed_module_it_replaced(bare: Installed, maker: Maker) -> None:
    module = bare.package / "runit/errors.py"
    module.write_text("# changed\n")
    again = maker.install(bare.prefix)
    assert f"replaced: {module}: it had been changed\n" in again.said
    assert module.read_text() != "# changed\n"


def test_programs_start_at_every_moment_of_an_upgrade(bare: Installed, maker: Maker) -> None:
    done = threading.Event()
    codes = set()

    def use() -> None:
        while not done.is_set():
            codes.add(bare.run("chpst", "true").returncode)

    user = threading.Thread(target=use)
    user.start()
    try:
        for _ in range(3):
            maker.install(bare.prefix)
    finally:
        done.set()
        user.join()
    assert codes == {0}


def test_what_a_killed_install_left_is_cleared_away(bare: Installed, maker: Maker) -> None:
    stage = bare.prefix / "lib/.pyrunit.new"
    stage.mkdir()
    (stage / "half").write_text("")
    bare.program("sv").with_name(".sv.new").write_text("half")
    maker.install(bare.prefix)
    assert maker.run("uninstall", f"PREFIX={bare.prefix}").returncode == 0
    assert not bare.prefix.exists()


def test_an_install_that_cannot_finish_says_why_and_leaves_nothing(
    maker: Maker, tmp_path: Path
) -> None:
    (tmp_path / "sbin").write_text("a file")
    done = maker.run("install", f"PREFIX={tmp_path}", "WHEELS=none")
    assert done.returncode != 0
    line, *_ = done.stderr.splitlines()
    assert line == f"install: fatal: {tmp_path}/sbin: not a directory"
    assert os.listdir(tmp_path) == ["sbin"]


class Configured:
    """Installs a suite with one file of configuration."""

    def __init__(self, checkout: Path, prefix: Path) -> None:
        self.checkout = checkout
        self.layout = Layout(str(prefix))
        self.file = self.layout.sysconfdir / "runit.conf"

    def install(self, text: str) -> list[str]:
        """The remarks of installing it with that content."""
        item = Item(self.file, text.encode(), conf=True)
        outcome = place.install(
            self.layout, self.checkout, [item], wheels=Path("none"), force=False
        )
        return outcome.remarks


@pytest.fixture
def configured(maker: Maker, tmp_path: Path) -> Configured:
    return Configured(maker.checkout, tmp_path / "prefix")


def test_configuration_that_nobody_edited_is_replaced(configured: Configured) -> None:
    assert configured.install("one") == []
    assert configured.install("two") == []
    assert configured.file.read_text() == "two"


def test_edited_configuration_is_kept_and_the_new_one_laid_beside(configured: Configured) -> None:
    configured.install("one")
    configured.file.write_text("mine")
    new = configured.file.with_name("runit.conf.new")
    for text in ("two", "three"):
        expected = f"kept: {configured.file}: it is yours, the new one is {new}"
        assert configured.install(text) == [expected]
        assert configured.file.read_text() == "mine"
        assert new.read_text() == text
    remarks = place.uninstall(configured.layout)
    assert remarks == [f"kept: {configured.file}: it was changed since it was installed"]
    assert os.listdir(configured.file.parent) == ["runit.conf"]


def test_nothing_is_laid_beside_while_nothing_is_new(configured: Configured) -> None:
    configured.install("one")
    configured.file.write_text("mine")
    assert configured.install("one") == [f"kept: {configured.file}: it is yours"]
    assert os.listdir(configured.file.parent) == ["runit.conf"]


def test_a_new_version_that_was_taken_over_is_cleared_away(configured: Configured) -> None:
    configured.install("one")
    configured.file.write_text("mine")
    configured.install("two")
    configured.file.write_text("two")
    assert configured.install("two") == []
    assert os.listdir(configured.file.parent) == ["runit.conf"]


def test_what_the_owner_put_beside_is_not_overwritten(configured: Configured) -> None:
    configured.install("one")
    configured.file.write_text("mine")
    new = configured.file.with_name("runit.conf.new")
    new.write_text("a draft")
    assert configured.install("two") == [f"kept: {configured.file}: it is yours"]
    assert new.read_text() == "a draft"


def test_configuration_that_was_there_before_is_kept_and_not_ours(configured: Configured) -> None:
    configured.file.parent.mkdir(parents=True)
    configured.file.write_text("one")
    assert configured.install("one") == [f"kept: {configured.file}: it is yours"]
    place.uninstall(configured.layout)
    assert configured.file.read_text() == "one"


def test_deleted_configuration_stays_deleted(configured: Configured) -> None:
    configured.install("one")
    configured.file.unlink()
    configured.install("two")
    assert not configured.file.exists()


def test_a_manifest_reads_back_whatever_the_names_are() -> None:
    given = manifest.Manifest()
    names = ("/a b", "/a\nb", "/a\\nb", "/a\\", "/\udcff", "/ ")
    for name in names:
        given.add(Path(name), manifest.checksum(name.encode(errors="surrogateescape")))
    given.add(Path("/conf"), manifest.checksum(b""), conf=True)
    given.directories.add(Path("/d\n"))
    again = manifest.parse(given.text())
    assert (again.files, again.conf, again.directories) == (
        given.files,
        given.conf,
        given.directories,
    )
