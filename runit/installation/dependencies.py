"""The packages from PyPI, by way of pip, wherever a pip can be found.

The system's Python may have pip, or only venv, which brings one along, or (as
Debian's without python3-pip and python3-venv) neither.  No environment of the
system's is touched: packages go into a directory of ours, so that rules about
externally managed environments do not concern us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HINT = "no pip and no venv for {python} (Debian: apt-get install python3-venv)"


NONE = Path("none")
"""Instead of a directory of wheels: none of the packages is wanted."""


class NoPip(Exception):
    """There is no pip to be had; says what to install."""


def declared(checkout: Path, *extras: str) -> list[str]:
    """The requirements in pyproject.toml, with those of EXTRAS."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    return requirements


def name(requirement: str) -> str:
    """The package's name alone: ``psutil`` of ``psutil>=5.9``."""
    return requirement.partition(">")[0].partition("=")[0].strip()


@contextmanager
def pip(python: str = sys.executable) -> Iterator[list[str]]:
    """The command line of a pip for PYTHON, an interpreter.

    Raises NoPip.
    """
    own = [python, "-EP", "-m", "pip"]
    if _run([*own, "--version"]).returncode == 0:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="pyrunit-") as directory:
        made = _run([python, "-EP", "-m", "venv", directory])
        if made.returncode != 0:
            raise NoPip(HINT.format(python=python))
        yield [f"{directory}/bin/python", "-EP", "-m", "pip"]


def install(target: Path, requirements: list[str], wheels: Path | None) -> tuple[list[str], str]:
    """Install REQUIREMENTS into TARGET, from WHEELS alone if that is given.

    Returns the names of those that could not be had, and why.  They are had
    together if possible, else one by one: where nothing fits the machine's
    processor, the others are still good.  Does nothing for ``none`` as WHEELS.
    """
    if wheels == NONE:
        return [], ""
    try:
        with pip() as command:
            command += ["install", "--no-user", "--no-compile", f"--target={target}"]
            command += ["--root-user-action=ignore", "--retries=2", "--prefer-binary"]
            if wheels:
                command += ["--no-index", f"--find-links={wheels.absolute()}"]
            alone = wheels is not None
            if _run([*command, *requirements], alone).returncode == 0:
                return [], ""
            missing, reason = [], ""
            for requirement in requirements:
                ended = _run([*command, requirement], alone)
                if ended.returncode != 0:
                    missing.append(name(requirement))
                    reason = _last_error(ended.stderr)
            return missing, reason
    except NoPip as error:
        return [name(requirement) for requirement in requirements], str(error)


def wheels(directory: Path, requirements: list[str]) -> str:
    """Put wheels of REQUIREMENTS and of what they need into DIRECTORY.

    Returns why it failed; empty if it did not.
    """
    try:
        with pip() as command:
            ended = _run(
                [*command, "wheel", "--retries=2", f"--wheel-dir={directory}", *requirements]
            )
            return _last_error(ended.stderr) if ended.returncode else ""
    except NoPip as error:
        return str(error)


def environment(directory: Path, requirements: list[str]) -> str:
    """Make a virtual environment in DIRECTORY that holds REQUIREMENTS.

    Returns why it failed; empty if it did not.
    """
    python = directory / "bin/python"
    made = _run([sys.executable, "-EP", "-m", "venv", "--without-pip", "--clear", str(directory)])
    if made.returncode:
        return _last_error(made.stderr)
    try:
        with pip() as command:
            ended = _run([*command, f"--python={python}", "install", *requirements])
            return _last_error(ended.stderr) if ended.returncode else ""
    except NoPip as error:
        return str(error)


def _run(command: list[str], alone: bool = False) -> subprocess.CompletedProcess[str]:
    """Run COMMAND; the user's pip configuration counts, but for where to install.

    With ALONE, packages come from nowhere but where COMMAND says.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for key in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON"):
        environment.pop(key, None)
    if alone:
        environment.pop("PIP_FIND_LINKS", None)
        environment["PIP_CONFIG_FILE"] = os.devnull
    environment["PIP_REQUIRE_VIRTUALENV"] = "0"
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _last_error(text: str) -> str:
    """The line of pip's complaint that says most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip failed"])[-1].removeprefix("ERROR: ")
