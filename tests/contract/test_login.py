"""Dialling, host keys and logins against real servers, and against what only pretends to be one."""

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
from types import SimpleNamespace

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import authenticate, dial, hostkeys, revoked
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Host, Script
from tests.support.agents import add, agent, confirmed
from tests.support.fake_server import Rules, listening, login_server
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, free_port, make_key, running_sshd

__all__ = ["agent", "confirmed"]

HELLO = Script("hello", "echo hello")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "home").mkdir()
    with running_sshd(folder / "sshd", home=folder / "home") as running:
        yield running


@contextlib.contextmanager
def connected(profile: Profile, ask: Ask | None = None, ear: Ear | None = None) -> Iterator[Host]:
    host = connect(profile, ask or Nobody(), ear or Ear())
    try:
        yield host
    finally:
        host.close()


def refusal(profile: Profile, ask: Ask | None = None) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        connect(profile, ask or Nobody(), Ear()).close()
    assert refused.value.stage == "connect"
    return refused.value


def of(server: Sshd) -> Profile:
    return resolve(server.alias, ssh_config=server.config)


def says_hello(profile: Profile, ask: Ask | None = None) -> bool:
    with connected(profile, ask) as host:
        return host.run(HELLO).out.strip() == "hello"


# --- host keys -----------------------------------------------------------------------------------


def empty_known_hosts(server: Sshd, folder: Path, text: str = "") -> Profile:
    file = folder / "known"
    file.write_text(text)
    return replace(of(server), user_known_hosts=(str(file),), global_known_hosts=())


def fingerprint_of(server: Sshd) -> str:
    command = ["ssh-keygen", "-l", "-f", str(server.host_key.with_suffix(".pub"))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


def test_an_unknown_key_without_a_person_is_refused_with_its_fingerprint(
    server: Sshd, tmp_path: Path
) -> None:
    before = server.accepted()
    error = refusal(empty_known_hosts(server, tmp_path))
    assert (error.code, error.exit) == ("host-key-unknown", 5)
    assert fingerprint_of(server) in error.message
    assert "--accept-new" in error.hint and f"ssh {server.alias}" in error.hint
    assert server.accepted() == before


@pytest.mark.parametrize("answer", ["yes", "fingerprint"])
def test_a_person_accepts_an_unknown_key_once(server: Sshd, tmp_path: Path, answer: str) -> None:
    profile = empty_known_hosts(server, tmp_path, "# no newline at the end")
    person = Person([fingerprint_of(server) if answer == "fingerprint" else "yes"])
    assert says_hello(profile, person)
    lines = (tmp_path / "known").read_text().splitlines()
    assert lines == ["# no newline at the end", server.host_key_line().strip()]
    assert says_hello(profile)  # nobody is asked again


@pytest.mark.parametrize("answer", ["no", "SHA256:somethingelse", ""])
def test_a_person_refuses_an_unknown_key(server: Sshd, tmp_path: Path, answer: str) -> None:
    profile = empty_known_hosts(server, tmp_path)
    assert refusal(profile, Person([answer])).code == "host-key-unknown"
    assert (tmp_path / "known").read_text() == ""


def test_accept_new_adds_one_line_and_strict_never_asks(server: Sshd, tmp_path: Path) -> None:
    profile = empty_known_hosts(server, tmp_path)
    strict = replace(profile, strict_host_key_checking="yes")
    assert refusal(strict, Person([])).code == "host-key-unknown"
    assert says_hello(replace(profile, strict_host_key_checking="accept-new"))
    assert (tmp_path / "known").read_text() == server.host_key_line()


def test_a_changed_key_is_refused_even_with_accept_new(server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
    line = f"[127.0.0.1]:{server.port} {other[0]} {other[1]}\n"
    profile = empty_known_hosts(server, tmp_path, f"# first line\n{line}")
    profile = replace(profile, strict_host_key_checking="accept-new")
    before = server.accepted()
    error = refusal(profile)
    assert (error.code, error.exit) == ("host-key-changed", 5)
    assert f"{tmp_path}/known:2" in error.message
    assert server.accepted() == before


def test_another_known_type_that_the_server_lost_is_a_changed_key(
    server: Sshd, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "rsa", "rsa").with_suffix(".pub").read_text().split()
    line = f"[127.0.0.1]:{server.port} {other[0]} {other[1]}\n"
    assert refusal(empty_known_hosts(server, tmp_path, line)).code == "host-key-changed"
    both = empty_known_hosts(server, tmp_path, line + server.host_key_line())
    assert says_hello(both)


def test_a_revoked_key_is_refused(server: Sshd, tmp_path: Path) -> None:
    text = server.host_key_line() + "@revoked " + server.host_key_line()
    error = refusal(empty_known_hosts(server, tmp_path, text))
    assert error.code == "host-key-revoked"
    assert "known:2" in error.message


def revoking(server: Sshd, folder: Path, file: str) -> Profile:
    """The server's own configuration with RevokedHostKeys, its host key known all the same."""
    config = folder / "ssh_config"
    config.write_text(f"RevokedHostKeys {file}\n{server.config.read_text()}")
    return resolve(server.alias, ssh_config=config)


def ssh_gets_in(server: Sshd, folder: Path) -> bool:
    """What ssh itself makes of the same configuration."""
    ssh = ["ssh", "-F", str(folder / "ssh_config"), "-o", "BatchMode=yes", server.alias, "true"]
    return subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def krl_of(path: Path, *keys: Path) -> Path:
    command = ["ssh-keygen", "-k", "-q", "-f", str(path), *map(str, keys)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


def test_a_key_that_a_text_file_revokes_is_refused(server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    file = tmp_path / "revoked keys"
    file.write_text(f"# revoked\n\n{other}")
    profile = revoking(server, tmp_path, f'"{tmp_path}/revoked keys"')
    assert says_hello(profile) and ssh_gets_in(server, tmp_path)
    file.write_text(f"{other}\t{server.host_key.with_suffix('.pub').read_text()}")
    assert not ssh_gets_in(server, tmp_path)
    before = server.accepted()
    error = refusal(profile)
    assert (error.code, error.exit) == ("host-key-revoked", 5)
    assert f"{file}:2" in error.message
    assert refusal(replace(profile, strict_host_key_checking="accept-new")).exit == 5
    assert server.accepted() == before


def test_a_key_that_a_krl_revokes_is_refused(server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub")
    krl = krl_of(tmp_path / "krl", other)
    assert says_hello(revoking(server, tmp_path, str(krl)))
    krl_of(krl, other, server.host_key.with_suffix(".pub"))
    error = refusal(revoking(server, tmp_path, str(krl)))
    assert (error.code, error.exit) == ("host-key-revoked", 5)
    assert str(krl) in error.message


@pytest.mark.parametrize("content", [None, "no key\n", "ssh-rsa !!!\n", "SSHKRL\n\0rest"])
def test_a_list_of_revoked_keys_that_cannot_be_read_refuses_every_host(
    server: Sshd, tmp_path: Path, content: str | None
) -> None:
    """As ssh does, which is asked first."""
    file = tmp_path / "revoked"
    if content is not None:
        file.write_text(content)
    profile = revoking(server, tmp_path, str(file))
    assert not ssh_gets_in(server, tmp_path)
    error = refusal(profile)
    assert (error.code, error.exit) == ("host-key-revoked", 5)
    assert str(file) in error.message


def test_a_krl_that_nobody_can_read_refuses_every_host(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = revoking(
        server, tmp_path, str(krl_of(tmp_path / "krl", server.user_key.with_suffix(".pub")))
    )
    monkeypatch.setattr(revoked, "shutil", SimpleNamespace(which=lambda _: None))
    assert refusal(profile).code == "host-key-revoked"


def test_a_host_known_only_by_an_authority_is_not_accepted_silently(
    server: Sshd, tmp_path: Path
) -> None:
    key = " ".join(server.host_key_line().split()[1:])
    profile = empty_known_hosts(server, tmp_path, f"@cert-authority * {key}\n")
    assert refusal(profile).code == "host-key-unknown"
    assert says_hello(profile, Person(["yes"]))


@pytest.mark.parametrize("reader", ["ssh-keygen", "our own"])
def test_hashed_wildcard_and_broken_lines_are_read(
    server: Sshd, tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reader == "our own":
        monkeypatch.setattr(hostkeys, "shutil", SimpleNamespace(which=lambda _: None))
    key = " ".join(server.host_key_line().split()[1:])
    junk = "@odd x y\nbroken\nhost ssh-ed25519 !!!!\n\nlatin\xe9 ssh-rsa AAAA\n"
    wild = empty_known_hosts(server, tmp_path, f"{junk}[127.0.0.*]:{server.port}  {key} c\n")
    assert says_hello(wild)
    negated = f"![127.0.0.1]:{server.port},[127.0.0.*]:{server.port} {key}\n"
    assert refusal(empty_known_hosts(server, tmp_path, negated)).code == "host-key-unknown"
    hashed = tmp_path / "hashed"
    hashed.write_text(server.host_key_line())
    subprocess.run(["ssh-keygen", "-H", "-f", str(hashed)], check=True, capture_output=True)
    assert hashed.read_text().startswith("|1|")
    assert says_hello(replace(wild, user_known_hosts=(str(hashed),)))


def test_a_key_of_the_same_name_on_port_22_is_accepted_as_ssh_does(
    server: Sshd, tmp_path: Path
) -> None:
    key = " ".join(server.host_key_line().split()[1:])
    assert says_hello(empty_known_hosts(server, tmp_path, f"127.0.0.1 {key}\n"))


def test_the_host_key_alias_is_what_is_looked_up(server: Sshd, tmp_path: Path) -> None:
    key = " ".join(server.host_key_line().split()[1:])
    profile = empty_known_hosts(server, tmp_path, f"the-box {key}\n")
    assert refusal(profile).code == "host-key-unknown"
    assert says_hello(replace(profile, host_key_alias="the-box"))


# --- keys ----------------------------------------------------------------------------------------


def with_key(server: Sshd, key: Path, **changes: object) -> Profile:
    """A profile with this key, which the server is told to accept."""
    public = key.with_name(key.name + ".pub").read_text()
    with server.authorized_keys.open("a") as file:
        file.write(public)
    profile = replace(of(server), identity_files=(str(key),), identity_agent="none")
    return replace(profile, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        ("ed25519",),
        ("ecdsa", "-b", "256"),
        ("ecdsa", "-b", "521"),
        ("rsa", "-b", "2048"),
        ("rsa", "-b", "2048", "-m", "PEM"),
        ("rsa", "-b", "2048", "-m", "PKCS8"),
        ("ecdsa", "-b", "384", "-m", "PKCS8"),
    ],
    ids="-".join,
)
def test_every_format_of_key_file_logs_in(
    server: Sshd, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert says_hello(with_key(server, make_key(tmp_path / "key", *options)))


@pytest.mark.parametrize(
    "options",
    [(), ("-Z", "aes256-gcm@openssh.com"), ("-m", "PEM"), ("-m", "PKCS8")],
    ids=["openssh", "gcm", "pem", "pkcs8"],
)
def test_a_passphrase_is_asked_hidden_and_again_when_wrong(
    server: Sshd, tmp_path: Path, options: tuple[str, ...]
) -> None:
    key = make_key(tmp_path / "key", "rsa", "-b", "2048", "-N", "open sesame", *options)
    person = Person(["wrong", "open sesame"])
    assert says_hello(with_key(server, key), person)
    assert [how for how, _ in person.asked] == ["secret", "secret"]
    assert str(key) in person.asked[0][1]


def test_a_passphrase_is_not_asked_for_a_key_that_the_server_refuses(
    server: Sshd, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "key", "ed25519", "-N", "open sesame")
    profile = replace(of(server), identity_files=(str(key), str(server.user_key)))
    assert says_hello(profile, Person([]))


def test_a_key_with_dos_line_ends_logs_in(server: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    key.write_bytes(key.read_bytes().replace(b"\n", b"\r\n"))
    assert says_hello(with_key(server, key))


@pytest.mark.parametrize("trouble", ["open to others", "truncated", "putty", "missing", "folder"])
def test_an_unusable_key_file_is_named_with_what_to_do(
    server: Sshd, tmp_path: Path, trouble: str
) -> None:
    key = make_key(tmp_path / "key")
    profile = with_key(server, key)
    if trouble == "open to others":
        key.chmod(0o644)
    elif trouble == "truncated":
        key.write_bytes(key.read_bytes()[:150])
    elif trouble == "putty":
        key.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    else:
        key.unlink()
        key.with_suffix(".pub").unlink()
        if trouble == "folder":
            key.mkdir()
    error = refusal(profile)
    assert (error.code, error.exit) == ("no-usable-key", 4)
    words = {
        "open to others": "chmod 600",
        "truncated": "not a whole private key",
        "putty": "puttygen",
    }
    assert words.get(trouble, "") in error.detail


def test_a_refused_key_is_named(server: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "stranger")
    error = refusal(replace(of(server), identity_files=(str(key),), identity_agent="none"))
    assert (error.code, error.exit) == ("authentication-failed", 4)
    assert str(key) in error.message


def test_a_user_certificate_logs_in(tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    with running_sshd(tmp_path / "s", [f"TrustedUserCAKeys {authority}.pub"]) as server:
        key = make_key(tmp_path / "key", "rsa", "-b", "2048")
        sign = [
            "ssh-keygen",
            "-q",
            "-s",
            str(authority),
            "-I",
            "me",
            "-n",
            server.user,
            f"{key}.pub",
        ]
        subprocess.run(sign, check=True, capture_output=True)
        profile = replace(of(server), identity_files=(str(key),), identity_agent="none")
        assert says_hello(profile)
        moved = tmp_path / "elsewhere-cert.pub"
        shutil.move(tmp_path / "key-cert.pub", moved)
        assert refusal(profile).code == "authentication-failed"
        assert says_hello(replace(profile, certificate_files=(str(moved),)))


# --- agents --------------------------------------------------------------------------------------


def test_the_key_that_identity_file_names_comes_first_of_eight_in_the_agent(
    server: Sshd, tmp_path: Path, agent: str
) -> None:
    keys = [make_key(tmp_path / f"k{i}") for i in range(8)]
    add(agent, *keys)
    right = keys[7]
    profile = with_key(server, right, identity_agent=agent, identities_only=False)
    right.unlink()  # only its .pub stays: the private half is in the agent
    assert says_hello(profile)
    assert says_hello(replace(profile, identity_files=(f"{right}.pub",), identities_only=True))


def test_too_many_agent_keys_are_explained_before_the_server_hangs_up(
    server: Sshd, tmp_path: Path, agent: str
) -> None:
    add(agent, *[make_key(tmp_path / f"k{i}") for i in range(8)])
    profile = replace(of(server), identity_files=(), identity_agent=agent, identities_only=False)
    error = refusal(profile)
    assert (error.code, error.exit) == ("too-many-keys", 4)
    assert "refused 5 keys" in error.message and "IdentitiesOnly" in error.hint
    assert "Too many" not in error.message  # the words of a server that hung up
    assert refusal(replace(profile, identities_only=True)).code == "no-usable-key"


def test_an_rsa_key_of_the_agent_signs_with_sha2(server: Sshd, tmp_path: Path, agent: str) -> None:
    key = make_key(tmp_path / "key", "rsa", "-b", "2048")
    add(agent, key)
    profile = with_key(server, key, identity_agent=agent)
    assert says_hello(replace(profile, identity_files=(), identities_only=False))


def test_a_hanging_agent_is_left_after_its_deadline(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuws.host.agent.ANSWER", 0.5)
    path = f"/tmp/gpuws-agent-{os.getpid()}-{free_port()}"
    ear = Ear()
    with socket.socket(socket.AF_UNIX) as dumb:
        dumb.bind(path)
        dumb.listen()
        with connected(replace(of(server), identity_agent=path), ear=ear) as host:
            assert host.run(HELLO).out == "hello\n"
    Path(path).unlink()
    assert any("did not answer" in line for line in ear.said)
    assert says_hello(replace(of(server), identity_agent=path))  # stale: falls through too


# --- passwords and codes -------------------------------------------------------------------------


def of_asker(config: Path) -> Profile:
    return resolve("asker", ssh_config=config)


def log_in_only(profile: Profile, ask: Ask, ear: Ear | None = None) -> None:
    connect(profile, ask, ear or Ear()).close()


def test_a_password_is_asked_hidden_and_again_when_wrong(tmp_path: Path) -> None:
    with login_server(tmp_path, Rules()) as asker:
        person = Person(["wrong", "correct horse"])
        log_in_only(of_asker(asker.config), person)
    assert [how for how, _ in person.asked] == ["secret", "secret"]
    assert "ada@127.0.0.1" in person.asked[0][1]
    assert asker.rules.seen == ["wrong", "correct horse"]


def test_three_wrong_passwords_are_the_end(tmp_path: Path) -> None:
    with login_server(tmp_path, Rules()) as asker:
        error = refusal(of_asker(asker.config), Person(["a", "b", "c"]))
    assert (error.code, error.exit) == ("wrong-password", 4)


def test_a_password_that_nobody_can_type_is_an_authentication_error(tmp_path: Path) -> None:
    with login_server(tmp_path, Rules()) as asker:
        error = refusal(of_asker(asker.config))
    assert (error.code, error.exit) == ("authentication-failed", 4)
    assert asker.rules.seen == []


def test_a_server_that_says_nothing_to_a_login_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticate, "FIRST_ANSWER", 0.5)
    with login_server(tmp_path, Rules(thinks=4.0), "ConnectTimeout 1") as asker:
        begun = time.monotonic()
        error = refusal(of_asker(asker.config))
    assert error.code == "connection-timeout"
    assert time.monotonic() - begun < 3.5


def test_no_password_leaves_before_the_host_key_is_verified(tmp_path: Path) -> None:
    with login_server(tmp_path, Rules()) as asker:
        other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
        asker.known_hosts.write_text(f"[127.0.0.1]:{asker.port} {other[0]} {other[1]}\n")
        error = refusal(of_asker(asker.config), Person(["correct horse"]))
    assert error.code == "host-key-changed"
    assert asker.rules.seen == []


@pytest.mark.parametrize("echo", [False, True])
def test_a_key_and_then_a_one_time_code(tmp_path: Path, echo: bool) -> None:
    rules = Rules(("publickey", "keyboard-interactive"), prompt="Code:\x1b[2J\u202e ", echo=echo)
    ear = Ear()
    with login_server(tmp_path, rules) as asker:
        person = Person(["123456"])
        log_in_only(of_asker(asker.config), person, ear)
    (how, prompt) = person.asked[0]
    assert how == ("text" if echo else "secret")
    assert "\x1b" not in prompt and "\u202e" not in prompt and "(127.0.0.1) Code:" in prompt
    assert any("Instructions \\x1b[31mred" in line for line in ear.said)


def test_several_questions_at_once_are_each_answered_as_they_want_it(tmp_path: Path) -> None:
    """Row 23: hidden where the server says so, shown where it does not."""
    rules = Rules(("keyboard-interactive",), prompt="Passcode or option: ", echo=True)
    rules.password_too = True
    with login_server(tmp_path, rules) as asker:
        person = Person(["correct horse", "123456"])
        log_in_only(of_asker(asker.config), person)
    assert person.asked == [
        ("secret", "(127.0.0.1) Password: "),
        ("text", "(127.0.0.1) Passcode or option: "),
    ]


def test_a_wrong_code_is_asked_three_times(tmp_path: Path) -> None:
    rules = Rules(("keyboard-interactive",))
    with login_server(tmp_path, rules) as asker:
        error = refusal(of_asker(asker.config), Person(["1", "2", "3"]))
    assert error.code == "wrong-password"
    assert rules.seen == ["1", "2", "3"]


def test_the_banner_is_shown_inert(tmp_path: Path) -> None:
    ear = Ear()
    with login_server(tmp_path, Rules(banner="Welcome \x1b]52;c;AAAA\x07 to 1984")) as asker:
        log_in_only(of_asker(asker.config), Person(["correct horse"]), ear)
    assert any("Welcome \\x1b]52;c;AAAA\\x07 to 1984" in line for line in ear.said)


# --- what is no SSH server -----------------------------------------------------------------------


def at(port: int, **changes: object) -> Profile:
    profile = Profile("box", "127.0.0.1", port, "ada", identity_agent="none")
    return replace(profile, **changes)  # type: ignore[arg-type]


def test_a_closed_port_fails_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    error = refusal(at(free_port()))
    assert (error.code, error.exit) == ("connection-refused", 6)
    assert time.monotonic() - begun < 2


def test_a_server_that_hangs_up_at_once_is_tried_three_times() -> None:
    tries: list[float] = []

    def hang_up(sock: socket.socket) -> None:
        tries.append(time.monotonic())
        sock.close()

    with listening(hang_up) as port:
        error = refusal(at(port))
    assert error.code == "connection-lost" and error.retryable
    assert len(tries) == 3 and tries[2] - tries[0] > 0.5


def test_a_server_that_is_busy_for_a_moment_is_reached(server: Sshd) -> None:
    """Row 25."""
    with running_sshd(server.folder / "busy", ["MaxStartups 1:100:1"]) as busy:
        waiting = socket.create_connection(("127.0.0.1", busy.port))  # takes the only place
        assert waiting.recv(4) == b"SSH-"
        threading.Timer(0.1, waiting.close).start()
        with connected(of(busy)) as host:
            assert host.alive()
        assert "past MaxStartups" in busy.log()


def test_a_server_that_stays_busy_is_told_with_its_limit(server: Sshd) -> None:
    """Row 25: three tries, then its name."""
    with running_sshd(server.folder / "full", ["MaxStartups 1:100:1"]) as busy:
        with socket.create_connection(("127.0.0.1", busy.port)) as waiting:
            assert waiting.recv(4) == b"SSH-"
            error = refusal(of(busy))
        assert (error.code, error.retryable) == ("connection-lost", True)
        assert "MaxStartups" in error.message
        assert busy.log().count("drop connection") == 3


def test_a_server_that_bans_us_for_a_while_is_asked_once_and_says_so() -> None:
    """PerSourcePenalties, as sshd 9.8 and later answer; here its words from a stand-in."""
    tries: list[socket.socket] = []

    def ban(sock: socket.socket) -> None:
        tries.append(sock)
        sock.sendall(b"Not allowed at this time\r\n")
        sock.close()

    with listening(ban) as port:
        error = refusal(at(port))
    assert error.code == "connection-lost"
    assert "PerSourcePenalties" in error.message
    assert len(tries) == 1


# --- addresses and names -------------------------------------------------------------------------


def test_the_next_address_is_tried_while_the_first_is_silent(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def two(host: str, port: int, *more: int) -> list[object]:
        silent = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.1", port))
        return [silent, *real("127.0.0.1", port, *more)]

    class Silent(socket.socket):
        def connect(self, address: object) -> None:
            if isinstance(address, tuple) and address[0] == "198.51.100.1":
                time.sleep(3)
                raise TimeoutError
            super().connect(address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    monkeypatch.setattr(socket, "socket", Silent)
    begun = time.monotonic()
    wire = dial.dial(replace(of(server), hostname="two.example"))
    wire.close()
    assert 0.2 < time.monotonic() - begun < 1.2


def test_a_resolver_that_never_answers_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> list[object]:
        time.sleep(2)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    begun = time.monotonic()
    error = refusal(at(22, hostname="slow.example", connect_timeout=0.4))
    assert error.code == "name-not-resolved" and "DNS" in error.message
    assert time.monotonic() - begun < 1.5


def test_a_mistyped_alias_is_met_with_the_nearest_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    config = tmp_path / "config"
    config.write_text("Host devbox\n  HostName devbox.invalid\n")
    error = refusal(resolve("devbxo", ssh_config=config))
    assert (error.code, error.exit) == ("unknown-host", 3)
    assert "devbox" in error.hint
    known = refusal(resolve("devbox", ssh_config=config))
    assert (known.code, known.exit) == ("name-not-resolved", 6)


# --- proxies and jumps ---------------------------------------------------------------------------


def proxies(server: Sshd) -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if each.pid != server.pid]


def test_a_proxy_command_with_shell_syntax_carries_the_connection(
    server: Sshd, tmp_path: Path
) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import socket, sys, threading, os\n"
        f"s = socket.create_connection(('127.0.0.1', {server.port}))\n"
        "def up():\n"
        "    while (b := os.read(0, 65536)): s.sendall(b)\n"
        "    s.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while (b := s.recv(65536)): os.write(1, b)\n"
    )
    command = f'"{shutil.which("python3")}" "{relay}" 2>"{tmp_path}/err"'
    profile = replace(of(server), proxy_command=command)
    with connected(profile) as host:
        assert host.run(HELLO).out == "hello\n"
        started = proxies(server)
        assert started
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive  # ended and reaped


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sh -c 'echo no route $((40 + 2)) >&2; exit 3'", "no route 42"),
        ("sh -c 'exit 3'", "status 3"),
        ("/no/such/program", "no/such/program"),
    ],
)
def test_a_proxy_command_that_dies_is_noticed_at_once(command: str, said: str) -> None:
    begun = time.monotonic()
    error = refusal(at(22, proxy_command=command))
    assert (error.code, error.exit) == ("proxy-command-failed", 6)
    assert said in error.message
    assert time.monotonic() - begun < 2


def test_a_proxy_command_that_dies_later_ends_the_connection(server: Sshd, tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh as the proxy")
    command = f"ssh -F {server.config} -W 127.0.0.1:{server.port} {server.alias}"
    with connected(replace(of(server), proxy_command=command)) as host:
        for proxy in proxies(server):
            proxy.kill()
        deadline = time.monotonic() + 2
        while host.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not host.alive()
        with pytest.raises(GpuwsError) as lost:
            host.run(HELLO)
        assert lost.value.code == "connection-lost"


@contextlib.contextmanager
def chain(folder: Path, *bastion_lines: str) -> Iterator[tuple[Sshd, Sshd, Path]]:
    """(bastion, target, the ssh_config that joins them)."""
    with (
        running_sshd(folder / "b", bastion_lines, alias="bastion") as bastion,
        running_sshd(
            folder / "t", alias="inner", client_lines=["ProxyJump bastion"], home=folder
        ) as target,
    ):
        config = folder / "config"
        config.write_text(bastion.config_block() + target.config_block())
        yield bastion, target, config


def test_a_jump_logs_in_to_each_hop(tmp_path: Path) -> None:
    with chain(tmp_path) as (bastion, target, config):
        assert says_hello(resolve("inner", ssh_config=config))
        assert (bastion.accepted(), target.accepted()) == (1, 1)


def test_two_jumps_in_a_row(tmp_path: Path) -> None:
    with chain(tmp_path) as (bastion, target, config):
        profile = resolve("inner", ssh_config=config)
        assert says_hello(replace(profile, proxy_jump=("bastion", "bastion")))
        assert (bastion.accepted(), target.accepted()) == (2, 1)


def test_the_hop_that_failed_is_named(tmp_path: Path) -> None:
    with chain(tmp_path, "AllowTcpForwarding no") as (bastion, _, config):
        error = refusal(resolve("inner", ssh_config=config))
        assert error.code == "jump-failed"
        assert str(bastion.port) in error.message and "forbids" in error.message
        bastion.known_hosts.write_text("")
        error = refusal(resolve("inner", ssh_config=config))
        assert error.code == "host-key-unknown" and "bastion" in error.message
        bastion.stop()
        error = refusal(resolve("inner", ssh_config=config))
        assert error.code == "jump-failed" and "bastion" in error.message


def test_jumps_in_a_circle_end(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    assert refusal(resolve("a", ssh_config=config)).code == "jump-failed"
