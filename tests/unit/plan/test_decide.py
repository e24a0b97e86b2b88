"""What `up` decides, from values alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.decide import decide_up
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.model import BuiltPrefix, EnvironmentSpec, Gpu, HostEntry, HostFacts, Workspace
from gpuws.plan.refusals import host_warnings
from gpuws.plan.requests import Caller, Reach, UpRequest

FACTS = HostFacts(
    system="Linux",
    machine="x86_64",
    user="you",
    uid=1000,
    home="/home/you",
    shell="/bin/bash",
    node="gpu1",
    boot_id="b",
    now=1,
    root="/home/you/gpuws",
    root_writable=True,
    root_filesystem="ext4",
    disk_free_mb=100_000,
    run_base="/home/you/gpuws/run",
)
SPEC = EnvironmentSpec("environment.yml", "conda", name="p", conda=("python=3.11", "jupyterlab"))
ME = Caller("you", "laptop", "/home/you/p")
REQUEST = UpRequest(Reach("box", HostEntry("box")), ME, "p", spec=SPEC)


def _running(**more: Any) -> Workspace:
    plan = decide_up(REQUEST, FACTS)
    raw = {
        "owner": {"person": "you", "laptop": "laptop", "folder": "/home/you/p"},
        "prefix": plan.environment.prefix,
        "dir": plan.dir,
        "jupyter": True,
        **more,
    }
    return Workspace("p", "running", raw)


def _refused(request: UpRequest, facts: HostFacts) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        decide_up(request, facts)
    return caught.value


@pytest.mark.parametrize("full", [{"disk_free_mb": 0}, {"inodes_free": 0}])
def test_a_full_disk_is_refused_before_anything_is_made(full: dict[str, int]) -> None:
    assert _refused(REQUEST, replace(FACTS, **full)).code == "disk-full"  # type: ignore[arg-type]
    built = BuiltPrefix(decide_up(REQUEST, FACTS).environment.hash)
    runs = replace(FACTS, workspaces=(_running(),), prefixes=(built,))
    kept = decide_up(REQUEST, replace(runs, **full))  # type: ignore[arg-type]
    assert kept.session == "keep"


def test_an_empty_host_gets_a_build_and_a_start() -> None:
    plan = decide_up(REQUEST, FACTS)
    assert plan.environment.build
    assert plan.session == "start"
    assert plan.dir == "/home/you/gpuws/projects/p"
    assert plan.run.startswith("/home/you/gpuws/run/w-")


def test_a_complete_prefix_is_not_built_again() -> None:
    first = decide_up(REQUEST, FACTS)
    plan = decide_up(REQUEST, replace(FACTS, prefixes=(BuiltPrefix(first.environment.hash),)))
    assert not plan.environment.build


def test_what_runs_with_the_same_settings_is_kept() -> None:
    assert decide_up(REQUEST, replace(FACTS, workspaces=(_running(),))).session == "keep"


def test_a_changed_file_keeps_the_session_and_says_how_to_switch() -> None:
    facts = replace(FACTS, workspaces=(_running(prefix="/home/you/gpuws/envs/old"),))
    plan = decide_up(REQUEST, facts)
    assert plan.session == "keep"
    assert plan.environment.build
    assert any("--restart" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"gpus": "none"}, "--gpus none"),
        ({"dir": "/data/x"}, "--dir /data/x"),
        ({"use_env": "/opt/e"}, "--use-env /opt/e"),
    ],
)
def test_other_settings_of_a_running_workspace_are_named_and_none_applied(
    asked: dict[str, str], named: str
) -> None:
    request = replace(REQUEST, **asked)  # type: ignore[arg-type]
    error = _refused(request, replace(FACTS, workspaces=(_running(),)))
    assert (error.code, error.exit) == ("other-settings", 10)
    assert named in error.message
    assert "--restart" in error.hint


def test_restart_applies_other_settings() -> None:
    facts = replace(FACTS, workspaces=(_running(),))
    assert decide_up(replace(REQUEST, dir="/data/x", restart=True), facts).session == "restart"


@pytest.mark.parametrize("state", ["stopped", "crashed", "rebooted"])
def test_what_does_not_run_is_started_again_on_its_port(state: str) -> None:
    gone = replace(_running(local_port=9123), state=state)
    plan = decide_up(REQUEST, replace(FACTS, workspaces=(gone,)))
    assert plan.session == "start"
    assert plan.wanted_port == 9123


def test_the_same_name_from_another_folder_is_refused_with_both_paths() -> None:
    facts = replace(FACTS, workspaces=(_running(),))
    request = replace(REQUEST, caller=replace(ME, folder="/home/you/other"))
    error = _refused(request, facts)
    assert (error.code, error.exit) == ("other-folder", 10)
    assert "/home/you/p" in error.message
    assert "/home/you/other" in error.message


def test_a_login_node_shows_the_way_to_a_node_with_a_card() -> None:
    login = replace(FACTS, slurm=True)
    error = _refused(REQUEST, login)
    assert error.code == "login-node"
    assert "salloc" in error.hint
    assert "ProxyJump box" in error.hint
    assert decide_up(replace(REQUEST, here=True), login).session == "start"


def test_a_slurm_node_with_cards_is_no_login_node() -> None:
    card = Gpu(0, "GPU-1", "H100", 80_000, 0, 0)
    assert decide_up(REQUEST, replace(FACTS, slurm=True, gpus=(card,))).session == "start"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"root_writable": False}, "no-root-folder"),
        ({"root_state": "link"}, "root-not-private"),
        ({"root_state": "foreign"}, "root-not-private"),
        ({"run_base": ""}, "root-not-private"),
        ({"system": "Darwin"}, "unsupported-platform"),
    ],
)
def test_a_host_that_cannot_hold_a_workspace_is_refused_before_anything_is_made(
    change: dict[str, Any], code: str
) -> None:
    error = _refused(REQUEST, replace(FACTS, **change))
    assert (error.code, error.exit) == (code, 7)


def test_without_a_file_the_hosts_own_environments_are_listed() -> None:
    facts = replace(FACTS, environments=("/opt/conda/envs/torch",))
    error = _refused(replace(REQUEST, spec=None), facts)
    assert (error.code, error.exit) == ("environment-file-missing", 3)
    assert "/opt/conda/envs/torch" in error.hint


def test_an_existing_environment_is_found_by_name_and_never_built() -> None:
    facts = replace(FACTS, environments=("/opt/conda/envs/torch",))
    plan = decide_up(replace(REQUEST, use_env="torch"), facts)
    assert plan.environment.prefix == "/opt/conda/envs/torch"
    assert not plan.environment.build
    assert _refused(replace(REQUEST, use_env="tensor"), facts).code == "environment-not-found"


@pytest.mark.parametrize(
    ("conda", "pip", "missing"),
    [
        (("python", "jupyterlab", "ipykernel"), (), ()),
        (("python",), ("jupyterlab>=4", "ipykernel"), ()),
        (("conda-forge::jupyterlab=4.*",), (), ("ipykernel",)),
        (("python", "numpy"), ("jupyterlab-git",), ("jupyterlab", "ipykernel")),
    ],
)
def test_jupyter_is_brought_only_where_it_is_not_declared(
    conda: tuple[str, ...], pip: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    assert missing_jupyter(EnvironmentSpec("e", "conda", conda=conda, pip=pip)) == missing


def test_what_was_brought_is_said() -> None:
    request = replace(REQUEST, spec=replace(SPEC, conda=("python",)))
    assert any("does not name jupyterlab" in note for note in decide_up(request, FACTS).notes)


def test_the_size_of_superseded_environments_is_said() -> None:
    facts = replace(FACTS, prefixes=(BuiltPrefix("0" * 16, "uv", 1_500_000),))
    [note] = [each for each in decide_up(REQUEST, facts).notes if "superseded" in each]
    assert "1 superseded" in note
    assert "1.5 GB" in note
    used = Workspace("q", "stopped", {"prefix": f"{FACTS.root}/envs/{'0' * 16}"})
    again = decide_up(REQUEST, replace(facts, workspaces=(used,)))
    assert not [each for each in again.notes if "superseded" in each]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"prologue_error": "module: not found"}, "module: not found"),
        ({"gpu_error": "no answer"}, "no answer"),
        ({"kill_user_processes": True, "linger": False}, "enable-linger"),
        ({"disk_free_mb": 12}, "12 MB"),
    ],
)
def test_what_is_wrong_on_the_host_is_said(change: dict[str, Any], word: str) -> None:
    assert host_warnings(FACTS) == ()
    [said] = host_warnings(replace(FACTS, **change))
    assert word in said


CPU = EnvironmentSpec(
    "environment.yml",
    "conda",
    conda=("pytorch=*=cpu*", "cuda-version=12"),
    places=(("conda", "pytorch=*=cpu*", "environment.yml:4"),),
)


def test_a_build_that_would_leave_the_cards_unused_is_warned_of() -> None:
    request = replace(REQUEST, spec=CPU)
    with_cards = replace(FACTS, gpus=(Gpu(0, "GPU-0", "Tesla T4", 1, 0, 0),), cuda="12.4")
    [said] = decide_up(request, with_cards).warnings
    assert said == (
        "environment.yml:4: pytorch=*=cpu* asks for a CPU build, on a host with 1 card(s); "
        "write `pytorch=*=*cuda*` (cpu-build)"
    )
    built = BuiltPrefix(decide_up(request, with_cards).environment.hash)
    assert decide_up(request, replace(with_cards, prefixes=(built,))).warnings == ()
    changed = replace(with_cards, workspaces=(_running(prefix="/home/you/gpuws/envs/old"),))
    kept = decide_up(request, changed)
    assert (kept.session, kept.warnings) == ("keep", (said,))


def test_a_host_without_cards_is_noted_and_not_warned_of() -> None:
    plan = decide_up(replace(REQUEST, spec=CPU), FACTS)
    assert plan.warnings == ()
    assert any(note.endswith("and the host has no GPU") for note in plan.notes)
