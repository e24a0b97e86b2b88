"""Host certificates: an authority's word for a key, read and checked as ssh does it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    SSHCertPublicKeyTypes,
    load_ssh_public_identity,
)

from gpuws.host.keys import kind_of, string, take


class CertificateTrouble(Exception):
    """The certificate cannot be read, or its signature is not its authority's."""


@dataclass(frozen=True)
class Certificate:
    """One whose signature was verified; who may believe it is another question."""

    key: bytes  # blob of the public key that it vouches for
    authority: bytes  # blob of the key that signed it
    for_hosts: bool
    principals: tuple[str, ...]  # none: any name
    valid_after: int  # seconds since the epoch
    valid_before: int
    critical: tuple[str, ...]  # options that whoever does not know them must not ignore


def read(blob: bytes) -> Certificate:
    """Raises CertificateTrouble."""
    line = f"{kind_of(blob)} ".encode() + base64.b64encode(blob)
    try:
        found = load_ssh_public_identity(line)
        if not isinstance(found, SSHCertificate):
            raise CertificateTrouble("it is no certificate")
        found.verify_cert_signature()
        key, authority = _blob(found.public_key()), _blob(found.signature_key())
    except UnsupportedAlgorithm:
        raise CertificateTrouble("it is signed by a kind of key that cannot be checked") from None
    except (ValueError, InvalidSignature):
        raise CertificateTrouble("its signature is not valid") from None
    if _signed_with(blob, authority) in ("ssh-rsa", ""):
        raise CertificateTrouble("it is signed with SHA-1")
    return Certificate(
        key,
        authority,
        for_hosts=found.type is SSHCertificateType.HOST,
        principals=tuple(each.decode("utf-8", "replace") for each in found.valid_principals),
        valid_after=found.valid_after,
        valid_before=found.valid_before,
        critical=tuple(each.decode("utf-8", "replace") for each in found.critical_options),
    )


def trouble(certificate: Certificate, name: str, now: float) -> str:
    """Why it is not valid for the host ``name`` at ``now`` (seconds since the epoch), or "".

    Names are compared as they are: ssh knows neither wildcards nor cases there (9.2, tried).
    """
    if not certificate.for_hosts:
        return "it is a user's, not a host's"
    if now < certificate.valid_after:
        return "it is not valid yet"
    if now >= certificate.valid_before:
        return "it has expired"
    if certificate.principals and name not in certificate.principals:
        return f"it is for {', '.join(certificate.principals)}, not for {name}"
    if certificate.critical:
        return f"it has critical options that are not known: {', '.join(certificate.critical)}"
    return ""


def _blob(key: SSHCertPublicKeyTypes) -> bytes:
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def _signed_with(blob: bytes, authority: bytes) -> str:
    """The algorithm of the signature, which follows the authority's key at the end."""
    signature, _ = take(blob.rpartition(string(authority))[2])
    return kind_of(signature)
