"""Which lines of the file a solver's words are about."""

from __future__ import annotations

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.blame import concerned, with_lines
from gpuws.plan.model import EnvironmentSpec

SPEC = EnvironmentSpec(
    "e.yml",
    "conda",
    places=(
        ("channels", "conda-forge", "e.yml:2"),
        ("conda", "conda-forge::scipy=1.11", "e.yml:4"),
        ("conda", "numpy>=2", "e.yml:5"),
        ("conda", "ruamel.yaml", "e.yml:6"),
        ("pip", "Foo_Bar[x]==1", "e.yml:9"),
        ("variables", "numpy", "e.yml:11"),
    ),
)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("scipy 1.11.* would require numpy >=1.21,<2", ("4", "5")),
        ("nothing provides requested numpy-base", ()),
        ("Because foo-bar was not found in the package registry", ("9",)),
        ("└─ ruamel.yaml does not exist (perhaps a typo)", ("6",)),
        ("conda-forge cannot be read", ()),
    ],
)
def test_the_packages_that_are_spoken_of_have_lines(said: str, lines: tuple[str, ...]) -> None:
    assert [each.split(" ")[0] for each in concerned(SPEC, said)] == [f"e.yml:{n}" for n in lines]


def test_only_an_error_about_versions_is_given_lines() -> None:
    told = with_lines(GpuwsError("unsatisfiable", "no", hint="loosen", detail="numpy"), SPEC)
    assert told.hint == "loosen; it is about e.yml:5 (numpy>=2)"
    assert with_lines(GpuwsError("disk-full", "numpy", hint="df"), SPEC).hint == "df"
