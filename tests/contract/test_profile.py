"""A profile is what ``ssh`` itself would do, or an explicit refusal."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpuws.errors import GpuwsError
from gpuws.host import asked
from gpuws.host import profile as profiles
from gpuws.host.here import home
from gpuws.host.profile import known_aliases, nearest, resolve
from gpuws.host.ssh_config import commands


def config(folder: Path, text: str) -> Path:
    file = folder / "config"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "host",
    [
        "",
        "-oProxyCommand=touch x",
        "a b",
        "$(id)",
        "a\nb",
        "x" * 5000,
        "bücher.example",
        "a;b",
        "`id`",
        "u$x@host",
        "user@-host",
        "host:0",
        "host:99999",
        "host:abc",
        "[::1",
        "@host",
        "ssh://",
        "a/b",
        "a\x00b",
        "host\u202e",
    ],
)
def test_a_bad_host_string_is_refused_before_any_program_runs(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "run", must_not_run)
    monkeypatch.setattr(subprocess, "Popen", must_not_run)
    with pytest.raises(GpuwsError) as refused:
        resolve(host)
    assert (refused.value.code, refused.value.exit) == ("bad-host-string", 3)


@pytest.mark.parametrize(
    ("written", "user", "host", "port"),
    [
        ("box", None, "box", 22),
        ("ada@box", "ada", "box", 22),
        ("ada@box:2222", "ada", "box", 2222),
        ("ada@[::1]:2222", "ada", "::1", 2222),
        ("::1", None, "::1", 22),
        ("ssh://ada@box:2222/", "ada", "box", 2222),
        ("ada@corp@box", "ada@corp", "box", 22),
    ],
)
def test_every_way_to_write_a_host_is_understood(
    written: str, user: str | None, host: str, port: int, tmp_path: Path
) -> None:
    found = resolve(written, ssh_config=config(tmp_path, ""))
    assert (found.hostname, found.port) == (host, port)
    assert user in (None, found.user)


def test_the_port_option_wins_as_with_ssh(tmp_path: Path) -> None:
    file = config(tmp_path, "Host box\n  Port 1022\n")
    assert resolve("box", ssh_config=file).port == 1022
    assert resolve("box", ssh_config=file, port=77).port == 77


def test_tokens_variables_and_tilde_are_expanded_where_ssh_prints_them_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYS", "/keys %h")
    file = config(
        tmp_path,
        "Host box\n"
        "  HostName real.example\n  User ada\n  Port 2022\n"
        "  IdentityFile ~/.ssh/%h_%r_%p\n"
        '  IdentityFile "${KEYS}/a~b %%"\n'
        "  CertificateFile %d/%n-cert.pub\n"
        '  ProxyCommand nc %h %p "%%" ${HOME} %r@%n\n'
        "  UserKnownHostsFile ~/k1 /tmp/k2\n"
        "  RevokedHostKeys ~/revoked_%h\n",
    )
    found = resolve("box", ssh_config=file)
    assert found.identity_files == (
        f"{home()}/.ssh/real.example_ada_2022",
        "/keys %h/a~b %",
    )
    assert found.certificate_files == (f"{home()}/box-cert.pub",)
    assert found.proxy_command == 'nc real.example 2022 "%" ${HOME} ada@box'
    assert found.user_known_hosts == (f"{home()}/k1", "/tmp/k2")
    assert found.revoked_host_keys == (f"{home()}/revoked_real.example",)


def test_known_hosts_files_with_spaces_in_their_names_stay_whole(tmp_path: Path) -> None:
    file = config(tmp_path, 'Host *\n  UserKnownHostsFile "/a b/known hosts" /c\n')
    assert resolve("box", ssh_config=file).user_known_hosts == ("/a b/known hosts", "/c")


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    file = config(tmp_path, "Host box\n  IdentityFile ${GPUWS_NO_SUCH_THING}/k\n")
    with pytest.raises(GpuwsError) as refused:
        resolve("box", ssh_config=file)
    assert refused.value.code == "profile-unreadable"
    assert "GPUWS_NO_SUCH_THING" in refused.value.message


def test_match_include_and_comments_are_read_by_ssh_itself(tmp_path: Path) -> None:
    more = tmp_path / "more.conf"
    more.write_text("Host box\n  User included # a comment\n")
    file = config(
        tmp_path,
        f"Include {more}\n"
        "Match Host other exec false\n  Port 1\n"
        "Match originalhost box\n  Port 4022\n",
    )
    found = resolve("box", ssh_config=file)
    assert (found.user, found.port) == ("included", 4022)


@pytest.fixture
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "shutil", SimpleNamespace(which=lambda _: None))


@pytest.mark.parametrize(("command", "port"), [("true", 1), ("exit 3", 22), ("test %n = box", 1)])
@pytest.mark.parametrize("with_ssh", [True, False], ids=["ssh", "own"])
def test_a_match_exec_decides_as_with_ssh(
    command: str, port: int, with_ssh: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Row 3 of the fault catalogue."""
    if not with_ssh:
        request.getfixturevalue("no_ssh")
    file = config(tmp_path, f'Match exec "{command}"\n  Port 1\n')
    assert resolve("box", ssh_config=file).port == port


@pytest.mark.parametrize("with_ssh", [True, False], ids=["ssh", "own"])
def test_a_hanging_match_exec_has_a_deadline(
    with_ssh: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Row 3 of the fault catalogue."""
    if not with_ssh:
        request.getfixturevalue("no_ssh")
    assert asked.DEADLINE == commands.DEADLINE == 10
    monkeypatch.setattr(asked, "DEADLINE", 0.3)
    monkeypatch.setattr(commands, "DEADLINE", 0.3)
    file = config(tmp_path, 'Match exec "exec sleep 5"\n  Port 1\n')
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        resolve("box", ssh_config=file)
    assert refused.value.code == "profile-unreadable"
    assert time.monotonic() - begun < 4
    assert "Match exec" in refused.value.message


def test_a_broken_configuration_is_shown_in_the_words_of_ssh(tmp_path: Path) -> None:
    with pytest.raises(GpuwsError) as refused:
        resolve("box", ssh_config=config(tmp_path, "Host box\n  Prot 22\n"))
    assert refused.value.code == "profile-unreadable"
    assert "line 2" in refused.value.message and "prot" in refused.value.message.lower()


def test_a_configuration_that_checks_no_host_key_becomes_accept_new(tmp_path: Path) -> None:
    file = config(tmp_path, "Host box\n  StrictHostKeyChecking no\n")
    found = resolve("box", ssh_config=file)
    assert found.strict_host_key_checking == "accept-new"
    assert any("StrictHostKeyChecking" in note for note in found.notes)


def test_what_gpuws_does_not_use_is_said(tmp_path: Path) -> None:
    file = config(tmp_path, "Host box\n  RemoteCommand tmux\n  ForwardAgent yes\n")
    assert "RemoteCommand, ForwardAgent" in " ".join(resolve("box", ssh_config=file).notes)


def test_ways_to_check_a_host_key_that_are_not_used_are_said_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    """Row 17."""
    asked = "  CheckHostIP yes\n  VerifyHostKeyDNS ask\n  KnownHostsCommand /bin/false\n"
    notes = " ".join(resolve("box", ssh_config=config(tmp_path, f"Host box\n{asked}")).notes)
    assert "CheckHostIP, VerifyHostKeyDNS" in notes
    assert not resolve("box", ssh_config=config(tmp_path, "Host box\n  User ada\n")).notes


def test_preferred_authentications_and_batch_mode_close_the_other_ways(tmp_path: Path) -> None:
    file = config(
        tmp_path, "Host a\n  PreferredAuthentications password\nHost b\n  BatchMode yes\n"
    )
    only = resolve("a", ssh_config=file)
    assert (only.pubkey, only.password, only.keyboard_interactive) == (False, True, False)
    batch = resolve("b", ssh_config=file)
    assert (batch.pubkey, batch.password, batch.keyboard_interactive) == (True, False, False)


def test_jump_hosts_are_listed_first_hop_first(tmp_path: Path) -> None:
    file = config(tmp_path, "Host box\n  ProxyJump ada@one:23,ssh://two\n")
    assert resolve("box", ssh_config=file).proxy_jump == ("ada@one:23", "two")


def test_aliases_are_found_through_includes_without_patterns(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text(f"Host devbox\nInclude {tmp_path}/config\n")
    file = config(tmp_path, f"Host gpu1 gpu2 *.lan !no\nHost=eq\nInclude {tmp_path}/*.conf\n")
    assert known_aliases(file) == ("gpu1", "gpu2", "eq", "devbox")
    assert nearest("devbxo", file) == ("devbox",)
    assert known_aliases(tmp_path / "missing") == ()


@pytest.mark.usefixtures("no_ssh")
def test_without_an_ssh_program_the_configuration_is_read_and_a_note_says_so(
    tmp_path: Path,
) -> None:
    file = config(tmp_path, "Host alias\n  HostName real.example\n  IdentityFile ~/k_%h\n")
    found = resolve("ada@alias:2022", ssh_config=file)
    assert (found.user, found.hostname, found.port) == ("ada", "real.example", 2022)
    assert found.identity_files == (f"{home()}/k_real.example",)
    assert "no ssh program" in found.notes[0]


def test_the_agent_of_the_profile_is_expanded(tmp_path: Path) -> None:
    file = config(
        tmp_path, "Host a\n  IdentityAgent none\nHost b\n  IdentityAgent ~/agent.sock\nHost c\n"
    )
    assert resolve("a", ssh_config=file).identity_agent == "none"
    assert resolve("b", ssh_config=file).identity_agent == f"{home()}/agent.sock"
    assert resolve("c", ssh_config=file).identity_agent is None


def test_an_agent_by_the_name_of_a_variable_is_that_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/agent")
    monkeypatch.delenv("NO_AGENT", raising=False)
    file = config(
        tmp_path, "Host a\n  IdentityAgent $MY_AGENT\nHost b\n  IdentityAgent $NO_AGENT\n"
    )
    assert resolve("a", ssh_config=file).identity_agent == "/run/agent"
    assert resolve("b", ssh_config=file).identity_agent == "none"


def test_a_user_called_none_is_a_user(tmp_path: Path) -> None:
    file = config(tmp_path, "Host *\n  User none\n  HostKeyAlias none\n  ProxyCommand none\n")
    found = resolve("box", ssh_config=file)
    assert (found.user, found.host_key_alias, found.proxy_command) == ("none", "none", None)


def test_tokens_of_a_jump_host_count_as_in_the_command_that_ssh_makes_of_it(
    tmp_path: Path,
) -> None:
    file = config(tmp_path, "Host *\n  User ada\n  ProxyJump %r@gate.example,two\n")
    assert resolve("box", ssh_config=file).proxy_jump == ("ada@gate.example", "two")


def test_a_token_that_depends_on_the_version_is_as_this_ssh_expands_it(tmp_path: Path) -> None:
    file = config(tmp_path, "Host *\n  ProxyJump gate\n  IdentityFile /k/%C\n")
    said = subprocess.run(
        ["ssh", "-G", "-F", str(file), "-o", "ControlPath=/k/%C", "box"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [path] = [line.split()[1] for line in said.splitlines() if line.startswith("controlpath")]
    assert resolve("box", ssh_config=file).identity_files == (path,)


def test_an_own_fork_into_the_background_does_not_hinder_ssh_from_telling(
    tmp_path: Path,
) -> None:
    file = config(tmp_path, "Host *\n  ForkAfterAuthentication yes\n  Port 77\n")
    assert resolve("box", ssh_config=file).port == 77


def test_no_time_to_connect_in_is_no_time_at_all_as_for_ssh(tmp_path: Path) -> None:
    file = config(tmp_path, "Host *\n  ConnectTimeout 0\n")
    assert resolve("box", ssh_config=file).connect_timeout == 15
