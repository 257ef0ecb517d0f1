#!/usr/bin/python3
"""In a guest: run a command that installs a web server, and wait until that answers.

``served COMMAND [ARGUMENT ...]`` tells how long both took.  It runs the command in its own
time, and asks only then: the guest's processor is slow, and asking takes a part of it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time

DEADLINE = 120.0


def answers() -> bool:
    """Whether somebody on port 80 gives us a page."""
    try:
        with socket.create_connection(("127.0.0.1", 80), DEADLINE) as connection:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return b" 200 OK" in connection.recv(4096)
    except ConnectionError:
        return False


def main() -> None:
    """Command line."""
    began = time.monotonic()
    subprocess.run(sys.argv[1:], check=True)
    ended = time.monotonic()
    while not answers():
        assert time.monotonic() < ended + DEADLINE, "nobody answers"
        time.sleep(0.001)
    served = time.monotonic()
    took, later = round((ended - began) * 1000), round((served - ended) * 1000)
    print(f"{' '.join(sys.argv[1:])} took {took} ms, an HTTP request was answered {later} ms later")


if __name__ == "__main__":
    main()
