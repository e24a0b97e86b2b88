"""An exported Dockerfile, run line by line with the stand-in micromamba: the same packages again.

No docker takes part: what is run is the text of its RUN instructions, in a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.environments.installed import Installed, installed
from gpuws.environments.order import BuildOrder
from gpuws.plan.dockerfile import Contents, dockerfile
from gpuws.plan.drift import own
from gpuws.plan.export import declared_from
from gpuws.plan.model import EnvironmentSpec
from tests.support.build_bench import Bench, build, conda_tool, host_uv
from tests.support.conda_channel import Channel, serve
from tests.support.dockerfile_reader import instructions
from tests.support.package_index import publish, wheel

PYTHON = f"python={sys.version_info[0]}.{sys.version_info[1]}"
pytest_plugins = ["tests.support.conda_fixtures"]


@pytest.fixture
def bench(short_tmp: Path) -> Bench:
    home = short_tmp / "home"
    home.mkdir()
    return Bench(home, str(short_tmp / "r"), tools=(conda_tool(home / "opt"),))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    publish(tmp_path / "index", "tiny", wheel(tmp_path, "tiny", "1.0"))
    with serve(tmp_path / "index") as served:
        yield f"{served.url}/simple"


def read(bench: Bench, prefix: str) -> Installed:
    return installed(bench.host(), root=str(bench.root), prefix=prefix, also="sources")


def written(bench: Bench, order: BuildOrder, pip_index: str) -> str:
    found = read(bench, order.prefix)
    declared = declared_from(found.yml, found.pip, found.variables, without=())
    return dockerfile(
        Contents(
            "demo",
            found.machine,
            declared,
            found.now,
            found.sources,
            found.direct,
            found.python,
            pip_index,
        )
    )


def made(bench: Bench, text: str, folder: Path) -> str:
    """The prefix that the RUNs of a Dockerfile make, each with sh -c as docker does it."""
    folder.mkdir()
    tool = Path(bench.tools[0].path).parent
    env = {
        **dict(bench.env),
        "PATH": f"{tool}:{os.environ['PATH']}",
        "HOME": str(folder),
        "MAMBA_ROOT_PREFIX": str(folder / "conda"),
    }
    for each in instructions(text):
        if each.word == "RUN":
            words = ["sh", "-c", each.text]
            done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
            assert done.returncode == 0, (each.text, done.stdout, done.stderr)
    assert not list(folder.glob("*.txt"))
    return str(folder / "conda/envs/work")


def words(found: Installed) -> set[str]:
    return {each.words for each in own(found.now).values()}


def test_it_makes_the_same_packages_of_conda_and_pip_again(
    bench: Bench, conda_channel: Channel, index: str, tmp_path: Path
) -> None:
    spec = EnvironmentSpec(
        "environment.yml",
        "conda",
        channels=(conda_channel.url,),
        conda=(PYTHON, "numpy=1.26"),
        pip=("tiny",),
    )
    order = bench.order(spec, pip_index=index)
    build(bench, order)
    text = written(bench, order, index)
    hashes = [each for each in text.splitlines() if ".conda#" in each or ".tar.bz2#" in each]
    assert len(hashes) == len(list(Path(order.prefix).glob("conda-meta/*.json")))
    again = read(bench, made(bench, text, tmp_path / "image"))
    assert words(again) == words(read(bench, order.prefix))
    assert "tiny==1.0" in words(again)
    assert "numpy=1.26.4=pyhtest_0" in words(again)


def test_an_environment_of_uv_is_made_by_conda_and_pip(
    bench: Bench, conda_channel: Channel, index: str, tmp_path: Path
) -> None:
    of_uv = replace(bench, tools=(host_uv(),))
    spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny==1.0",))
    with_pip = replace(spec, channels=())
    order = of_uv.order(with_pip, pip_index=None)
    order = replace(order, env=(*order.env, ("UV_FIND_LINKS", f"{index}/tiny/")))
    build(of_uv, order)
    text = written(bench, order, index).replace("conda-forge", conda_channel.url)
    again = words(read(bench, made(bench, text, tmp_path / "image")))
    assert "tiny==1.0" in again
