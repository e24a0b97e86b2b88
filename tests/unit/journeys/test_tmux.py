"""When a tmux is brought, from values alone."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from gpuws.engines.engine import SETSID
from gpuws.journeys.orders import tmux_order
from gpuws.journeys.tmux import brought, to_bring
from gpuws.journeys.world import World
from gpuws.plan.decide import decide_up
from gpuws.plan.model import HostEntry, HostFacts, Tool
from gpuws.plan.ports import Host
from gpuws.plan.requests import Reach, UpRequest
from tests.unit.plan.test_decide import FACTS, REQUEST, SPEC

WITH = replace(FACTS, tools=(Tool("tmux", "/usr/bin/tmux", "3.3a"),))
NOBODY = cast(Host, object())
NOWHERE = cast(World, object())


def test_a_host_that_has_a_tmux_is_not_asked_anything_more() -> None:
    plan = decide_up(REQUEST, WITH)
    assert brought(REQUEST, plan, WITH, NOBODY, NOWHERE) is WITH


def test_a_session_that_goes_on_keeps_what_it_runs_in() -> None:
    plan = replace(decide_up(REQUEST, FACTS), session="keep")
    assert brought(REQUEST, plan, FACTS, NOBODY, NOWHERE) is FACTS


@pytest.mark.parametrize(
    ("facts", "restart", "brings"),
    [
        (FACTS, False, True),
        (replace(FACTS, tools=(Tool("tmux", "/usr/bin/tmux", "1.6"),)), False, True),
        (replace(FACTS, tmux_missed="no way out"), False, False),
        (replace(FACTS, tmux_missed="no way out"), True, True),
    ],
)
def test_what_could_not_be_brought_is_tried_again_when_it_is_asked_for(
    facts: HostFacts, restart: bool, brings: bool
) -> None:
    request = replace(REQUEST, restart=restart)
    assert (to_bring(request, decide_up(request, facts), facts) is not None) is brings


def with_channels(request: UpRequest, *channels: str) -> UpRequest:
    return replace(request, reach=Reach("box", HostEntry("box", channels=channels)))


def test_it_comes_from_the_files_channels_and_conda_forge_or_from_those_of_hosts_yaml() -> None:
    spec = replace(SPEC, channels=("nvidia", "defaults"))
    request = replace(REQUEST, spec=spec)
    order = tmux_order(request, decide_up(request, FACTS), FACTS)
    assert order.effective_channels == ("nvidia", "conda-forge")
    assert (order.engine, order.spec.conda, order.wanted_by) == (SETSID, ("tmux",), "p")
    mirrored = with_channels(request, "file:///mirror")
    other = with_channels(REQUEST, "file:///mirror")
    first = tmux_order(mirrored, decide_up(mirrored, FACTS), FACTS)
    assert first.effective_channels == ("file:///mirror",)
    assert tmux_order(other, decide_up(other, FACTS), FACTS).hash == first.hash
