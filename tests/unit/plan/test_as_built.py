"""What a changed file keeps of the environment before, and which environment is whose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.plan.as_built import EVERYTHING, Before, holds, kept, moved
from gpuws.plan.drift import packages_from
from gpuws.plan.environment import environment_plan
from gpuws.plan.export import declared_from
from gpuws.plan.model import Build, BuiltPrefix, EnvironmentSpec, Kept, Workspace
from tests.unit.plan.test_decide import FACTS, REQUEST

NOW = packages_from(
    (
        "conda numpy-1.26.4-py311_0",
        "conda rich-kit-1.0-h1_0",
        "conda python-3.11.9-h0_1",
        "conda jupyterlab-4.1.0-pyh_0",
        "python tiny-1.0 uv",
        "python Other_Thing-2.5.1+cu121 pip",
        "python mine-0.1 pip editable",
        "python numpy-1.26.4 conda",
    )
)


def before(conda: tuple[str, ...], pip: tuple[str, ...] = ()) -> Before:
    yml = ("dependencies:", *(f'  - "{each}"' for each in conda))
    return Before(declared_from(yml, pip, "", without=()), NOW)


@pytest.mark.parametrize(
    ("then", "lines", "stays"),
    [
        (("python=3.11", "numpy"), ("python=3.11", "numpy", "six"), ("python", "numpy")),
        (("numpy",), ("numpy<2",), ()),  # its line was changed
        (("numpy", "rich-kit"), ("numpy",), ("numpy",)),
        (("http://mirror/x::numpy",), ("conda-forge::numpy",), ("numpy",)),
        (("numpy=1.26.4=py311_0",), ("numpy=1.26.4=py311_0",), ()),  # nothing is open
        (("numpy", "gone"), ("numpy", "gone"), ("numpy",)),
    ],
)
def test_a_spec_that_is_asked_for_in_the_same_words_stays_in_its_build(
    then: tuple[str, ...], lines: tuple[str, ...], stays: tuple[str, ...]
) -> None:
    spec = EnvironmentSpec("e.yml", "conda", conda=lines)
    found = kept(spec, (), before(then))
    assert [each.partition("=")[0] for each in found.conda] == list(stays)
    assert all(each.count("=") == 2 for each in found.conda)


def test_another_python_has_other_builds_so_versions_are_kept() -> None:
    spec = EnvironmentSpec("e.yml", "conda", conda=("python=3.12", "numpy"))
    found = kept(spec, ("jupyterlab",), before(("python=3.11", "numpy")))
    assert found.conda == ("numpy==1.26.4", "jupyterlab==4.1.0")


@pytest.mark.parametrize(
    ("then", "lines", "stays"),
    [
        (("tiny",), ("tiny", "more"), ("tiny==1.0",)),
        (("Other.Thing[x]>=2",), ("Other.Thing[x] >= 2",), ("Other_Thing==2.5.1+cu121",)),
        (("tiny==1.0",), ("tiny==1.0",), ()),
        (("tiny",), ("tiny>=1",), ()),
        (("tiny @ https://x/tiny-1.0.whl",), ("tiny @ https://x/tiny-1.0.whl",), ()),
        (("-e .", "mine"), ("-e .", "mine"), ()),
    ],
)
def test_a_requirement_in_the_same_words_stays_at_its_version(
    then: tuple[str, ...], lines: tuple[str, ...], stays: tuple[str, ...]
) -> None:
    spec = EnvironmentSpec("r.txt", "pip", pip=lines)
    assert kept(spec, (), before((), then)).pip == stays
    assert kept(spec, (), before((), then), free=("tiny", "other-thing")).pip == ()


def test_an_environment_that_has_all_of_it_serves() -> None:
    assert holds(Kept(("numpy=1.26.4=py311_0", "rich-kit==1.0"), ("tiny==1.0",)), NOW)
    assert not holds(Kept(("numpy=1.26.4=py312_0",)), NOW)
    assert not holds(Kept((), ("tiny==1.1",)), NOW)


def test_what_moved_is_of_what_the_file_asks_for() -> None:
    spec = EnvironmentSpec("e.yml", "conda", conda=("numpy<3",), pip=("tiny",))
    lines = ("conda numpy-2.0-py311_0", "conda rich-kit-9-h1_0", "python tiny-1.0 uv")
    [(old, new)] = moved(spec, NOW, packages_from(lines))
    assert (old.version, new.version) == ("1.26.4", "2.0")


# --- which environment is whose -------------------------------------------------------------------

FILE = replace(REQUEST, jupyter=False)
DECLARED = environment_plan(FILE, FACTS, "/x").hash
OLD, OTHER, LATER = "0" * 16, "1" * 16, "2" * 16


def lives_in(digest: str) -> Workspace:
    return Workspace(FILE.name, "stopped", {"prefix": f"{FACTS.root}/envs/{digest}"})


def test_the_same_declaration_is_shared_by_whoever_has_none_yet() -> None:
    assert environment_plan(FILE, replace(FACTS, prefixes=(BuiltPrefix(OLD),)), "/x").build
    other = BuiltPrefix(OTHER, declared=DECLARED)
    for there, chosen in (((other,), OTHER), ((other, BuiltPrefix(DECLARED)), DECLARED)):
        plan = environment_plan(FILE, replace(FACTS, prefixes=there), "/x")
        assert (plan.hash, plan.build, plan.before) == (chosen, False, "")


def test_a_changed_file_looks_at_the_environment_before_and_a_built_one_is_found_again() -> None:
    old = replace(FACTS, prefixes=(BuiltPrefix(OLD),), workspaces=(lives_in(OLD),))
    first = environment_plan(FILE, old, "/x")
    assert (first.hash, first.build, first.before) == (DECLARED, True, OLD)
    kept_one = environment_plan(FILE, old, "/x", Kept(("numpy=1=0",)))
    assert (kept_one.build, kept_one.declared) == (True, DECLARED)
    assert kept_one.hash not in (DECLARED, OLD)
    built = BuiltPrefix(kept_one.hash, declared=DECLARED, created=5)
    plain = BuiltPrefix(DECLARED, created=9)  # of somebody who asked for the same later
    asked = Build(kept_one.hash, "done", (FILE.name,))
    again = replace(old, prefixes=(*old.prefixes, built, plain), builds=(asked,))
    found = environment_plan(FILE, again, "/x")
    assert (found.hash, found.build, found.before) == (kept_one.hash, False, "")


def test_an_update_makes_another_one_each_time_and_is_what_comes_next() -> None:
    facts = replace(FACTS, prefixes=(BuiltPrefix(DECLARED),), workspaces=(lives_in(DECLARED),))
    update = replace(FILE, renew=(EVERYTHING,))
    first = environment_plan(update, facts, "/x")
    assert (first.build, first.before) == (True, DECLARED)
    assert environment_plan(update, facts, "/x").hash == first.hash  # one that runs is joined
    made = BuiltPrefix(first.hash, declared=DECLARED, created=7)
    asked = Build(first.hash, "done", (FILE.name,))
    there = replace(facts, prefixes=(*facts.prefixes, made), builds=(asked,))
    assert environment_plan(FILE, there, "/x").hash == first.hash
    second = environment_plan(update, there, "/x")
    assert (second.build, second.before) == (True, first.hash)
    assert second.hash not in (first.hash, DECLARED)


def test_an_update_of_a_file_that_nobody_has_built_is_its_first_build() -> None:
    plan = environment_plan(replace(FILE, renew=(EVERYTHING,)), FACTS, "/x")
    assert (plan.hash, plan.build, plan.before) == (DECLARED, True, "")
