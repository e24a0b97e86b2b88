"""Whatever a file holds: a value or a GpuwsError, never another exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpuws.config.environment import load_environment, without_builds
from gpuws.config.hosts import load_hosts
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, HostEntry
from gpuws.plan.naming import environment_hash

SHORT = settings(max_examples=150, deadline=None, derandomize=True)
LONG = settings(
    max_examples=100_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
FILES = ("environment.yml", "requirements.txt", "pyproject.toml")

# Random bytes rarely get past the parser, so most examples are made of what such files contain.
PARTS = (
    "name: ¦channels:¦dependencies:¦variables:¦prefix: ¦hosts:¦defaults:¦pip:¦python¦3.10¦no¦~¦"
    "\n¦\n  ¦\n    ¦\n- ¦\n  - ¦\n    - ¦: ¦- ¦[¦]¦{¦}¦, ¦'¦\"¦#¦ #¦&a ¦*a¦!!str ¦<<: ¦? ¦|¦>¦%¦@¦"
    "`¦\t¦\0¦\x85¦\u2028¦\ufeff¦\u202e¦é¦\\¦\\x00¦=¦==¦>=¦<¦*¦~=¦::¦;¦@ ¦git+https://h/x¦-e .¦"
    "-r x.txt¦-r environment.yml¦-c ¦--hash=¦--index-url ¦file:///x¦[project]¦dependencies = [¦"
    "requires-python = ¦name = ¦C:\\x¦ucrt=1=h0¦numpy=1.26=h0¦a¦ssh: ¦gpus: ¦env: ¦port: ¦0,¦/"
)
WORDS = st.sampled_from(PARTS.split("¦"))
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=40).map("".join)
BYTES = st.binary(max_size=200) | TEXTS.map(lambda t: t.encode("utf-8", "surrogatepass"))


def judge(folder: Path, name: str, data: bytes) -> None:
    path = folder / f"of-{name}" / name
    path.write_bytes(data)
    try:
        if name == "hosts.yaml":
            entries, problems = load_hosts(path)
            assert all(isinstance(each, HostEntry) for each in entries.values())
            assert all(each.exit == 3 for each in problems)
            return
        spec = load_environment(path)
    except GpuwsError as error:
        assert error.exit == 3
        assert name in error.message
        return
    assert isinstance(spec, EnvironmentSpec)
    assert spec.kind in ("conda", "pip")
    assert without_builds(spec).foreign is None
    assert environment_hash(spec, extra=(), machine="x86_64", channels=(), pip_index=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of them: a file may include its neighbours."""
    made = tmp_path_factory.mktemp("any")
    for name in (*FILES, "hosts.yaml"):
        (made / f"of-{name}").mkdir()
        (made / f"of-{name}" / "x.txt").write_text("numpy\n", encoding="utf-8")
    return made


@pytest.mark.parametrize("name", [*FILES, "hosts.yaml"])
@given(data=BYTES)
@example(data=b"[" * 20_000)
@example(data=b"a: &a [*a]")
@example(data=b'"\\UFFFFFFFF"')
@example(data=b"%YAML 99999999999999999999.1\n---\na")
@SHORT
def test_any_bytes_give_a_value_or_our_error(folder: Path, name: str, data: bytes) -> None:
    judge(folder, name, data)


@pytest.mark.endurance
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [*FILES, "hosts.yaml"])
@given(data=BYTES)
@LONG
def test_a_hundred_thousand_files_give_a_value_or_our_error(
    folder: Path, name: str, data: bytes
) -> None:
    judge(folder, name, data)
