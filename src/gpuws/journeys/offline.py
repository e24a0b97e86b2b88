"""`gpuws up --offline`: the archives of the lock go from this laptop to the host."""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments.archives import Archives
from gpuws.environments.elsewhere import Elsewhere
from gpuws.environments.locked import Addresses
from gpuws.environments.order import BuildOrder
from gpuws.environments.pushing import push
from gpuws.errors import GpuwsError
from gpuws.journeys.world import World
from gpuws.plan.lock import Lock
from gpuws.plan.ports import Host
from gpuws.plan.pushing import amount


def sent(order: BuildOrder, host: Host, world: World) -> BuildOrder:
    """The order with every archive of its lock on the host; only those that it lacks are sent.

    Raises lock-unmet for what cannot be installed without a network, and what Archives.all and
    push raise. Where it is cut, the next `up` goes on at the same byte.
    """
    if order.lock is None:
        raise GpuwsError("bug", "packages were to be sent without a lock")
    _refuse_sources(order.lock)
    packages = order.lock.packages
    where = Addresses(order.effective_channels)
    fetched = tuple(replace(each, url=where.origin(each)) for each in packages)
    world.report.stage("fetch", f"{len(packages)} packages")
    download = Elsewhere(world.download, order.mirror) if order.mirror else world.download
    archives = Archives(download).all(fetched, world.report)
    world.report.stage("send", f"{len(packages)} packages")
    done = push(host, order.root, archives, world.report)
    had = f"; the host had {done.skipped} of {len(packages)}" if done.skipped else ""
    world.report.note(f"{amount(done.sent)} sent in {done.seconds:.1f} s{had}")
    folder = f"{order.root}/cache/archives"
    files = (
        (package.url, f"{folder}/{found.sha256[:2]}/{found.sha256}/{found.path.name}")
        for package, found in zip(packages, archives, strict=True)
    )
    return replace(order, sent=tuple(files))


def _refuse_sources(lock: Lock) -> None:
    sources = [each.name for each in lock.of("pip") if not each.file.endswith(".whl")]
    if not sources:
        return
    raise GpuwsError(
        "lock-unmet",
        f"{', '.join(sources)}: locked as source code, which cannot be built without a network",
        hint="name a version that has a wheel, or build where the host has a way out",
        stage="environment",
    )
