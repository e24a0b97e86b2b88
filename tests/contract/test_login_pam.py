"""Passwords and one-time codes as a real sshd asks for them, through a PAM of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host import first_key
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.ports import Script
from tests.support.pam import LINES, Pam, expired, pam
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, running_sshd

HELLO = Script("hello", "echo hello")
RIGHT, NEW = "correct horse", "battery staple 9"


@contextlib.contextmanager
def asking(folder: Path, asks: Pam, *lines: str) -> Iterator[tuple[Profile, Pam, Sshd]]:
    """A server that knows no key, unless ``lines`` want one too."""
    with running_sshd(folder / "s", [*LINES, *lines], place=asks.place) as server:
        if not lines:
            server.authorized_keys.write_text("")
        profile = resolve(server.alias, ssh_config=server.config)
        yield replace(profile, identity_agent="none"), asks, server


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Profile, Pam, Sshd]]:
    folder = tmp_path_factory.mktemp("ssh")
    with asking(folder, pam(folder / "pam", RIGHT)) as running:
        yield running


def only(profile: Profile, method: str) -> Profile:
    interactive = method == "keyboard-interactive"
    return replace(profile, keyboard_interactive=interactive, password=not interactive)


def refusal(profile: Profile, person: Person) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        connect(profile, person, Ear()).close()
    return refused.value


METHODS = pytest.mark.parametrize("method", ["password", "keyboard-interactive"])


@METHODS
def test_a_wrong_password_is_asked_for_again_and_a_key_advised(
    passwords: tuple[Profile, Pam, Sshd], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, _, server = passwords
    monkeypatch.setattr(first_key, "known_aliases", lambda _: (server.alias,))
    person, ear = Person(["wrong", RIGHT]), Ear()
    host = connect(only(profile, method), person, ear)
    assert host.run(HELLO).out == "hello\n"
    host.close()
    assert [how for how, _ in person.asked] == ["secret", "secret"]
    where = f"key for {server.user}@127.0.0.1:{server.port}"
    assert ear.said[-1] == (
        f"{where}:   ssh-copy-id -i {server.user_key}.pub -F {server.config} {server.alias}"
    )
    assert not any("ssh-keygen" in line for line in ear.said)  # there is a key


@METHODS
def test_three_wrong_ones_are_the_end_and_nothing_is_tried_again(
    passwords: tuple[Profile, Pam, Sshd], method: str
) -> None:
    """Row 23, and 29: the server counts them."""
    profile, asks, server = passwords
    knocks = server.log().count("Connection from")
    before = len(asks.typed())
    error = refusal(only(profile, method), Person(["a", "b", "c"]))
    assert (error.code, error.retryable) == ("wrong-password", False)
    assert asks.typed()[before:] == ["a", "b", "c"]
    assert server.log().count("Connection from") == knocks + 1


def test_a_key_and_then_a_one_time_code_and_no_advice(tmp_path: Path) -> None:
    """Row 23: a partial success is followed; the code is good for one login."""
    asks = pam(tmp_path / "pam", RIGHT, once=True)
    both = "AuthenticationMethods publickey,keyboard-interactive"
    with asking(tmp_path, asks, both) as (profile, _, server):
        person, ear = Person([RIGHT]), Ear()
        connect(profile, person, ear).close()
        assert [how for how, _ in person.asked] == ["secret"]
        assert not any("ssh-copy-id" in line for line in ear.said)
        assert refusal(profile, Person([RIGHT] * 3)).code == "wrong-password"
        assert server.accepted() == 1


def test_a_password_and_then_a_key_and_no_advice(tmp_path: Path) -> None:
    """Row 23: the key was refused before its turn, and is right when that has come."""
    asks = pam(tmp_path / "pam", RIGHT)
    with asking(tmp_path, asks, "AuthenticationMethods password,publickey") as (profile, _, _):
        person, ear = Person([RIGHT]), Ear()
        host = connect(profile, person, ear)
        assert host.run(HELLO).out == "hello\n"
        host.close()
    assert [how for how, _ in person.asked] == ["secret"]
    assert not any("ssh-copy-id" in line for line in ear.said)


@pytest.fixture(scope="module")
def must_change(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    folder = tmp_path_factory.mktemp("ssh")
    with asking(folder, expired(folder / "pam", RIGHT)) as (profile, _, _):
        yield profile


def test_an_expired_password_that_the_server_does_not_ask_to_change_is_named(
    must_change: Profile,
) -> None:
    """Row 23: OpenSSH lets in, and then runs nothing."""
    host = connect(only(must_change, "password"), Person([RIGHT]), Ear())
    with pytest.raises(GpuwsError) as refused:
        host.run(HELLO)
    host.close()
    assert (refused.value.code, refused.value.exit) == ("authentication-failed", 4)
    assert "has expired" in refused.value.message


def test_an_expired_password_is_changed_where_the_server_asks_for_it(must_change: Profile) -> None:
    """Row 23: its questions go to the person, hidden; from then on the new one is right."""
    person = Person([RIGHT, RIGHT, NEW, NEW])
    connect(only(must_change, "keyboard-interactive"), person, Ear()).close()
    assert [how for how, _ in person.asked] == ["secret"] * 4
    asked = [prompt.rpartition(") ")[2] for _, prompt in person.asked[2:]]
    assert asked == ["New password: ", "Retype new password: "]
    connect(only(must_change, "password"), Person([NEW]), Ear()).close()
