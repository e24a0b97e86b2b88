"""SSH servers that OpenSSH cannot play without PAM, and servers that are none.

``LoginServer`` speaks real SSH (paramiko's server side) and asks for passwords and codes.
``listening`` runs any function on each accepted connection: silence, floods, web servers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import paramiko
from paramiko.packet import Packetizer
from paramiko.server import InteractiveQuery

from tests.support.sshd import free_port, make_key

GONE = -1  # among the messages that a server heard: the client is gone


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a loopback listener that calls ``serve`` in a thread for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_ones: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    open_ones.append(sock)
                    threading.Thread(target=_guarded, args=(serve, sock), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            for sock in open_ones:
                sock.close()


def _guarded(serve: Callable[[socket.socket], None], sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        serve(sock)


@dataclass
class Rules:
    """What the server asks for. Methods in ``needs`` must all succeed, in that order; without any
    it lets in whoever comes. ``also``: methods that it offers too, to no avail."""

    needs: tuple[str, ...] = ("password",)
    also: tuple[str, ...] = ()
    password: str = "correct horse"
    code: str = "123456"
    prompt: str = "Verification code: "
    echo: bool = False
    password_too: bool = False  # keyboard-interactive asks for both at once
    banner: str = ""
    thinks: float = 0.0  # seconds before its first answer
    strict: bool = True  # whether it knows strict key exchange
    seen: list[str] = field(default_factory=list)  # every password and code that arrived
    keys: list[str] = field(default_factory=list)  # the name of every key that was tried
    heard: list[int] = field(default_factory=list)  # the number of every message, then GONE


class Logins(paramiko.ServerInterface):
    """Lets in who keeps to the rules, or has the key."""

    def __init__(self, rules: Rules, user_key: bytes) -> None:
        self._rules = rules
        self._left = list(rules.needs)
        self._user_key = user_key

    def get_allowed_auths(self, username: str) -> str:
        return ",".join((*self._left[:1], *self._rules.also)) or "publickey"

    def get_banner(self) -> tuple[str | None, str | None]:
        return (self._rules.banner, "en") if self._rules.banner else (None, None)

    def check_auth_none(self, username: str) -> int:
        time.sleep(self._rules.thinks)
        needed = paramiko.common.AUTH_FAILED
        return needed if self._rules.needs else paramiko.common.AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self._rules.seen.append(password)
        return self._verdict("password", password == self._rules.password)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._rules.keys.append(key.get_name())
        return self._verdict("publickey", key.asbytes() == self._user_key)

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        query = InteractiveQuery("A title", "Instructions \x1b[31mred")
        if self._rules.password_too:
            query.add_prompt("Password: ", False)
        query.add_prompt(self._rules.prompt, self._rules.echo)
        return query

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        self._rules.seen += responses
        password = [self._rules.password] if self._rules.password_too else []
        right = responses == [*password, self._rules.code]
        return self._verdict("keyboard-interactive", right)

    def _verdict(self, method: str, right: bool) -> int:
        if not right or not self._left or self._left[0] != method:
            return paramiko.common.AUTH_FAILED
        self._left.pop(0)
        if self._left:
            return paramiko.common.AUTH_PARTIALLY_SUCCESSFUL
        return paramiko.common.AUTH_SUCCESSFUL


class _Recording(Packetizer):
    """Notes which messages the client sends."""

    def __init__(self, sock: socket.socket, heard: list[int]) -> None:
        super().__init__(sock)
        self._heard = heard

    def read_message(self) -> tuple[int, paramiko.Message]:
        try:
            kind, message = super().read_message()
        except (EOFError, OSError):
            self._heard.append(GONE)
            raise
        self._heard.append(kind)
        return kind, message


class LoginServer:
    """A server with the given rules; ``config`` and ``alias`` as of tests.support.sshd.Sshd."""

    def __init__(self, folder: Path, rules: Rules, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rules = rules
        self.port = port
        self.alias = "asker"
        self.user_key = make_key(folder / "user_key")
        self.host_key = make_key(folder / "host_key")
        self.known_hosts = folder / "known_hosts"
        self.config = folder / "ssh_config"
        kind, blob, *_ = self.host_key.with_suffix(".pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
        self.key = paramiko.Ed25519Key.from_private_key_file(str(self.host_key))
        self.user = paramiko.Ed25519Key.from_private_key_file(str(self.user_key)).asbytes()

    def write_config(self, *lines: str) -> None:
        own = [
            f"Host {self.alias}",
            *lines,
            "HostName 127.0.0.1",
            f"Port {self.port}",
            "User ada",
            f'IdentityFile "{self.user_key}"',
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f'UserKnownHostsFile "{self.known_hosts}"',
            "GlobalKnownHostsFile none",
        ]
        self.config.write_text("\n    ".join(own) + "\n")

    def serve(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(
            sock,
            strict_kex=self.rules.strict,
            packetizer_class=partial(_Recording, heard=self.rules.heard),  # type: ignore[arg-type]
        )
        transport.add_server_key(self.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Logins(self.rules, self.user))


@contextlib.contextmanager
def login_server(folder: Path, rules: Rules, *lines: str) -> Iterator[LoginServer]:
    """A running LoginServer. ``lines`` go first into its block of the ssh_config."""
    servers: list[LoginServer] = []

    def serve(sock: socket.socket) -> None:
        servers[0].serve(sock)

    with listening(serve) as port:
        servers.append(LoginServer(folder, rules, port))
        servers[0].write_config(*lines)
        yield servers[0]


__all__ = ["LoginServer", "Rules", "free_port", "listening", "login_server"]
