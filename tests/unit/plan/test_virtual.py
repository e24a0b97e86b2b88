"""A host as a solver sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.virtual import platform_of, unmet, virtual_packages, with_override
from tests.unit.environments.test_choose import HOST

V3 = "fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
FACTS = replace(HOST, glibc="2.31", cuda="12.4", machine="x86_64")


def test_the_virtual_packages_are_the_hosts_own() -> None:
    found = dict(virtual_packages(FACTS, kernel="5.15.0-91-generic", flags=V3))
    assert found == {
        "__unix": "0",
        "__linux": "5.15.0",
        "__glibc": "2.31",
        "__cuda": "12.4",
        "__archspec": "x86_64_v3",
    }


@pytest.mark.parametrize(
    ("machine", "flags", "level"),
    [
        ("x86_64", "", "x86_64"),
        ("x86_64", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3", "x86_64_v2"),
        ("x86_64", V3.replace(" bmi2", ""), "x86_64_v2"),
        ("aarch64", "fp asimd", "aarch64"),
    ],
)
def test_the_processors_level_needs_every_feature_of_it(
    machine: str, flags: str, level: str
) -> None:
    found = virtual_packages(replace(FACTS, machine=machine), flags=flags)
    assert dict(found)["__archspec"] == level


def test_a_musl_host_and_one_without_a_card_do_not_have_them() -> None:
    names = dict(virtual_packages(replace(FACTS, musl=True, cuda="")))
    assert not {"__glibc", "__cuda"} & set(names)


def test_an_override_replaces_adds_or_takes_away() -> None:
    given = (("__cuda", "11.8"), ("__unix", "0"))
    assert with_override(given, "__cuda", "12.4") == (("__unix", "0"), ("__cuda", "12.4"))
    assert with_override((), "__cuda", "12.4") == (("__cuda", "12.4"),)
    assert with_override(given, "__cuda", "none") == (("__unix", "0"),)


def lock(name: str, constraint: str) -> Lock:
    package = LockedPackage(
        "conda", "pkg", "1", "https://h/p-1-0.conda", depends=((name, constraint),)
    )
    return Lock("conda-lock.yml", "linux-64", (package,))


@pytest.mark.parametrize(
    "constraint",
    ["", ">=12", ">=12,<13", "12.*", "12.4", ">=11.8|>=13", ">=12.4,<13.0a0", "!=12.3", "* *"],
)
def test_a_constraint_that_the_driver_meets_is_silent(constraint: str) -> None:
    assert unmet(lock("__cuda", constraint), FACTS) == ()


@pytest.mark.parametrize("constraint", [">=12.6", "13.*", "<12", "==11.8", ">12.4", "!=12.4"])
def test_a_constraint_that_the_driver_does_not_meet_is_named(constraint: str) -> None:
    said = unmet(lock("__cuda", constraint), FACTS)
    assert said == (f"pkg needs __cuda {constraint}, the host has 12.4",)


def test_an_old_glibc_is_named_and_a_login_node_without_a_card_is_not() -> None:
    assert unmet(lock("__glibc", ">=2.34,<3.0.a0"), FACTS) == (
        "pkg needs __glibc >=2.34,<3.0.a0, the host has 2.31",
    )
    assert unmet(lock("__cuda", ">=12"), replace(FACTS, cuda="")) == ()


def test_a_machine_that_conda_has_no_name_for_is_refused() -> None:
    assert platform_of(replace(FACTS, machine="aarch64")) == "linux-aarch64"
    with pytest.raises(GpuwsError) as caught:
        platform_of(replace(FACTS, machine="riscv64"))
    assert caught.value.code == "unsupported-platform"
