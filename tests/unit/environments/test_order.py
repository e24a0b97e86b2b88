"""The files of a build, and what the indexes of packages are read for."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace

import pytest
import yaml

from gpuws.engines.engine import TMUX
from gpuws.environments.choose import Choice, tool_channels
from gpuws.environments.conda.bring import newest
from gpuws.environments.order import BuildOrder, build_script, files
from gpuws.environments.uv.bring import newest as newest_wheel
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.virtual import glibc_minor, platform_of
from tests.unit.environments.test_choose import HOST

CONDA = EnvironmentSpec(
    "environment.yml",
    "conda",
    channels=("conda-forge", "nodefaults"),
    conda=("python=3.11", "pytorch::pytorch=2.*=*cuda*", "numpy>=1"),
    pip=("tiny", "-r ../base.txt", "marked; python_version < '3'"),
    pip_files=(("../base.txt", "other[x]>=1  # why\n-r ../base.txt\n"),),
    variables=(("A", "it's"),),
)
ORDER = BuildOrder(
    root="/r",
    run_base="/run",
    engine=TMUX,
    spec=CONDA,
    extra=("jupyterlab", "ipykernel"),
    choice=Choice("conda", "/opt/conda", False, ""),
    hash="0123456789abcdef",
    facts=HOST,
)


def text_of(order: BuildOrder, name: str) -> str:
    return {file: text for file, _, text in files(order)}[name]


def test_the_yml_has_neither_pip_section_nor_variables() -> None:
    assert yaml.safe_load(text_of(ORDER, "environment.yml")) == {
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": [*CONDA.conda, "pip", "jupyterlab", "ipykernel"],
    }
    plain = yaml.safe_load(text_of(ORDER, "environment-plain.yml"))
    assert plain["dependencies"] == [*CONDA.conda, "pip"]


def test_channels_of_hosts_yaml_stand_instead_of_the_files() -> None:
    order = replace(ORDER, channels=("https://mirror.example/c",))
    read = yaml.safe_load(text_of(order, "environment.yml"))
    assert read["channels"] == ["https://mirror.example/c"]


def test_a_pip_file_that_a_conda_tool_builds_gets_its_python_from_conda() -> None:
    spec = EnvironmentSpec("environment.yml", "pip", pip=("tiny",), python="==3.12.*")
    order = replace(ORDER, spec=spec)
    read = yaml.safe_load(text_of(order, "environment.yml"))
    assert read["dependencies"] == ["python ==3.12.*", "pip"]
    assert text_of(order, "requirements.txt") == "tiny\njupyterlab\nipykernel\n"


def test_files_that_requirements_refer_to_stay_inside_the_build_folder() -> None:
    assert text_of(ORDER, "requirements.txt").splitlines()[1] == "-r include-1.txt"
    assert "-r include-1.txt" in text_of(ORDER, "include-1.txt")
    assert all("/" not in name for name, _, _ in files(ORDER))


def test_what_must_be_there_afterwards() -> None:
    assert text_of(ORDER, "pip-names").split() == ["tiny", "other"]
    assert text_of(ORDER, "conda-names").split() == ["python", "pytorch", "numpy", "pip"]


def test_settings_are_shell_that_says_what_was_meant() -> None:
    awkward = "a 'b' $(touch x) `y` \\ \n\"z\""
    order = replace(ORDER, env=(("AWKWARD", awkward),), pip_index="https://u:p@i.example/simple")
    shown = subprocess.run(
        ["sh", "-c", text_of(order, "order.sh") + 'printf %s "$AWKWARD|$order_pip_index"'],
        capture_output=True,
        text=True,
    )
    assert shown.stdout == awkward + "|https://u:p@i.example/simple"
    assert shlex.split(text_of(ORDER, "variables")) == ["export", "A=it's"]
    assert json.loads(text_of(ORDER, "variables.json")) == {"env_vars": {"A": "it's"}}


def test_a_variable_whose_name_is_shell_is_refused() -> None:
    with pytest.raises(GpuwsError):
        files(replace(ORDER, env=(("A;rm -rf ~", "x"),)))


def test_the_build_script_is_named_by_its_content() -> None:
    name, text = build_script()
    assert name.startswith("build-")
    assert text.startswith("#!/bin/sh\n")
    assert (name, text) == build_script()


def test_nodefaults_closes_the_list_of_channels() -> None:
    assert "order_closed=conda-forge\n" in text_of(ORDER, "order.sh")
    open_ = replace(ORDER, spec=replace(CONDA, channels=("conda-forge",)))
    assert "order_closed=''\n" in text_of(open_, "order.sh")


# --- micromamba's index ---------------------------------------------------------------------------


def repodata(*files: str) -> bytes:
    record = {"sha256": "a" * 64}
    return json.dumps({"packages": dict.fromkeys(files, record)}).encode()


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        (
            ("micromamba-2.9.0-0.tar.bz2", "micromamba-2.10.0-0.tar.bz2"),
            "micromamba-2.10.0-0.tar.bz2",
        ),
        (
            ("micromamba-2.6.2-1.tar.bz2", "micromamba-2.6.2-0.tar.bz2"),
            "micromamba-2.6.2-1.tar.bz2",
        ),
        (
            ("micromamba-2.6.2-0.tar.bz2", "micromamba-3.0rc1-0.tar.bz2"),
            "micromamba-2.6.2-0.tar.bz2",
        ),
        (("micromamba-2.6.2-0.tar.bz2", "micromambas-9.0-0.tar.bz2"), "micromamba-2.6.2-0.tar.bz2"),
    ],
)
def test_the_newest_release_is_taken(listed: tuple[str, ...], taken: str) -> None:
    found = newest(repodata(*listed))
    assert found is not None
    assert found.file == taken


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"packages": []}', repodata("zlib-1-0.tar.bz2")]
)
def test_an_index_without_it_is_none(data: bytes) -> None:
    assert newest(data) is None


def test_conda_forge_is_the_last_resort_unless_hosts_yaml_lists_channels() -> None:
    named = ("nvidia", "defaults", "nodefaults")
    assert tool_channels((), named) == ("nvidia", "conda-forge")
    assert tool_channels(("file:///m",), named) == ("file:///m",)


def test_a_platform_without_micromamba_is_refused() -> None:
    with pytest.raises(GpuwsError) as caught:
        platform_of(replace(HOST, machine="riscv64"))
    assert caught.value.code == "unsupported-platform"


# --- uv's index -----------------------------------------------------------------------------------

MANY = "uv-0.9.{}-py3-none-manylinux_2_{}_x86_64.whl"
MUSL = "uv-0.9.{}-py3-none-musllinux_1_1_x86_64.whl"


def page(*names: str, extra: str = "") -> bytes:
    links = [f'<a {extra} href="../f/{name}#sha256={"b" * 64}">{name}</a>' for name in names]
    return "\n".join(links).encode()


@pytest.mark.parametrize(
    ("names", "minor", "taken"),
    [
        ((MANY.format(9, 17), MANY.format(10, 17)), 31, MANY.format(10, 17)),
        ((MANY.format(9, 17), MANY.format(10, 28)), 17, MANY.format(9, 17)),
        ((MANY.format(9, 17), MUSL.format(9)), 0, MUSL.format(9)),
        ((MUSL.format(9), MANY.format(9, 17)), 31, MANY.format(9, 17)),
        (("uv-0.9.9-py3-none-win_amd64.whl", "uv-0.9.9.tar.gz"), 31, None),
    ],
)
def test_the_newest_wheel_that_runs_on_the_host_is_taken(
    names: tuple[str, ...], minor: int, taken: str | None
) -> None:
    found = newest_wheel(page(*names), "https://i.example/simple/uv/", "x86_64", minor)
    wanted = f"https://i.example/simple/f/{taken}" if taken else None
    assert (found.url if found else None) == wanted


def test_yanked_and_unhashed_wheels_are_not_seen() -> None:
    base = "https://i.example/simple/uv/"
    assert (
        newest_wheel(page(MANY.format(9, 17), extra='data-yanked=""'), base, "x86_64", 31) is None
    )
    bare = f'<a href="{MANY.format(9, 17)}">x</a>'.encode()
    assert newest_wheel(bare, base, "x86_64", 31) is None


def test_an_index_may_answer_in_json() -> None:
    files = [
        {"url": "/f/" + MANY.format(9, 17), "hashes": {"sha256": "c" * 64}, "yanked": False},
        {"url": "/f/" + MANY.format(10, 17), "hashes": {"sha256": "c" * 64}, "yanked": "broken"},
    ]
    data = json.dumps({"files": files}).encode()
    found = newest_wheel(data, "https://i.example/simple/uv/", "x86_64", 31)
    assert found is not None
    assert found.url == "https://i.example/f/" + MANY.format(9, 17)


def test_an_unknown_libc_takes_the_static_build() -> None:
    assert glibc_minor(replace(HOST, glibc="2.31")) == 31
    assert glibc_minor(replace(HOST, glibc="2.31", musl=True)) == 0
    assert glibc_minor(HOST) == 0
