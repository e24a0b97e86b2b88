"""What a login costs in round trips, and what it does early to spare some.

Round trips are counted as time: the same login 100 ms away and next door. The network of both is
the fault proxy, and nothing is faster than it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host import authenticate, dial
from gpuws.host.connect import connect
from gpuws.host.handshake import handshake
from gpuws.host.profile import resolve
from gpuws.host.transport import Transport
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask
from tests.support.agents import add, agent, confirmed
from tests.support.fake_server import Rules, login_server
from tests.support.fault_proxy import FaultProxy
from tests.support.near_end import eventually
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, make_key, running_sshd

__all__ = ["agent", "confirmed"]

ROUND_TRIP = 0.1  # seconds
RIGHT, CODE = "correct horse", "123456"  # of Rules


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    with running_sshd(folder / "sshd", ["MaxAuthTries 6"], home=folder) as running:
        yield running


def of(server: Sshd, *keys: Path) -> Profile:
    profile = resolve(server.alias, ssh_config=server.config)
    files = tuple(map(str, keys)) or profile.identity_files
    return replace(profile, identity_files=files, identity_agent="none")


def let_in(server: Sshd, key: Path) -> Path:
    with server.authorized_keys.open("a") as file:
        file.write(key.with_name(key.name + ".pub").read_text())
    return key


def nothing(_: Transport) -> None:
    """Before a login like any other."""


def seconds(
    profile: Profile, ask: Ask, delay: float, before: Callable[[Transport], None] = nothing
) -> float:
    """How long only the login takes through a proxy with this delay, one way."""
    with FaultProxy((profile.hostname, profile.port), delay=delay) as proxy:
        wire = dial.dial(replace(profile, port=proxy.port))
        try:
            transport = handshake(wire, (), 15)
            before(transport)
            begun = time.monotonic()
            authenticate.log_in(transport, profile, ask, Ear())
            return time.monotonic() - begun
        finally:
            wire.close()


def told(transport: Transport) -> None:
    """The server's words on signatures are there: they race with our first flight."""
    assert eventually(lambda: bool(transport.server_extensions))


def round_trips(
    profile: Profile,
    person: Callable[[], Ask] = Nobody,
    before: Callable[[Transport], None] = nothing,
) -> int:
    near = min(seconds(profile, person(), 0.0, before) for _ in range(2))
    far = seconds(profile, person(), ROUND_TRIP / 2, before)
    return round((far - near) / ROUND_TRIP)


def typing(*answers: str) -> Callable[[], Ask]:
    """A person for each login."""
    return lambda: Person(answers)


def test_the_right_key_costs_one_round_trip(server: Sshd) -> None:
    assert round_trips(of(server)) == 1


def test_an_rsa_key_costs_one_round_trip_once_the_server_said_how_it_may_sign(
    server: Sshd, tmp_path: Path
) -> None:
    key = let_in(server, make_key(tmp_path / "key", "rsa", "-b", "2048"))
    assert round_trips(of(server, key), before=told) == 1


def test_each_key_that_is_refused_costs_one_more(server: Sshd, tmp_path: Path) -> None:
    strangers = [make_key(tmp_path / name) for name in ("one", "two")]
    assert round_trips(of(server, *strangers, server.user_key)) == 3


def test_a_key_is_signed_with_what_the_server_takes_also_where_it_says_so_late(
    tmp_path: Path,
) -> None:
    """It says it right after the key exchange, and our first flight may be out by then."""
    with running_sshd(tmp_path / "s", ["PubkeyAcceptedAlgorithms rsa-sha2-256"]) as server:
        key = let_in(server, make_key(tmp_path / "key", "rsa", "-b", "2048"))

        def late(transport: Transport) -> None:
            """sshd before 9.5 names what it refuses, too: these are a newer one's words."""
            said: dict[str, bytes | str] = {"server-sig-algs": b"rsa-sha2-256"}
            told(transport)
            transport.server_extensions = {}
            threading.Timer(0.05, setattr, (transport, "server_extensions", said)).start()

        assert seconds(of(server, key), Nobody(), ROUND_TRIP, late) > 0
        assert server.accepted() == 1


def test_a_server_that_wants_a_password_hears_of_one_key_and_asks_in_two_round_trips(
    tmp_path: Path,
) -> None:
    rules = Rules()
    with login_server(tmp_path, rules) as asker:
        profile = resolve("asker", ssh_config=asker.config)
        assert round_trips(profile, typing(RIGHT)) == 2
    assert rules.seen == [RIGHT] * 3
    assert rules.keys == ["ssh-ed25519"] * 3


def test_keys_that_are_refused_lead_on_to_the_password(tmp_path: Path) -> None:
    rules = Rules(also=("publickey",))
    with login_server(tmp_path, rules) as asker:
        keys = tuple(str(make_key(tmp_path / name)) for name in ("one", "two"))
        profile = replace(resolve("asker", ssh_config=asker.config), identity_files=keys)
        assert round_trips(profile, typing(RIGHT)) == 3
    assert rules.keys == ["ssh-ed25519"] * 6
    assert rules.seen == [RIGHT] * 3


def test_a_key_and_then_a_code_cost_three_round_trips(tmp_path: Path) -> None:
    rules = Rules(("publickey", "keyboard-interactive"))
    with login_server(tmp_path, rules) as asker:
        profile = resolve("asker", ssh_config=asker.config)
        assert round_trips(profile, typing(CODE)) == 3
    assert rules.keys == ["ssh-ed25519"] * 3
    assert rules.seen == [CODE] * 3


def test_a_server_that_lets_everybody_in_is_entered_in_one_round_trip(tmp_path: Path) -> None:
    rules = Rules(())
    with login_server(tmp_path, rules) as asker:
        profile = resolve("asker", ssh_config=asker.config)
        assert round_trips(profile) == 1
        connect(profile, Nobody(), Ear()).close()
    assert rules.keys == []  # what came in the same flight was not looked at


# --- nobody is asked early -----------------------------------------------------------------------


def test_a_key_that_the_agent_must_confirm_is_signed_only_for_a_server_that_takes_it(
    server: Sshd, tmp_path: Path, agent: str, confirmed: Path
) -> None:
    key = make_key(tmp_path / "key")
    add(agent, key, confirm=True)
    profile = replace(of(server), identity_files=(), identity_agent=agent, identities_only=False)
    with pytest.raises(GpuwsError) as refused:
        connect(profile, Nobody(), Ear())
    assert refused.value.code == "authentication-failed"
    assert not confirmed.exists()
    let_in(server, key)
    connect(profile, Nobody(), Ear()).close()
    assert confirmed.read_text().count("Allow use of key") == 1


def sealed_pem(folder: Path) -> Path:
    """An encrypted key that shows nothing of its public half."""
    return make_key(folder / "sealed", "rsa", "-b", "2048", "-m", "PEM", "-N", "open sesame")


@pytest.mark.parametrize("also", [(), ("publickey",)])
def test_a_sealed_key_asks_nobody_before_the_server_wants_keys(
    tmp_path: Path, also: tuple[str, ...]
) -> None:
    rules = Rules(also=also)
    with login_server(tmp_path, rules) as asker:
        key = sealed_pem(tmp_path)
        key.with_suffix(".pub").unlink()
        profile = replace(resolve("asker", ssh_config=asker.config), identity_files=(str(key),))
        person = Person(["open sesame", RIGHT] if also else [RIGHT])
        connect(profile, person, Ear()).close()
    assert [str(key) in prompt for _, prompt in person.asked] == ([True] if also else []) + [False]
    assert rules.keys == (["ssh-rsa"] if also else [])


def test_a_sealed_key_with_its_public_half_is_opened_only_for_a_server_that_takes_it(
    server: Sshd, tmp_path: Path
) -> None:
    key = sealed_pem(tmp_path)
    connect(of(server, key, server.user_key), Person([]), Ear()).close()
    public = subprocess.run(
        ["ssh-keygen", "-y", "-P", "open sesame", "-f", str(key)], capture_output=True, text=True
    )
    assert public.stdout
    let_in(server, key)
    person = Person(["open sesame"])
    connect(of(server, key), person, Ear()).close()
    assert len(person.asked) == 1
