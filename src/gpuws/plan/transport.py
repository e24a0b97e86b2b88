"""Which of the two engines makes a connection, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PARAMIKO, OPENSSH = "paramiko", "openssh"
TRANSPORTS = (PARAMIKO, OPENSSH)

_CIPHERS_OF_OURS = ("aes128-gcm", "aes256-gcm", "aes128-ctr", "aes192-ctr", "aes256-ctr")


def choose(asked: str, needs: Sequence[str], *, ssh: bool) -> tuple[str, str]:
    """(the engine, a sentence for the user where they did not ask for it).

    ``needs``: what this login takes and only the system's ssh can do; ``ssh``: whether there is one
    that can share a connection.
    """
    why = " and ".join(needs)
    if asked == OPENSSH or not needs:
        return asked or PARAMIKO, ""
    if asked == PARAMIKO or not ssh:
        return PARAMIKO, f"only the system's ssh can do this, and it is not used: {why}"
    return OPENSSH, f"over the system's ssh, because of {why} (--transport paramiko: without it)"


def only_ssh_can(settings: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What a configuration (as ``ssh -G`` prints it) asks for and paramiko has no way to do."""

    def one(keyword: str) -> str:
        return (settings.get(keyword) or ["none"])[0]

    wanted = {
        "KnownHostsCommand": one("knownhostscommand") != "none",
        "PKCS11Provider": one("pkcs11provider") != "none",
        "ProxyUseFdpass": one("proxyusefdpass") == "yes",
        "HostbasedAuthentication": one("hostbasedauthentication") == "yes",
        "Ciphers": not _some_of_ours(one("ciphers")),
    }
    return tuple(name for name, present in wanted.items() if present)


def _some_of_ours(ciphers: str) -> bool:
    return ciphers == "none" or any(name in ciphers for name in _CIPHERS_OF_OURS)
