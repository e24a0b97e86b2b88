"""Row 20, the sshd matrix: each server works, or both offers are printed; beside it what ssh does.

``ssh`` is that of OpenSSH 9.2, which has more old and more new algorithms than we.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import algorithms
from gpuws.host.connect import connect
from gpuws.host.packets import ChaCha20Poly1305, Packets
from gpuws.host.profile import resolve
from gpuws.plan.ports import Script
from tests.support.fake_server import Rules, login_server
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, make_key, running_sshd

LARGE = Script("large", "main() { head -c 3000000 /dev/zero | tr '\\0' x; }\nmain </dev/null\n")


@dataclass(frozen=True)
class Case:
    """``lines`` of sshd_config; ``lacking``: what we share nothing of, "" where we get in."""

    lines: str
    lacking: str = ""
    ssh: bool = True
    key: tuple[str, ...] = ("ed25519",)

    @property
    def keyword(self) -> str:
        """Of the list that does not fit: the last line's."""
        return self.lines.splitlines()[-1].split()[0]


CTR = "Ciphers aes256-ctr\n"
MATRIX = [
    Case("KexAlgorithms curve25519-sha256"),
    Case("KexAlgorithms curve25519-sha256@libssh.org"),
    Case("KexAlgorithms ecdh-sha2-nistp521"),
    Case("KexAlgorithms diffie-hellman-group16-sha512"),
    Case("KexAlgorithms diffie-hellman-group-exchange-sha256"),
    Case("KexAlgorithms sntrup761x25519-sha512@openssh.com", "key exchange"),
    Case("KexAlgorithms diffie-hellman-group14-sha1", "key exchange", ssh=False),
    Case("Ciphers chacha20-poly1305@openssh.com"),
    Case("Ciphers aes256-gcm@openssh.com"),
    Case("Ciphers aes192-ctr"),
    Case("Ciphers aes256-cbc", "cipher", ssh=False),
    Case("Ciphers 3des-cbc", "cipher", ssh=False),
    Case(CTR + "MACs hmac-sha2-512-etm@openssh.com"),
    Case(CTR + "MACs hmac-sha2-256"),
    Case(CTR + "MACs umac-128-etm@openssh.com", "MAC"),
    Case(CTR + "MACs hmac-sha1", "MAC"),
    Case("Ciphers aes128-gcm@openssh.com\nMACs hmac-sha1"),  # a MAC that is not needed
    Case("HostKeyAlgorithms rsa-sha2-256", key=("rsa", "-b", "2048")),
    Case("HostKeyAlgorithms ecdsa-sha2-nistp384", key=("ecdsa", "-b", "384")),
    Case("HostKeyAlgorithms ssh-rsa", "host key algorithm", ssh=False, key=("rsa", "-b", "2048")),
]


def says_much(server: Sshd) -> bool:
    host = connect(resolve(server.alias, ssh_config=server.config), Nobody(), Ear())
    try:
        return host.run(LARGE).out == "x" * 3_000_000
    finally:
        host.close()


@pytest.mark.parametrize("case", MATRIX, ids=lambda case: case.lines.replace("\n", " "))
def test_a_server_works_or_both_offers_are_printed(tmp_path: Path, case: Case) -> None:
    key = make_key(tmp_path / "key", *case.key)
    often = ["RekeyLimit 1M"] if case.lines.startswith("Ciphers") else []
    lines = [f"HostKey {key}", *case.lines.splitlines(), *often]
    new = ["StrictHostKeyChecking accept-new", f"UserKnownHostsFile {tmp_path}/known"]
    with running_sshd(tmp_path / "s", lines, home=tmp_path, client_lines=new) as server:
        ssh = ["ssh", "-F", str(server.config), server.alias, "true"]
        done = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True)
        assert (done.returncode == 0) == case.ssh
        if not case.lacking:
            assert says_much(server)
            return
        with pytest.raises(GpuwsError) as refused:
            says_much(server)
        shows_both(refused.value, case)


def shows_both(error: GpuwsError, case: Case) -> None:
    assert (error.code, error.exit) == ("no-common-algorithm", 6)
    assert error.message.endswith(f"share no {case.lacking}")
    assert case.keyword in error.hint
    theirs, ours = error.detail.splitlines()
    assert theirs == f"{case.keyword} of the server: {case.lines.split()[-1]}"
    assert ours.startswith(f"{case.keyword} of gpuws: ") and ours.count(", ") >= 3


def test_several_lists_that_do_not_fit_are_all_shown(tmp_path: Path) -> None:
    lines = ["KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes256-cbc"]
    with running_sshd(tmp_path / "s", lines) as server, pytest.raises(GpuwsError) as refused:
        says_much(server)
    assert refused.value.message.endswith("share no key exchange and no cipher")
    assert len(refused.value.detail.splitlines()) == 4


def test_nothing_old_is_offered() -> None:
    offered = " ".join((*algorithms.KEX, *algorithms.CIPHERS, *algorithms.MACS))
    assert not [old for old in ("cbc", "3des", "md5", "sha1", "-96", "arcfour") if old in offered]
    assert "curve25519-sha256" in algorithms.KEX


def test_a_small_group_is_refused_before_anything_is_computed_with_it() -> None:
    group = paramiko.Message()
    group.add_mpint(1 << 1023 | 1)
    group.add_mpint(2)
    with pytest.raises(paramiko.SSHException, match="only 1024 bits"):
        exchange = algorithms.GroupExchange(paramiko.Transport(socket.socketpair()[0]))
        exchange.parse_next(31, paramiko.Message(group.asbytes()))


# --- servers that know no strict key exchange ----------------------------------------------------


def of_old_server(folder: Path, cipher: str, monkeypatch: pytest.MonkeyPatch) -> Ear:
    """What a login says to a server without strict key exchange that has this cipher alone."""
    monkeypatch.setattr(paramiko.Transport, "_preferred_ciphers", (cipher,))
    monkeypatch.setattr(paramiko.Transport, "_cipher_info", algorithms.CIPHER_CLASSES)
    ear = Ear()
    with login_server(folder, Rules(strict=False)) as server:
        profile = replace(resolve("asker", ssh_config=server.config), pubkey=False)
        connect(profile, Person(["correct horse"]), ear).close()
    return ear


def test_a_server_without_strict_key_exchange_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = of_old_server(tmp_path, "aes128-ctr", monkeypatch)
    assert [said for said in ear.said if "CVE-2023-48795" in said]


def test_a_server_with_strict_key_exchange_is_not(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "s") as server:
        ear = Ear()
        connect(resolve(server.alias, ssh_config=server.config), Nobody(), ear).close()
        assert not [said for said in ear.said if "CVE-2023-48795" in said]


def test_chacha20_is_not_used_without_strict_key_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pair that a man in the middle can take packets from, unseen."""
    with pytest.raises(GpuwsError) as refused:
        of_old_server(tmp_path, "chacha20-poly1305@openssh.com", monkeypatch)
    assert refused.value.code == "no-common-algorithm"
    assert "(without strict key exchange)" in refused.value.detail.splitlines()[0]


def test_a_packet_of_chacha20_with_any_other_bit_is_refused() -> None:
    keys = bytes(range(64))
    sealed = ChaCha20Poly1305(keys)
    body = sealed.encrypt(b"", b"\x06some packet", b"\0\0\0\x0c")
    packet = sealed.sealed + body
    assert opened(keys, packet) == (b"\0\0\0\x0c", b"\x06some packet")
    for bit in range(len(packet) * 8):
        changed = bytearray(packet)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(paramiko.SSHException, match="MAC"):
            opened(keys, bytes(changed))


def opened(keys: bytes, packet: bytes) -> tuple[bytes, bytes]:
    engine = ChaCha20Poly1305(keys)
    length = engine.open_length(packet[:4])
    return length, engine.decrypt(b"", packet[4:], length)


def test_paramiko_still_calls_what_our_packets_override() -> None:
    """Private names that Transport and Packets rely on."""
    for name in ("_verify_key", "_really_parse_kex_init", "_kex_info", "_cipher_info"):
        assert hasattr(paramiko.Transport, name)
    for name in ("read_all", "write_all", "set_inbound_cipher", "set_outbound_cipher"):
        assert name in vars(Packets) and hasattr(Packets.__base__, name)
