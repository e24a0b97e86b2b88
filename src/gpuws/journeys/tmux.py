"""A tmux where the host has none to use: brought from the conda channel, else done without."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpuws.engines.bringing import missed, place
from gpuws.engines.engine import SETSID, engine_for
from gpuws.environments.build import BuildOrder, ensure
from gpuws.errors import Exit, GpuwsError
from gpuws.journeys.orders import tmux_order
from gpuws.journeys.world import World
from gpuws.plan.decide import UpPlan
from gpuws.plan.model import HostFacts, Tool
from gpuws.plan.ports import Host, Progress
from gpuws.plan.requests import UpRequest

_ENDS_UP = frozenset({Exit.INTERRUPTED, Exit.TERMINATED, Exit.BUG})
_WITHOUT = (
    "the session runs as a process of its own (setsid), and `gpuws shell` opens a terminal that "
    "ends with its connection"
)


def to_bring(request: UpRequest, plan: UpPlan, facts: HostFacts) -> BuildOrder | None:
    """None where nothing is lacking: a tmux is there, or the session goes on in what it has."""
    if plan.session == "keep" or engine_for(facts) is not SETSID:
        return None
    if request.offline or (facts.tmux_missed and not request.restart):
        return None
    return tmux_order(request, plan, facts)


def brought(
    request: UpRequest, plan: UpPlan, facts: HostFacts, host: Host, world: World
) -> HostFacts:
    """The facts with a tmux of ours among the tools, or as they are: then the engine is setsid.

    One note says which of the two it is, and why.
    """
    order = to_bring(request, plan, facts)
    if order is None:
        if plan.session != "keep" and engine_for(facts) is SETSID:
            reason = "--offline" if request.offline else facts.tmux_missed
            world.report.note(f"{_without(facts, reason)}; --restart tries again")
        return facts
    world.report.stage("tmux", f"{_lack(facts)}: bringing one")
    made = _bring(order, host, world)
    if isinstance(made, str):
        world.report.note(_without(facts, made))
        return facts
    world.report.note(f"{_lack(facts)}: tmux {made.version} was brought to {made.path}")
    return given(facts, made)


def _bring(order: BuildOrder, host: Host, world: World) -> Tool | str:
    """The tool, or why it cannot be had. Raises what ends `up` too."""
    try:
        ensure(host, order, _Lines(world.report), world.fetch)
        return place(host, order.root, order.hash)
    except GpuwsError as error:
        if error.exit in _ENDS_UP or not host.alive():
            raise
        missed(host, order.root, error.message)
        if error.code == "build-interrupted":  # by a `down`: then `up` must not go on either
            raise
        return error.message


def given(facts: HostFacts, tool: Tool) -> HostFacts:
    """As the next probe would tell it."""
    others = tuple(each for each in facts.tools if each.name != tool.name)
    return replace(facts, tools=(tool, *others))


def planned(facts: HostFacts) -> HostFacts:
    """What --dry-run takes for granted."""
    return given(facts, Tool("tmux", f"{facts.root}/tools/tmux/bin/tmux"))


def _lack(facts: HostFacts) -> str:
    tmux = facts.tool("tmux")
    return f"the host's tmux {tmux.version} is too old" if tmux else "the host has no usable tmux"


def _without(facts: HostFacts, reason: str) -> str:
    return f"{_lack(facts)}, and none could be brought ({reason}): {_WITHOUT}"


@dataclass(frozen=True)
class _Lines:
    """What the build has to say beside its lines is not about the workspace's environment."""

    report: Progress

    def stage(self, name: str, detail: str = "") -> None:
        self.report.stage(name, detail)

    def line(self, text: str) -> None:
        self.report.line(text)

    note = warn = line

    def advise(self, about: str, *lines: str) -> None:
        self.report.advise(about, *lines)
