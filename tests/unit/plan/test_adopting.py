"""`up` where another machine's volume hangs: what is decided and said, from values alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.decide import UpPlan, decide_up
from gpuws.plan.model import BuiltPrefix, EnvironmentSpec, Gpu, HostFacts, Workspace
from gpuws.plan.nodes import ago
from gpuws.plan.requests import UpRequest
from tests.unit.plan.test_decide import FACTS, ME, REQUEST, _running

LATER = 100_000
HERE = replace(FACTS, now=LATER)


def left(state: str, **more: str) -> Workspace:
    """As `pod-1` left it two hours ago."""
    return replace(_running(node="pod-1", **more), state=state, since=LATER - 7300)


def decided(state: str, request: UpRequest = REQUEST, facts: HostFacts = HERE) -> UpPlan:
    return decide_up(request, replace(facts, workspaces=(left(state),)))


def test_a_workspace_of_a_machine_that_is_gone_starts_and_the_line_says_whose_it_was() -> None:
    plan = decided("moved")
    assert plan.session == "start"
    assert "adopted from pod-1, last used 2 hours ago" in plan.notes


def test_one_that_may_still_run_elsewhere_is_taken_only_after_a_yes() -> None:
    plan = decided("silent")
    assert plan.session == "take"
    assert "adopted from pod-1, last used 2 hours ago" in plan.notes


@pytest.mark.parametrize("state", ["stopped", "crashed", "rebooted"])
def test_what_ended_in_its_place_is_not_adopted(state: str) -> None:
    plan = decided(state)
    assert plan.session == "start"
    assert not [note for note in plan.notes if "adopted" in note]


def test_its_environment_is_reused_and_the_new_driver_is_compared_with_it() -> None:
    conda = ("jupyterlab", "cuda-version=13.0")
    spec = EnvironmentSpec("f.yml", "conda", name="p", channels=("conda-forge",), conda=conda)
    request = UpRequest(REQUEST.reach, ME, "p", spec=spec)
    digest = decide_up(request, HERE).environment.hash
    card = Gpu(0, "GPU-0", "NVIDIA A100-SXM4-80GB", 1, 0, 0)
    built = (BuiltPrefix(digest),)
    old = replace(HERE, prefixes=built, driver="535.129.03", cuda="12.2", gpus=(card,))
    adopted = decided("moved", request, old)
    assert not adopted.environment.build
    assert [each for each in adopted.warnings if "cuda-version=13.0" in each]
    here_before = decided("stopped", request, old)
    assert not [each for each in here_before.warnings if "cuda-version=13.0" in each]


def test_a_volume_at_another_path_is_refused_with_both_paths() -> None:
    digest = decide_up(REQUEST, HERE).environment.hash
    moved = left("moved", prefix=f"/workspace/gpuws/envs/{digest}")
    facts = replace(HERE, prefixes=(BuiltPrefix(digest),), workspaces=(moved,))
    with pytest.raises(GpuwsError) as caught:
        decide_up(REQUEST, facts)
    assert caught.value.code == "not-relocatable"
    assert f"/workspace/gpuws/envs/{digest}" in caught.value.message
    assert f"/home/you/gpuws/envs/{digest}" in caught.value.message
    assert "--rm-env" in caught.value.hint


def test_another_users_volume_names_the_command_that_makes_it_ones_own() -> None:
    with pytest.raises(GpuwsError) as caught:
        decide_up(REQUEST, replace(HERE, root_state="foreign"))
    assert caught.value.code == "root-not-private"
    assert "chown -R you: /home/you/gpuws" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_how_long_ago_is_told_in_the_largest_unit(seconds: int, words: str) -> None:
    assert ago(seconds) == words
