"""When a lock is used, and what it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.lock import (
    Lock,
    LockedPackage,
    declared_hash,
    locked_hash,
    merged,
    of_lock,
    of_platform,
    usable,
)
from gpuws.plan.model import EnvironmentSpec

SPEC = EnvironmentSpec("environment.yml", "conda", channels=("conda-forge",), conda=("numpy",))
JUPYTER = ("jupyterlab", "ipykernel")
NUMPY = LockedPackage("conda", "numpy", "2", "https://h/linux-64/numpy-2-0.conda", "a" * 64)
SIX = LockedPackage("pip", "six", "1", "https://h/six-1.whl", "b" * 64)
LOCK = Lock("conda-lock.yml", "linux-64", (NUMPY, SIX), declared_hash(SPEC, JUPYTER, ()))


def used(
    spec: EnvironmentSpec, lock: Lock | None, *, jupyter: bool = True, required: bool = False
) -> bool:
    return bool(usable((lock,) if lock else (), spec, (), jupyter, required))


def test_the_lock_of_the_file_is_used_also_without_jupyter() -> None:
    assert used(SPEC, LOCK)
    assert used(SPEC, LOCK, jupyter=False)
    assert used(SPEC, LOCK, required=True)


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, conda=("numpy>=2",)),
        replace(SPEC, channels=("defaults",)),
        replace(SPEC, pip=("six",)),
        replace(SPEC, python="==3.11.*"),
    ],
)
def test_a_lock_of_another_declaration_is_stale(spec: EnvironmentSpec) -> None:
    with pytest.raises(GpuwsError) as caught:
        used(spec, LOCK)
    assert caught.value.code == "lock-stale"


def test_variables_names_and_comments_are_no_matter_of_the_lock() -> None:
    assert used(replace(SPEC, variables=(("A", "1"),), name="x", source="other.yml"), LOCK)


def test_a_lock_without_jupyter_serves_only_without_it() -> None:
    bare = replace(LOCK, declared=declared_hash(SPEC, (), ()))
    assert used(SPEC, bare, jupyter=False)
    with pytest.raises(GpuwsError, match="ipykernel, jupyterlab"):
        used(SPEC, bare)


def test_without_a_lock_only_who_insists_is_refused() -> None:
    assert not used(SPEC, None)
    with pytest.raises(GpuwsError) as caught:
        used(SPEC, None, required=True)
    assert caught.value.code == "lock-missing"


def test_a_lock_of_another_tool_is_used_by_whoever_insists() -> None:
    foreign = replace(LOCK, declared="")
    assert not used(SPEC, foreign)
    assert used(SPEC, foreign, required=True)


def test_another_platform_is_named_with_what_to_type() -> None:
    assert of_platform((LOCK,), "linux-64", "h") == LOCK
    with pytest.raises(GpuwsError) as caught:
        of_platform((LOCK,), "linux-aarch64", "h")
    assert caught.value.code == "lock-other-platform"
    assert "gpuws env lock h" in caught.value.hint


def test_an_environment_is_named_by_its_packages_and_variables_only() -> None:
    name = locked_hash(LOCK, ())
    assert locked_hash(replace(LOCK, source="x", declared="y", packages=(SIX, NUMPY)), ()) == name
    assert locked_hash(replace(LOCK, packages=(NUMPY,)), ()) != name
    assert locked_hash(replace(LOCK, python="3.12"), ()) != name
    assert locked_hash(LOCK, (("A", "1"),)) != name


def test_other_platforms_stay_while_they_are_of_the_same_declaration() -> None:
    arm = replace(LOCK, platform="linux-aarch64")
    old = replace(LOCK, platform="linux-ppc64le", declared="0")
    found = merged((arm, old, LOCK), replace(LOCK, packages=(NUMPY,)))
    assert [(each.platform, len(each.packages)) for each in found] == [
        ("linux-64", 1),
        ("linux-aarch64", 2),
    ]


def test_a_lock_of_pip_alone_keeps_its_python_and_asks_no_channel() -> None:
    only = replace(LOCK, packages=(SIX,), python="3.11")
    assert of_lock(SPEC, only) == replace(SPEC, kind="pip", channels=(), python="==3.11.*")
    assert of_lock(replace(SPEC, kind="pip"), LOCK).kind == "conda"
