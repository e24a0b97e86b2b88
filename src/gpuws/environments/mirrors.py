"""Which of a mirror's addresses the host can use: asked from there, before something is built."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gpuws.environments.choose import tool_channels
from gpuws.environments.fetching import public
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.host.sanitise import one_line
from gpuws.host.script import fields, script
from gpuws.plan.declared import conda_specs
from gpuws.plan.mirrors import candidates, expanded, home, name_of, split_spec
from gpuws.plan.model import HostFacts, Mirror, Pairs
from gpuws.plan.ports import Host, Progress
from gpuws.plan.virtual import PLATFORMS

_SECONDS = 120.0  # for the whole question; an address has few of them

Group = tuple[str, tuple[str, ...]]
"""channel, index or hub, and the addresses of one, best first."""

_RC = (".condarc", ".mambarc")


@dataclass(frozen=True)
class Verdict:
    """What became of one address. ``reason``: why it is of no use, "" where it is."""

    address: str
    reason: str = ""

    @property
    def lacks(self) -> bool:
        return "404" in self.reason


@dataclass(frozen=True)
class Way:
    """How a host goes out: for which platform, and what may name a proxy."""

    platform: str
    prologue: tuple[str, ...] = ()
    env: Pairs = ()


def mirrored(host: Host, order: BuildOrder, progress: Progress) -> BuildOrder:
    """The order with the addresses that its channels and its index come from.

    Of each channel the first that answers; the last is the channel as it is named. One round trip,
    none where the mirror has nothing to do with it. Raises channel-unreachable with every address
    that was tried.
    """
    mirror = order.mirror
    if mirror is None:
        return order
    order = _named(order, mirror)
    asked, index = _asked(order, mirror), _index(order, mirror)
    if not asked and not index:
        return order
    groups = [("channel", each) for each in asked.values()]
    way = Way(platform(order.facts), order.prologue, order.env)
    verdicts = verdicts_of(host, way, groups + ([("index", (index,))] if index else []))
    chosen = _chosen(order, asked, verdicts)
    if index and not verdicts[index].reason:
        order = replace(order, pip_index=index)
    progress.note("; ".join([*_said(asked, chosen, verdicts), *_index_said(index, verdicts)]))
    return replace(order, sources=tuple(chosen.items()))


def plan_words(order: BuildOrder) -> str:
    """For --dry-run, which asks nobody: the order in which addresses would be tried."""
    mirror = order.mirror
    if mirror is None:
        return ""
    order = _named(order, mirror)
    said = [
        f"{name_of(channel)} from {', else '.join(public(home(each)) for each in addresses)}"
        for channel, addresses in _asked(order, mirror).items()
    ]
    said += [f"pip from {public(index)}"] if (index := _index(order, mirror)) else []
    return f"mirror {mirror.name or 'of hosts.yaml'}: {'; '.join(said)}" if said else ""


# --- what is asked --------------------------------------------------------------------------------


def _named(order: BuildOrder, mirror: Mirror) -> BuildOrder:
    """With every channel by its name, also those that the tool would take by itself."""
    channels, spec = expanded(mirror, order.channels), order.spec
    spec = replace(spec, channels=expanded(mirror, spec.channels))
    own_word = any(rc in each for each in order.facts.settings for rc in _RC)
    if not order.effective_channels and order.choice.tool != "conda" and not own_word:
        channels = ("conda-forge",)  # as conda/create.sh would
    return replace(order, channels=channels, spec=spec)


def _asked(order: BuildOrder, mirror: Mirror) -> dict[str, tuple[str, ...]]:
    """Channels that the mirror knows, with their candidates."""
    if not order.choice.conda:
        return {}
    tool = tool_channels(order.channels, order.spec.channels) if order.choice.bring else ()
    found = {each: candidates(mirror, each) for each in (*_needed(order), *tool)}
    return {channel: addresses for channel, addresses in found.items() if addresses}


def _needed(order: BuildOrder) -> tuple[str, ...]:
    """Channels that the environment cannot do without."""
    of_specs = (split_spec(each)[0] for each in conda_specs(order.spec, order.extra))
    return tuple(each for each in (*order.effective_channels, *of_specs) if each)


def _index(order: BuildOrder, mirror: Mirror) -> str:
    """The mirror's package index, where the build uses one and hosts.yaml names no other."""
    through_pip = order.spec.kind == "pip" or order.spec.pip or order.extra
    return mirror.pip or "" if through_pip and not order.pip_index else ""


def verdicts_of(host: Host, way: Way, groups: list[Group]) -> dict[str, Verdict]:
    """By the address as it was asked about; a verdict's own is what that means on the host.

    Behind one that is of use the others of its group are not asked. One round trip, which writes
    nothing there.
    """
    program = script(
        "gpuws.environments",
        "gpuws.host:probe/login.sh",
        "download.sh",
        "gpuws.environments.conda:alias.sh",
        "mirrors.sh",
    )
    words = [way.platform, "\n".join(way.prologue), str(len(way.env))]
    words += [word for pair in way.env for word in pair]
    for kind, addresses in groups:
        words += [kind, str(len(addresses)), *addresses]
    answers = fields(host.run(program, *words, timeout=_SECONDS), "environment")
    alias = one_line(answers.get("alias", [""])[-1], 200)
    said = dict(_numbered(answers.get("no", ()))) | dict.fromkeys(answers.get("yes", ()), "")
    return _verdicts([each for _, addresses in groups for each in addresses], said, alias)


def platform(facts: HostFacts) -> str:
    return PLATFORMS.get((facts.system, facts.machine), "noarch")


def _verdicts(every: list[str], said: dict[str, str], alias: str) -> dict[str, Verdict]:
    """One address may be in several groups, and not asked in all of them."""
    found: dict[str, Verdict] = {}
    for number, each in enumerate(every, start=1):
        if str(number) in said or each not in found:
            reason = said.get(str(number), "no answer")
            found[each] = Verdict(public(_on_host(each, alias)), reason)
    return found


def _numbered(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        number, _, reason = line.partition(" ")
        yield number, one_line(reason, 200) or "no answer"


def _on_host(address: str, alias: str) -> str:
    named = not address.startswith(("/", "pkgs/")) and "://" not in address
    return f"{alias.rstrip('/')}/{address}" if named and alias else home(address)


# --- what follows ---------------------------------------------------------------------------------


def _chosen(
    order: BuildOrder, asked: dict[str, tuple[str, ...]], verdicts: dict[str, Verdict]
) -> dict[str, str]:
    """The first address of each channel that is of use."""
    found: dict[str, str] = {}
    for channel, addresses in asked.items():
        good = [each for each in addresses if not verdicts[each].reason]
        if good:
            found[channel] = good[0]
        elif channel in _needed(order):
            raise _unreachable(channel, [verdicts[each] for each in addresses])
    return found


def _unreachable(channel: str, tried: list[Verdict]) -> GpuwsError:
    said = "; ".join(f"{each.address} ({each.reason})" for each in tried)
    return GpuwsError(
        "channel-unreachable",
        f"the host can have the channel {name_of(channel)} from nowhere: {said}",
        hint="`mirror:` in hosts.yaml names where channels come from; proxy variables of the host, "
        "of `env:` and of the prologue are honoured",
        stage="environment",
        retryable=True,
    )


def _said(
    asked: dict[str, tuple[str, ...]], chosen: dict[str, str], verdicts: dict[str, Verdict]
) -> Iterable[str]:
    for channel, address in chosen.items():
        addresses = asked[channel]
        passed = [verdicts[each] for each in addresses[: addresses.index(address)]]
        text = f"{name_of(channel)} from {_place(verdicts[address])}"
        yield f"{text}: {_why(passed)}" if passed else text


def _why(passed: list[Verdict]) -> str:
    deaf = next((each for each in passed if not each.lacks), None)
    if deaf is None:
        return "the mirror does not have it"
    return f"{_place(deaf)} is of no use ({deaf.reason})"


def _index_said(index: str, verdicts: dict[str, Verdict]) -> Iterable[str]:
    if index and verdicts[index].reason:
        yield f"pip as the host is set up: {verdicts[index].address} ({verdicts[index].reason})"
    elif index:
        yield f"pip from {_place(verdicts[index])}"


def _place(verdict: Verdict) -> str:
    return urllib.parse.urlsplit(verdict.address).netloc or verdict.address
