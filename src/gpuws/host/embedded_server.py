"""A small SSH server for the demo where there is no sshd: one user, one key, loopback only.

Commands (with or without a terminal), direct-tcpip and direct-streamlocal forwards. No sftp,
no remote forwards, no agent. paramiko does the protocol.
"""

# ruff: noqa: ARG002 -- the methods' arguments are paramiko's

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import paramiko
from paramiko import common
from paramiko.channel import Channel
from paramiko.message import Message

from gpuws.host.demo_login import user_name
from gpuws.host.embedded_session import Session, close_quietly

_LOG = "gpuws.demo"
_STREAMLOCAL = "direct-streamlocal@openssh.com"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextmanager
def embedded_server(host_key: Path, authorized: str, env: dict[str, str]) -> Iterator[int]:
    """Its port on 127.0.0.1. ``authorized`` is the one public key line that may log in."""
    quiet = logging.getLogger(_LOG)
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    server = _Server(paramiko.Ed25519Key.from_private_key_file(str(host_key)), authorized, env)
    try:
        yield server.port
    finally:
        server.close()


class _Server:
    def __init__(self, key: paramiko.PKey, authorized: str, env: dict[str, str]) -> None:
        self._key, self._authorized, self._env = key, authorized, env
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._transports: set[paramiko.Transport] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="demo-accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        login = _Login(self._authorized, self._env)
        transport = _Transport(sock)
        transport.set_log_channel(_LOG)
        transport.add_server_key(self._key)
        with self._lock:
            if self._closed:
                transport.close()
                return
            self._transports.add(transport)
        try:
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=login)
                _take_channels(transport, login)
        finally:
            transport.close()
            login.close()
            with self._lock:
                self._transports.discard(transport)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._listener.close()
        with self._lock:
            self._closed = True
            transports = list(self._transports)
        for transport in transports:
            transport.close()


def _take_channels(transport: paramiko.Transport, login: _Login) -> None:
    while transport.is_active():
        channel = transport.accept(1.0)
        if channel is not None:
            login.opened(channel)


class _Login(paramiko.ServerInterface):
    """One connection: who may come in, and what each channel becomes."""

    def __init__(self, authorized: str, env: dict[str, str]) -> None:
        self._authorized, self._env = authorized.split()[1], env
        self._sessions: dict[int, Session] = {}
        self._forwards: dict[int, socket.socket] = {}
        self.wanted_socket = ""  # of the streamlocal request that is being answered

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        ours = username == user_name() and key.get_base64() == self._authorized
        return common.AUTH_SUCCESSFUL if ours else common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return common.OPEN_SUCCEEDED
        if kind == _STREAMLOCAL and self.wanted_socket.startswith("/"):
            return self._connect(chanid, socket.AF_UNIX, self.wanted_socket)
        return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if destination[0] not in _LOOPBACK:
            return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        family = socket.AF_INET6 if ":" in destination[0] else socket.AF_INET
        return self._connect(chanid, family, destination)

    def _connect(self, chanid: int, family: int, address: str | tuple[str, int]) -> int:
        sock = socket.socket(family)
        sock.settimeout(5)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            return common.OPEN_FAILED_CONNECT_FAILED
        sock.settimeout(None)
        self._forwards[chanid] = sock
        return common.OPEN_SUCCEEDED

    def opened(self, channel: Channel) -> None:
        sock = self._forwards.pop(channel.get_id(), None)
        if sock is None:
            self._session(channel)
        else:
            threading.Thread(target=_join, args=(channel, sock), daemon=True).start()

    def _session(self, channel: Channel) -> Session:
        """Made by whichever comes first: the accepted channel or its first request."""
        new = Session(channel, self._env)
        return self._sessions.setdefault(channel.get_id(), new)

    def check_channel_env_request(self, channel: Channel, name: bytes, value: bytes) -> bool:
        return self._session(channel).accept_variable(name.decode(), value.decode())

    def check_channel_pty_request(
        self,
        channel: Channel,
        term: bytes,
        width: int,
        height: int,
        pixelwidth: int,
        pixelheight: int,
        modes: bytes,
    ) -> bool:
        self._session(channel).use_terminal(term.decode(), width, height)
        return True

    def check_channel_window_change_request(
        self, channel: Channel, width: int, height: int, pixelwidth: int, pixelheight: int
    ) -> bool:
        self._session(channel).resize(width, height)
        return True

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        self._session(channel).command = command.decode("utf-8", "surrogateescape")
        return True

    def check_channel_shell_request(self, channel: Channel) -> bool:
        self._session(channel).command = ""
        return True

    def answered(self, channel: Channel) -> None:
        """The reply to a request has gone out: a command may start to talk now."""
        session = self._sessions.get(channel.get_id())
        if session is not None and session.start_if_ordered():
            for number, each in list(self._sessions.items()):
                if each.over:
                    del self._sessions[number]

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()
        for sock in self._forwards.values():
            sock.close()


def _answer_request(channel: Channel, message: Message) -> None:
    Channel._handle_request(channel, message)  # type: ignore[attr-defined]
    transport = channel.get_transport()
    login = transport.server_object
    if isinstance(login, _Login):
        login.answered(channel)


class _Transport(paramiko.Transport):
    """paramiko's, with the socket path of a streamlocal request and a hook after each reply."""

    _channel_handler_table: ClassVar = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        common.MSG_CHANNEL_REQUEST: _answer_request,
    }

    def _parse_channel_open(self, message: Message) -> None:
        self._remember_socket(message)
        super()._parse_channel_open(message)  # type: ignore[misc]

    def _remember_socket(self, message: Message) -> None:
        look = Message(message.get_remainder())
        if look.get_text() == _STREAMLOCAL and isinstance(self.server_object, _Login):
            for _ in ("sender channel", "window", "packet size"):
                look.get_int()
            self.server_object.wanted_socket = look.get_text()


def _join(channel: Channel, sock: socket.socket) -> None:
    """Both directions until both have ended; each end's EOF is passed on alone."""
    back = threading.Thread(target=_from_socket, args=(sock, channel), daemon=True)
    back.start()
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(65536):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    back.join()
    close_quietly(channel)
    sock.close()


def _from_socket(sock: socket.socket, channel: Channel) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := sock.recv(65536):
            channel.sendall(data)
        channel.shutdown_write()
