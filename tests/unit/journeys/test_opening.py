"""The way to Jupyter, asked for where it was the last time: never a token for a stranger."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from gpuws.errors import GpuwsError
from gpuws.journeys.opening import Opening, begin_early
from gpuws.journeys.way import open_way
from gpuws.journeys.world import Stopwatch, World
from gpuws.keeper.nobody import Silent
from gpuws.plan.model import HostEntry, Secret, Target, Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import Reach
from gpuws.records import Record, Records
from gpuws.tunnel.ahead import Ahead
from tests.support.far_end import far_end
from tests.support.jupyters import BASE, INSTANCE, TOKEN, Jupyter
from tests.support.local_host import LocalHost
from tests.support.near_end import eventually

REACH = Reach("box", HostEntry("box"))


class FarHost(LocalHost):
    """100 ms away, as it says."""

    def latency(self) -> float:
        return 0.1

    def distance(self) -> float:
        return 0.1


@dataclass
class Port:
    """The Forwards of a World: what was opened, and with what."""

    opened: list[Target] = field(default_factory=list)
    ahead: Ahead | None = None

    def open(
        self,
        name: str,
        target: Target,
        *,
        port: int | None,
        wanted: int,
        ahead: Ahead | None = None,
    ) -> int:
        self.opened.append(target)
        self.ahead = ahead
        return 40_000

    def port(self, name: str) -> int | None:
        return None

    def tunnel(self, name: str) -> dict[str, Any] | None:
        return None

    def outage(self) -> str:
        return ""

    def close(self, name: str) -> bool:
        return bool(self.opened.pop())


@dataclass
class Laptop:
    """What open_way wants of the world."""

    forwards: Port
    records: Records
    report: Silent = field(default_factory=Silent)

    def now(self) -> float:
        return 0.0


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(Port(), Records(tmp_path / "records.json"))


@pytest.fixture
def host() -> Iterator[FarHost]:
    made = FarHost(Path("/"))
    yield made
    made.close()


def workspace_at(target: Target, base_url: str = BASE) -> Workspace:
    raw = {"base_url": base_url, "instance": INSTANCE}
    return Workspace("demo", "running", target=target, raw=raw)


def known(target: Target, *, name: str = "demo", base_url: str = BASE) -> Record:
    return Record("box", name, socket=target.socket, base_url=base_url)


def way(laptop: Laptop, host: Host, workspace: Workspace, early: Opening | None) -> int:
    watch = Stopwatch(time.monotonic)
    world = cast(World, laptop)
    try:
        return open_way(
            world, host, REACH, workspace, Secret(TOKEN), port=None, watch=watch, early=early
        )
    finally:
        if early is not None:
            early.end()


def early_to(host: Host, target: Target, base_url: str = BASE) -> Opening:
    early = begin_early(host, (known(target, base_url=base_url),), "demo")
    assert early is not None
    return early


def test_a_right_address_book_spares_a_call_and_the_token_comes_second(
    host: FarHost, laptop: Laptop
) -> None:
    jupyter = Jupyter()
    with far_end(jupyter) as target:
        assert way(laptop, host, workspace_at(target), early_to(host, target)) == 40_000
        assert [TOKEN in head for head in jupyter.heads] == [False, True]
        assert host.calls == 1
        assert laptop.forwards.ahead is not None  # the flow that was opened meanwhile
        laptop.forwards.ahead.close()
        assert eventually(lambda: (jupyter.connections, jupyter.ended) == (2, 2), 3)


@pytest.mark.parametrize(
    ("liar", "code"),
    [
        (Jupyter(instance="f" * 32), "jupyter-not-ours"),
        (Jupyter(open_to_all=True), "jupyter-open"),
        (Jupyter(instance="f" * 32, open_to_all=True), "jupyter-open"),
    ],
    ids=["another instance", "open to all", "both"],
)
def test_who_sits_in_its_place_never_gets_the_token(
    host: FarHost, laptop: Laptop, liar: Jupyter, code: str
) -> None:
    """Whether the address book or somebody on the host led there."""
    with far_end(liar) as target:
        with pytest.raises(GpuwsError) as refused:
            way(laptop, host, workspace_at(target), early_to(host, target))
        assert refused.value.code == code
        assert laptop.forwards.opened == []
        assert eventually(lambda: liar.ended == liar.connections, 3)
        assert liar.heads
        assert not liar.was_told(TOKEN)


@contextlib.contextmanager
def served(path: str, jupyter: Jupyter) -> Iterator[None]:
    """From now on, on this socket."""
    with far_end(jupyter) as made:
        Path(made.socket).rename(path)
        yield


def test_a_jupyter_that_starts_while_the_host_is_asked_is_asked_again(
    host: FarHost, laptop: Laptop, short_tmp: Path
) -> None:
    """A restart keeps the socket's place: the early question found nobody there."""
    target = Target(str(short_tmp / "s"))
    early = early_to(host, target)
    time.sleep(0.2)  # that question is out
    jupyter = Jupyter()
    with served(target.socket, jupyter):
        assert way(laptop, host, workspace_at(target), early) == 40_000
    assert [TOKEN in head for head in jupyter.heads] == [False, True]


def test_the_one_before_a_restart_is_not_taken_for_the_new_one_and_gets_no_token(
    host: FarHost, laptop: Laptop, short_tmp: Path
) -> None:
    target = Target(str(short_tmp / "s"))
    before, after = Jupyter(instance="0" * 32), Jupyter()
    with served(target.socket, before):
        early = early_to(host, target)
        assert eventually(lambda: len(before.heads) == 1, 3)
    with served(target.socket, after):
        assert way(laptop, host, workspace_at(target), early) == 40_000
    assert not before.was_told(TOKEN)
    assert [TOKEN in head for head in after.heads] == [False, True]


@pytest.mark.parametrize("stale", ["socket", "base_url"])
def test_a_stale_address_book_costs_nothing_but_a_question(
    host: FarHost, laptop: Laptop, stale: str
) -> None:
    old, new = Jupyter(), Jupyter()
    with far_end(old) as before, far_end(new) as now:
        led = before if stale == "socket" else now
        early = early_to(host, led, BASE if stale == "socket" else "/w-old/")
        assert way(laptop, host, workspace_at(now), early) == 40_000
        assert not old.was_told(TOKEN)
        assert laptop.forwards.opened == [now]
        assert laptop.forwards.ahead is not None
        laptop.forwards.ahead.close()
        assert eventually(lambda: old.ended == old.connections, 3)
        assert eventually(lambda: new.ended == new.connections, 3)


def test_only_an_address_book_that_leaves_no_choice_is_followed(
    host: FarHost, tmp_path: Path
) -> None:
    place = Target("/nowhere")
    one, other = known(place), known(place, name="other")
    assert begin_early(host, (), None) is None
    assert begin_early(host, (one, other), None) is None
    assert begin_early(host, (one,), "other") is None
    assert begin_early(host, (Record("box", "demo", base_url=BASE),), None) is None
    assert begin_early(LocalHost(tmp_path), (one,), None) is None  # next door
    for chosen in (begin_early(host, (one, other), "other"), begin_early(host, (one,), None)):
        assert chosen is not None
        chosen.end()


def test_an_opening_that_nobody_wants_leaves_no_connection(host: FarHost) -> None:
    jupyter = Jupyter()
    with far_end(jupyter) as target:
        for wait in (0.0, 0.0, 0.05):
            early = early_to(host, target)
            time.sleep(wait)
            early.end()
            early.end()
        time.sleep(0.3)
        assert eventually(lambda: jupyter.ended == jupyter.connections, 3)
        assert not jupyter.was_told(TOKEN)
