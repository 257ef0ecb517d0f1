"""Sending lines to a syslog daemon by UDP: the lines u and U of svlogd's config."""

from __future__ import annotations

import _socket

NO_SOCKET = b"warning: no udp socket available: "
FAILURE = b"warning: failure sending through udp: "


class Remote:
    """A receiver of datagrams at ADDRESS: dotted decimal, port."""

    __slots__ = ("_address", "_socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: _socket.socket | None = None

    def send(self, datagram: bytes) -> bytes:
        """Send it; returns what the log is to say about that: nothing if it went well."""
        try:
            if self._socket is None:
                self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        except OSError:
            return NO_SOCKET + datagram
        try:
            self._socket.sendto(datagram, self._address)
        except OSError:
            return FAILURE + datagram
        return b""

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
