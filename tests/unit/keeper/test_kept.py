"""A login that a person had to do something for: whether and how long it stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.keeper.conversation import Conversation
from gpuws.keeper.kept import PersonWanted, clock
from gpuws.keeper.line import Line
from gpuws.keeper.nobody import Nobody, Silent
from gpuws.keeper.server import Keeper
from gpuws.keeper.wire import Wire
from gpuws.plan.healing import Verdict, verdict
from gpuws.plan.model import HostEntry, Profile
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach
from tests.support.local_host import LocalHost
from tests.support.person import Ear, Person

REACH = Reach("box", HostEntry("box"))
Login = Callable[[Ask], object]


def by_key(_: Ask) -> None:
    """Nobody is needed."""


def by_code(ask: Ask) -> None:
    ask.secret("Code: ")


def by_touch(ask: Ask) -> None:
    ask.touch("touch your key")


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Login]:
    """What the next logins take, the last one for ever."""
    wanted: list[Login] = [by_key]

    def connect(profile: Profile, ask: Ask, progress: Progress) -> Host:
        (wanted.pop(0) if len(wanted) > 1 else wanted[0])(ask)
        return LocalHost(tmp_path)

    monkeypatch.setattr("gpuws.host.connect.connect", connect)
    monkeypatch.setattr(
        "gpuws.keeper.line.resolve", lambda _: Profile("box", "127.0.0.1", 22, "me")
    )
    return wanted


@pytest.mark.parametrize("how", [by_code, by_touch])
def test_what_a_person_did_is_kept_and_said_in_one_line(login: list[Login], how: Login) -> None:
    login[:] = [how]
    line, ear = Line(keeps=True), Ear()
    line.get(REACH, Person(["123456"]), ear)
    kept = line.kept()
    assert kept is not None and kept.until == pytest.approx(time.time() + 8 * 3600, abs=5)
    (said,) = ear.said
    assert said == (
        f"stays logged in to box until {clock(kept.until)}, 8 h after its last use; "
        "`gpuws hosts logout box` ends it"
    )


def test_a_login_that_took_nobody_is_not_kept(login: list[Login]) -> None:
    line, ear = Line(keeps=True), Ear()
    line.get(REACH, Person(), ear)
    assert line.kept() is None and ear.said == []


def test_it_is_over_with_its_time_or_its_connection(login: list[Login]) -> None:
    login[:] = [by_code]
    line = Line(keeps=True)
    host = line.get(REACH, Person(["123456"]), Ear())
    kept = line.kept()
    assert kept is not None
    kept.until = time.time() - 1
    assert line.kept() is None
    kept.use()
    assert line.kept() is kept
    host.close()
    assert line.kept() is None


def test_a_use_that_ends_between_two_looks_counts(login: list[Login]) -> None:
    login[:] = [by_code]
    keeper = Keeper()
    keeper.line.get(REACH, Person(["123456"]), Ear())
    kept = keeper.line.kept()
    assert kept is not None
    kept.until = soon = time.time() + 5
    ours, theirs = Pipe()
    with ours, theirs:
        view = Conversation(keeper, Wire(ours))
        keeper.meet(view)
        keeper.release(view)
    assert kept.until > soon + 60


@pytest.mark.parametrize("how", [by_code, by_touch])
def test_who_would_end_with_the_command_hands_over_before_anybody_is_asked(
    login: list[Login], how: Login
) -> None:
    login[:] = [how]
    person = Person(["123456"])
    with pytest.raises(PersonWanted):
        Line(hands_over=True).get(REACH, person, Ear())
    assert person.asked == []
    never = replace(REACH, entry=HostEntry("box", keep_login=0.0))
    Line(hands_over=True).get(never, person, Ear())
    assert len(person.asked) == 1


@pytest.mark.parametrize("how", [by_code, by_touch])
def test_it_is_not_made_again_where_nobody_is(login: list[Login], how: Login) -> None:
    """Row 29: no login that the server would count as a failure, no key that blinks for nobody."""
    login[:] = [how]
    line = Line(keeps=True)
    line.get(REACH, Person(["123456"]), Ear()).close()
    login[:] = [lambda _: pytest.fail("it dialled")]
    with pytest.raises(GpuwsError) as refused:
        line.again(Nobody(), Silent())
    assert verdict(refused.value) is Verdict.PERSON
    assert "`gpuws attach box` logs in again" in refused.value.message
    login[:] = [by_code]
    line.again(Person(["654321"]), Ear())
    assert line.alive()
