"""What ssh runs while it logs in. ``helper.py SOCKET ask PROMPT`` is its SSH_ASKPASS program,
``helper.py SOCKET road`` its ProxyCommand: the descriptor of a connection goes to its stdout.

A program of its own that imports nothing of gpuws: it is started with each question.
"""

from __future__ import annotations

import os
import socket
import sys


def main(path: str, what: str, prompt: str = "") -> int:
    with socket.socket(socket.AF_UNIX) as desk:
        desk.connect(path)
        sort = os.environ.get("SSH_ASKPASS_PROMPT", "")
        desk.sendall(f"{what}\0{sort}\0{prompt}\0".encode("utf-8", "surrogateescape"))
        return _road(desk) if what == "road" else _answer(desk)


def _road(desk: socket.socket) -> int:
    _, descriptors, _, _ = socket.recv_fds(desk, 1, 1)
    with socket.socket(fileno=1) as ssh:
        socket.send_fds(ssh, [b"\0"], descriptors)
    return 0


def _answer(desk: socket.socket) -> int:
    """Until the desk closes: for a touch of a key ssh ends this program by itself."""
    said = b"".join(iter(lambda: desk.recv(4096), b""))
    if not said.startswith(b"+"):  # nobody is there
        return 1
    os.write(1, said[1:] + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
