"""What versions of the reference do not do alike, and which of them this suite follows."""

from __future__ import annotations

import os
from pathlib import Path

from fakes import down, finishing, masked, record, up
from support import Suite, build

OF_2_1 = {
    "unasked": b"ok: down: unasked: Ns, normally up, want up\n",
    "ending": b"ok: run: ending: (pid N) Ns, want down, got TERM\n",
    "once": b"ok: run: once: (pid N) Ns, want down\n",
    "finish": b"ok: finish: finish: (pid N) Ns\n",
}
"""What `check` says of services that are not as they are to be: 2.2 looks at ./check only."""


def test_check_waits_for_what_was_asked_for(suite: Suite, sv_together, fake) -> None:
    fake("unasked", down(want=b"u"))
    fake("ending", up(want=b"d", got_term=True))
    fake("once", up(want=b"d"))
    fake("finish", finishing())
    calls = (("-w", "0", "check", name) for name in OF_2_1)
    said = {}
    for name, (code, output) in zip(OF_2_1, sv_together(*calls), strict=True):
        said[name] = masked(output)
        assert code == (0 if said[name].startswith(b"ok: ") else 1)
    of_2_3 = {name: b"timeout" + words[2:] for name, words in OF_2_1.items()}
    if suite.name == "ours":
        # To be up once means to be as it is, until it ends.
        assert said == {**of_2_3, "once": OF_2_1["once"]}
    else:
        assert said == (of_2_3 if suite.is_reference(2, 3) else OF_2_1)


def test_nothing_is_looked_at_before_it_is_sent(suite: Suite, sv, fake) -> None:
    """From 2.3.1 on; before, it needs a record, and supervise/ok."""
    fakes = {name: fake(name, up()) for name in ("unwritten", "short", "closed")}
    (fakes["unwritten"].supervise / "status").unlink()
    fakes["short"].write(record(9, 1)[:19])
    (fakes["closed"].supervise / "ok").unlink()
    code, output = sv("down", *fakes)
    if suite.is_reference(2, 3, 1):
        assert (code, output) == (0, b"")
        assert [one.sent() for one in fakes.values()] == [b"d"] * 3
    else:
        assert code == 3
        assert output == (
            b"warning: unwritten: unable to open supervise/status: file does not exist\n"
            b"warning: short: unable to read supervise/status: bad format\n"
            b"warning: closed: unable to open supervise/ok: file does not exist\n"
        )
        assert [one.sent() for one in fakes.values()] == [b""] * 3


def test_runsvchdir_knows_its_variable(suite: Suite, tmp_path: Path) -> None:
    """From 2.3 on; before, there is no other directory than its own."""
    name = "no-other-directory-has-this"
    build(tmp_path, {name: None, "multi": None})
    (tmp_path / "current").symlink_to("multi")
    done = suite.run("runsvchdir", name, env=suite.environment(RUNSVDIR=str(tmp_path)))
    if suite.name == "ours" or suite.is_reference(2, 3):
        assert (done.returncode, done.stdout) == (0, f"runsvchdir: {name}: now current.\n".encode())
        assert os.readlink(tmp_path / "current") == name
    else:
        assert done.returncode == 111
        assert os.readlink(tmp_path / "current") == "multi"
