"""Every stage of a build × ways to die: what was there stays, the next one converges.

The crash matrix is made from its parts. Two of its rows are always run, the rest is `endurance`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from gpuws.environments.build import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.plan.lock import locked_hash
from gpuws.plan.results import Platform
from gpuws.plan.virtual import platform_of, virtual_packages
from gpuws.solving.apart import solved
from gpuws.solving.wanted import Wanted
from tests.contract.test_environments import PYTHON, bench, conda_spec, mamba
from tests.support import conda_packages, micromamba
from tests.support.build_bench import Bench, build, kill_build, processes_of, wait_for
from tests.support.conda_channel import Channel, Served, make_channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.package_index import publish, wheel

__all__ = ["bench", "conda_cache", "conda_channel", "mamba"]

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Stage:
    """``log``: what the build says as it begins (``locked``: from a lock, where nothing is solved);
    ``fault``: of the stand-in, to stay in it."""

    name: str
    log: str
    locked: str = ""
    fault: str = ""
    delay: str = ""  # which server answers slowly: channel | index
    of_lock: bool = True


STAGES = (
    Stage("solve", "makes the environment", delay="channel", of_lock=False),
    Stage("fetch", "Environment ... Done", "makes the environment", fault="fetch-slow:20"),
    Stage("link", "Linking", fault="hang:2"),
    Stage("pip", "pip installs the packages", delay="index"),
    Stage("check", "checking the environment"),
)


def everything(order: BuildOrder) -> None:
    """As a reboot, or the kernel when memory is short."""
    kill_build(order)


def the_tool(order: BuildOrder) -> None:
    """Only what works at the moment: the deepest child."""
    processes = processes_of(order)
    parents = {each.ppid() for each in processes}
    for each in processes:
        if each.pid not in parents and _is_at_work(each):
            each.kill()


def _is_at_work(process: psutil.Process) -> bool:
    return any("python" in word for word in process.cmdline()[:1])


def politely(order: BuildOrder) -> None:
    """SIGTERM to the build, as an engine ends it."""
    os.kill(int(Path(order.folder, "pid").read_text().split()[0]), signal.SIGTERM)


FAULTS = (everything, the_tool, politely)


@dataclass
class World:
    """A host, a channel, an index, and an environment that somebody uses meanwhile."""

    bench: Bench
    channel: Served
    index: Served
    folder: Path

    def spec_order(self, *, locked: bool) -> BuildOrder:
        spec = conda_spec(self.channel.url, PYTHON, "pip", "shared", "six", "sleepy", pip=("tiny",))
        index = f"{self.index.url}/simple"
        order = replace(self.bench.order(spec, pip_index=index), check=("sleepy",))
        if not locked:
            return order
        facts = self.bench.facts()
        platform = Platform(platform_of(facts), virtual_packages(facts), "", 0, False)
        wanted = Wanted("conda-lock.yml", spec, (), (), platform, str(self.folder), index)
        lock = solved(wanted).lock
        return replace(order, lock=lock, hash=locked_hash(lock, ()))


@pytest.fixture(scope="session")
def sleepy_channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """With a module that can hold up its own import."""
    text = "import os, time\ntime.sleep(float(os.environ.get('SLEEPY', '0')))\n"
    extra = conda_packages.module("sleepy", "1.0", text=text)
    return make_channel(tmp_path_factory.mktemp("sleepy"), extra=(extra,))


@pytest.fixture
def world(mamba: Bench, sleepy_channel: Channel, tmp_path: Path) -> Iterator[World]:
    publish(tmp_path, "tiny", wheel(tmp_path / "wheels", "tiny", "1.0"))
    with ExitStack() as stack:
        channel = stack.enter_context(serve(sleepy_channel))
        index = stack.enter_context(serve(tmp_path))
        yield World(mamba, channel, index, tmp_path)


def rows() -> Iterator[object]:
    for stage in STAGES:
        for fault in FAULTS:
            for locked in (False, True) if stage.of_lock else (False,):
                kind = "lock" if locked else "file"
                always = fault is everything and not locked and stage.name in ("link", "pip")
                yield pytest.param(
                    stage,
                    fault,
                    locked,
                    id=f"{stage.name}-{fault.__name__}-{kind}",
                    marks=() if always else pytest.mark.endurance,
                )


@pytest.mark.parametrize(("stage", "fault", "locked"), rows())
def test_whatever_ends_a_build_the_old_one_stays_and_the_next_converges(
    world: World, stage: Stage, fault: Callable[[BuildOrder], None], locked: bool
) -> None:
    order = world.spec_order(locked=locked)
    old = world.bench.order(conda_spec(world.channel.url, "shared"))
    build(world.bench, old)
    before = _content(old)

    ended = _ended_in(world, order, stage, fault)
    assert ended.exit == 8
    assert processes_of(order) == []
    assert not Path(order.prefix, ".gpuws-complete").exists()

    _slow_down(world, stage, 0.0)
    built = build(world.bench, order)
    assert built.action == "created"
    assert Path(order.prefix, ".gpuws-complete").exists()
    assert not Path(order.folder, "scratch").exists()
    assert processes_of(order) == []
    assert _content(old) == before


def _ended_in(
    world: World, order: BuildOrder, stage: Stage, fault: Callable[[BuildOrder], None]
) -> GpuwsError:
    """Build until the stage is reached, then let the fault happen."""
    held = ((micromamba.FAULT, stage.fault),) if stage.fault else ()
    slow = (("SLEEPY", "30"),) if stage.name == "check" else ()
    _slow_down(world, stage, 20.0)

    def strike() -> None:
        said = (stage.locked if order.lock else "") or stage.log
        wait_for(Path(order.folder, "build.log"), said, 60)
        time.sleep(0.3)  # the line before it has begun
        fault(order)

    striker = threading.Thread(target=strike)
    striker.start()
    try:
        with pytest.raises(GpuwsError) as caught:
            build(world.bench, replace(order, env=(*order.env, *held, *slow)))
    finally:
        striker.join()
    return caught.value


def _slow_down(world: World, stage: Stage, seconds: float) -> None:
    for name, server in (("channel", world.channel), ("index", world.index)):
        server.faults.delay_s = seconds if stage.delay == name else 0.0


def _content(order: BuildOrder) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    found = Path(order.prefix).rglob("*")
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in found
        if not path.is_dir()
    }
