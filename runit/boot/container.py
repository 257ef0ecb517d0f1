"""Is this machine a container's idea of one?

Whoever runs the container tells: the variable `container` (systemd's convention,
podman, LXC), the file /.dockerenv, the file /run/.containerenv.  Else the kernel does,
if it does not let us decide about ctrl-alt-del: EPERM means that rebooting is not ours.
"""

from __future__ import annotations

import os
from errno import EPERM

from runit.boot import power

MARKS = (b"/.dockerenv", b"/run/.containerenv")


def inside() -> bool:
    """Whether process 1 is to act as a container's: see runit(8), IN A CONTAINER.

    On a machine ctrl-alt-del comes as a signal from now on.
    """
    if os.environb.get(b"container") or any(os.path.exists(mark) for mark in MARKS):
        return True
    try:
        power.reboot(power.CAD_OFF)
    except OSError as error:
        # In a PID namespace of its own the answer is EINVAL: that is told from
        # outside, and rebooting works, in its way.
        return error.errno == EPERM
    return False
