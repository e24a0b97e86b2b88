"""Which engine makes a connection, and what the user is told of it."""

from __future__ import annotations

import pytest

from gpuws.plan.transport import OPENSSH, PARAMIKO, choose, only_ssh_can

CASES = {
    "nothing is needed": ("", (), True, PARAMIKO, ""),
    "nothing is needed, and no ssh": ("", (), False, PARAMIKO, ""),
    "it was asked for": (OPENSSH, (), True, OPENSSH, ""),
    "it was asked for, and no ssh": (OPENSSH, ("a card",), False, OPENSSH, ""),  # told elsewhere
    "it is needed": ("", ("a card", "a ticket"), True, OPENSSH, "because of a card and a ticket"),
    "it is needed, and no ssh": ("", ("a card",), False, PARAMIKO, "not used: a card"),
    "it is needed and not wanted": (PARAMIKO, ("a card",), True, PARAMIKO, "not used: a card"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_engine_is_the_one_asked_for_or_the_one_that_can(name: str) -> None:
    asked, needs, ssh, engine, told = CASES[name]
    found, why = choose(asked, needs, ssh=ssh)
    assert found == engine
    assert told in why and bool(told) == bool(why)


ONLY_SSH = {
    "knownhostscommand /usr/bin/keys": ("KnownHostsCommand",),
    "knownhostscommand none": (),
    "pkcs11provider /usr/lib/card.so": ("PKCS11Provider",),
    "proxyusefdpass yes": ("ProxyUseFdpass",),
    "hostbasedauthentication yes": ("HostbasedAuthentication",),
    "ciphers chacha20-poly1305@openssh.com": ("Ciphers",),
    "ciphers chacha20-poly1305@openssh.com,aes128-ctr": (),
    "gssapiauthentication yes": (),  # means nothing without a ticket
}


@pytest.mark.parametrize("line", ONLY_SSH)
def test_what_a_configuration_needs_of_ssh_itself(line: str) -> None:
    key, value = line.split(" ", 1)
    assert only_ssh_can({key: [value]}) == ONLY_SSH[line]
    assert only_ssh_can({}) == ()
