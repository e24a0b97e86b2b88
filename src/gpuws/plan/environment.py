"""Which environment a workspace is to have, and what is to be said of it beforehand. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpuws.errors import GpuwsError
from gpuws.plan import as_built, cuda, naming
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.local import placed
from gpuws.plan.lock import Lock, locked_hash, of_platform
from gpuws.plan.model import NOTHING_KEPT, EnvironmentSpec, HostFacts, Kept, LocalCode
from gpuws.plan.requests import UpRequest
from gpuws.plan.sharing import place_of
from gpuws.plan.space import check_room, need_of_file, need_of_lock
from gpuws.plan.virtual import platform_of, unmet

_UNLOCKED = (
    "shared_root: takes only what was built from a lock, which is the same for everybody: "
    "`gpuws env lock {}` writes one"
)


@dataclass(frozen=True)
class EnvironmentPlan:
    """``prefix`` is absolute; ``build`` says whether it must be made first."""

    prefix: str
    hash: str  # "" for an environment that was already there (--use-env)
    extra: tuple[str, ...] = ()  # brought beside the user's list
    build: bool = False
    declared: str = ""  # the hash of the declaration alone
    before: str = ""  # hash of the environment that this one takes the place of
    kept: Kept = NOTHING_KEPT  # of that one
    use_env: str = ""
    lock: Lock | None = None  # what it is built from
    local: tuple[LocalCode, ...] = ()  # of the laptop, placed
    shared: str = ""  # the shared root that the prefix lies in
    notes: tuple[str, ...] = ()


def environment_plan(
    request: UpRequest, facts: HostFacts, folder: str, kept: Kept | None = None
) -> EnvironmentPlan:
    """``folder``: where the workspace's own code lies. ``kept``: of the environment that the plan
    without it names as ``before``."""
    wanted = request.use_env
    if wanted:
        return EnvironmentPlan(_existing_environment(wanted, facts), "", use_env=wanted)
    if request.spec is None:
        raise no_file(request, facts)
    code = placed(request.spec, request.name, folder)
    spec = replace(request.spec, local=code)
    if request.locks:
        return replace(_locked(request, spec, facts), local=code)
    return _unlocked(request, spec, facts, kept)


def _unlocked(
    request: UpRequest, spec: EnvironmentSpec, facts: HostFacts, kept: Kept | None
) -> EnvironmentPlan:
    extra = missing_jupyter(spec) if request.jupyter else ()
    declared = _hash(request, spec, facts, extra)
    settled = as_built.settled(declared, request.name, facts)
    there = settled or as_built.common(declared, facts)
    current = as_built.current(request.name, facts)
    before = there or current if request.renew else "" if settled else current
    if request.renew and kept is None:
        kept = Kept(renews=there)
    digest = _hash(request, spec, facts, extra, kept) if kept else there or declared
    build = all(each.hash != digest for each in facts.prefixes)
    unshared = build and request.reach.entry.shared_root
    return EnvironmentPlan(
        prefix=f"{facts.root}/envs/{digest}",
        hash=digest,
        extra=extra,
        build=build,
        declared=declared,
        before=before if before != digest else "",
        kept=kept or NOTHING_KEPT,
        local=spec.local,
        notes=(_UNLOCKED.format(request.reach.host),) if unshared else (),
    )


def _hash(
    request: UpRequest,
    spec: EnvironmentSpec,
    facts: HostFacts,
    extra: tuple[str, ...],
    kept: Kept | None = None,
) -> str:
    entry = request.reach.entry
    return naming.environment_hash(
        spec,
        extra=extra,
        machine=facts.machine,
        channels=entry.channels,
        pip_index=entry.pip_index,
        kept=kept,
    )


def _locked(request: UpRequest, spec: EnvironmentSpec, facts: HostFacts) -> EnvironmentPlan:
    """What the lock names; whatever it has of Jupyter is there, asked for or not."""
    lock = of_platform(request.locks, platform_of(facts), request.reach.host)
    lacking = unmet(lock, facts)
    if lacking:
        raise GpuwsError(
            "lock-unmet",
            f"{lock.source} does not fit {request.reach.host}: {'; '.join(lacking)}",
            hint=f"`gpuws env lock {request.reach.host}` solves for this host",
            stage="probe",
        )
    extra = tuple(each for each in missing_jupyter(spec) if each in lock.names())
    digest = locked_hash(lock, spec.variables, spec.local)
    place = place_of(digest, facts, request.reach.entry, spec)
    return EnvironmentPlan(
        prefix=f"{place.root}/envs/{digest}",
        hash=digest,
        extra=extra,
        build=place.build,
        lock=lock,
        shared=place.root if place.shared else "",
        notes=place.notes,
    )


def no_file(request: UpRequest, facts: HostFacts) -> GpuwsError:
    """No environment file at all: the host's own environments are listed."""
    there = "\n".join(f"  {path}" for path in facts.environments[:20])
    return GpuwsError(
        "environment-file-missing",
        f"no environment.yml, requirements.txt or pyproject.toml in {request.caller.folder}",
        hint=(
            "write an environment.yml, name one with -f FILE"
            + (
                f", or use one that {request.reach.host} has with --use-env PATH:\n{there}"
                if there
                else f"; {request.reach.host} has no conda environment that --use-env could serve"
            )
        ),
        stage="environment",
    )


def _existing_environment(wanted: str, facts: HostFacts) -> str:
    if wanted.startswith("/"):
        return wanted.rstrip("/")
    if wanted.startswith("~/"):
        return f"{facts.home}/{wanted[2:]}".rstrip("/")
    found = [path for path in facts.environments if path.rsplit("/", 1)[-1] == wanted]
    if len(found) == 1:
        return found[0]
    known = ", ".join(found or facts.environments[:20]) or "none"
    raise GpuwsError(
        "environment-not-found",
        f"the host has {'several environments' if found else 'no environment'} named {wanted}",
        hint=f"name it by its path with --use-env; on the host: {known}",
        stage="environment",
    )


def room(request: UpRequest, environment: EnvironmentPlan, facts: HostFacts) -> tuple[str, ...]:
    """Whether what is to be built will fit."""
    if not environment.build or request.spec is None:
        return ()
    reach = request.reach
    lock = environment.lock
    need = need_of_lock(lock) if lock else need_of_file(request.spec, environment.extra, facts)
    return check_room(need, facts, host=reach.host, cache_dir=reach.entry.cache_dir)


def cuda_warnings(
    request: UpRequest, facts: HostFacts, environment: EnvironmentPlan, *, new: bool = False
) -> tuple[str, ...]:
    """Of what is about to be built, or comes to a machine that is ``new`` to it; whoever has built
    it for this one has read them."""
    if not (environment.build or new) or request.spec is None:
        return ()
    found = cuda.warnings(request.spec, facts, request.reach.entry)
    if environment.lock:  # what the file might bring is known: only the host's own is left to say
        shadowing = tuple(each for each in found if each.code == "shadowing-libraries")
        found = (*cuda.locked_warnings(environment.lock, facts), *shadowing)
    return tuple(map(str, found))


def environment_notes(
    request: UpRequest, facts: HostFacts, environment: EnvironmentPlan
) -> tuple[str, ...]:
    spec = request.spec
    said = (*environment.notes, *(spec.notes if spec and not environment.use_env else ()))
    if environment.lock:
        said += (f"from {environment.lock.source}: {len(environment.lock.packages)} packages",)
    elif "jupyterlab" in environment.extra and spec:
        said += (
            f"{spec.source} does not name jupyterlab: it is brought beside your list; "
            "--no-jupyter leaves it out",
        )
    if environment.build and (stays := len(environment.kept.conda + environment.kept.pip)):
        said += (
            f"{stays} package(s) that the file asks for as before stay as they were built: "
            f"`gpuws env update {request.reach.host}` renews them",
        )
    if environment.build and spec:
        said += cuda.idle_note(spec, facts, request.reach.entry)
    if request.missing_env:
        said += (f"pass_env: not set on this laptop: {', '.join(request.missing_env)}",)
    return said


def superseded(facts: HostFacts, environment: EnvironmentPlan, host: str) -> tuple[str, ...]:
    """The size of environments that no workspace uses any more; `up` never removes them."""
    used = {each.get("prefix") for each in facts.workspaces} | {environment.prefix}
    old = [each for each in facts.prefixes if f"{facts.root}/envs/{each.hash}" not in used]
    if not old:
        return ()
    size = sum(each.kb for each in old) / 1e6
    return (
        f"{len(old)} superseded environment(s) in {facts.root}/envs take {size:.1f} GB: "
        f"`gpuws env list {host}`, `gpuws env gc {host}`",
    )
