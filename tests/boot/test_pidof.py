"""killall5 through a link called pidof, beside SysVinit's, in a namespace of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from staging import may_unshare
from support import anyones_interpreter, failing, needs

import runit
from runit import launchers

ROOT = Path(runit.__file__).resolve().parent.parent
REFERENCE = Path("/usr/bin/pidof")

pytestmark = [
    pytest.mark.skipif(not may_unshare(), reason="needs root, and namespaces"),
    pytest.mark.skipif(
        not REFERENCE.exists() or b"PIDOF_NETFS" not in REFERENCE.read_bytes(),
        reason="SysVinit's pidof is not installed",
    ),
]

WORLD = r"""
for name in one gone 'odd) name' long-name-of-a-program; do cp /bin/sleep "$name"; done
ln -s one link; mkdir sub; cp /bin/sleep sub/one
printf '#!/bin/sh\n: >"ready$1"\nread -r _ <>held\n' >script; chmod 755 script
mkfifo held; cp script long-name-of-a-script
here=$PWD
"$here/one" 1000 &
./one 1000 &
(exec -a other "$here/one" 1000) &
(exec -a -one /bin/sleep 1000) &
(exec -a 'one: worker' /bin/sleep 1000) &
(exec -a 'one worker' "$here/one" 1000) &
(exec -a /elsewhere/one /bin/sleep 1000) &
(exec -a '' /bin/sleep 1000) &
(exec -a one /bin/sleep 1000) &
(exec -a /elsewhere/sleep /bin/sleep 1000) &
./gone 1000 & gone=$!
"$here/link" 1000 &
"$here/sub/one" 1000 &
'./odd) name' 1000 &
./long-name-of-a-program 1000 &
"$here/script" 1 &
./script 2 &
sh script 3 &
./long-name-of-a-script 4 &
setpriv --reuid 65534 --clear-groups sleep 1000 &
bash -c 'exec -a parent sleep 1000 & exec -a bash sleep 1000' &
# A zombie: its parent has become a program that waits for nobody.
sh -c 'sh -c : & exec sleep 1000' &
calm() {
    for pid in /proc/[0-9]*; do
        read -r name <"$pid/comm" || continue
        case $name in bash) [ "$pid" = /proc/$$ ] || return 1 ;; esac
        case $name in setpriv) return 1 ;; esac
    done
    for n in 1 2 3 4; do [ -e "ready$n" ] || return 1; done
    ps -e -o stat= | grep -q Z
}
until calm; do sleep 0.02; done
rm gone
"""

QUESTIONS = r"""one
./one
sub/one
../one
one/
$here/one
$here/sub/one
$here/../$base/one
$here/link
link
other
-- -one
one: worker
one worker
/elsewhere/one
sleep
/bin/sleep
/elsewhere/sleep
gone
$here/gone
odd) name
long-name-of-a-program
long-name-of-a-
script
-x script
-x ./script
-x $here/script
-x long-name-of-a-script
-x long-name-of-a-
sh
-x sh
/bin/sh
dash
bash
-o %PPID bash
-z sh
-z sleep
-z -x sh
-s one
-s one sleep
-ss one
one -s
one one
-q one
-q nobody
nobody
-d, one
-d ab one
-d: one -s sleep
-o 2 one
-o 2,3 -o4 one
-o 2;3 one
-o x one
-o 0x2 one
-c one
-n one
-cnx one script
/
.
-
-o
-d
-t one

"""


def link(programs: Path) -> Path:
    """A pidof as Debian has it, and this suite's killall5."""
    module = {"killall5": launchers.LFS["killall5"]}
    launchers.write(programs, module, str(ROOT), anyones_interpreter())
    (programs / "pidof").symlink_to("killall5")
    return programs / "pidof"


def test_every_answer_is_sysvinits(tmp_path: Path) -> None:
    ours = link(tmp_path / "programs")
    world = tmp_path / "world"
    world.mkdir()
    (tmp_path / "questions").write_text(QUESTIONS)
    script = (
        WORLD
        + r"""
base=${here##*/}
while IFS= read -r question; do
    question=${question//\$here/$here} question=${question//\$base/$base}
    case $question in 'one: '* | 'one w'* | 'odd) '*) words=("$question") ;;
    *) read -ra words <<<"$question" ;; esac
    for program in REFERENCE OURS; do
        "$program" "${words[@]}" >../said 2>/dev/null
        echo "$question: code $?, $(tr '\n' ' ' <../said)"
    done
done <../questions
""".replace("REFERENCE", str(REFERENCE)).replace("OURS", str(ours))
    )
    done = subprocess.run(
        ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "bash", "-c", script],
        cwd=world,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=240,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(QUESTIONS.splitlines())
    assert lines[::2] == lines[1::2]


@pytest.mark.parametrize(("word", "code"), [("-h", 0), ("-t", 1), ("-o", 1)])
def test_the_usage_is_told(tmp_path: Path, word: str, code: int) -> None:
    done = subprocess.run([link(tmp_path), word], check=False, capture_output=True, text=True)
    said = {0: done.stdout, 1: done.stderr}
    assert done.returncode == code
    assert said.pop(code) == "usage: pidof [-cnqsxz] [-d sep] [-o pid[,pid]] ... program ...\n\n"
    assert said == {1 - code: ""}


def ask(pidof: Path, *words: str, before: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = subprocess.run([*before, pidof, *words], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_an_empty_name_is_nobodys(tmp_path: Path) -> None:
    assert ask(link(tmp_path), "") == (1, "", "")


def test_a_zombie_has_no_path(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert ask(link(tmp_path), "-z", "/no/such/program") == (1, "", "")


@needs("strace")
def test_without_proc_nobody_is_found(tmp_path: Path) -> None:
    before = failing("openat:error=EACCES", paths=("/proc",))
    said = "pidof: fatal: unable to read /proc: access denied\n"
    assert ask(link(tmp_path), "sh", before=tuple(before)) == (1, "", said)
