"""Keys that only an agent has: hardware that must be touched, certificates, an agent that is locked
or slow. The servers are real."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest

from gpuws.errors import GpuwsError
from gpuws.host.attended import Attended
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask
from tests.support.agents import add, agent, confirmed
from tests.support.hardware_key import HardwareAgent, hardware_agent
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, make_key, running_sshd

__all__ = ["agent", "confirmed"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    with running_sshd(folder, [f"TrustedUserCAKeys {authority}.pub"], home=folder) as running:
        yield running


def of_agent(server: Sshd, path: str, *files: Path) -> Profile:
    """A profile that has only what the agent has, and these files."""
    profile = resolve(server.alias, ssh_config=server.config)
    return replace(
        profile, identity_files=tuple(map(str, files)), identity_agent=path, identities_only=False
    )


def gets_in(profile: Profile, ask: Ask | None = None) -> bool:
    connect(profile, ask or Nobody(), Ear()).close()
    return True


def refusal(profile: Profile, ask: Ask | None = None) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        connect(profile, ask or Nobody(), Ear()).close()
    return refused.value


# --- hardware ------------------------------------------------------------------------------------


@pytest.fixture
def hardware(server: Sshd, short_tmp: Path) -> Iterator[HardwareAgent]:
    with hardware_agent(short_tmp / "agent") as held:
        yield held


@contextlib.contextmanager
def accepted(server: Sshd, line: str) -> Iterator[None]:
    before = server.authorized_keys.read_text()
    server.authorized_keys.write_text(before + line)
    try:
        yield
    finally:
        server.authorized_keys.write_text(before)


def test_a_hardware_key_is_asked_to_be_touched_once_the_server_wants_it(
    server: Sshd, hardware: HardwareAgent
) -> None:
    """Row 21."""
    profile = of_agent(server, str(hardware.path))
    person = Person()
    assert refusal(profile, person).code == "authentication-failed"
    assert (hardware.touched, person.asked) == (0, [])
    with accepted(server, hardware.public_line()):
        attended = Attended(person)
        assert gets_in(profile, attended)
    assert person.asked == [("touch", "touch your key: yubikey (agent)")]
    assert hardware.touched == 1 and attended.needed


def test_a_hardware_key_is_not_waited_for_where_nobody_can_touch_it(
    server: Sshd, hardware: HardwareAgent
) -> None:
    with accepted(server, hardware.public_line()):
        error = refusal(of_agent(server, str(hardware.path)))
    assert hardware.touched == 0
    assert error.exit == 4 and not error.retryable
    assert "must be touched, and nobody is there" in error.detail


# --- certificates --------------------------------------------------------------------------------


def certify(authority: Path, key: Path, user: str) -> Path:
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", user, f"{key}.pub"]
    subprocess.run(command, check=True, capture_output=True)
    return key.with_name(f"{key.name}-cert.pub")


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "2048")], ids=["ed25519", "rsa"])
def test_a_certificate_in_the_agent_logs_in(
    server: Sshd, authority: Path, tmp_path: Path, agent: str, kind: tuple[str, ...]
) -> None:
    key = make_key(tmp_path / "key", *kind)
    certify(authority, key, server.user)
    add(agent, key)  # ssh-add takes the certificate beside it along
    assert gets_in(of_agent(server, agent))


def test_a_named_certificate_is_presented_with_a_key_of_the_agent_that_nothing_names(
    server: Sshd, authority: Path, tmp_path: Path, agent: str
) -> None:
    """As ssh does, which is asked too."""
    key = make_key(tmp_path / "key")
    certificate = tmp_path / "elsewhere.pub"
    shutil.move(certify(authority, key, server.user), certificate)
    add(agent, key)
    config = tmp_path / "config"
    given = f"Host {server.alias}\n  CertificateFile {certificate}\n  IdentityFile none\n"
    own = server.config.read_text().replace("IdentitiesOnly yes", "IdentitiesOnly no")
    config.write_text(given + own.replace(f'IdentityFile "{server.user_key}"', ""))
    ssh = ["ssh", "-F", str(config), "-o", "BatchMode=yes", server.alias, "true"]
    assert subprocess.run(ssh, env={**os.environ, "SSH_AUTH_SOCK": agent}).returncode == 0
    profile = replace(resolve(server.alias, ssh_config=config), identity_agent=agent)
    assert gets_in(profile)
    assert refusal(replace(profile, certificate_files=())).code == "authentication-failed"


# --- agents that do not answer as they should ----------------------------------------------------


def lock(agent: str, how: str) -> None:
    """``how``: -x locks it, -X opens it again."""
    child = pexpect.spawn(
        "ssh-add", [how], env={**os.environ, "SSH_AUTH_SOCK": agent}, encoding="utf-8", timeout=10
    )
    for prompt in ["lock password:", "Again:"][: 2 if how == "-x" else 1]:
        child.expect(prompt)
        child.sendline("pw")
    child.expect("Agent (un)?locked")
    child.close()


def test_a_locked_agent_is_suspected_where_there_is_no_key(server: Sshd, agent: str) -> None:
    """Row 24."""
    add(agent, server.user_key)
    lock(agent, "-x")
    error = refusal(of_agent(server, agent))
    assert error.code == "no-usable-key"
    assert "a locked one does not: ssh-add -X" in error.detail
    assert gets_in(of_agent(server, agent, server.user_key))
    lock(agent, "-X")
    assert gets_in(of_agent(server, agent))


def test_an_agent_that_answers_byte_by_byte_is_left_after_the_same_time(
    server: Sshd, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24."""
    monkeypatch.setattr("gpuws.host.agent.ANSWER", 0.6)
    path = short_tmp / "agent"
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as sock:
            sock.sendall(b"\0\0\x10\0")
            while not over.wait(0.1):
                sock.sendall(b"\x0c")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        begun = time.monotonic()
        assert gets_in(of_agent(server, str(path), server.user_key))
        over.set()
    assert time.monotonic() - begun < 3


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cipher",
    ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-cbc", "aes256-gcm@openssh.com"],
)
def test_the_cipher_of_a_key_file_opens_or_is_named_before_anybody_types(
    server: Sshd, tmp_path: Path, cipher: str
) -> None:
    """Row 22: the agent opens what we cannot."""
    key = make_key(tmp_path / "key", "ed25519", "-N", "open sesame", "-Z", cipher)
    profile = of_agent(server, "none", key)
    with accepted(server, key.with_suffix(".pub").read_text()):
        if cipher.startswith("aes256"):
            person = Person(["open sesame"])
            assert gets_in(profile, person) and len(person.asked) == 1
            return
        error = refusal(profile, Person([]))
    assert error.code == "no-usable-key"
    assert f"encrypted with {cipher}" in error.detail
    assert f"ssh-add {key}" in error.detail and f"-Z aes256-ctr -f {key}" in error.detail
