"""Logging in through the system's ssh: its questions, its words, and connections that are there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import connect as connecting
from gpuws.host.connect import connect
from gpuws.host.openssh import needs
from gpuws.host.openssh.desk import desk
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile, Target
from gpuws.plan.ports import Ask, Host, Script
from gpuws.plan.transport import OPENSSH, PARAMIKO
from gpuws.tunnel.reverse import Reverse
from tests.support.agents import add, agent, confirmed
from tests.support.fake_server import Rules, listening, login_server
from tests.support.far_end import answer_after_the_question, crowd_echo, echo, far_end
from tests.support.near_end import carried, crowd, dial, eventually, read_all
from tests.support.outside import listeners
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, free_port, make_key, running_sshd

__all__ = ["agent", "confirmed"]

pytestmark = pytest.mark.timeout(30)

HELLO = Script("hello", "echo hello")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    with running_sshd(folder / "sshd", home=folder) as running:
        yield running


def of(config: Path, alias: str = "gpubox", transport: str = OPENSSH) -> Profile:
    return replace(resolve(alias, ssh_config=config), transport=transport)


@contextlib.contextmanager
def connected(profile: Profile, ask: Ask | None = None, ear: Ear | None = None) -> Iterator[Host]:
    with contextlib.closing(connect(profile, ask or Nobody(), ear or Ear())) as host:
        yield host


def refusal(profile: Profile, ask: Ask | None = None) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused, connected(profile, ask):
        pass
    assert refused.value.stage == "connect"
    return refused.value


def clients(mark: Path) -> list[psutil.Process]:
    """The ssh programs that have ``mark`` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"ssh") and any(os.fsencode(mark) in each for each in words):
                    found.append(psutil.Process(int(entry.name)))
    return found


# --- one login, nothing left ---------------------------------------------------------------------


def test_the_login_is_sshs_own_and_nothing_of_it_stays(
    server: Sshd, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_tmp))
    before = server.accepted()
    with connected(of(server.config)) as host:
        assert host.run(HELLO).out == "hello\n"
        [ssh] = clients(server.config)
        assert list(short_tmp.iterdir()) == []  # the sockets are unlinked already
        assert host.peer() == ("127.0.0.1", server.port)
    assert eventually(lambda: not ssh.is_running(), 3)
    assert server.accepted() == before + 1


def test_a_master_whose_user_was_killed_ends_by_itself(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(server.config.read_text())
    text = f"""
import time
from pathlib import Path
from tests.contract.test_openssh import connected, of
with connected(of(Path({str(config)!r}))) as host:
    print("there", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as user:
        assert user.stdout is not None and user.stdout.readline() == b"there\n"
        assert len(clients(config)) == 1
        user.kill()
    assert eventually(lambda: clients(config) == [], 12)


def test_what_a_configuration_says_of_an_interactive_ssh_is_left_out(
    server: Sshd, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    lines = [
        f"LocalCommand touch {tmp_path}/local",
        "PermitLocalCommand yes",
        "RemoteCommand echo remote",
        "RequestTTY force",
        "LocalForward 127.0.0.1:9 127.0.0.1:9",
        "LogLevel QUIET",
    ]
    config.write_text("Host gpubox\n  " + "\n  ".join(lines) + "\n" + server.config.read_text())
    with connected(of(config)) as host:
        assert host.run(HELLO).out == "hello\n"
    assert not (tmp_path / "local").exists()


# --- a connection of the user's that is open already ---------------------------------------------


@contextlib.contextmanager
def over_theirs(server: Sshd, folder: Path) -> Iterator[tuple[Host, psutil.Process]]:
    """(the host over a master of its user's, and that master)."""
    config = folder / "config"
    config.write_text(f"Host gpubox\n  ControlPath {folder}/%C\n" + server.config.read_text())
    with logged_in_by_hand(config, "gpubox") as master, connected(of(config, transport="")) as host:
        yield host, master


@contextlib.contextmanager
def logged_in_by_hand(config: Path, alias: str, code: str = "") -> Iterator[psutil.Process]:
    """A master as `ssh -MNf` leaves it; ``code`` is typed for its user."""
    askpass = config.parent / "typing"
    askpass.write_text(f"#!/bin/sh\necho '{code}'\n")
    askpass.chmod(0o700)
    env = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    command = ["ssh", "-F", str(config), "-M", "-N", "-f", alias]
    subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, timeout=20)
    [master] = clients(config)
    try:
        yield master
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            master.terminate()
            eventually(lambda: not master.is_running(), 5)


def test_who_is_logged_in_already_is_never_asked_for_a_code_again(
    short_tmp: Path,
) -> None:
    rules = Rules(("publickey", "keyboard-interactive"))
    path = short_tmp / "mine"
    with login_server(short_tmp / "s", rules, f"ControlPath {path}") as asker:
        ear = Ear()
        with logged_in_by_hand(asker.config, asker.alias, "123456") as master:
            for transport in ("", OPENSSH):
                profile = of(asker.config, asker.alias, transport)
                with connected(profile, Nobody(), ear) as host:
                    assert host.alive() and host.answers(5)
            assert rules.seen == ["123456"]
            assert master.is_running() and path.is_socket()  # it is not ours to end
        assert [line for line in ear.said if "because of" in line] == [
            "over the system's ssh, because of the connection that is open already (ControlPath)"
            " (--transport paramiko: without it)"
        ]


def test_work_goes_over_the_users_own_connection_which_lives_on(
    server: Sshd, short_tmp: Path
) -> None:
    """A refused channel is what a master in proxy mode does not survive."""
    before = server.accepted()
    with over_theirs(server, short_tmp) as (host, master):
        assert host.run(HELLO, in_sight=True).out == "hello\n"
        with pytest.raises(GpuwsError) as refused:
            host.open_stream(Target(port=1))
        assert refused.value.code == "tunnel-failed"
        host.close()
        assert [each.suffix for each in short_tmp.iterdir() if each.is_dir()] == []
        time.sleep(0.2)
        assert master.is_running()
    assert server.accepted() == before + 1


def test_a_stream_that_is_asked_for_after_the_end_is_a_lost_connection(
    server: Sshd, short_tmp: Path
) -> None:
    with over_theirs(server, short_tmp) as (host, _):
        host.close()
        with pytest.raises(GpuwsError) as refused:
            host.open_stream(Target(port=server.port))
    assert refused.value.code == "connection-lost"


def test_forwards_go_over_it_and_its_death_is_no_end_of_a_download(
    server: Sshd, short_tmp: Path
) -> None:
    def half(sock: socket.socket) -> None:
        sock.sendall(b"the first half")
        sock.recv(1)

    with over_theirs(server, short_tmp) as (host, master):
        with crowd_echo() as target, carried(host, target) as forward:
            assert asyncio.run(crowd(forward, 100)) == 100
        answerer = far_end(answer_after_the_question)
        with answerer as target, carried(host, target) as forward, dial(forward) as client:
            client.sendall(b"why?")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"you asked: why?"
        with carried(host, Target(socket=str(short_tmp / "nothing"))) as forward:
            with dial(forward) as client:
                assert client.recv(1) == b""
            assert eventually(lambda: forward.stats().refused == 1)
        with far_end(half) as target, carried(host, target) as forward, dial(forward) as client:
            assert client.recv(14) == b"the first half"
            master.kill()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            assert eventually(lambda: not host.alive(), 2)


@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "theirs"])
def test_a_port_of_the_host_leads_here_until_it_does_not(
    theirs: bool, server: Sshd, short_tmp: Path
) -> None:
    def echoing(sock: socket.socket) -> None:
        with sock:
            echo(sock)

    with contextlib.ExitStack() as opened:
        if theirs:
            host, _ = opened.enter_context(over_theirs(server, short_tmp))
        else:
            host = opened.enter_context(connected(of(server.config)))
        reverse = Reverse(opened.enter_context(listening(echoing)))
        opened.callback(reverse.close)
        with pytest.raises(GpuwsError) as taken:
            host.lead_here(server.port, reverse.arrived)
        assert taken.value.code == "forwarding-refused"
        port = free_port()
        for _ in range(2):
            host.lead_here(port, reverse.arrived)
            assert eventually(lambda: said_there(port) == b"hello", 3)
            host.lead_nowhere(port)
            assert eventually(lambda: said_there(port) == b"", 3)
            assert (listeners(port) == []) == theirs  # our own master keeps it until it ends


def said_there(port: int) -> bytes:
    """What comes back from a port of the host; nothing where it leads nowhere."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as sock:
            sock.sendall(b"hello")
            return sock.recv(5)
    except OSError:
        return b""


def test_an_open_connection_whose_host_is_silent_is_not_waited_for(
    server: Sshd, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuws.host.openssh.login._PATIENCE", 0.5)
    config = short_tmp / "config"
    config.write_text(f"Host gpubox\n  ControlPath {short_tmp}/m\n" + server.config.read_text())
    ear = Ear()
    with logged_in_by_hand(config, "gpubox"):
        for process in server.sessions():
            for each in (process, *process.children(recursive=True)):
                each.suspend()
        with connected(of(config, transport=""), Nobody(), ear) as host:
            assert host.run(HELLO).out == "hello\n"
        assert any("does not answer" in line for line in ear.said)
        server.end_sessions()


def test_a_socket_that_nobody_serves_is_no_open_connection(server: Sshd, short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(short_tmp / "m"))
    config = short_tmp / "config"
    config.write_text(f"Host gpubox\n  ControlPath {short_tmp}/m\n" + server.config.read_text())
    ear = Ear()
    for transport in ("", OPENSSH):
        with connected(of(config, transport=transport), Nobody(), ear) as host:
            assert host.run(HELLO).out == "hello\n"
    assert ear.said == []


# --- what needs ssh ------------------------------------------------------------------------------


def test_a_key_on_a_token_that_no_agent_has_needs_ssh(
    server: Sshd, tmp_path: Path, agent: str
) -> None:
    """The key is made up: only what its public half says of itself is looked at."""
    (tmp_path / "id").touch()
    kind = "sk-ssh-ed25519@openssh.com"
    (tmp_path / "id.pub").write_text(f"{kind} AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t me\n")
    profile = replace(of(server.config, transport=""), identity_agent=agent)
    token = replace(profile, identity_files=(str(tmp_path / "id"),))
    engine, why = needs.chosen(token)
    assert engine == OPENSSH and f"the security key {tmp_path}/id" in why
    assert needs.chosen(replace(token, pubkey=False)) == needs.chosen(profile) == (PARAMIKO, "")
    plain = make_key(tmp_path / "plain")
    add(agent, plain)
    (tmp_path / "id.pub").write_text("sk-" + plain.with_suffix(".pub").read_text())
    assert needs.chosen(token) == (PARAMIKO, "")  # the agent has that one


def test_kerberos_needs_ssh_only_with_a_ticket(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`klist -s` is the question, and a stand-in its answer."""
    profile = replace(of(server.config, transport=""), gssapi=True)
    klist = tmp_path / "klist"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for status, engine in ((0, OPENSSH), (1, PARAMIKO)):
        klist.write_text(f'#!/bin/sh\ntest "$*" = -s && exit {status}\nexit 9\n')
        klist.chmod(0o755)
        assert needs.chosen(profile)[0] == engine


def test_without_ssh_it_is_said_what_to_do(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = of(server.config)
    monkeypatch.setenv("PATH", "/nonexistent")
    error = refusal(profile)
    assert (error.code, error.exit) == ("profile-unsupported", 3)
    assert "no ssh program" in error.message and error.hint


# --- questions -----------------------------------------------------------------------------------


def test_a_password_is_asked_hidden_and_again_when_wrong(tmp_path: Path) -> None:
    with login_server(tmp_path, Rules(banner="Welcome \x1b[2J")) as asker:
        person, ear = Person(["wrong", "correct horse"]), Ear()
        with connected(of(asker.config, asker.alias), person, ear):
            pass
    assert [how for how, _ in person.asked] == ["secret", "secret"]
    assert "ada@127.0.0.1" in person.asked[0][1]
    assert asker.rules.seen == ["wrong", "correct horse"]
    assert any("Welcome" in line for line in ear.said)
    assert not any("\x1b" in line for line in ear.said)


def test_three_wrong_answers_are_the_end(tmp_path: Path) -> None:
    for method in ("password", "keyboard-interactive"):
        with login_server(tmp_path / method, Rules((method,))) as asker:
            error = refusal(of(asker.config, asker.alias), Person(["a", "b", "c"]))
        assert (error.code, error.exit) == ("wrong-password", 4)


def test_where_nobody_can_type_nothing_is_sent(tmp_path: Path) -> None:
    """ssh takes a helper that fails for an empty answer, and a server for a wrong one."""
    for method in ("password", "keyboard-interactive"):
        with login_server(tmp_path / method, Rules((method,))) as asker:
            error = refusal(of(asker.config, asker.alias))
        assert (error.code, error.exit) == ("authentication-failed", 4)
        assert "nobody can type" in error.message
        assert asker.rules.seen == []


def test_a_passphrase_is_asked_hidden_and_one_that_nobody_knows_is_no_end(
    server: Sshd, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(server.user_key.read_bytes())
    key.chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-f", str(key), "-N", "secret words"]
    subprocess.run(change, check=True, stdin=subprocess.DEVNULL)
    config = tmp_path / "config"
    config.write_text(f'Host gpubox\n  IdentityFile "{key}"\n' + server.config.read_text())
    person = Person(["secret words"])
    with connected(of(config), person) as host:
        assert host.run(HELLO).out == "hello\n"
    assert [how for how, _ in person.asked] == ["secret"]
    with connected(of(config), Nobody()) as host:  # by the server's own key, which comes next
        assert host.run(HELLO).out == "hello\n"


def test_a_person_accepts_an_unknown_key_once_or_refuses_it(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known hosts"
    profile = replace(of(server.config), user_known_hosts=(str(known),))
    refused = refusal(profile, Person(["no"]))
    person = Person(["yes"])
    for _ in range(2):
        with connected(profile, person) as host:
            assert host.run(HELLO).out == "hello\n"
    assert refused.code == "host-key-unknown"
    [(how, question)] = person.asked
    assert how == "text" and "SHA256:" in question
    assert known.read_text() == server.host_key_line()


def test_a_touch_is_told_and_waited_for(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh starts its helper so, and ends it once the key was touched; no key is at hand here."""
    monkeypatch.setattr("tempfile.tempdir", str(short_tmp))
    ear = Ear()
    with desk(None, Nobody(), ear) as there:
        env = {**os.environ, "SSH_ASKPASS_PROMPT": "none"}
        words = "Confirm user presence for key ED25519-SK SHA256:abc\x1b[2J"
        with subprocess.Popen([there.askpass, words], env=env) as helper:
            assert eventually(lambda: bool(ear.said))
            assert helper.poll() is None and there.busy
            helper.terminate()
        assert eventually(lambda: not there.busy)
    assert ear.said == ["Confirm user presence for key ED25519-SK SHA256:abc\\x1b[2J"]


# --- what ssh says when it does not get through ---------------------------------------------------


@dataclass(frozen=True)
class Case:
    """``lines`` go first into the ssh_config, with {folder} and {port} filled in."""

    code: str
    told: str
    lines: str = ""
    known: str = "{line}"  # the known_hosts file


CASES = {
    "nobody for an unknown key": Case("host-key-unknown", "SHA256:", known=""),
    "strict": Case("host-key-unknown", "SHA256:", "StrictHostKeyChecking yes", known=""),
    "changed": Case("host-key-changed", "known:1: now ssh-ed25519 SHA256:", known="{other}"),
    "changed all the same": Case(
        "host-key-changed", "nothing was sent", "StrictHostKeyChecking no", known="{other}"
    ),
    "revoked": Case("host-key-revoked", "revoked", known="@revoked * {key}\n{line}"),
    "revoked by a file": Case("host-key-revoked", "host_key.pub", "RevokedHostKeys {host_key}.pub"),
    "a list that cannot be read": Case(
        "host-key-revoked", "nothing", "RevokedHostKeys {folder}/nothing"
    ),
    "another key": Case("authentication-failed", "other", "IdentityFile {other_key}"),
    "no key": Case("no-usable-key", "publickey", "PubkeyAuthentication no"),
    "no cipher": Case("no-common-algorithm", "aes128-gcm", "Ciphers aes256-cbc"),
    "no name": Case("name-not-resolved", "nowhere.invalid", "HostName nowhere.invalid"),
    "refused": Case("connection-refused", "port 1", "Port 1"),
    "command with words": Case(
        "proxy-command-failed",
        "no route 42",
        "ProxyCommand sh -c 'echo no route $((40 + 2)) >&2; exit 3'",
    ),
    "command without": Case("proxy-command-failed", "without a word", "ProxyCommand false"),
    "no such command": Case(
        "proxy-command-failed", "no/such/program", "ProxyCommand /no/such/program"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_real_words_become_our_errors(case: Case, server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    known, config = tmp_path / "known", tmp_path / "config"
    line = server.host_key_line()
    kind, blob, *_ = other.with_suffix(".pub").read_text().split()
    found = {
        "line": line,
        "key": line.split(" ", 1)[1],
        "other": f"{line.split()[0]} {kind} {blob}",
    }
    known.write_text(case.known.format(**found))
    keys = {"folder": tmp_path, "host_key": server.host_key, "other_key": other}
    own = server.config.read_text().replace(str(server.known_hosts), str(known))
    if case.code == "authentication-failed":
        own = own.replace(f'IdentityFile "{server.user_key}"', "")
    config.write_text(f"Host gpubox\n  {case.lines.format(**keys)}\n{own}")
    before = server.accepted()
    error = refusal(of(config))
    assert error.code == case.code, error.detail
    assert case.told in error.message and error.hint
    assert server.accepted() == before


def test_a_server_that_cuts_off_after_some_keys_is_explained(tmp_path: Path) -> None:
    keys = [make_key(tmp_path / f"key{number}") for number in range(3)]
    with running_sshd(tmp_path / "s", ["MaxAuthTries 2"]) as server:
        own = server.config.read_text().replace(f'IdentityFile "{server.user_key}"', "")
        files = "".join(f'  IdentityFile "{key}"\n' for key in keys)
        server.config.write_text(f"Host gpubox\n{files}{own}")
        error = refusal(of(server.config))
    assert error.code == "too-many-keys"
    assert "key0" in error.message and "IdentitiesOnly" in error.hint


def flood(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x" * 65536)


def drip(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x\r\n")
        time.sleep(0.05)


def web(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad\x1b[2J\r\n\r\n")
    sock.close()


def stop_after_the_banner(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-Stops\r\n")
    time.sleep(10)


LIARS: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "silence": (lambda _: time.sleep(10), "not-ssh"),
    "drips": (drip, "not-ssh"),
    "a flood": (flood, "not-ssh"),
    "a web server": (web, "not-ssh"),
    "half a greeting": (stop_after_the_banner, "connection-timeout"),
    "hangs up": (lambda sock: sock.close(), "connection-lost"),
}


@pytest.mark.parametrize("liar", LIARS)
def test_what_is_no_server_is_left_at_the_deadline(
    liar: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "HANDSHAKE", 1.0)
    monkeypatch.setattr(connecting, "_PAUSES", (0.01, 0.01))
    serve, code = LIARS[liar]
    with listening(serve) as port:
        config = tmp_path / "config"
        config.write_text(f"Host gpubox\n  HostName 127.0.0.1\n  Port {port}\n")
        begun = time.monotonic()
        error = refusal(of(config))
    assert (error.code, error.exit) == (code, 6), error.detail
    assert "\x1b" not in error.message + error.detail
    assert time.monotonic() - begun < 4
    assert clients(config) == []


# --- jumps ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def chain(folder: Path, *bastion_lines: str) -> Iterator[tuple[Sshd, Sshd, Path]]:
    """(bastion, target, the ssh_config that joins them)."""
    jump = ["ProxyJump bastion"]
    with (
        running_sshd(folder / "b", bastion_lines, alias="bastion") as bastion,
        running_sshd(folder / "t", alias="inner", client_lines=jump, home=folder) as target,
    ):
        config = folder / "a config"
        config.write_text(bastion.config_block() + target.config_block())
        yield bastion, target, config


def test_hops_are_logged_in_to_in_turn_and_our_host_key_rules_hold_there(tmp_path: Path) -> None:
    with chain(tmp_path) as (bastion, target, config):
        with connected(of(config, "inner")) as host:
            assert host.run(HELLO).out == "hello\n"
        assert (bastion.accepted(), target.accepted()) == (1, 1)
        assert eventually(lambda: clients(config) == [], 3)
        twice = replace(of(config, "inner"), proxy_jump=("bastion", "bastion"))
        with connected(twice) as host:
            assert host.run(HELLO).out == "hello\n"
        assert (bastion.accepted(), target.accepted()) == (3, 2)
        other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
        bastion.known_hosts.write_text(f"{bastion.host_key_line().split()[0]} {other}")
        config.write_text("StrictHostKeyChecking no\n" + config.read_text())
        error = refusal(of(config, "inner"))
        assert error.code == "host-key-changed" and "jump host bastion" in error.message
        assert (bastion.accepted(), target.accepted()) == (3, 2)


def test_the_hop_that_failed_is_named(tmp_path: Path) -> None:
    with chain(tmp_path, "AllowTcpForwarding no") as (bastion, _, config):
        error = refusal(of(config, "inner"))
        assert error.code == "jump-failed"
        assert "bastion" in error.message and "forbids" in error.message
        bastion.stop()
        error = refusal(of(config, "inner"))
        assert error.code == "jump-failed" and "Connection refused" in error.message
    config.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    assert refusal(of(config, "a")).code == "jump-failed"


def test_the_death_of_a_proxy_command_ends_the_connection(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    inner = f"ssh -F {server.config} -W 127.0.0.1:{server.port} gpubox"
    config.write_text(f"Host gpubox\n  ProxyCommand {inner}\n" + server.config.read_text())
    with connected(of(config)) as host:
        proxies = [each for each in clients(server.config) if "-W" in each.cmdline()]
        assert len(proxies) == 1
        proxies[0].send_signal(signal.SIGKILL)
        assert eventually(lambda: not host.alive(), 2)
