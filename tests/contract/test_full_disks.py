"""Disks that fill up while an environment is made: told as that, and the old one is untouched."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec
from tests.support import micromamba
from tests.support.build_bench import Bench, build, conda_tool, processes_of
from tests.support.conda_channel import Channel, serve
from tests.support.package_index import publish, wheel
from tests.support.small_disk import small_disk

PYTHON = f"python={sys.version_info[0]}.{sys.version_info[1]}"
pytest_plugins = ["tests.support.conda_fixtures"]


@pytest.fixture
def bench(short_tmp: Path) -> Bench:
    home = short_tmp / "h me"
    home.mkdir()
    return Bench(home, str(short_tmp / "r"), tools=(conda_tool(short_tmp / "opt"),))


def order(bench: Bench, channel: Channel, *packages: str, pip: tuple[str, ...] = ()) -> BuildOrder:
    spec = EnvironmentSpec(
        "environment.yml", "conda", channels=(channel.url,), conda=packages, pip=pip
    )
    return bench.order(spec)


def files(folder: str) -> dict[str, bytes]:
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            found[str(path)] = path.read_bytes()
    return found


def refused(bench: Bench, wanted: BuildOrder, old: BuildOrder) -> GpuwsError:
    """Told as a full disk; nothing of it is left, and the older environment is as it was."""
    before = files(old.prefix)
    assert f"{old.prefix}/.gpuws-complete" in before
    with pytest.raises(GpuwsError) as caught:
        build(bench, wanted)
    assert (caught.value.code, int(caught.value.exit)) == ("disk-full", 7)
    assert "df" in caught.value.hint
    assert not Path(wanted.prefix).exists()
    assert processes_of(wanted) == []
    assert files(old.prefix) == before
    return caught.value


def built(bench: Bench, channel: Channel) -> BuildOrder:
    old = order(bench, channel, "shared")
    build(bench, old)
    return old


@pytest.mark.parametrize("options", ["size=2m", "size=40m,nr_inodes=300"], ids=["space", "inodes"])
def test_while_packages_are_linked(bench: Bench, conda_channel: Channel, options: str) -> None:
    with small_disk(bench.root, f"mode=700,{options}"):
        old = built(bench, conda_channel)
        wanted = order(bench, conda_channel, PYTHON, "pip")
        refused(bench, replace(wanted, cache_dir=str(bench.home / "cache")), old)


@pytest.mark.parametrize("options", ["size=1m", "size=40m,nr_inodes=100"], ids=["space", "inodes"])
def test_while_packages_are_extracted_into_their_cache(
    bench: Bench, conda_channel: Channel, options: str
) -> None:
    """It lies on a disk of its own."""
    old = built(bench, conda_channel)
    cache = bench.home / "cache"
    with small_disk(cache, options):
        wanted = replace(order(bench, conda_channel, PYTHON, "pip"), cache_dir=str(cache))
        refused(bench, wanted, old)


def test_while_pip_installs(bench: Bench, conda_channel: Channel, tmp_path: Path) -> None:
    data = {"big/__init__.py": b"", "big/data": os.urandom(20_000_000)}
    publish(tmp_path / "index", "big", wheel(tmp_path, "big", "1.0", data))
    with serve(tmp_path / "index") as served, small_disk(bench.root, "mode=700,size=24m"):
        old = built(bench, conda_channel)
        wanted = order(bench, conda_channel, PYTHON, "pip", pip=("big",))
        wanted = replace(
            wanted,
            pip_index=f"{served.url}/simple",
            cache_dir=str(bench.home / "cache"),
        )
        assert "pip" in refused(bench, wanted, old).detail


def test_while_the_log_is_written(bench: Bench, conda_channel: Channel) -> None:
    """The log, the notes of the steps and the state share one small disk; packages have room."""
    old = built(bench, conda_channel)
    with small_disk(bench.root / "builds", "size=256k"):
        wanted = order(bench, conda_channel, "shared", "six")
        flood = (*wanted.env, (micromamba.FAULT, "flood:1"))
        refused(bench, replace(wanted, env=flood), old)


def test_before_it_can_begin(bench: Bench, conda_channel: Channel) -> None:
    """Its orders and its state cannot be written."""
    old = built(bench, conda_channel)
    with small_disk(bench.root / "builds", "size=16k"):
        wanted = order(bench, conda_channel, "shared", "six")
        assert "cannot write" in refused(bench, wanted, old).message
