"""The step that `env unpack` and `env pack --to` share: a packed environment onto a host."""

from __future__ import annotations

from gpuws.engines.engine import engine_for
from gpuws.environments.packs.archive import Packed
from gpuws.environments.packs.meter import Meter
from gpuws.environments.packs.unpack import unpack
from gpuws.journeys.way import probe
from gpuws.journeys.world import World
from gpuws.plan.packs import check_fits
from gpuws.plan.ports import Host
from gpuws.plan.refusals import refuse_bad_root
from gpuws.plan.requests import Reach
from gpuws.plan.results import EnvironmentUnpacked


def deliver(packed: Packed, host: Host, reach: Reach, world: World) -> EnvironmentUnpacked:
    """Raises what ``refuse_bad_root``, ``check_fits`` and ``unpack`` raise."""
    manifest = packed.manifest
    facts = probe(host, reach)
    refuse_bad_root(facts)
    check_fits(manifest, facts, reach.host)
    world.report.stage("unpack", f"{facts.root}/envs/{manifest.hash} on {reach.host}")
    meter = Meter(manifest.bytes, world.report, world.clock)
    done = unpack(host, facts, engine_for(facts), meter.counted(packed), meter.idle)
    if done.left:
        shown = ", ".join(done.left[:3])
        world.report.warn(
            f"{len(done.left)} files still name {manifest.prefixes[0]}, which is harmless unless "
            f"they look for something there: {shown}"
        )
    return EnvironmentUnpacked(
        reach.host, manifest.hash, manifest.platform, done.prefix, done.action, done.left
    )
