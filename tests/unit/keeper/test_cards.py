"""The panel's GPUs: asked beside the tunnel's health, and kept while the host cannot be asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.journeys.pulse import gpus
from gpuws.keeper import server
from gpuws.keeper.server import Keeper
from gpuws.plan.model import Gpu
from gpuws.plan.ports import Host, Reply, Script
from tests.support.local_host import LocalHost
from tests.support.near_end import eventually

CARD = Gpu(0, "GPU-0", "A card", 1000, 10, 0)
Cards = tuple[Gpu, ...] | None


def keeper_of(
    answer: Callable[[Host], Cards], home: Path, monkeypatch: pytest.MonkeyPatch
) -> Keeper:
    """With a connection; it may look at the cards all the time."""
    monkeypatch.setattr(server, "gpus", answer)
    monkeypatch.setattr(server, "_CARDS_EVERY", 0.0)
    keeper = Keeper()
    monkeypatch.setattr(keeper.line, "_host", LocalHost(home))
    return keeper


def test_a_silent_host_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def slow(_: Host) -> Cards:
        answered.wait(5)
        return (CARD,)

    keeper = keeper_of(slow, tmp_path, monkeypatch)
    begun = time.monotonic()
    assert keeper.cards() == []
    assert time.monotonic() - begun < 0.5
    answered.set()
    assert eventually(lambda: [each["name"] for each in keeper.cards()] == ["A card"], 3)


def test_cards_are_kept_and_asked_for_again_after_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Cards] = [(CARD,), None, None, (CARD, CARD)]
    keeper = keeper_of(lambda _: answers.pop(0) if answers else None, tmp_path, monkeypatch)
    assert eventually(lambda: len(keeper.cards()) == 1, 3)
    assert eventually(lambda: len(keeper.cards()) != 1, 3)
    assert len(keeper.cards()) == 2


def test_a_host_without_cards_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Host] = []

    def none(host: Host) -> Cards:
        asked.append(host)
        return ()

    keeper = keeper_of(none, tmp_path, monkeypatch)
    keeper.cards()
    assert eventually(lambda: len(asked) == 1, 3)
    time.sleep(0.1)
    for _ in range(5):
        assert keeper.cards() == []
    time.sleep(0.1)
    assert len(asked) == 1


class Gone(LocalHost):
    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        raise GpuwsError("connection-lost", "gone")


def test_a_host_that_cannot_be_asked_is_not_one_without_cards(tmp_path: Path) -> None:
    assert gpus(Gone(tmp_path)) is None
