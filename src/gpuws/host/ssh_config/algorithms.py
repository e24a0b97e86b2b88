"""The names of algorithms that OpenSSH's client knows, 8.9 to 10.2."""

from __future__ import annotations

_CURVES = ("nistp256", "nistp384", "nistp521")
_DIGESTS = ("sha2-256", "sha2-512", "sha1")

CIPHERS = (
    *("3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"),
    *("aes128-ctr", "aes192-ctr", "aes256-ctr"),
    *("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"),
)
MACS = tuple(
    f"{name}{suffix}"
    for name, suffixes in {
        **dict.fromkeys((f"hmac-{each}" for each in _DIGESTS), ("", "-etm@openssh.com")),
        **dict.fromkeys(("hmac-sha1-96", "hmac-md5", "hmac-md5-96"), ("", "-etm@openssh.com")),
        **dict.fromkeys(("umac-64", "umac-128"), ("@openssh.com", "-etm@openssh.com")),
    }.items()
    for suffix in suffixes
)
EXCHANGES = (
    *("curve25519-sha256", "curve25519-sha256@libssh.org"),
    *("sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256"),
    *(f"ecdh-sha2-{curve}" for curve in _CURVES),
    *("diffie-hellman-group-exchange-sha1", "diffie-hellman-group-exchange-sha256"),
    *("diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1"),
    *("diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"),
    "diffie-hellman-group18-sha512",
)
_PLAIN_KEYS = (
    *("ssh-ed25519", "ssh-rsa", "rsa-sha2-256", "rsa-sha2-512", "ssh-dss"),
    *(f"ecdsa-sha2-{curve}" for curve in _CURVES),
)
KEYS = (
    *_PLAIN_KEYS,
    *(f"{name}-cert-v01@openssh.com" for name in _PLAIN_KEYS),
    *("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com"),
    *("sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"),
)
