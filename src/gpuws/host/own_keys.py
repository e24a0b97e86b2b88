"""The key files of this laptop that a profile names, as far as they tell without a passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpuws.host import keys
from gpuws.host.keys import KeyFile, KeyTrouble
from gpuws.plan.doctor.seen import OwnKey
from gpuws.plan.model import Profile


def own_keys(profile: Profile) -> Iterator[OwnKey]:
    """Without those whose private half is in an agent, and what is no key."""
    for name in dict.fromkeys(profile.identity_files):
        try:
            file = keys.read(Path(name))
            if file and not file.public_only:
                yield _own(file)
        except KeyTrouble:  # the login says it, where the key is needed
            continue


def _own(file: KeyFile) -> OwnKey:
    blob = file.public or (b"" if file.encrypted else keys.load(file).blob)
    kind = keys.kind_of(blob)
    return OwnKey(str(file.path), kind, _rsa_bits(kind, blob), file.encrypted)


def _rsa_bits(kind: str, blob: bytes) -> int:
    """The length of the modulus: behind the kind and the exponent."""
    if kind != "ssh-rsa":
        return 0
    _, rest = keys.take(blob)
    _, rest = keys.take(rest)
    return int.from_bytes(keys.take(rest)[0], "big").bit_length()
