"""What `gpuws env lock` asks the host: nothing is changed there."""

from __future__ import annotations

from gpuws.environments.choose import choose
from gpuws.host.script import fields, script
from gpuws.journeys.way import probe
from gpuws.journeys.world import World
from gpuws.plan import answers
from gpuws.plan.model import EnvironmentSpec, HostFacts
from gpuws.plan.requests import PlatformRequest
from gpuws.plan.results import Platform
from gpuws.plan.virtual import platform_of, virtual_packages


def run(request: PlatformRequest, world: World) -> Platform:
    """Raises unsupported-platform, python-not-found."""
    world.report.stage("probe")
    with world.host(request.reach) as host:
        facts = probe(host, request.reach)
        program = script("gpuws.environments", "platform.sh")
        more = fields(host.run(program, in_sight=True), "environment")
    kernel = answers.text(answers.one(more, "kernel"), 100) or ""
    flags = answers.text(answers.one(more, "flags"), 8000) or ""
    return Platform(
        name=platform_of(facts),
        virtual=virtual_packages(facts, kernel=kernel, flags=flags),
        python=_python(request.spec, facts),
        gpus=len(facts.gpus),
        slurm=facts.slurm,
    )


def _python(spec: EnvironmentSpec, facts: HostFacts) -> str:
    choice = choose(spec, facts)
    if choice.conda:
        return ""
    found = {each.path: each.version for each in facts.pythons}
    return found.get(choice.python, "")
