#!/usr/bin/python3
"""In a guest: set the clock, and see what that does to services, sv and svlogd.

``clock begin`` makes the services, ``clock SECONDS`` sets the clock to that Unix time
and looks at everything.  What is wrong is an AssertionError.  Times are measured with the
monotonic clock, and only to be no shorter than they may be: the guest is slow.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CURRENT = Path("/etc/runit/runsvdir/current")
STARTS = Path("/etc/sv/hasty/starts")
LOG = Path("/etc/sv/ticker/log/main")
DEADLINE = 120.0

SERVICES = {
    # Says something all the time; its log becomes old every second.
    "ticker/run": "#!/bin/sh\nwhile echo tick; do sleep 0.3; done\n",
    "ticker/log/run": "#!/bin/sh\nmkdir -p main\nexec svlogd -tt main\n",
    "ticker/log/main/config": "t1\nn3\n",
    # Ends at once: not more often than once a second.
    # The 22nd word is when it was started, in hundredths of a second since the boot.
    "hasty/run": "#!/bin/sh\nread -r line </proc/$$/stat\nset -- $line\necho ${22} >>starts\n",
    "stubborn/run": "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1000; done\n",
    "other/run": "#!/bin/sh\nexec sleep 1000000\n",
}
STATUS = re.compile(
    r"(run|down|finish): [^:]+: (\(pid \d+\) )?\d+s[^;]*(; run: log: \(pid \d+\) \d+s)?"
)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Until CONDITION holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def sv(*arguments: str) -> tuple[int, str]:
    """The exit code of sv, and what it said."""
    done = subprocess.run(
        ["sv", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def pid(service: str) -> int:
    """The process of a service, 0 if it is down."""
    return int((CURRENT / service / "supervise/pid").read_text() or 0)


def begin() -> None:
    """Make the services, and wait until they run."""
    for name, content in SERVICES.items():
        path = Path("/etc/sv", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    for name in ("ticker", "hasty", "stubborn"):
        (CURRENT / name).symlink_to(f"/etc/sv/{name}")
    for name in ("ticker", "stubborn"):
        wait_for((CURRENT / name / "supervise/pid").exists, name)
        wait_for(lambda name=name: pid(name), name)
    wait_for(lambda: STARTS.exists() and list(LOG.glob("@*.s")), "an old log")


def wait_is_no_shorter(moment: float) -> None:
    """Set the clock to MOMENT while sv waits for what does not end."""
    former = pid("stubborn")
    began = time.monotonic()
    waiting = subprocess.Popen(
        ["sv", "-w", "1", "stop", "stubborn"], stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: "got TERM" in (CURRENT / "stubborn/supervise/stat").read_text(), "TERM")
        time.clock_settime(time.CLOCK_REALTIME, moment)
        said, _ = waiting.communicate(timeout=DEADLINE)
    finally:
        waiting.kill()
    assert time.monotonic() - began >= 1, "it did not wait"
    assert re.fullmatch(
        rf"timeout: run: stubborn: \(pid {former}\) \d+s, want down, got TERM\n", said
    ), said
    assert sv("kill", "stubborn") == (0, "")
    wait_for(lambda: not pid("stubborn"), "the end of stubborn")
    code, said = sv("-w", "60", "start", "stubborn")
    assert code == 0, said
    assert re.fullmatch(r"ok: run: stubborn: \(pid \d+\) \d+s\n", said), said


def restart_is_seen() -> None:
    """Restart a service that was started before the clock was set."""
    former = pid("ticker")
    code, said = sv("-w", "60", "restart", "ticker")
    assert code == 0, said
    found = re.fullmatch(r"ok: run: ticker: \(pid (\d+)\) \d+s\n", said)
    assert found, said
    assert int(found.group(1)) != former, said


def ages_are_not_negative() -> None:
    """Whatever sv says of any service."""
    names = sorted(os.listdir(CURRENT))
    _, said = sv("status", *names)
    for line in said.splitlines():
        assert STATUS.match(line), line
    assert len(said.splitlines()) == len(names), said


def log_goes_on(moment: float, before: Path) -> None:
    """Lines bear the new time, old logs are made, and what is new is not removed as old.

    BEFORE was the newest old log when the clock was set.
    """
    days = [time.strftime("%Y-%m-%d", time.gmtime(moment + more)) for more in (0, 86400)]
    wait_for(
        lambda: len([one for one in LOG.glob("@*.s") if one > before]) > 1,
        "two more old logs",
    )
    newest = max(LOG.glob("@*.s"))
    stamps = [line.split()[0] for line in newest.read_text().splitlines()]
    assert stamps == sorted(stamps), newest.read_text()
    assert stamps[-1][:10] in days, (stamps, days)


def pace_is_kept(count: int) -> None:
    """What ends at once is started no sooner than a second later, and no later than ever.

    COUNT starts there were when the clock was set.
    """
    wait_for(lambda: len(STARTS.read_text().split()) >= count + 2, "hasty")
    starts = [int(word) for word in STARTS.read_text().split()]
    gaps = [later - former for former, later in itertools.pairwise(starts)]
    assert min(gaps) >= 99, gaps


def changes_are_heard() -> None:
    """A service is linked in, and removed again."""
    link = CURRENT / "other"
    link.symlink_to("/etc/sv/other")
    status = link / "supervise/pid"
    wait_for(lambda: status.exists() and pid("other"), "a new service")
    process = pid("other")
    link.unlink()
    wait_for(lambda: not Path(f"/proc/{process}").exists(), "the end of a service")


def main() -> None:
    """Command line."""
    if sys.argv[1] == "begin":
        begin()
        return
    moment = float(sys.argv[1])
    wait_is_no_shorter(moment)
    newest, count = max(LOG.glob("@*.s")), len(STARTS.read_text().split())
    ages_are_not_negative()
    restart_is_seen()
    changes_are_heard()
    pace_is_kept(count)
    log_goes_on(moment, newest)
    assert abs(time.time() - moment) < 10 * DEADLINE, "the clock was not set"
    print("all is well")


if __name__ == "__main__":
    main()
