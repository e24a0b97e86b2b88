"""paramiko's packets, of bounded size, and with chacha20-poly1305@openssh.com among their ciphers.

paramiko has a place for ciphers that also authenticate (GCM): the length goes before the packet
as it is, and is authenticated with it. This one encrypts the length too, under a key of its own.
"""

from __future__ import annotations

import struct

import paramiko
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.poly1305 import Poly1305
from paramiko.packet import Packetizer

_LARGEST = (256 << 10) + (
    64 << 10
)  # bytes of a packet: the most that we let a server send, and room
_TAG = 16  # bytes
_HEAD = 4  # bytes of a packet's length


class ChaCha20Poly1305:
    """One direction of a connection whose packets are counted from 0: strict key exchange only."""

    def __init__(self, keys: bytes) -> None:
        self._body, self._lengths = keys[:32], keys[32:]
        self._number = 0
        self.sealed = b""  # the length of the packet at hand, encrypted

    def open_length(self, sealed: bytes) -> bytes:
        self.sealed = sealed
        return self._stream(self._lengths, 0, sealed)

    def encrypt(self, _: bytes, packet: bytes, length: bytes) -> bytes:
        self.sealed = self._stream(self._lengths, 0, length)
        sealed = self._stream(self._body, 1, packet)
        tag = Poly1305.generate_tag(self._one_time_key(), self.sealed + sealed)
        self._number += 1
        return sealed + tag

    def decrypt(self, _: bytes, packet: bytes, __: bytes) -> bytes:
        sealed, tag = packet[:-_TAG], packet[-_TAG:]
        try:
            Poly1305.verify_tag(self._one_time_key(), self.sealed + sealed, tag)
        except InvalidSignature:
            raise paramiko.SSHException("Mismatched MAC") from None
        opened = self._stream(self._body, 1, sealed)
        self._number += 1
        return opened

    def _one_time_key(self) -> bytes:
        return self._stream(self._body, 0, bytes(32))

    def _stream(self, key: bytes, block: int, data: bytes) -> bytes:
        nonce = struct.pack("<Q", block) + struct.pack(">Q", self._number)
        return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(data)


class Packets(Packetizer):
    """Both directions of one connection."""

    _sealer: ChaCha20Poly1305 | None = None
    _opener: ChaCha20Poly1305 | None = None

    def set_outbound_cipher(self, block_engine: object, *rest: object, **more: object) -> None:
        self._sealer = block_engine if isinstance(block_engine, ChaCha20Poly1305) else None
        super().set_outbound_cipher(block_engine, *rest, **more)  # type: ignore[arg-type]

    def set_inbound_cipher(
        self, block_engine: object, block_size: int, *rest: object, **more: object
    ) -> None:
        """The length is read alone, so that it can be opened before the rest is waited for."""
        self._opener = block_engine if isinstance(block_engine, ChaCha20Poly1305) else None
        size = _HEAD if self._opener else block_size
        super().set_inbound_cipher(block_engine, size, *rest, **more)  # type: ignore[arg-type]

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """``check_rekey`` marks the beginning of a packet."""
        if n > _LARGEST:  # a server's word, and memory of ours
            raise paramiko.SSHException(f"the server announced a packet of {n} bytes")
        data = super().read_all(n, check_rekey)
        return self._opener.open_length(data) if check_rekey and self._opener else data

    def write_all(self, out: bytes) -> None:  # type: ignore[override]
        super().write_all(self._sealer.sealed + out[_HEAD:] if self._sealer else out)
