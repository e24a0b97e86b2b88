"""What a verb answers: plain values, which the keeper and `--json` tell as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpuws.plan.model import Pairs


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
class Met:
    """Answer of a first contact: the host's own name, whether it forwards to ports, and what
    doctor found there."""

    node: str
    ports: bool
    checks: tuple[dict[str, Any], ...]
    exit: int


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
    """Answer of env gc and env remove. ``would``: what --dry-run spared. ``archives``: of packages
    that nothing needs, {place: host or laptop, count, kb}, gone or spared as the others."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    would: tuple[str, ...]
    kb: int
    archives: tuple[dict[str, Any], ...] = ()
    dry_run: bool = False


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
class Examination:
    """Answer of doctor. ``checks``: plan.doctor.finding.Finding; ``exit``: the exit code of the
    first problem, 0 without one."""

    host: str
    checks: tuple[dict[str, Any], ...]
    exit: int


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
    kept_until: float | None = None  # seconds since the epoch; None: the login is not kept
