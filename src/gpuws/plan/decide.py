"""(request, facts) → what `up` will do, or a refusal with a hint. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpuws.errors import GpuwsError
from gpuws.plan import cuda, naming
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.gpus import GpuChoice, choose_gpus
from gpuws.plan.local import placed
from gpuws.plan.lock import Lock, locked_hash, of_platform
from gpuws.plan.mirrors import hub_notes
from gpuws.plan.model import EnvironmentSpec, HostFacts, LocalCode, Workspace
from gpuws.plan.requests import Caller, UpRequest
from gpuws.plan.sharing import place_of
from gpuws.plan.space import check_room, need_of_file, need_of_lock
from gpuws.plan.virtual import platform_of, unmet

_ROOT_FAULTS = {
    "link": "a link, and gpuws does not follow links",
    "foreign": "somebody else's",
    "file": "a file",
}
_UNLOCKED = (
    "shared_root: takes only what was built from a lock, which is the same for everybody: "
    "`gpuws env lock {}` writes one"
)
_ALIVE = frozenset({"running", "starting"})


@dataclass(frozen=True)
class EnvironmentPlan:
    """``prefix`` is absolute; ``build`` says whether it must be made first."""

    prefix: str
    hash: str  # "" for an environment that was already there (--use-env)
    extra: tuple[str, ...] = ()  # brought beside the user's list
    build: bool = False
    use_env: str = ""
    lock: Lock | None = None  # what it is built from
    local: tuple[LocalCode, ...] = ()  # of the laptop, placed
    shared: str = ""  # the shared root that the prefix lies in
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class UpPlan:
    """``session`` is start, keep (it runs already) or restart (asked for with --restart)."""

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


def decide_up(request: UpRequest, facts: HostFacts) -> UpPlan:
    """Everything `up` needs to know before it changes anything on the host."""
    _refuse_login_node(request, facts)
    refuse_bad_root(facts)
    existing = next((each for each in facts.workspaces if each.name == request.name), None)
    if existing:
        refuse_other_folder(existing, request.caller, request.reach.host)
    folder = _project_folder(request, facts)
    environment = _environment(request, facts, _kept_folder(request, existing) or folder)
    gpus = choose_gpus(request.gpus or request.reach.entry.gpus, facts.gpus, facts.user)
    session, notes = _session(request, existing, environment, folder)
    if session != "keep" or environment.build:
        _refuse_full_disk(facts)
    room = _room(request, environment, facts)
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
        + _environment_notes(request, facts, environment)
        + (() if session == "keep" else hub_notes(request.reach.entry))
        + superseded(facts, environment, request.reach.host),
        warnings=(
            *room,
            *(() if session == "keep" else (*host_warnings(facts), *gpus.warnings)),
            *_cuda_warnings(request, facts, environment),
        ),
    )


def _refuse_login_node(request: UpRequest, facts: HostFacts) -> None:
    if not facts.slurm or facts.gpus or request.here:
        return
    host = request.reach.host
    raise GpuwsError(
        "login-node",
        f"{host} is a Slurm login node: it has sbatch and no GPU of its own",
        hint=(
            "take a node with `salloc --gres=gpu:1`, then put these lines into ~/.ssh/config:\n"
            f"  Host my-node\n    HostName NODE\n    ProxyJump {host}\n"
            f"and run `gpuws up my-node`; to use {host} itself: `gpuws up {host} --here`"
        ),
        stage="probe",
    )


def refuse_bad_root(facts: HostFacts) -> None:
    if facts.system != "Linux":
        raise GpuwsError(
            "unsupported-platform",
            f"the host runs {facts.system}; gpuws needs Linux on the server",
            stage="probe",
        )
    if facts.root_state in ("link", "foreign", "file"):
        raise GpuwsError(
            "root-not-private",
            f"the host's folder {facts.root} is {_ROOT_FAULTS[facts.root_state]}",
            hint="remove it, or name another folder with `root:` in hosts.yaml",
            stage="probe",
        )
    if not facts.root_writable:
        raise GpuwsError(
            "no-root-folder",
            f"the host's folder {facts.root} cannot be written by {facts.user}",
            hint="name a folder that you can write with `root:` in hosts.yaml",
            stage="probe",
        )
    if not facts.run_base:
        raise GpuwsError(
            "root-not-private",
            "the host has no private local folder for sockets",
            hint="name a local folder of your own with `root:` in hosts.yaml",
            stage="probe",
        )


def _refuse_full_disk(facts: HostFacts) -> None:
    """Before anything is begun that could only be left half done."""
    if facts.disk_free_mb != 0 and facts.inodes_free != 0:
        return
    what = "space" if facts.disk_free_mb == 0 else "inode"
    raise GpuwsError(
        "disk-full",
        f"the disk of the host is full: no {what} is free for {facts.root}",
        hint="`df -h`, `df -i` and `quota` on the host say where; root: in hosts.yaml names "
        "another place",
        stage="probe",
    )


def _room(request: UpRequest, environment: EnvironmentPlan, facts: HostFacts) -> tuple[str, ...]:
    """Whether what is to be built will fit."""
    if not environment.build or request.spec is None:
        return ()
    reach = request.reach
    lock = environment.lock
    need = need_of_lock(lock) if lock else need_of_file(request.spec, environment.extra, facts)
    return check_room(need, facts, host=reach.host, cache_dir=reach.entry.cache_dir)


def refuse_other_folder(existing: Workspace, caller: Caller, host: str) -> None:
    """The same name from another folder is another project: never overwritten."""
    owner = existing.raw.get("owner")
    if not isinstance(owner, dict):
        return
    theirs = (owner.get("person"), owner.get("laptop"), owner.get("folder"))
    if theirs == (caller.person, caller.laptop, caller.folder):
        return
    raise GpuwsError(
        "other-folder",
        f"the workspace {host}/{existing.name} belongs to {owner.get('folder')} "
        f"({owner.get('person')} on {owner.get('laptop')}), this folder is {caller.folder}",
        hint=(
            f"`gpuws attach {host}/{existing.name}` opens that one; "
            f"`gpuws up {host} --name OTHER` makes one for this folder"
        ),
        stage="probe",
    )


def host_warnings(facts: HostFacts) -> tuple[str, ...]:
    """What the probe could not do or saw, said in words that tell what to do."""
    said = []
    if facts.prologue_error:
        said.append(f"the prologue of hosts.yaml fails on the host: {facts.prologue_error}")
    if facts.gpu_error:
        said.append(f"the host's GPUs cannot be asked: {facts.gpu_error}")
    if facts.kill_user_processes and not facts.linger:
        said.append(
            "the host ends your processes at logout (KillUserProcesses): Jupyter would die with "
            "the tunnel; `loginctl enable-linger` on the host keeps it, if you may"
        )
    if 0 <= facts.disk_free_mb < 1024:
        said.append(f"only {facts.disk_free_mb} MB are free in {facts.root}")
    return tuple(said)


def _environment(request: UpRequest, facts: HostFacts, folder: str) -> EnvironmentPlan:
    """``folder``: where the workspace's own code lies."""
    wanted = request.use_env
    if wanted:
        return EnvironmentPlan(_existing_environment(wanted, facts), "", use_env=wanted)
    if request.spec is None:
        raise no_file(request, facts)
    code = placed(request.spec, request.name, folder)
    spec = replace(request.spec, local=code)
    if request.locks:
        return replace(_locked(request, spec, facts), local=code)
    extra = missing_jupyter(spec) if request.jupyter else ()
    entry = request.reach.entry
    digest = naming.environment_hash(
        spec,
        extra=extra,
        machine=facts.machine,
        channels=entry.channels,
        pip_index=entry.pip_index,
    )
    there = any(each.hash == digest for each in facts.prefixes)
    notes = (_UNLOCKED.format(request.reach.host),) if entry.shared_root and not there else ()
    prefix = f"{facts.root}/envs/{digest}"
    return EnvironmentPlan(prefix, digest, extra, build=not there, notes=notes)


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


def _cuda_warnings(
    request: UpRequest, facts: HostFacts, environment: EnvironmentPlan
) -> tuple[str, ...]:
    """Of what is about to be built; whoever has built it has read them."""
    if not environment.build or request.spec is None:
        return ()
    found = cuda.warnings(request.spec, facts, request.reach.entry)
    if environment.lock:  # what the file might bring is known: only the host's own is left to say
        shadowing = tuple(each for each in found if each.code == "shadowing-libraries")
        found = (*cuda.locked_warnings(environment.lock, facts), *shadowing)
    return tuple(map(str, found))


def _environment_notes(
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
        return "start", ()
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
