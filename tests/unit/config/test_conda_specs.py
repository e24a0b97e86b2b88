"""Match specs: as written, tightened, never an option; python's constraint in PEP 440."""

from __future__ import annotations

import contextlib
import time

import pytest
from packaging.specifiers import SpecifierSet

from gpuws.config.conda_specs import (
    checked_channel,
    checked_spec,
    kind_of,
    python_constraint,
)
from gpuws.plan.conda_spec import parsed


@pytest.mark.parametrize(
    "spec",
    [
        "numpy",
        "numpy=1.26",
        "numpy==1.26.4",
        "numpy=1.26.4=py311h64a7726_0",
        "numpy 1.26.4 py311h64a7726_0",
        "python==3.11.*",
        "pytorch=2.*=*cuda*",
        "conda-forge::x",
        "conda-forge/linux-64::x>=1",
        "https://conda.example.org/mine::x=1",
        "x[build=*cuda*]",
        "x[version='>=1,<2',build=\"a*\"]",
        "blas=*=openblas",
        "blas * mkl",
        "python>=3.8|<3.6",
        "_libgcc_mutex=0.1=conda_forge",
        "openssl=1.1.1w",
        "r-base",
        "https://example.org/linux-64/a-1.0-0.conda#0123456789abcdef",
    ],
)
def test_what_conda_users_write_is_kept_as_written(spec: str) -> None:
    assert checked_spec(spec) == spec


@pytest.mark.parametrize(
    ("written", "tight"),
    [
        ("abc >= 1.2", "abc>=1.2"),
        ("abc >= 1.2, < 2", "abc>=1.2,<2"),
        ("abc = 1.2", "abc=1.2"),
        ("abc ==1.2", "abc==1.2"),
        ("abc != 1.2", "abc!=1.2"),
        ("abc ~= 1.2", "abc~=1.2"),
        ("abc >=1 | <0.5", "abc>=1|<0.5"),
        ("abc >= 1.2 py311*", "abc>=1.2 py311*"),
        ("abc   1.2  h0", "abc 1.2 h0"),
        ("  abc  ", "abc"),
        ("pytorch =2.* =*cuda*", "pytorch=2.*=*cuda*"),
        ("x [build='a b']", "x[build='a b']"),
    ],
)
def test_spaces_round_operators_go(written: str, tight: str) -> None:
    assert checked_spec(written) == tight


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("--flag", "options"),
        ("-c", "options"),
        (" --override-channels", "options"),
        ("python3.10", "did you mean python=3.10?"),
        ("python-3.10", "did you mean python=3.10?"),
        ("python3", "did you mean python=3?"),
        ("numpy=>1.2", "did you mean numpy>=1.2?"),
        ("numpy==", "a version is missing"),
        ("numpy>=1,", "a version is missing"),
        ("=1.2", "no package spec"),
        ("a b c d(e)", "no package spec"),
        ("dask[complete]", "pip section only"),
        ("git+https://example.org/x", "pip section"),
        ("a;b", "';'"),
        ("a && b", "'&'"),
        ("$(id)", "'$'"),
        ("`id`", "'`'"),
        ("a\nb", "'\\n'"),
        ("a\tb", "'\\t'"),
        ("a\u00a0b", "'\\xa0'"),
        ("\u0430bc", "'\\u0430'"),
        ("numpy={{ v }}", "templates"),
        ("a" * 501, "501 characters"),
    ],
)
def test_what_is_no_spec_is_refused_with_the_reason(written: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked_spec(written)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("numpy", ("", "numpy", "", "")),
        ("NumPy=1.26", ("", "numpy", "=1.26", "")),
        ("numpy=1.26=py_0", ("", "numpy", "=1.26", "py_0")),
        ("numpy 1.26 py_0", ("", "numpy", "==1.26", "py_0")),
        ("numpy==1.26", ("", "numpy", "==1.26", "")),
        ("numpy>=1,<2", ("", "numpy", ">=1,<2", "")),
        ("numpy>=1 py_0", ("", "numpy", ">=1", "py_0")),
        ("c::x=2.*=*cuda*", ("c::", "x", "=2.*", "*cuda*")),
        ("x[version='>=1',build=h0]", ("", "x", ">=1", "h0")),
    ],
)
def test_a_spec_has_parts(spec: str, parts: tuple[str, str, str, str]) -> None:
    found = parsed(spec)
    assert found
    assert (found.channel, found.name, found.version, found.build) == parts


@pytest.mark.parametrize(
    ("specs", "constraint", "inside", "outside"),
    [
        (["python=3.11"], "==3.11.*", "3.11.9", "3.12.0"),
        (["python=3.11.*"], "==3.11.*", "3.11.9", "3.12.0"),
        (["python==3.11.*"], "==3.11.*", "3.11.9", "3.12.0"),
        (["python=3.11*"], "==3.11.*", "3.11.9", "3.12.0"),
        (["python=3"], "==3.*", "3.9.1", "4.0"),
        (["python=3.11.4"], "==3.11.4", "3.11.4", "3.11.5"),
        (["python 3.11.4"], "==3.11.4", "3.11.4", "3.11.5"),
        (["python 3.11.*"], "==3.11.*", "3.11.4", "3.12.0"),
        (["python>=3.10,<3.12"], ">=3.10,<3.12", "3.10.0", "3.12.0"),
        (["python>=3.10.*"], ">=3.10", "3.10.0", "3.9.9"),
        (["python!=3.11.*"], "!=3.11.*", "3.10.0", "3.11.1"),
        (["python=3.11,<3.11.5"], "==3.11.*,<3.11.5", "3.11.4", "3.11.5"),
        (["python>=3.10", "python<3.12"], ">=3.10,<3.12", "3.11.0", "3.12.0"),
        (["python=3.11.4=h0_cpython"], "==3.11.4", "3.11.4", "3.11.5"),
        (["conda-forge::python=3.11"], "==3.11.*", "3.11.0", "3.12.0"),
        (["python[version='>=3.10']"], ">=3.10", "3.10.0", "3.9.0"),
    ],
)
def test_pythons_constraint_is_said_in_pep_440(
    specs: list[str], constraint: str, inside: str, outside: str
) -> None:
    found, sayable = python_constraint(tuple(specs))
    assert (found, sayable) == (constraint, True)
    assert inside in SpecifierSet(constraint)
    assert outside not in SpecifierSet(constraint)


@pytest.mark.parametrize("spec", ["python", "python=*", "python *", "numpy"])
def test_any_python_is_none(spec: str) -> None:
    assert python_constraint((spec,)) == (None, True)


@pytest.mark.parametrize("spec", ["python>=3.10|<3.8", "python=3.13t", "python<=3.11=h1"])
def test_what_pep_440_cannot_say_is_told(spec: str) -> None:
    assert python_constraint((spec,)) == (None, False)


@pytest.mark.parametrize(
    ("specs", "kind"),
    [
        ([], "pip"),
        (["python"], "pip"),
        (["python=3.11", "pip", "uv"], "pip"),
        (["python>=3.10,<3.12", "pip>=23"], "pip"),
        (["python=3.11", "numpy"], "conda"),
        (["conda-forge::python=3.11"], "conda"),
        (["python=3.11.4=h0_cpython"], "conda"),
        (["python=3.11.*=*_cpython"], "conda"),
        (["python[build=x]"], "conda"),
        (["python>=3.10|<3.8"], "conda"),
        (["https://example.org/a-1-0.conda"], "conda"),
    ],
)
def test_only_python_pip_and_uv_need_no_conda(specs: list[str], kind: str) -> None:
    assert kind_of(tuple(specs)) == kind


@pytest.mark.parametrize(
    "channel",
    [
        "conda-forge",
        "nodefaults",
        "pytorch/label/test",
        "https://conda.example.org/t/token/c",
        "https://me:${TOKEN}@conda.example.org/c",
        "file:///srv/channel",
        "./channel",
    ],
)
def test_channels_are_names_or_urls(channel: str) -> None:
    assert checked_channel(channel) == channel


@pytest.mark.parametrize("channel", ["", "-c", "a b", "a;b", "`id`", "a\nb", "conda-f\u043erge"])
def test_what_is_no_channel_is_refused(channel: str) -> None:
    with pytest.raises(ValueError):
        checked_channel(channel)


@pytest.mark.parametrize("text", ["a" + " " * 400 + "=", "a[" * 200, "a" * 500, "=," * 250])
def test_long_specs_are_judged_quickly(text: str) -> None:
    begin = time.perf_counter()
    with contextlib.suppress(ValueError):
        parsed(checked_spec(text))
    assert time.perf_counter() - begin < 1
