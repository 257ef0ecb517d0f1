"""The machine's last steps: reboot(2), disks, network interfaces.

What only ``halt -f`` and ``shutdown -n`` need; ctypes is imported when it comes to it.
"""

from __future__ import annotations

import posix

RESTART = 0x01234567
HALT = 0xCDEF0123
POWER_OFF = 0x4321FEDC

_STANDBY = 0x031F, b"\xe0\0\0\0"  # HDIO_DRIVE_CMD, WIN_STANDBYNOW1: hdparm -y

_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # netdevice(7)
_UP = 1


def reboot(command: int) -> None:
    """Have the kernel RESTART, HALT or POWER_OFF, at once; it does not sync.

    Returns in a PID namespace only, before its process 1 is killed.  Raises OSError.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.reboot(ctypes.c_int(command)) < 0:
        raise OSError(ctypes.get_errno(), "")


def disks_to_standby() -> None:
    """Stop the motors of disks that take ATA's command; others are left alone."""
    import fcntl

    try:
        names = posix.listdir(b"/sys/block")
    except OSError:
        return
    for name in names:
        if not name.startswith((b"sd", b"hd")):
            continue
        try:
            descriptor = posix.open(b"/dev/" + name, posix.O_RDONLY | posix.O_NONBLOCK)
            fcntl.ioctl(descriptor, *_STANDBY)
        except OSError:
            pass


def interfaces_down() -> None:
    """Take every network interface down, but for the loopback; failures are ignored."""
    import _socket
    import fcntl
    import sys

    try:
        endpoint = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        names = [name for _, name in _socket.if_nameindex()]
    except OSError:
        return
    for name in names:
        if name == "lo":
            continue
        request = name.encode()[:15].ljust(16, b"\0")
        try:
            answer = fcntl.ioctl(endpoint.fileno(), _GET_FLAGS, request + bytes(16))
            flags = int.from_bytes(answer[16:18], sys.byteorder) & ~_UP
            new = request + flags.to_bytes(2, sys.byteorder) + bytes(14)
            fcntl.ioctl(endpoint.fileno(), _SET_FLAGS, new)
        except OSError:
            pass
