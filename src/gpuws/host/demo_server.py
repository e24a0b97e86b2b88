"""A private SSH server on 127.0.0.1 as the current user, for `gpuws demo`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.demo_login import MARK, end_marked, login_environment, settings_into, user_name
from gpuws.host.embedded_server import embedded_server
from gpuws.host.private_sshd import NotUsable, private_sshd

ALIAS = "demo"
SSHD = "OpenSSH sshd"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class DemoServer:
    """``ssh -F ssh_config alias`` logs in for as long as the server runs."""

    ssh_config: Path
    alias: str
    kind: str  # "OpenSSH sshd" | "embedded"
    port: int
    note: str = ""  # why it is not the real sshd


@dataclass(frozen=True)
class Keys:
    """Files of the two key pairs, made for this server alone."""

    host: Path
    user: Path
    authorized: str  # the user's public line
    known: str  # the host's public line


@contextmanager
def demo_server(folder: Path, home: Path, *, embedded: bool = False) -> Iterator[DemoServer]:
    """Serve until the block ends; then every process that was started by its logins ends too.

    ``folder`` takes the keys and the ssh_config, ``home`` becomes HOME of the logins; both are
    made 0700 when missing, and only the server's own files are removed. ``embedded`` does not
    try the real sshd. Raises GpuwsError("unsupported-platform") on Windows.
    """
    if sys.platform == "win32":
        raise GpuwsError(
            "unsupported-platform",
            "the demo needs a Unix shell on this machine",
            hint="run it inside WSL, or try the real thing: gpuws up HOST",
        )
    with ExitStack() as stack:
        for each in (folder, home):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = stack.enter_context(_own_files(folder.absolute()))
        settings_into(home)
        keys = _keys(own)
        mark = secrets.token_hex(8)
        env = {**login_environment(home.absolute()), MARK: mark}
        stack.callback(end_marked, mark)
        yield _serve(stack, own, keys, env, embedded)


def _serve(
    stack: ExitStack, own: Path, keys: Keys, env: dict[str, str], embedded: bool
) -> DemoServer:
    config = own / "ssh_config"
    note = ""
    if not embedded:
        try:
            port = stack.enter_context(private_sshd(own, keys.host, keys.authorized, env))
            _tell(config, own, keys, port)
            return DemoServer(config, ALIAS, SSHD, port)
        except NotUsable as reason:
            note = str(reason)
    port = stack.enter_context(embedded_server(keys.host, keys.authorized, env))
    _tell(config, own, keys, port)
    return DemoServer(config, ALIAS, EMBEDDED, port, note)


@contextmanager
def _own_files(folder: Path) -> Iterator[Path]:
    before = set(folder.iterdir())
    try:
        yield folder
    finally:
        for path in set(folder.iterdir()) - before:
            path.unlink(missing_ok=True)


def _keys(folder: Path) -> Keys:
    host, user = folder / "host_key", folder / "user_key"
    return Keys(host, user, known=_new_key(host), authorized=_new_key(user))


def _new_key(path: Path) -> str:
    """A fresh ed25519 key in OpenSSH's own format; its public line."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return public.decode()


def _tell(config: Path, folder: Path, keys: Keys, port: int) -> None:
    """ssh_config and known_hosts: the user's own ssh files are neither read nor written."""
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {keys.known}\n", encoding="utf-8")
    lines = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": user_name(),
        "IdentityFile": _quoted(keys.user),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "UserKnownHostsFile": _quoted(known),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ControlPath": "none",
        "ProxyCommand": "none",
    }
    text = "".join(f"  {key} {value}\n" for key, value in lines.items())
    config.write_text(f"Host {ALIAS}\n{text}", encoding="utf-8")
    config.chmod(0o600)


def _quoted(path: Path) -> str:
    """A path for ssh_config, where % starts a token."""
    return '"{}"'.format(str(path).replace("%", "%%"))
