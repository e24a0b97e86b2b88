"""ssh-agent: list keys and sign, never waiting longer than a deadline."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from typing import Protocol

from gpuws.plan.model import Profile

ANSWER = 5.0  # seconds for the list of keys
SIGNATURE = 60.0  # seconds: a person may have to touch the key or confirm
_LARGEST = 1 << 20
_WINDOWS_PIPE = r"\\.\pipe\openssh-ssh-agent"


class AgentTrouble(Exception):
    """The agent cannot be used; the text says why."""


class _Line(Protocol):
    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Agent:
    """One connection to an agent. Every method raises AgentTrouble."""

    def __init__(self, path: str) -> None:
        self._line = _open(path)

    def keys(self) -> list[tuple[bytes, str]]:
        """(public key blob, comment) in the agent's order."""
        kind, body = self._ask(b"\x0b", ANSWER)
        if kind != 12 or len(body) < 4:
            raise AgentTrouble("it gave no list of keys")
        fields = _strings(body[4:])
        return [
            (blob, comment.decode("utf-8", "replace"))
            for blob, comment in zip(fields[::2], fields[1::2], strict=False)
        ]

    def sign(self, blob: bytes, data: bytes, flags: int) -> bytes:
        """The SSH signature. ``flags``: 2 for rsa-sha2-256, 4 for rsa-sha2-512."""
        request = b"\x0d" + _string(blob) + _string(data) + struct.pack(">I", flags)
        kind, body = self._ask(request, SIGNATURE)
        if kind != 14:
            raise AgentTrouble("it refused to sign")
        return _strings(body)[0]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.close()

    def _ask(self, request: bytes, deadline: float) -> tuple[int, bytes]:
        until = time.monotonic() + deadline
        try:
            self._line.settimeout(deadline)
            self._line.sendall(_string(request))
            (length,) = struct.unpack(">I", self._exactly(4, until))
            if not 0 < length <= _LARGEST:
                raise AgentTrouble("it does not speak the agent protocol")
            answer = self._exactly(length, until)
        except TimeoutError:
            raise AgentTrouble(f"it did not answer in {deadline:.0f} s") from None
        except OSError as error:
            raise AgentTrouble(error.strerror or str(error)) from None
        return answer[0], answer[1:]

    def _exactly(self, size: int, until: float) -> bytes:
        data = b""
        while len(data) < size:
            self._line.settimeout(max(0.01, until - time.monotonic()))
            block = self._line.recv(size - len(data))
            if not block:
                raise AgentTrouble("it closed the connection")
            data += block
        return data


def agent_path(profile: Profile) -> str | None:
    """The socket (a named pipe on Windows) that the profile or the environment names."""
    named = profile.identity_agent
    if named == "none":
        return None
    if named and named.startswith("$"):
        named = os.environ.get(named[1:])
    path = named or os.environ.get("SSH_AUTH_SOCK")
    return path or (_WINDOWS_PIPE if os.name == "nt" else None)


def _open(path: str) -> _Line:
    if path.startswith("\\\\.\\pipe\\"):
        return _NamedPipe(path)
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise AgentTrouble("this Python has no Unix sockets")
    sock = socket.socket(family)
    sock.settimeout(ANSWER)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise AgentTrouble(error.strerror or str(error)) from None
    return sock


class _NamedPipe:
    """OpenSSH's agent on Windows; a pipe opened as a file knows no deadline."""

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, PTH123 (a pipe, kept open)
        except OSError as error:
            raise AgentTrouble(error.strerror or str(error)) from None

    def sendall(self, data: bytes, /) -> None:
        self._file.write(data)

    def recv(self, size: int, /) -> bytes:
        return self._file.read(size) or b""

    def settimeout(self, seconds: float | None, /) -> None:  # noqa: ARG002 (there is none)
        return None

    def close(self) -> None:
        self._file.close()


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _strings(data: bytes) -> list[bytes]:
    found = []
    while len(data) >= 4:
        (length,) = struct.unpack(">I", data[:4])
        if length > len(data) - 4:
            raise AgentTrouble("it sent a broken answer")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found
