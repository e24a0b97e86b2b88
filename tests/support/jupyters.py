"""What answers where Jupyter should be: ours, another one, or somebody who lies in wait."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field

TOKEN = "f00d" * 16
INSTANCE = "0123456789abcdef" * 2
BASE = "/w-0011223344556677/"


@dataclass
class Jupyter:
    """Serves a connection, as `far_end` wants it. ``heads`` is everything that it was told."""

    instance: str = INSTANCE
    token: str = TOKEN
    open_to_all: bool = False
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    ended: int = 0  # connections that the other side has ended

    def __call__(self, sock: socket.socket) -> None:
        self.connections += 1
        said = b""
        with contextlib.suppress(OSError):
            while block := sock.recv(4096):
                said += block
                while b"\r\n\r\n" in said:
                    head, _, said = said.partition(b"\r\n\r\n")
                    self.heads.append(head.decode())
                    sock.sendall(self._answer(head.decode()))
        self.ended += 1

    def _answer(self, head: str) -> bytes:
        right = self.open_to_all or self.token in head
        status = "200 OK" if right else "403 Forbidden"
        lines = (f"HTTP/1.1 {status}", f"X-Gpuws-Instance: {self.instance}", "Content-Length: 2")
        return "\r\n".join((*lines, "", "{}")).encode()

    def was_told(self, secret: str) -> bool:
        return any(secret in head for head in self.heads)
