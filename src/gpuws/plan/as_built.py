"""What a changed file leaves as it was built, and from which environment it is taken. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gpuws.plan.conda_spec import CondaSpec, parsed
from gpuws.plan.declared import conda_specs, pip_lines, requirement_of
from gpuws.plan.drift import Package, own, plain
from gpuws.plan.export import Declared
from gpuws.plan.model import BuiltPrefix, EnvironmentSpec, HostFacts, Kept
from gpuws.plan.naming import package_name

EVERYTHING = "*"
"""Of `env update` without names: nothing is kept."""


def settled(declared: str, name: str, facts: HostFacts) -> str:
    """The environment of this declaration that the workspace ``name`` has asked for last, or lives
    in: its hash, "" where there is none. ``declared`` is the hash of the declaration alone."""
    wanted = {each.hash for each in facts.builds if name in each.wanted_by}
    wanted.add(current(name, facts))
    return _newest(each for each in _made_of(declared, facts) if each.hash in wanted)


def common(declared: str, facts: HostFacts) -> str:
    """One of this declaration for whoever has none yet: the plain one, else the newest."""
    there = _made_of(declared, facts)
    plainly = any(each.hash == declared for each in there)
    return declared if plainly else _newest(there)


def current(name: str, facts: HostFacts) -> str:
    """The complete environment of one's own root that a workspace lives in."""
    prefix = next((each.get("prefix") for each in facts.workspaces if each.name == name), "")
    there = (each.hash for each in facts.prefixes if f"{facts.root}/envs/{each.hash}" == prefix)
    return next(there, "")


def _made_of(declared: str, facts: HostFacts) -> tuple[BuiltPrefix, ...]:
    return tuple(each for each in facts.prefixes if (each.declared or each.hash) == declared)


def _newest(found: Iterable[BuiltPrefix]) -> str:
    newest = max(found, key=lambda each: (each.created, each.hash), default=None)
    return newest.hash if newest else ""


# --- versions ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Before:
    """What an environment was asked for, and what is installed in it."""

    declared: Declared
    now: Sequence[Package]


def kept(
    spec: EnvironmentSpec, extra: tuple[str, ...], before: Before, free: Collection[str] = ()
) -> Kept:
    """What was asked for and stays asked for in the same words, as it is installed. ``extra``:
    beside the file's list; ``free``: names that are not kept."""
    there = own(before.now)
    let = {plain(each) for each in free}
    conda = [each for each in _same_specs(spec, extra, before) if plain(each.name) not in let]
    found = [there[key] for each in conda if (key := ("conda", plain(each.name))) in there]
    builds = not _new_python(spec, extra, before)
    names = [each for each in _same_requirements(spec, extra, before) if plain(each) not in let]
    by_pip = [there[key] for each in names if (key := ("python", plain(each))) in there]
    return Kept(
        conda=tuple(each.words if builds else f"{each.name}=={each.version}" for each in found),
        pip=tuple(f"{each.name}=={each.version}" for each in by_pip if not each.editable),
    )


def _same_specs(
    spec: EnvironmentSpec, extra: tuple[str, ...], before: Before
) -> tuple[CondaSpec, ...]:
    """Those that leave anything open."""
    asked = {_words(each) for each in map(parsed, before.declared.conda) if each}
    mine = [each for each in map(parsed, conda_specs(spec, extra)) if each]
    ours = [each for each in map(parsed, extra) if each] if spec.kind == "conda" else []
    same = [each for each in mine if _words(each) in asked and not each.exact_build]
    return (*same, *ours)


def _words(spec: CondaSpec) -> tuple[str, ...]:
    """Without the channel: a mirror's is another one."""
    return spec.name, spec.version, spec.build, spec.bracket


def _new_python(spec: EnvironmentSpec, extra: tuple[str, ...], before: Before) -> bool:
    """Builds are made for one python."""
    specs = (conda_specs(spec, extra), before.declared.conda)
    now, then = ([each for each in lines if package_name(each) == "python"] for lines in specs)
    return now != then


def _same_requirements(
    spec: EnvironmentSpec, extra: tuple[str, ...], before: Before
) -> tuple[str, ...]:
    asked = {str(each) for line in before.declared.pip if (each := requirement_of(line))}
    lines = [each for line in pip_lines(spec) if (each := requirement_of(line))]
    open_ = [each for each in lines if not each.url and "==" not in str(each.specifier)]
    return (*(each.name for each in open_ if str(each) in asked), *extra)


def holds(what: Kept, now: Sequence[Package]) -> bool:
    """Whether an environment already has all that is to be kept."""
    there = own(now)
    have = {each.words for each in there.values()}
    have |= {f"{each.name}=={each.version}" for each in there.values()}
    return have.issuperset((*what.conda, *what.pip))


def moved(
    spec: EnvironmentSpec, then: Sequence[Package], now: Sequence[Package]
) -> tuple[tuple[Package, Package], ...]:
    """(before, after) of what the file asks for and has another version or build of now."""
    asked = {plain(package_name(each)) for each in (*spec.conda, *pip_lines(spec))}
    before, after = own(then), own(now)
    pairs = [(before[key], after[key]) for key in before if key in after and key[1] in asked]
    return tuple(pair for pair in pairs if pair[0].words != pair[1].words)
