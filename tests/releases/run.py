"""Run the tests on other releases of Debian, beside the reference that those have.

``python3 tests/releases/run.py NAME ...`` makes a root file system of each release under
build/releases, as root, puts this checkout into it, and there, in namespaces of its own,
runs ``make check`` and a few cases of ``make check-differential``.  Only what is out of
date is made.  $CASES, $ARGS and $JOBS are make's.

Debian's packages come from wherever this machine's apt gets its own, and those of PyPI by
this machine's pip: in there nothing is fetched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
STORE = CHECKOUT / "build/releases"

sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests/services/real")]

from roots import INSTALL, UNREACHABLE, archive, digest, once, remove, run  # noqa: E402

from runit.installation.dependencies import NoPip, declared, pip  # noqa: E402

NOT_NEEDED = {"qemu-system-x86", "debootstrap"}
"""Of the packages that .ci/run names: guests and roots are made on this machine."""

NOT_COPIED = ("build", ".git", "__pycache__", "*.egg-info", ".*_cache")
"""Of the checkout."""


IN_ROOT = """
set -e
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
pivot_root . mnt
umount -l /mnt
cd /src
shift
exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" \\
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/src/build/fetched "$@"
"""
"""Shell; arguments are a root, and what to run in its /src."""


def main() -> int:
    """Run the tests in each release."""
    if os.geteuid() != 0:
        return unable("only root can make another root and run in it")
    for program in ("debootstrap", "apt-get", "unshare", "pivot_root"):
        if shutil.which(program) is None:
            return unable(f"{program} is not installed")
    failed = []
    told = []
    for name in sys.argv[1:]:
        try:
            make(name)
        except subprocess.CalledProcessError as error:
            return unable(why(error))
        except NoPip as error:
            return unable(str(error))
        good, lines = check(name)
        told += lines
        if not good:
            failed.append(name)
    print("", *told, sep="\n")
    return unable(f"tests failed on {' and '.join(failed)}") if failed else 0


def unable(reason: str) -> int:
    """Say WHY it ends here."""
    print(f"releases: fatal: {reason}", file=sys.stderr)
    return 1


def why(error: subprocess.CalledProcessError) -> str:
    """What went wrong, in one line where there is no network."""
    for line in str(error.output or "").splitlines():
        if any(words in line for words in (*UNREACHABLE, "No matching distribution")):
            return f"packages cannot be fetched: {line.strip()}"
    return f"{error.cmd[0]}: exit code {error.returncode}\n{error.output or ''}"


# The roots


def make(name: str) -> None:
    """The root of the release NAME, with this checkout and its packages from PyPI."""
    (STORE / "packages/partial").mkdir(parents=True, exist_ok=True)
    packages = wanted()
    once(STORE / name, digest([INSTALL, *packages]), lambda: root(name, packages))
    source = STORE / name / "src"
    source.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name != "build":
            remove(path)
    # Not their times: what was made of older ones is out of date.
    shutil.copytree(
        CHECKOUT,
        source,
        symlinks=True,
        ignore=shutil.ignore_patterns(*NOT_COPIED),
        copy_function=shutil.copy,
        dirs_exist_ok=True,
    )
    fetched = source / "build/fetched"
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    requirements = [*declared(CHECKOUT, "test", "lint"), *project["build-system"]["requires"]]
    version = run("chroot", STORE / name, "python3", "-c", PYTHON).strip()
    state = digest([version, *requirements])
    once(fetched, state, lambda: fetch(fetched, version, requirements))


PYTHON = "import sys; print('%d.%d' % sys.version_info[:2])"


def wanted() -> list[str]:
    """The packages that .ci/run installs, as far as they are needed here."""
    lines = (CHECKOUT / ".ci/run").read_text().splitlines()
    text = "\n".join(line for line in lines if line.startswith("packages="))
    words = run("sh", "-c", f"{text}\necho $packages").split()
    return [word for word in words if word not in NOT_NEEDED]


def root(name: str, packages: list[str]) -> None:
    """The release NAME, with those of PACKAGES that it has."""
    new = STORE / f"{name}.new"
    remove(new)
    cache = f"--cache-dir={STORE / 'packages'}"
    run("debootstrap", "--variant=minbase", cache, name, new, archive()[0])
    # As this machine's apt is told to reach archives, and how old they may be.
    dumped = run("apt-config", "dump").splitlines()
    settings = [line for line in dumped if line.startswith(("Acquire::Check-", "Acquire::http"))]
    (new / "etc/apt/apt.conf.d/90outside").write_text("\n".join([*settings, ""]))
    install(new)  # the lists alone
    known = run("chroot", new, "apt-cache", "policy", *packages)
    there = re.findall(r"(?m)^(\S+):\n.*\n  Candidate: (?!\(none\))", known)
    for package in packages:
        if package not in there:
            print(f"{name} has no {package}", flush=True)
    install(new, *there)
    remove(STORE / name)
    new.rename(STORE / name)


def install(place: Path, *packages: str) -> None:
    """Install PACKAGES in the root at PLACE, where nothing of it may be started."""
    run(
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", INSTALL, "-"),
        *(place, *packages),
        env={**os.environ, "PACKAGES": str(STORE / "packages")},
    )


def fetch(target: Path, version: str, requirements: list[str]) -> None:
    """Put wheels of REQUIREMENTS for Python VERSION into TARGET.

    Raises NoPip.
    """
    remove(target)
    with pip() as command:
        command += ["download", "-q", "--only-binary=:all:", f"--python-version={version}"]
        run(*command, f"--dest={target}", *requirements)


# The tests


def check(name: str) -> tuple[bool, list[str]]:
    """Run the tests on the release NAME; whether they passed, and lines that tell."""
    cases, arguments, jobs = (os.environ.get(one, "") for one in ("CASES", "ARGS", "JOBS"))
    good = True
    told = [f"{name}: {versions(name)}"]
    for words in (
        ["check", f"JOBS={jobs or 2}"],
        ["check-differential", f"CASES={cases or 1}", "SAME=1"],
    ):
        print(f"\n== {name}: make {' '.join(words)}", flush=True)
        last = []
        with subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", IN_ROOT, "-", STORE / name),
                *("make", *words, f"ARGS={arguments}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout
            for line in process.stdout:
                print(line, end="", flush=True)
                last = [*last[-20:], line.rstrip()]
        good = good and process.returncode == 0
        told += [f"{name}: make {words[0]}: {line}" for line in counts(last)]
    return good, told


def versions(name: str) -> str:
    """What the release NAME has of that which matters most."""
    shown = "${Package} ${Version}, "
    return run(
        "chroot", STORE / name, "dpkg-query", "-W", "-f", shown, "python3", "runit", "util-linux"
    ).rstrip(", ")


def counts(lines: list[str]) -> Iterator[str]:
    """Those of LINES that count."""
    found = False
    for line in lines:
        if re.match(r"=* ?\d+ (passed|failed|error|skipped)", line) or line.endswith(" in all"):
            found = True
            yield line.strip(" =")
    if not found:
        yield "no test was run"


if __name__ == "__main__":
    sys.exit(main())
