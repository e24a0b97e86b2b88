"""A lost connection is made again: how often, for whom, and what it means for the forwards."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from gpuws.engines.session import Look, look
from gpuws.errors import GpuwsError
from gpuws.host.attended import aside
from gpuws.keeper import healer as healers
from gpuws.keeper.forwards import HeldForwards
from gpuws.keeper.healer import Healer
from gpuws.keeper.line import Line
from gpuws.keeper.nobody import Nobody, Silent
from gpuws.plan.forwards import JUPYTER
from gpuws.plan.model import HostEntry, Profile
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach
from tests.support.far_end import answer_after_the_question, far_end
from tests.support.local_host import LocalHost
from tests.support.near_end import WANTED, dial, eventually, read_all
from tests.support.person import Person

REACH = Reach("box", HostEntry("box"))


class NamedHost(LocalHost):
    """At an address, as a host without a jump is."""

    def peer(self) -> tuple[object, ...] | None:
        return ("127.0.0.1", 22)


@dataclass
class Logins:
    """What becomes of each attempt: ``outcomes`` in order, the last one for ever."""

    home: Path
    outcomes: list[Callable[[], Host]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)

    def __call__(self, profile: Profile, ask: Ask, progress: Progress) -> Host:
        self.at.append(time.monotonic())
        self.asked.append(aside(ask))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        return outcome()

    def works(self) -> Host:
        return NamedHost(self.home)


def fails(code: str) -> Callable[[], Host]:
    def attempt() -> Host:
        raise GpuwsError(code, f"it was {code}")

    return attempt


@dataclass
class Keeper:
    """The parts of a keeper that heal."""

    line: Line
    forwards: HeldForwards
    healer: Healer
    logins: Logins
    watcher: list[Ask] = field(default_factory=list)

    def attach(self) -> Host:
        return self.line.get(REACH, Nobody(), Silent())

    def lose(self) -> None:
        assert self.line.host is not None
        self.line.host.close()

    def state(self) -> str:
        tunnel = self.forwards.tunnel("demo")
        assert tunnel is not None
        return str(tunnel["state"])


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """Connected; the healer looks on."""
    logins = Logins(tmp_path)
    logins.outcomes = [logins.works]
    monkeypatch.setattr("gpuws.host.connect.connect", logins)
    monkeypatch.setattr(
        "gpuws.keeper.line.resolve", lambda _: Profile("box", "127.0.0.1", 22, "me")
    )
    line = Line()
    forwards = HeldForwards(line)
    watcher: list[Ask] = []
    asker: Callable[[], Ask] = lambda: watcher[0] if watcher else Nobody()  # noqa: E731
    made = Keeper(line, forwards, Healer(line, forwards, asker, Silent()), logins, watcher)
    made.attach()
    made.healer.start()
    yield made
    made.healer.stop()
    forwards.close_all()
    line.close()


def test_every_forward_goes_on_with_the_clients_that_waited(keeper: Keeper) -> None:
    with far_end(answer_after_the_question) as one, far_end(answer_after_the_question) as other:
        ports = {
            name: keeper.forwards.open(name, target, port=None, wanted=WANTED)
            for name, target in (("demo", one), ("other", other))
        }
        keeper.logins.outcomes = [fails("connection-timeout"), keeper.logins.works]
        keeper.lose()
        clients = [dial(keeper.forwards.held[name, JUPYTER].forward) for name in ports]
        for client in clients:
            client.sendall(b"still there?")
            client.shutdown(1)
        assert [read_all(client) for client in clients] == [b"you asked: still there?"] * 2
        for client in clients:
            client.close()
        assert {name: keeper.forwards.port(name) for name in ports} == ports
        tunnel = keeper.forwards.tunnel("other")
        assert tunnel and (tunnel["reconnects"], tunnel["try"]) == (1, 0)


@pytest.fixture
def held(keeper: Keeper) -> Iterator[Keeper]:
    """With one forward open."""
    with far_end(answer_after_the_question) as target:
        keeper.forwards.open("demo", target, port=None, wanted=WANTED)
        yield keeper


def test_a_network_that_is_gone_is_tried_again_with_pauses(held: Keeper) -> None:
    held.logins.outcomes = [fails("host-unreachable")]
    begun = time.monotonic()
    held.lose()
    assert eventually(lambda: len(held.logins.at) >= 4, 6)
    tries = held.logins.at[1:]
    assert tries[0] - begun <= 0.5
    assert all(after - before >= 0.6 for before, after in pairwise(tries))
    tunnel = held.forwards.tunnel("demo")
    assert tunnel is not None
    assert (tunnel["state"], tunnel["reason"]) == ("reconnecting", "it was host-unreachable")
    assert tunnel["try"] >= 3
    assert held.forwards.outage() == "it was host-unreachable"


def test_it_is_tried_at_once_on_another_network(
    held: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it would look again after 10 s only."""
    held.logins.outcomes = [fails("not-ssh"), held.logins.works]
    address = ["192.0.2.1"]
    monkeypatch.setattr(healers, "source_address", lambda _: address[0])
    held.lose()
    assert eventually(lambda: held.state() == "paused", 3)
    time.sleep(1)
    assert len(held.logins.at) == 2
    address[0] = "192.0.2.2"
    assert eventually(lambda: held.state() != "paused", 1)
    assert eventually(held.line.alive, 1)


def test_what_needs_a_person_is_tried_once_until_somebody_attaches(
    held: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.logins.outcomes = [fails("authentication-failed")]
    address = ["192.0.2.1"]
    monkeypatch.setattr(healers, "source_address", lambda _: address[0])
    held.lose()
    assert eventually(lambda: held.state() == "paused", 3)
    address[0] = "192.0.2.2"
    time.sleep(2)
    assert len(held.logins.at) == 2
    held.logins.outcomes = [held.logins.works]
    host = held.attach()
    assert eventually(lambda: held.forwards.held["demo", JUPYTER].host is host, 2)
    time.sleep(0.5)
    assert len(held.logins.at) == 3


def test_who_watches_can_be_asked_and_else_nobody(held: Keeper) -> None:
    watching = Person(["123456"])
    held.watcher.append(watching)
    held.lose()
    assert eventually(lambda: len(held.logins.asked) == 2)
    assert held.logins.asked[-1] is watching
    held.watcher.clear()
    assert eventually(held.line.alive)
    held.lose()
    assert eventually(lambda: len(held.logins.asked) == 3)
    assert isinstance(held.logins.asked[-1], Nobody)


class Doomed(NamedHost):
    """A server that hangs up so many seconds after a login."""

    def __init__(self, home: Path, seconds: float) -> None:
        super().__init__(home)
        self._end = time.monotonic() + seconds

    def alive(self) -> bool:
        return time.monotonic() < self._end

    def answers(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


@pytest.mark.parametrize("lives", [0.0, 0.3])
def test_a_server_that_hangs_up_after_each_login_is_not_stormed(held: Keeper, lives: float) -> None:
    held.logins.outcomes = [lambda: Doomed(held.logins.home, lives)]
    held.lose()
    time.sleep(4)
    assert 2 <= len(held.logins.at) - 1 <= 6


def test_a_reboot_is_told_and_the_forward_leads_nowhere(held: Keeper, tmp_path: Path) -> None:
    recorded(tmp_path, boot_id="another")
    held.lose()
    assert eventually(lambda: held.state() == "paused", 5)
    tunnel = held.forwards.tunnel("demo")
    assert tunnel is not None
    assert "local rebooted at" in tunnel["reason"]
    assert "`gpuws up local`" in tunnel["reason"]
    assert held.forwards.outage() == ""  # the host itself can be asked


def test_nothing_is_tried_for_forwards_that_nobody_wants(held: Keeper) -> None:
    held.logins.outcomes = [fails("host-unreachable")]
    held.lose()
    assert eventually(lambda: len(held.logins.at) >= 2)
    held.forwards.close("demo")
    time.sleep(0.5)
    before = len(held.logins.at)
    time.sleep(2)
    assert len(held.logins.at) == before


def test_an_outage_ends_for_others_when_nobody_wants_its_forwards(held: Keeper) -> None:
    """Who asks the host next makes the connection, and is not told of an outage of the past."""
    held.logins.outcomes = [fails("host-unreachable")]
    held.lose()
    assert eventually(lambda: held.forwards.outage() != "")
    held.forwards.close("demo")
    assert eventually(lambda: held.forwards.outage() == "")


def recorded(home: Path, **more: object) -> None:
    """The workspace ``demo`` on the host, with nothing that runs."""
    folder = home / "gpuws" / "workspaces" / "demo"
    folder.mkdir(parents=True)
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o700)
    known = {"schema": 1, "name": "demo", "engine": "tmux", "run": "/r", **more}
    (folder / "workspace.json").write_text(json.dumps(known) + "\n")


def test_workspaces_that_could_not_be_asked_are_asked_again(
    held: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a reboot would never be told."""
    recorded(tmp_path, boot_id="another")
    monkeypatch.setattr(healers, "_LOOK_AGAIN", 1.0)
    looks: list[float] = []
    real = look

    def once_in_vain(host: Host, *, root: str) -> Look:
        looks.append(time.monotonic())
        if len(looks) == 1:
            raise GpuwsError("remote-timeout", "the host is slow today")
        return real(host, root=root)

    monkeypatch.setattr(healers, "look", once_in_vain)
    held.lose()
    assert eventually(lambda: held.state() == "paused", 5)
    assert looks[1] - looks[0] >= 0.9
    time.sleep(1.5)
    assert len(looks) == 2


def test_the_end_of_jupyter_is_not_the_end_of_what_else_listens(
    held: Keeper, tmp_path: Path
) -> None:
    recorded(tmp_path, boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with far_end(answer_after_the_question) as board:
        held.forwards.open("demo", board, port=None, wanted=WANTED, forward="board")
        held.lose()
        assert eventually(lambda: held.state() == "paused", 5)
        [other] = held.forwards.more("demo")
        assert (other["name"], other["state"]) == ("board", "open")


# --- two who want the connection at once ----------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "knocks"),
    [("host-key-changed", 1), ("connection-timeout", 1), ("wrong-password", 2)],
    ids=["another key", "the network", "what an answer may help"],
)
def test_who_waited_for_a_failing_try_knocks_again_only_where_an_answer_may_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, knocks: int
) -> None:
    """Row 133: `status` in the moment of a drop does not knock at a wrong server a second time."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Host:
        begun.set()
        go_on.wait(5)
        return fails(code)()

    logins = Logins(tmp_path, [slowly, fails(code)])
    monkeypatch.setattr("gpuws.host.connect.connect", logins)
    monkeypatch.setattr("gpuws.keeper.line.resolve", lambda _: Profile("box", "127.0.0.1", 22, "u"))
    line = Line()
    caught: list[str] = []

    def ask() -> None:
        with pytest.raises(GpuwsError) as error:
            line.get(REACH, Person(), Silent())
        caught.append(error.value.code)

    first = threading.Thread(target=ask)
    first.start()
    assert begun.wait(5)
    second = threading.Thread(target=ask)
    second.start()
    time.sleep(0.1)  # it waits for the first
    go_on.set()
    first.join(5)
    second.join(5)
    assert caught == [code, code]
    assert len(logins.at) == knocks
