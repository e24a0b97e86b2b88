"""Keys that can sign: from files (the formats that ssh reads) or held by an agent."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gpuws.host.agent import Agent
from gpuws.host.sanitise import one_line

_LARGEST = 64 << 10  # bytes of a key file
_RSA_HASHES = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_AGENT_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}
_CURVES: dict[str, hashes.HashAlgorithm] = {
    "nistp256": hashes.SHA256(),
    "nistp384": hashes.SHA384(),
    "nistp521": hashes.SHA512(),
}
_CIPHERS = ("aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com")  # that cryptography opens
_OPENSSH = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", re.DOTALL)

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyTrouble(Exception):
    """The file cannot be used as a key; the text says why and what to do."""


class WrongPassphrase(KeyTrouble):
    """The passphrase does not open the file."""


@dataclass(frozen=True)
class Signer:
    """A key to try. ``blob`` is what the server compares: a public key or a certificate."""

    label: str  # for messages: the file, or the agent's comment
    blob: bytes
    sign: Callable[[bytes, str], bytes]  # (data, plain algorithm) → SSH signature
    asks_person: bool = False  # touch, confirmation or passphrase: ask the server first
    in_agent: bool = False

    @property
    def kind(self) -> str:
        return kind_of(self.blob)

    @property
    def hardware(self) -> bool:
        """A FIDO key, which signs when it is touched."""
        return self.kind.startswith("sk-")


@dataclass(frozen=True)
class KeyFile:
    """A key file as far as it can be read without its passphrase."""

    path: Path
    data: bytes
    public: bytes | None  # blob, where it stands beside or in the file
    public_only: bool = False  # IdentityFile names a .pub: the private half is in the agent
    encrypted: bool = False
    unreadable: str = ""  # why only an agent can open it, and what to do


def read(path: Path) -> KeyFile | None:
    """None where there is no such file. Raises KeyTrouble for one that ssh would refuse too."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyTrouble(f"{path}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise KeyTrouble(f"{path} is too large for a key")
    if data.startswith(b"PuTTY-User-Key-File"):
        raise KeyTrouble(f"{path} is a PuTTY key: puttygen {path} -O private-openssh -o NEWFILE")
    line = public_line(data)
    if line is not None:
        return KeyFile(path, data, line, public_only=True)
    _refuse_open_to_others(path)
    beside = path.with_name(path.name + ".pub")
    inside, cipher = _openssh_header(data)
    public = inside or (public_line(beside.read_bytes()) if beside.is_file() else None)
    encrypted = cipher not in ("", "none") or b"ENCRYPTED" in data
    return KeyFile(path, data, public, encrypted=encrypted, unreadable=_unreadable(path, cipher))


def _unreadable(path: Path, cipher: str) -> str:
    if cipher in ("", "none") or cipher in _CIPHERS:
        return ""
    return (
        f"{path} is encrypted with {one_line(cipher, 60)}, which gpuws cannot read: "
        f"ssh-add {path}, or ssh-keygen -p -Z aes256-ctr -f {path}"
    )


def _refuse_open_to_others(path: Path) -> None:
    """As ssh: a private key that others can read is not used (only its owner's own files)."""
    if os.name != "posix":
        return
    facts = path.stat()
    if facts.st_uid == os.getuid() and stat.S_IMODE(facts.st_mode) & 0o077:
        raise KeyTrouble(f"{path} can be read by others and is not used: chmod 600 {path}")


def public_line(data: bytes) -> bytes | None:
    """The blob of a ``ssh-ed25519 AAAA… comment`` line, such as of a .pub file."""
    words = data[:_LARGEST].strip().split(None, 2)
    if len(words) < 2 or data.startswith(b"-----"):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return None
    return blob if kind_of(blob).encode() == words[0] else None


def load(file: KeyFile, passphrase: str | None = None) -> Signer:
    """The private key. Raises WrongPassphrase, or KeyTrouble with what to do."""
    secret = passphrase.encode() if passphrase is not None else None
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in file.data
    try:
        if openssh:
            key: object = serialization.load_ssh_private_key(file.data, secret)
        else:
            key = serialization.load_pem_private_key(file.data, secret)
    except UnsupportedAlgorithm:
        raise KeyTrouble(
            f"{file.path} is of a kind that only ssh-agent can use: ssh-add it"
        ) from None
    except (ValueError, TypeError, InvalidTag):
        if file.encrypted and passphrase is not None:  # a wrong one reads as broken data
            raise WrongPassphrase(f"wrong passphrase for {file.path}") from None
        if file.encrypted:
            raise KeyTrouble(f"{file.path} cannot be opened: ssh-add it to the agent") from None
        raise KeyTrouble(f"{file.path} is not a whole private key") from None
    if not isinstance(key, PrivateKey):
        raise KeyTrouble(f"{file.path} is of a kind that is no longer used (DSA?)")
    return Signer(str(file.path), _public_blob(key), lambda data, kind: _sign(key, data, kind))


def from_agent(agent: Agent, blob: bytes, comment: str, *, named: bool) -> Signer:
    """``named``: the user's configuration names it, so it signs without asking the server first.

    Hardware keys always ask first: nobody is to touch a key that the server refuses.
    """

    def sign(data: bytes, algorithm: str) -> bytes:
        return agent.sign(blob, data, _AGENT_FLAGS.get(algorithm, 0))

    hardware = kind_of(blob).startswith("sk-")
    label = f"{comment or kind_of(blob)} (agent)"
    return Signer(label, blob, sign, asks_person=hardware or not named, in_agent=True)


def certified(signer: Signer, certificate: bytes) -> Signer:
    """The same key, presented with its certificate."""
    return replace(signer, label=f"{signer.label} with certificate", blob=certificate)


def certifies(certificate: bytes, blob: bytes) -> bool:
    """Whether the certificate is for this public key: after type and nonce the key's own fields."""
    if not kind_of(certificate).endswith("-cert-v01@openssh.com"):
        return False
    _, rest = take(certificate)
    _, rest = take(rest)
    return rest.startswith(take(blob)[1])


def algorithm(kind: str, server_accepts: list[str]) -> str | None:
    """The signature algorithm for a key or certificate kind; None: the server has only SHA-1."""
    if "ssh-rsa" not in kind:
        return kind
    suffix = "-cert-v01@openssh.com" if kind.endswith("-cert-v01@openssh.com") else ""
    for name in ("rsa-sha2-512", "rsa-sha2-256"):
        if not server_accepts or name in server_accepts:
            return name + suffix
    return None


def kind_of(blob: bytes) -> str:
    return take(blob)[0].decode("ascii", "replace")


def take(data: bytes) -> tuple[bytes, bytes]:
    """The first length-prefixed string and what follows it."""
    if len(data) < 4:
        return b"", b""
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _mpint(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _public_blob(key: PrivateKey) -> bytes:
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return base64.b64decode(line.split()[1])


def _sign(key: PrivateKey, data: bytes, kind: str) -> bytes:
    name = kind.removesuffix("-cert-v01@openssh.com")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(data)
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, padding.PKCS1v15(), _RSA_HASHES[name])
    else:
        digest = _CURVES[name.rpartition("-")[2]]
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        signature = _mpint(r) + _mpint(s)
    return string(name.encode()) + string(signature)


def _openssh_header(data: bytes) -> tuple[bytes | None, str]:
    """(public blob, cipher) of an OpenSSH private key: both stand in clear."""
    match = _OPENSSH.search(data)
    if match is None:
        return None, ""
    try:
        body = base64.b64decode(match[1])
    except binascii.Error:
        return None, ""
    magic = b"openssh-key-v1\0"
    cipher, rest = take(body[len(magic) :])
    _, rest = take(rest)  # kdf
    _, rest = take(rest)  # its options
    public, _ = take(rest[4:])
    return (public or None), cipher.decode("ascii", "replace")
