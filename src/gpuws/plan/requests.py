"""What a verb is asked and what it answers. Plain values: they cross to the keeper as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpuws.plan.lock import Lock
from gpuws.plan.model import EnvironmentSpec, HostEntry, NamedForward, Pairs


@dataclass(frozen=True)
class Reach:
    """Which host is meant and how the user wants it reached."""

    host: str  # as the user named it; the first half of "HOST/NAME"
    entry: HostEntry  # the hosts.yaml entry, or one with nothing set
    ssh_config: str | None = None
    port: int | None = None
    accept_new: bool = False
    timeout: float | None = None  # seconds for the connection
    verbose: int = 0  # 2: each script on the host is told with its time
    near: tuple[str, ...] = ()  # hosts of hosts.yaml that resemble it; for a name nobody knows
    of_project: bool = (
        False  # the entry is a project's: in another folder the name may mean another
    )

    @property
    def destination(self) -> str:
        return self.entry.ssh or self.host


@dataclass(frozen=True)
class Caller:
    """Who asks, from where. Written into workspace.json so that others can read it."""

    person: str
    laptop: str
    folder: str


@dataclass(frozen=True)
class UpRequest:
    reach: Reach
    caller: Caller
    name: str
    name_source: str = ""
    spec: EnvironmentSpec | None = None
    locks: tuple[Lock, ...] = ()  # of the spec, by platform
    offline: bool = False  # the laptop sends the packages of the lock
    use_env: str | None = None
    dir: str | None = None
    gpus: str | None = None
    local_port: int | None = None
    jupyter: bool = True
    restart: bool = False
    here: bool = False
    dry_run: bool = False
    yes: bool = False
    secret_env: Pairs = ()
    missing_env: tuple[str, ...] = ()  # names of pass_env that the laptop does not have
    git_commit: str = ""
    git_dirty: bool = False


@dataclass(frozen=True)
class WorkspaceRequest:
    """attach, url, logs, exec, shell: one workspace that is already there."""

    reach: Reach
    caller: Caller
    name: str | None = None
    local_port: int | None = None
    command: tuple[str, ...] = ()
    pty: bool = False
    term: str = ""
    build: bool = False
    follow: bool = False
    tail: int = 100


@dataclass(frozen=True)
class ForwardRequest:
    """One more local port of a workspace."""

    reach: Reach
    caller: Caller
    forward: NamedForward
    name: str | None = None  # of the workspace


@dataclass(frozen=True)
class AutoForwardRequest:
    """Local ports for what the workspace's processes have opened; ``yes``: for all of it."""

    reach: Reach
    caller: Caller
    name: str | None = None  # of the workspace
    yes: bool = False


@dataclass(frozen=True)
class EndForwardRequest:
    """The end of one, by its name."""

    reach: Reach
    caller: Caller
    forward: str
    name: str | None = None  # of the workspace


@dataclass(frozen=True)
class DownRequest:
    reach: Reach
    caller: Caller
    name: str | None = None
    all: bool = False
    rm_env: bool = False
    purge: bool = False
    yes: bool = False
    keep_running: bool = False
    snapshot: bool | None = None  # None: ask where the environment was changed by hand


@dataclass(frozen=True)
class StatusRequest:
    """What lives on one host."""

    reach: Reach


@dataclass(frozen=True)
class EnvironmentsRequest:
    """The environments of one host."""

    reach: Reach


@dataclass(frozen=True)
class RemoveEnvironmentsRequest:
    """Those that are named by hash or link, or, where none is, those that nobody uses.

    ``earlier``: also those that a rollback would go back to.
    """

    reach: Reach
    words: tuple[str, ...] = ()
    earlier: bool = False
    dry_run: bool = False
    yes: bool = False


@dataclass(frozen=True)
class DiffRequest:
    """A workspace's environment against its build and the file here, where there is one, and its
    lock."""

    reach: Reach
    caller: Caller
    name: str | None = None
    spec: EnvironmentSpec | None = None
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class ExportRequest:
    """``how``: asked, pinned, exact or dockerfile."""

    reach: Reach
    caller: Caller
    name: str | None = None
    how: str = "asked"


@dataclass(frozen=True)
class PlatformRequest:
    """What a solver must know of the host that is to have this environment."""

    reach: Reach
    spec: EnvironmentSpec


@dataclass(frozen=True)
class RollbackRequest:
    """A workspace back to an earlier environment; ``word`` names another than the last one."""

    reach: Reach
    caller: Caller
    name: str | None = None
    word: str | None = None
    yes: bool = False
    secret_env: Pairs = ()
    missing_env: tuple[str, ...] = ()


@dataclass(frozen=True)
class PackRequest:
    """A workspace's environment into ``file`` (None: a new one in the caller's folder), or
    straight to another host."""

    reach: Reach
    caller: Caller
    name: str | None = None
    file: str | None = None
    to: Reach | None = None


@dataclass(frozen=True)
class UnpackRequest:
    """An archive of the laptop, or an environment of the laptop itself, onto a host."""

    reach: Reach
    file: str = ""
    prefix: str = ""


Request = (
    UpRequest
    | WorkspaceRequest
    | ForwardRequest
    | AutoForwardRequest
    | EndForwardRequest
    | DownRequest
    | StatusRequest
    | EnvironmentsRequest
    | RemoveEnvironmentsRequest
    | DiffRequest
    | ExportRequest
    | RollbackRequest
    | PlatformRequest
    | PackRequest
    | UnpackRequest
)


@dataclass(frozen=True)
class Ready:
    """Answer of up and attach. ``url`` has no token."""

    workspace: str
    host: str
    name: str
    url: str
    local_port: int
    session: dict[str, str]
    environment: dict[str, str]
    gpus: tuple[int, ...] | None
    timings: dict[str, float]
    round_trips: int
    dir: str = ""
    notes: tuple[str, ...] = ()
    forwards: tuple[dict[str, Any], ...] = ()  # beside Jupyter's, as status lists them
    beside: str = ""  # the prefix that the file names, where the workspace still runs in another


@dataclass(frozen=True)
class Forwarded:
    """Answer of forward. ``name`` is the forward's, ``remote`` where it leads on the host."""

    workspace: str
    name: str
    remote: str
    local_port: int


@dataclass(frozen=True)
class AutoForwarded:
    """Answer of forward --auto: what was found and led nowhere yet, and what was opened of it."""

    workspace: str
    ports: tuple[dict[str, Any], ...]  # OpenPort
    forwards: tuple[dict[str, Any], ...]  # Forwarded


@dataclass(frozen=True)
class ForwardEnded:
    """Answer of forward rm. ``closed``: this laptop had it open."""

    workspace: str
    name: str
    closed: bool


@dataclass(frozen=True)
class Plan:
    """Answer of up --dry-run: every remote file, process and port that up would make."""

    workspace: str
    files: tuple[str, ...]
    processes: tuple[str, ...]
    ports: tuple[str, ...]
    move_mb: float | None
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Url:
    url: str


@dataclass(frozen=True)
class Snapshot:
    """An environment as it was at `down`, as the text of an environment.yml."""

    workspace: str
    text: str


@dataclass(frozen=True)
class Downed:
    """``snapshots``: for the laptop's side to write into files."""

    stopped: tuple[str, ...]
    removed: tuple[str, ...]
    left: tuple[str, ...]
    kept: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True)
class Listed:
    """Answer of env list. Sizes in kB of 1024 bytes, times in seconds since the epoch."""

    host: str
    root: str
    environments: tuple[dict[str, Any], ...]  # plan.inventory.Environment
    shared_root: str = ""


@dataclass(frozen=True)
class EnvironmentsRemoved:
    """Answer of env gc and env remove. ``would``: what --dry-run spared."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    would: tuple[str, ...]
    kb: int


@dataclass(frozen=True)
class Differences:
    """Answer of env diff. Packages as plan.drift.Package; ``file``: same, changed or none;
    ``recorded``: False where nothing is known of the build, so that nothing can have changed;
    ``unmet``: lines of the file that what is there does not satisfy; ``unasked``: names that the
    build was asked for and the file does not have; ``mixes``: what breaks one another, in words;
    ``lock``: same, changed, stale (it belongs to the file no more), or none for this platform."""

    workspace: str
    prefix: str
    hash: str
    file: str
    recorded: bool
    asked_for: int
    pulled_in: int
    added: tuple[dict[str, Any], ...]
    removed: tuple[dict[str, Any], ...]
    changed: tuple[tuple[dict[str, Any], dict[str, Any]], ...]
    overwritten: tuple[str, ...]
    editable: tuple[str, ...]
    lock: str = "none"
    mixes: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    touched: tuple[dict[str, Any], ...] = ()  # plan.changes.Touch
    commands: tuple[dict[str, Any], ...] = ()  # plan.changes.Command


@dataclass(frozen=True)
class Exported:
    """Answer of env export: the text of an environment.yml, or of a Dockerfile."""

    workspace: str
    how: str
    text: str


@dataclass(frozen=True)
class Platform:
    """Answer of env_platform. ``name`` is conda's, ``virtual`` its virtual packages; ``python``:
    the version of the host's own that would be used, "" where conda brings one."""

    name: str
    virtual: Pairs
    python: str
    gpus: int
    slurm: bool


@dataclass(frozen=True)
class EnvironmentPacked:
    """Answer of env pack into a file. Bytes: of the environment's files, and of the archive."""

    source: str  # HOST/NAME, or a folder of the laptop
    hash: str
    platform: str
    file: str
    bytes: int
    archive_bytes: int


@dataclass(frozen=True)
class EnvironmentUnpacked:
    """Answer of env unpack and env pack --to. ``action``: created or reused; ``left``: files that
    still name the place that it comes from."""

    host: str
    hash: str
    platform: str
    prefix: str
    action: str
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exited:
    code: int


@dataclass(frozen=True)
class HostStatus:
    """One host of status: what the host says, or the last known state with its age."""

    host: str
    reachable: bool
    error: str | None = None
    gpus: tuple[dict[str, Any], ...] = ()
    workspaces: tuple[dict[str, Any], ...] = field(default=())
    reverse: tuple[dict[str, Any], ...] = ()  # ports of the host that lead to this laptop
    known_s: float | None = None  # age of what is shown, when the host could not be asked
