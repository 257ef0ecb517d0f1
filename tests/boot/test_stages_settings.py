"""/etc/runit.conf and the files of Linux From Scratch: what counts, also of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from staging import SHELLS, Machine, needs_namespaces

pytestmark = needs_namespaces

SHOW = """\
. /etc/runit/functions
. /etc/runit/1.d/configuration.sh
trap go_on EXIT
load_configuration
for name in %s; do eval "printf '%%s=%%s\\n' $name \\"\\${$name-}\\""; done
leave 0
"""

CLOCK = "etc/sysconfig/clock"
CONSOLE = "etc/sysconfig/console"
ADJTIME = "0.0 0 0.0\n0\n"


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root", request.param)


def settings(machine: Machine, *names: str) -> tuple[dict[str, str], str]:
    """The values that stage 1 sees, and what it says on standard error."""
    machine.files({"etc/runit/show": "#!/bin/sh\n" + SHOW % " ".join(names)})
    done = machine.run("/etc/runit/show")
    assert done.returncode == 0
    return dict(line.split("=", 1) for line in done.stdout.splitlines()), done.stderr


TABLE: list[tuple[dict[str, str], str, str]] = [
    # what is set nowhere
    ({}, "HARDWARECLOCK", "localtime"),
    ({}, "LOGLEVEL", "4"),
    ({}, "UNICODE", "1"),
    ({}, "CGROUPS", "v2"),
    ({}, "TIMEZONE", ""),
    ({}, "SYSLOGD_PARMS", ""),
    # the hardware clock
    ({"etc/adjtime": ADJTIME + "UTC\n"}, "HARDWARECLOCK", "UTC"),
    ({"etc/adjtime": ADJTIME + "LOCAL\n", CLOCK: "UTC=1\n"}, "HARDWARECLOCK", "localtime"),
    ({"etc/adjtime": ADJTIME, CLOCK: "UTC=1\n"}, "HARDWARECLOCK", "UTC"),
    ({CLOCK: "UTC=1\n"}, "HARDWARECLOCK", "UTC"),
    ({CLOCK: "UTC=yes\n"}, "HARDWARECLOCK", "UTC"),
    ({CLOCK: "UTC=0\n"}, "HARDWARECLOCK", "localtime"),
    (
        {"etc/runit.conf": "HARDWARECLOCK=localtime\n", CLOCK: "UTC=1\n"},
        "HARDWARECLOCK",
        "localtime",
    ),
    ({"etc/runit.conf": "HARDWARECLOCK=utc\n"}, "HARDWARECLOCK", "UTC"),
    (
        {"etc/adjtime": ADJTIME + "LOCAL\n", "etc/rc.site": "HARDWARECLOCK=UTC\n"},
        "HARDWARECLOCK",
        "UTC",
    ),
    ({CLOCK: "CLOCKPARAMS='--verbose'\n"}, "CLOCKPARAMS", "--verbose"),
    # who comes first
    ({"etc/runit.conf": "LOGLEVEL=7\n", "etc/rc.site": "LOGLEVEL=3\n"}, "LOGLEVEL", "7"),
    ({"etc/runit.conf": "LOGLEVEL=\n", "etc/rc.site": "LOGLEVEL=3\n"}, "LOGLEVEL", "3"),
    ({"etc/rc.site": "LOGLEVEL=3\n", "etc/sysconfig/rc.site": "LOGLEVEL=5\n"}, "LOGLEVEL", "3"),
    ({"etc/sysconfig/rc.site": "LOGLEVEL=5\n", CONSOLE: "LOGLEVEL=6\n"}, "LOGLEVEL", "5"),
    ({CONSOLE: "LOGLEVEL=6\n"}, "LOGLEVEL", "6"),
    ({"etc/runit.conf": "FONT=one\n", CONSOLE: "FONT=two\nKEYMAP=de\n"}, "FONT", "one"),
    ({"etc/runit.conf": "FONT=one\n", CONSOLE: "FONT=two\nKEYMAP=de\n"}, "KEYMAP", "de"),
    ({CONSOLE: 'UNICODE="0" # none\n'}, "UNICODE", "0"),
    # the other spellings
    ({"etc/rc.site": "SYSKLOGD_PARMS='-m 5'\n"}, "SYSLOGD_PARMS", "-m 5"),
    (
        {"etc/runit.conf": "SYSKLOGD_PARMS=a\n", "etc/rc.site": "SYSLOGD_PARMS=b\n"},
        "SYSLOGD_PARMS",
        "a",
    ),
    ({"etc/rc.site": "SKIPTEMPCLEAN=yes\n"}, "SKIPTMPCLEAN", "yes"),
    ({"etc/runit.conf": "SUBSYSTEMS='rtc net'\n"}, "SUBSYSTEM", "rtc net"),
    # what shells may do
    ({"etc/runit.conf": "KEYMAP=d${x:-e}\n"}, "KEYMAP", "de"),
    ({"etc/runit.conf": "LOGLEVEL=7"}, "LOGLEVEL", "7"),
    ({"etc/runit.conf": "set -eu\nIFS=x\nLOGLEVEL=7\nfalse || :\n"}, "LOGLEVEL", "7"),
    ({"etc/runit.conf": "LOGLEVEL=7\nreturn 1\n"}, "LOGLEVEL", "7"),
]


@pytest.mark.parametrize(("files", "name", "value"), TABLE)
def test_what_a_setting_is(machine: Machine, files: dict[str, str], name: str, value: str) -> None:
    machine.files(files)
    assert settings(machine, name) == ({name: value}, "")


BROKEN = {
    "a syntax error": "LOGLEVEL=7\nif then (\nKEYMAP=de\n",
    "an open quote": "LOGLEVEL=7\nKEYMAP=de\nFONT='x\n",
    "an exit": "LOGLEVEL=7\nexit 1\nKEYMAP=de\n",
    "a parameter that must be set": "LOGLEVEL=7\n: ${nothing?}\nKEYMAP=de\n",
    "a missing file": "LOGLEVEL=7\n. /none\nKEYMAP=de\n",
    "a fi too many": "LOGLEVEL=7\nfi\nKEYMAP=de",
    "a set -e": "set -e\nLOGLEVEL=7\nfalse\nKEYMAP=de\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_bad_line_costs_that_line(machine: Machine, text: str) -> None:
    machine.files({"etc/runit.conf": text, "etc/rc.site": "LOGLEVEL=1\nTIMEZONE=UTC\n"})
    values, said = settings(machine, "LOGLEVEL", "KEYMAP", "TIMEZONE")
    assert values == {"LOGLEVEL": "7", "KEYMAP": "de", "TIMEZONE": "UTC"}
    ours = [line for line in said.splitlines() if line.startswith("runit: ")]
    if machine.shell == "bash" and not ours:  # it went on by itself, and has told so
        assert said.startswith("/etc/runit.conf: line ")
    else:
        assert len(ours) == 1
        assert ours[0].startswith("runit: stage show: /etc/runit.conf: not understood, line")


def test_a_command_that_is_not_there_costs_nothing_else(machine: Machine) -> None:
    machine.files({"etc/runit.conf": "LOGLEVEL=7\nno-such-command\nKEYMAP=de\n"})
    values, said = settings(machine, "LOGLEVEL", "KEYMAP")
    assert values == {"LOGLEVEL": "7", "KEYMAP": "de"}
    assert "no-such-command" in said


def test_a_long_setting_of_a_broken_file_counts_as_a_whole(machine: Machine) -> None:
    machine.files({"etc/runit.conf": "CREATEFILES='\none\n\ntwo'\n)\nKEYMAP=de\n"})
    values, said = settings(machine, "KEYMAP")
    assert values == {"KEYMAP": "de"}
    assert "line 5;" in said
    machine.files({"etc/runit/lines": "#!/bin/sh\n" + SHOW.replace("leave 0", "") % "" + COUNT})
    assert machine.run("/etc/runit/lines").stdout == "4\n"


COUNT = """
set -f
IFS=$NEWLINE
count() { echo $#; }
count x $CREATEFILES x
leave 0
"""

ORIGINAL = """\
HARDWARECLOCK="localtime"
TIMEZONE="America/New_York"
KEYMAP="us"
MODULES=""
LOGLEVEL="4"
SYSLOGD_PARMS="-m 0"
CREATEFILES=(
\t[1]='mkdir -p -m 1777 /tmp/.ICE-unix'
\t[2]='mkdir -p -m 1777 "/tmp/two words"'
)
SUBSYSTEM="rtc"
"""


def test_an_original_file_works_where_sh_is_bash(machine: Machine) -> None:
    machine.files({"etc/runit.conf": ORIGINAL})
    values, said = settings(machine, "TIMEZONE", "SUBSYSTEM")
    assert values == {"TIMEZONE": "America/New_York", "SUBSYSTEM": "rtc"}
    if machine.shell == "bash":
        assert said == ""
    else:  # the array costs its lines, nothing else
        assert "line 7 8 9 10;" in said


@pytest.mark.parametrize("shell", ["bash"])
@pytest.mark.parametrize(
    "text",
    [
        "CREATEFILES=([1]='mkdir /tmp/one' [2]='mkdir \"/tmp/two words\"')\n",
        "CREATEFILES[1]='mkdir /tmp/one'\nCREATEFILES[2]='mkdir \"/tmp/two words\"'\n",
    ],
)
def test_an_array_is_a_list_of_commands(tmp_path: Path, shell: str, text: str) -> None:
    machine = Machine(tmp_path / "root", shell)
    machine.files({"etc/runit.conf": text})
    done = machine.run("/etc/runit/1", container="test")
    assert (done.returncode, done.stderr) == (0, "")
    assert (machine.root / "tmp/one").is_dir()
    assert (machine.root / "tmp/two words").is_dir()
