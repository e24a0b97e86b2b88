"""What a verb is asked: plain values, which cross to the keeper as JSON."""

from __future__ import annotations

from dataclasses import dataclass

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
    transport: str = ""  # paramiko | openssh; "": by what the host needs
    node: str = ""  # of several machines behind the name the one that calls itself so

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
    renew: tuple[str, ...] = ()  # packages that do not stay as they were built; "*": all
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
class DoctorRequest:
    """What is wrong with one host, or could be better."""

    reach: Reach


@dataclass(frozen=True)
class MeetRequest:
    """The first contact with a host that was just added."""

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
    | DoctorRequest
    | MeetRequest
    | EnvironmentsRequest
    | RemoveEnvironmentsRequest
    | DiffRequest
    | ExportRequest
    | RollbackRequest
    | PlatformRequest
    | PackRequest
    | UnpackRequest
)
