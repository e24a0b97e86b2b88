"""(request, facts) → what `up` will do, or a refusal with a hint. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan import naming
from gpuws.plan.adopting import SILENT, adopted, adoption, refuse_moved_folder
from gpuws.plan.environment import (
    EnvironmentPlan,
    cuda_warnings,
    environment_notes,
    environment_plan,
    room,
    superseded,
)
from gpuws.plan.gpus import GpuChoice, choose_gpus
from gpuws.plan.mirrors import hub_notes
from gpuws.plan.model import HostFacts, Kept, Workspace
from gpuws.plan.refusals import (
    host_warnings,
    refuse_bad_root,
    refuse_full_disk,
    refuse_login_node,
    refuse_other_folder,
)
from gpuws.plan.requests import UpRequest

_ALIVE = frozenset({"running", "starting"})


@dataclass(frozen=True)
class UpPlan:
    """``session`` is start, keep (it runs already), restart (asked for with --restart) or take
    (another machine had it, which may be gone: a person must say so)."""

    name: str
    root: str
    run: str  # the workspace's socket folder on the host
    dir: str
    environment: EnvironmentPlan
    gpus: GpuChoice
    session: str
    existing: Workspace | None
    wanted_port: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"{self.root}/workspaces/{self.name}"


def decide_up(request: UpRequest, facts: HostFacts, kept: Kept | None = None) -> UpPlan:
    """Everything `up` needs to know before it changes anything on the host. ``kept``: of the
    environment that the plan without it names as the one before."""
    refuse_login_node(request, facts)
    refuse_bad_root(facts)
    existing = next((each for each in facts.workspaces if each.name == request.name), None)
    if existing:
        refuse_other_folder(existing, request.caller, request.reach.host)
    folder = _project_folder(request, facts)
    code = _kept_folder(request, existing) or folder
    environment = environment_plan(request, facts, code, kept)
    refuse_moved_folder(existing, environment.prefix, environment.hash, request.reach.host)
    gpus = choose_gpus(request.gpus or request.reach.entry.gpus, facts.gpus, facts.user)
    session, notes = _session(request, existing, environment, folder)
    notes += _adopted(existing, facts)
    if session != "keep" or environment.build:
        refuse_full_disk(facts)
    return UpPlan(
        name=request.name,
        root=facts.root,
        run=f"{facts.run_base}/{naming.unit_id('w', facts.root + '/' + request.name)}",
        dir=folder,
        environment=environment,
        gpus=gpus,
        session=session,
        existing=existing,
        wanted_port=_wanted_port(request, existing),
        notes=notes
        + environment_notes(request, facts, environment)
        + (() if session == "keep" else hub_notes(request.reach.entry))
        + superseded(facts, environment, request.reach.host),
        warnings=(
            *room(request, environment, facts),
            *(() if session == "keep" else (*host_warnings(facts), *gpus.warnings)),
            *cuda_warnings(request, facts, environment, new=adopted(existing)),
        ),
    )


def _project_folder(request: UpRequest, facts: HostFacts) -> str:
    own = f"{facts.root}/projects/{request.name}"
    wanted = request.dir or request.reach.entry.dir or own
    if wanted is request.reach.entry.dir and not wanted.startswith(("/", "~")):
        wanted = f"{own}/{wanted}"  # as only a project's own file may write it
    if wanted.startswith("~/"):
        wanted = f"{facts.home}/{wanted[2:]}"
    if not wanted.startswith("/"):
        wanted = f"{facts.home}/{wanted}"
    return wanted.rstrip("/") or "/"


def _kept_folder(request: UpRequest, existing: Workspace | None) -> str:
    """Of a session that goes on in a folder which this call does not name."""
    if existing is None or existing.state not in _ALIVE or request.restart or request.dir:
        return ""
    return existing.get("dir")


def _wanted_port(request: UpRequest, existing: Workspace | None) -> int:
    kept = existing.raw.get("local_port") if existing else None
    if isinstance(kept, int) and 1024 <= kept <= 65535:
        return kept
    return request.reach.entry.local_port or naming.local_port_for(request.name)


def _session(
    request: UpRequest, existing: Workspace | None, environment: EnvironmentPlan, folder: str
) -> tuple[str, tuple[str, ...]]:
    if existing is None or existing.state not in _ALIVE:
        return "take" if existing and existing.state == SILENT else "start", ()
    if request.restart:
        return "restart", ()
    changed = _differences(request, existing, folder)
    if changed:
        raise GpuwsError(
            "other-settings",
            f"{request.reach.host}/{request.name} runs with other settings: " + "; ".join(changed),
            hint=f"nothing was changed; `gpuws up {request.reach.host} --restart` applies them",
            stage="session",
        )
    if existing.get("prefix") != environment.prefix:
        return "keep", (
            "the environment file changed: the new environment is built beside, running kernels "
            f"keep theirs; `gpuws up {request.reach.host} --restart` switches",
        )
    return "keep", ()


def _adopted(existing: Workspace | None, facts: HostFacts) -> tuple[str, ...]:
    return (adoption(existing, facts.now),) if existing and adopted(existing) else ()


def _differences(request: UpRequest, existing: Workspace, folder: str) -> list[str]:
    """Only what the user asked for in this call is compared: silence changes nothing."""
    asked = {
        "--gpus": (request.gpus, existing.raw.get("gpus_wanted")),
        "--use-env": (request.use_env, existing.raw.get("use_env")),
        "--dir": (folder if request.dir else None, existing.raw.get("dir")),
    }
    said = [
        f"{flag} {new} (runs {f'with {old}' if old else f'without {flag}'})"
        for flag, (new, old) in asked.items()
        if new is not None and new != old
    ]
    if existing.raw.get("use_env") and request.spec and not request.use_env:
        said.append(f"an environment file (runs with --use-env {existing.get('use_env')})")
    if existing.raw.get("jupyter") is False and request.jupyter:
        said.append("with Jupyter (runs with --no-jupyter)")
    return said
