"""Whether an environment fits on the host, told before it is built."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.decide import decide_up
from gpuws.plan.lock import Lock
from gpuws.plan.model import BuiltPrefix, EnvironmentSpec, Quota, Tool, Workspace
from gpuws.plan.space import Need, check_room, need_of_file, need_of_lock
from tests.unit.plan.test_decide import FACTS, REQUEST

GPU_BOX = replace(FACTS, cuda="12.4", tools=(Tool("uv", "/usr/bin/uv"),))


def spec(*conda: str, pip: tuple[str, ...] = ()) -> EnvironmentSpec:
    return EnvironmentSpec("environment.yml", "conda", conda=conda, pip=pip)


def of(*conda: str, pip: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> Need:
    return need_of_file(spec(*conda, pip=pip), extra, GPU_BOX)


# --- what is needed -------------------------------------------------------------------------------


def test_packages_that_nobody_knows_the_size_of_are_not_guessed() -> None:
    assert of("python=3.11", "numpy", pip=("torchmetrics", "jupyterlab-git")) == Need()


@pytest.mark.parametrize(
    ("conda", "pip", "named"),
    [
        (["pytorch::pytorch=2.*"], [], ("torch",)),
        ([], ["torch>=2 ; python_version > '3'"], ("torch",)),
        ([], ["--extra-index-url https://host/torch", "Torch"], ("torch",)),
        (["jaxlib=*=*cuda*"], [], ("jax",)),
        ([], ["jax[cuda12]==0.10"], ("jax",)),
        ([], ["jax"], ()),
        (["jupyterlab"], ["jupyterlab"], ("jupyterlab",)),
        (["pytorch", "jupyterlab"], ["tensorflow"], ("torch", "tensorflow", "jupyterlab")),
    ],
)
def test_giants_are_found_by_name_each_once(
    conda: list[str], pip: list[str], named: tuple[str, ...]
) -> None:
    assert of(*conda, pip=tuple(pip)).of == named


def test_what_gpuws_brings_counts_too() -> None:
    assert of("python", extra=("jupyterlab", "ipykernel")) == of("jupyterlab")


def test_tensorflow_with_cuda_is_much_larger_than_without() -> None:
    with_cuda = of(pip=("tensorflow[and-cuda]>=2",))
    assert with_cuda.mb > 3 * of(pip=("tensorflow>=2",)).mb
    assert with_cuda.of == ("tensorflow",)


def test_conda_brings_no_cuda_to_a_host_without_a_driver_but_pip_does() -> None:
    assert need_of_file(spec("pytorch"), (), FACTS) == Need()
    assert need_of_file(spec(pip=("torch",)), (), FACTS).of == ("torch",)


def test_a_lock_tells_its_downloads_and_they_unpack() -> None:
    need = need_of_lock(Lock("conda-lock.yml", "linux-64", (), download_bytes=(1000 << 20) - 5))
    assert (need.least_mb, need.mb, need.known) == (1000, 2800, True)
    assert need_of_lock(Lock("l", "linux-64", ())).mb == 0


# --- against the room -----------------------------------------------------------------------------

NEED = Need(6000, 40_000, 180, 13_500, ("torch", "jupyterlab"))


def test_where_there_is_room_nothing_is_said() -> None:
    assert check_room(NEED, GPU_BOX, host="box") == ()
    unknown = replace(GPU_BOX, disk_free_mb=-1, inodes_free=-1)
    assert check_room(NEED, unknown, host="box") == ()


def test_an_estimate_that_does_not_fit_is_a_warning_with_the_figures() -> None:
    [said] = check_room(NEED, replace(GPU_BOX, disk_free_mb=2000), host="box")
    assert said == (
        "about 6.1 GB are needed for torch, jupyterlab (an estimate), 2.0 GB are free in "
        "/home/you/gpuws: the build may fill the disk"
    )


def test_the_users_quota_counts_where_it_is_the_only_one() -> None:
    quota = Quota("/dev/md0", 9000, 10_000)
    [said] = check_room(NEED, replace(GPU_BOX, quotas=(quota,)), host="box")
    assert "1.0 GB are free in /home/you/gpuws (your quota)" in said
    over = replace(GPU_BOX, quotas=(replace(quota, used_mb=11_000),))
    [said] = check_room(NEED, over, host="box")
    assert "nothing is free in /home/you/gpuws (your quota)" in said
    assert check_room(NEED, replace(GPU_BOX, quotas=(quota, quota)), host="box") == ()


def test_inodes_that_do_not_suffice_are_a_warning_too() -> None:
    [said] = check_room(NEED, replace(GPU_BOX, inodes_free=20_000), host="box")
    assert "about 40,000 files are needed" in said
    assert "20,000 inodes are free" in said


@pytest.mark.parametrize("room", [{"disk_free_mb": 179}, {"inodes_free": 13_499}])
def test_what_cannot_fit_in_any_case_is_refused(room: dict[str, int]) -> None:
    """Where nothing can be in a cache: there it would take nothing a second time."""
    bare = replace(FACTS, **room)  # type: ignore[arg-type]
    with pytest.raises(GpuwsError) as caught:
        check_room(NEED, bare, host="box")
    assert (caught.value.code, caught.value.exit) == ("disk-full", 7)
    assert "needs at least 184 MB and 13,500 files; there is room for" in caught.value.message
    for cached in (
        replace(bare, tools=(Tool("uv", "/usr/bin/uv"),)),
        replace(bare, prefixes=(BuiltPrefix("1" * 16),)),
    ):
        assert len(check_room(NEED, cached, host="box")) == 1
    assert check_room(Need(), bare, host="box") == ()


def test_environments_that_nobody_uses_are_offered() -> None:
    old, kept, used = ("1" * 16, "2" * 16, "3" * 16)
    lives = Workspace(
        "p", "running", {"prefix": f"/home/you/gpuws/envs/{used}", "earlier": [kept, old]}
    )
    sizes = ((old, 5_000_000), (kept, 3_000_000), (used, 1))
    prefixes = tuple(BuiltPrefix(digest, "uv", kb) for digest, kb in sizes)
    facts = replace(GPU_BOX, disk_free_mb=2000, workspaces=(lives,), prefixes=prefixes)
    [said] = check_room(NEED, facts, host="box")
    assert said.endswith("may fill the disk; `gpuws env gc box` frees 5.0 GB")
    [said] = check_room(NEED, replace(facts, prefixes=prefixes[1:]), host="box")
    assert said.endswith("; `gpuws env gc box --earlier` frees 3.0 GB")


def test_downloads_that_go_elsewhere_are_named() -> None:
    [said] = check_room(NEED, GPU_BOX, host="box", cache_dir="/scratch/you")
    assert said == "the downloads go to /scratch/you; how much is free there is not known"
    assert check_room(NEED, GPU_BOX, host="box", cache_dir="/home/you/gpuws/cache") == ()
    assert check_room(Need(900), GPU_BOX, host="box", cache_dir="/scratch/you") == ()


def test_up_asks_only_where_something_is_built() -> None:
    request = replace(REQUEST, spec=spec("pytorch"))
    small = replace(GPU_BOX, disk_free_mb=2000)
    plan = decide_up(request, small)
    assert any("needed for torch, jupyterlab" in each for each in plan.warnings)
    built = (BuiltPrefix(plan.environment.hash),)
    assert decide_up(request, replace(small, prefixes=built)).warnings == ()
    assert decide_up(replace(request, jupyter=False), replace(small, cuda="")).warnings == ()
