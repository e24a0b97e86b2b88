"""An agent that holds one FIDO key, made in software: its signatures are what sshd verifies.

PROTOCOL.u2f: what is signed is sha256(application) | flags | counter | sha256(message).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KIND = b"sk-ssh-ed25519@openssh.com"
_APPLICATION = b"ssh:"
_TOUCHED = b"\x01"


class HardwareAgent:
    """``touched``: how often it signed, each time as if it had been touched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.touched = 0
        self._key = Ed25519PrivateKey.generate()
        self._blob = (
            _string(_KIND)
            + _string(self._key.public_key().public_bytes_raw())
            + _string(_APPLICATION)
        )

    def public_line(self) -> str:
        """Of authorized_keys."""
        return f"{_KIND.decode()} {base64.b64encode(self._blob).decode()} yubikey\n"

    def serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), sock:
            while True:
                (length,) = struct.unpack(">I", _exactly(sock, 4))
                sock.sendall(_string(self._answer(_exactly(sock, length))))

    def _answer(self, request: bytes) -> bytes:
        if request[:1] == b"\x0b":
            return b"\x0c" + struct.pack(">I", 1) + _string(self._blob) + _string(b"yubikey")
        _, rest = _take(request[1:])
        message, _ = _take(rest)
        return b"\x0e" + _string(self._signed(message))

    def _signed(self, message: bytes) -> bytes:
        self.touched += 1
        told = _TOUCHED + struct.pack(">I", self.touched)
        parts = (_sha256(_APPLICATION), told, _sha256(message))
        return _string(_KIND) + _string(self._key.sign(b"".join(parts))) + told


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        block = sock.recv(size - len(data))
        if not block:
            raise EOFError
        data += block
    return data


@contextlib.contextmanager
def hardware_agent(path: Path) -> Iterator[HardwareAgent]:
    agent = HardwareAgent(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, agent), daemon=True).start()
        try:
            yield agent
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, agent: HardwareAgent) -> None:
    with contextlib.suppress(OSError):
        while True:
            agent.serve(listener.accept()[0])
