"""What we offer to agree on with a server, and both offers side by side where nothing fits.

No CBC, no 3DES, no MD5, no SHA-1. chacha20-poly1305 only together with strict key exchange: without
it a man in the middle can drop packets unseen (CVE-2023-48795).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.kex_curve25519 import KexCurve25519
from paramiko.kex_gex import KexGexSHA256
from paramiko.message import Message

from gpuws.host.packets import ChaCha20Poly1305

_THEIRS: Any = paramiko.Transport  # its stubs leave out what has no public name
_CHACHA = "chacha20-poly1305@openssh.com"
_STRICT = "kex-strict-s-v00@openssh.com"
_GCM = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_WITHOUT_MAC = (*_GCM, _CHACHA)


class GroupExchange(KexGexSHA256):
    """The server chooses the group: not a small one, as ssh has it (paramiko takes 1024 bits)."""

    min_bits = 2048

    def _parse_kexdh_gex_group(self, m: Message) -> None:
        bits = m.get_mpint().bit_length()
        if bits < self.min_bits:
            raise paramiko.SSHException(f"the server chose a group of only {bits} bits")
        m.rewind()
        super()._parse_kexdh_gex_group(m)  # type: ignore[misc]


# the plain name of curve25519, which some servers offer alone, right behind the hybrid one
KEX: tuple[str, ...] = (
    *(name for name in _THEIRS._preferred_kex if "mlkem" in name),
    "curve25519-sha256",
    *(name for name in _THEIRS._preferred_kex if "mlkem" not in name),
)
KEX_CLASSES: dict[str, Any] = {
    **_THEIRS._kex_info,
    "curve25519-sha256": KexCurve25519,
    "diffie-hellman-group-exchange-sha256": GroupExchange,
}
CIPHERS = (*_GCM, "aes128-ctr", "aes192-ctr", "aes256-ctr", _CHACHA)
CIPHER_CLASSES: dict[str, Any] = {
    **_THEIRS._cipher_info,
    _CHACHA: {
        "class": ChaCha20Poly1305,
        "block-size": 8,
        "iv-size": 12,  # paramiko wants one; the packets' numbers are what counts
        "key-size": 64,
        "is_aead": True,
    },
}
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)


@dataclass(frozen=True)
class Offers:
    """One list of the server's and ours. ``keyword`` is its name in sshd_config."""

    what: str
    keyword: str
    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def fit(self) -> bool:
        return bool(set(self.theirs) & set(self.ours))

    def __str__(self) -> str:
        theirs, ours = (", ".join(each) or "none" for each in (self.theirs, self.ours))
        return f"{self.keyword} of the server: {theirs}\n{self.keyword} of gpuws: {ours}"


_LISTS = (
    ("key exchange", "KexAlgorithms", "kex_algo_list", "preferred_kex"),
    ("host key algorithm", "HostKeyAlgorithms", "server_key_algo_list", "preferred_keys"),
    ("cipher", "Ciphers", "client_encrypt_algo_list", "preferred_ciphers"),
    ("cipher", "Ciphers", "server_encrypt_algo_list", "preferred_ciphers"),
    ("MAC", "MACs", "client_mac_algo_list", "preferred_macs"),
    ("MAC", "MACs", "server_mac_algo_list", "preferred_macs"),
)


def compare(parsed: dict[str, Any], ours: paramiko.Transport) -> tuple[Offers, ...]:
    """``parsed``: paramiko's reading of the server's offer; ``ours``: our transport."""
    return tuple(
        Offers(what, keyword, _real(parsed[theirs]), tuple(getattr(ours, mine)))
        for what, keyword, theirs, mine in _LISTS
    )


def _real(names: Iterable[str]) -> tuple[str, ...]:
    """Without what stands among key exchanges to say something else, as ext-info-s does."""
    return tuple(
        each for each in names if each and not each.startswith(("ext-info-", "kex-strict-"))
    )


def adapt(parsed: dict[str, Any], *, strict: bool) -> None:
    """Make paramiko agree where ssh does: no MAC is needed beside a cipher that has its own; and
    never on chacha20 where the key exchange is not ``strict`` and does not become so."""
    strict = strict or _STRICT in parsed["kex_algo_list"]
    for side in ("client", "server"):
        ciphers = parsed[f"{side}_encrypt_algo_list"]
        if not strict:
            ciphers[:] = [_loose(each) for each in ciphers]
        agreed = next((each for each in CIPHERS if each in ciphers), "")
        if agreed in _WITHOUT_MAC:
            parsed[f"{side}_mac_algo_list"] = list(MACS)


def _loose(name: str) -> str:
    return f"{name} (without strict key exchange)" if name == _CHACHA else name
