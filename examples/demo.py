"""Bring up the services of examples/ and show them: `make run`.

With a terminal: a live table, until Ctrl-C or q.  Without one, or with --tour:
a tour that tries everything once and fails if anything did not happen.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parent / "services"


def main() -> int:
    """Command line: the directory that the suite is installed in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tour", action="store_true", help="the tour, even with a terminal")
    parser.add_argument("installation", type=Path)
    arguments = parser.parse_args()
    installation = arguments.installation.resolve()
    sys.path.append(str(installation / "lib/pyrunit"))
    from tree import Failure, Tree

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)
    people = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    try:
        if people and not arguments.tour:
            import table

            with Tree(installation, SERVICES) as tree:
                table.show(tree)
            print("All services are down, no process and no file is left.")
        else:
            import tour

            tour.give(installation, SERVICES)
    except Failure as failure:
        print(failure.report(), flush=True)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads what is buffered
        return 1
    except Interrupted as interrupted:
        print(f"\nended by {interrupted}; everything is down", flush=True)
        return 128 + interrupted.number
    return 0


class Interrupted(BaseException):
    """A signal that ends the show; the tree is taken down on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def interrupt(number: int, frame: object) -> None:
    """Once: whoever takes the tree down may finish."""
    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted(number)


if __name__ == "__main__":
    sys.exit(main())
