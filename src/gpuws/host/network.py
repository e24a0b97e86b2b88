"""What the laptop's network looks like from here, asked of its kernel; nothing is sent."""

from __future__ import annotations

import socket
import struct
import sys

_IN_FLIGHT, _ACKED = 24, 120  # offsets of tcpi_unacked, tcpi_bytes_acked in struct tcp_info


def source_address(peer: tuple[object, ...]) -> str | None:
    """The own address from which the kernel would reach ``peer`` (a socket address); None: no way.

    Connecting a UDP socket only looks up the route.
    """
    family = socket.AF_INET6 if len(peer) == 4 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(peer)
            return str(probe.getsockname()[0])
    except OSError:
        return None


def acknowledged(sock: socket.socket) -> int | None:
    """How many bytes the peer's kernel has taken, while some are still under way to it.

    None where nothing is under way, or where this system does not tell (Linux does).
    """
    if sys.platform != "linux":
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    except OSError:
        return None
    if len(told) < _ACKED + 8:  # an old kernel
        return None
    in_flight: int = struct.unpack_from("=I", told, _IN_FLIGHT)[0]
    count: int = struct.unpack_from("=Q", told, _ACKED)[0]
    return count if in_flight else None
