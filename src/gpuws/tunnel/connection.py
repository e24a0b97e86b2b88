"""One forwarded connection: a local socket and a stream to the host, copied both ways."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading

from gpuws.plan.ports import Stream

_CHUNK = 256 * 1024  # from the host: as large as the packets it sends
_OUT = 32 * 1024  # to the host; each connection holds one such buffer while it waits
"""Bytes a read: as large as the packets that an SSH server fills, so no packet is split."""

_GRACE = 0.5  # seconds a copy thread may need to notice that its connection is broken
_ON_CLOSE_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER: 0 s


class Connection:
    """Full duplex, with half-close both ways. Holds at most one chunk a direction in memory.

    A stream that *ends* becomes the end of the local connection; a stream that *breaks* (recv or
    sendall raise OSError or EOFError) becomes a reset, so that a download cut in the middle is
    not taken for a complete one.
    """

    def __init__(self, local: socket.socket, stream: Stream) -> None:
        self._local = local
        self._stream = stream
        self._broken = threading.Event()
        self.bytes_in = 0  # from the host; written by one thread only
        self.bytes_out = 0  # to the host; written by one thread only

    def run(self) -> None:
        """Copy until both directions have ended or one broke. Closes the stream."""
        inward = threading.Thread(target=self._copy_in, name="tunnel-in", daemon=True)
        try:
            inward.start()
            self._copy_out()
            self._join(inward)
        finally:
            self._stream.close()

    def _join(self, inward: threading.Thread) -> None:
        if not self._broken.is_set():
            inward.join()
            return
        inward.join(_GRACE)
        if inward.is_alive():  # it writes to a client that does not read
            self.end_local()
            inward.join(_GRACE)

    def _copy_out(self) -> None:
        try:
            while data := self._local.recv(_OUT):
                self._stream.sendall(data)
                self.bytes_out += len(data)
            if not self._broken.is_set():
                self._stream.shutdown_write()
        except (OSError, EOFError):
            self._break()

    def _copy_in(self) -> None:
        try:
            while data := self._stream.recv(_CHUNK):
                self._local.sendall(data)
                self.bytes_in += len(data)
            if not self._broken.is_set():
                self._local.shutdown(socket.SHUT_WR)
        except (OSError, EOFError):
            self._break()

    def _break(self) -> None:
        """Wake the other thread and let the later close() of the local side be a reset."""
        self._broken.set()
        with contextlib.suppress(OSError):
            self._local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ON_CLOSE_RESET)
            self._local.shutdown(socket.SHUT_RD)
        self._stream.close()

    def end_local(self) -> None:
        """End the local side now; never blocks. The stream is closed by ``end_stream``."""
        self._broken.set()
        with contextlib.suppress(OSError):
            self._local.shutdown(socket.SHUT_RDWR)

    def end_stream(self) -> None:
        """Close the stream; may wait for the network."""
        self._stream.close()
