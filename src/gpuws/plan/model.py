"""The words of gpuws as frozen values. Nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Pairs = tuple[tuple[str, str], ...]

Place = tuple[str, str, str]
"""(channels, conda, pip or variables; what is written there; file:line)."""

ALIVE_INTERVAL = 4.5  # seconds, where the ssh config says nothing: a dead link is seen in 14 s


class Secret(str):
    """Text that never shows itself: ``repr`` is dots. Use ``reveal`` where it must leave."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(•••)"

    def reveal(self) -> str:
        return str.__str__(self)


# --- how a host is reached -------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """What ``ssh HOST`` would do, as resolved values."""

    alias: str
    hostname: str
    port: int
    user: str
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None  # socket path; None: SSH_AUTH_SOCK; "none": no agent
    host_key_alias: str | None = None
    user_known_hosts: tuple[str, ...] = ()
    global_known_hosts: tuple[str, ...] = ()
    revoked_host_keys: tuple[str, ...] = ()  # files: keys, one a line, or a KRL
    strict_host_key_checking: str = "ask"  # yes | ask | accept-new
    proxy_jump: tuple[str, ...] = ()  # each "[user@]host[:port]", first hop first
    proxy_command: str | None = None  # tokens expanded
    connect_timeout: float = 15.0  # seconds
    login_timeout: float | None = None  # seconds; None: a person may take its time
    address_family: str = "any"  # any | inet | inet6
    bind_address: str | None = None
    bind_interface: str | None = None
    connection_attempts: int = 1  # one a second
    pubkey: bool = True
    password: bool = True
    keyboard_interactive: bool = True
    alive_interval: float = ALIVE_INTERVAL  # seconds of silence after which the host is asked
    alive_count: int = 3  # that many intervals of silence are the end of the connection
    ssh_config: str | None = None  # the file given with -F
    notes: tuple[str, ...] = ()  # what the profile asks for and gpuws ignores


@dataclass(frozen=True)
class Mirror:
    """Where packages and models come from instead; empty: nowhere else.

    ``channels``: (a channel, or "*" for every one of conda.anaconda.org; its addresses, best
    first). ``{channel}`` in an address stands for the channel's name.
    """

    name: str = ""  # the preset's
    channels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    pip: str | None = None
    huggingface: str | None = None
    own_hub: bool = False  # the user named huggingface himself, so it may see his token


@dataclass(frozen=True)
class HostEntry:
    """One entry of hosts.yaml. ``None`` and empty mean: not set."""

    name: str
    ssh: str | None = None  # alias or user@host[:port]; default: the entry's name
    port: int | None = None
    root: str | None = None  # folder on the host; "~" allowed
    shared_root: str | None = None  # folder on the host that a group shares; absolute
    environment: tuple[str, ...] = ()  # environment files on the laptop, the last one wins
    use_env: str | None = None
    dir: str | None = None  # project folder on the host
    gpus: str | None = None
    local_port: int | None = None
    prologue: tuple[str, ...] = ()
    env: Pairs = ()
    pass_env: tuple[str, ...] = ()
    cache_dir: str | None = None
    channels: tuple[str, ...] = ()
    pip_index: str | None = None
    mirror: Mirror | None = None
    check: tuple[str, ...] = ()  # modules that a new environment must be able to import
    login_env: bool = False
    forwards: tuple[NamedForward, ...] = ()
    reverse: tuple[ReverseForward, ...] = ()
    where: str = ""  # "file:line" for messages


# --- what the user declares --------------------------------------------------------------------


@dataclass(frozen=True)
class LocalCode:
    """Code of the laptop that a requirement line names. Digests are sha256 in hex."""

    line: str  # as written
    kind: str  # archive | folder | editable
    path: str  # on the laptop, absolute
    before: str = ""  # the line before the path: "-e ", "name @ "
    after: str = ""  # and after it: "[extra]", "; marker"
    name: str = ""  # of the distribution, where nothing must be run to know it
    digest: str = ""  # of the archive, or of all files of the folder; an editable has none
    declares: str = ""  # of what says which packages it needs; an archive's own
    inside: str = ""  # of an editable: its folder below the project's, "." for the project itself
    place: str = ""  # of an editable: its folder on the host
    owner: str = ""  # of an editable: the workspace


@dataclass(frozen=True)
class EnvironmentSpec:
    """An environment as declared, parsed and checked.

    ``kind`` is "conda" when at least one package needs conda, else "pip" (a file with only python,
    pip and a pip section, a requirements.txt, a pyproject.toml: uv or venv can build it).
    """

    source: str  # the file, as shown to the user
    kind: str  # conda | pip
    name: str | None = None
    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()  # match specs as written, without the pip section
    pip: tuple[str, ...] = ()  # requirement lines as written, "-r x" kept
    pip_files: Pairs = ()  # (name used in "-r name", text) of every file that is referred to
    local: tuple[LocalCode, ...] = ()  # what lines of pip and pip_files name on the laptop
    variables: Pairs = ()
    python: str | None = None  # PEP 440 specifier such as "==3.11.*" or ">=3.10"; None: any
    notes: tuple[str, ...] = ()  # e.g. "prefix: is ignored"
    foreign: str | None = None  # "Windows" or "macOS" when it is an export with builds from there
    places: tuple[Place, ...] = field(default=(), compare=False)  # the same list wherever it stands

    def at(self, section: str, written: str) -> str:
        """Where it stands, as file:line; the file alone where the line is not known."""
        found = (where for kind, what, where in self.places if (kind, what) == (section, written))
        return next(found, self.source)


# --- what the host is ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    """An executable found on the host."""

    name: str  # tmux, conda, mamba, micromamba, uv, python3.11 …
    path: str
    version: str = ""  # as the tool prints it; "" where asking is slow
    features: tuple[str, ...] = ()  # of a Python: "venv", "ensurepip"


@dataclass(frozen=True)
class GpuProcess:
    """A compute process on a card. ``user`` is "?" where the host hides it; memory in MiB."""

    pid: int
    user: str
    memory: int = -1


@dataclass(frozen=True)
class Gpu:
    """One line of nvidia-smi. Memory in MiB, utilisation in percent; -1 where unknown."""

    index: int
    uuid: str
    name: str
    memory_total: int
    memory_used: int
    utilisation: int
    users: tuple[str, ...] = ()  # login names that have a process on it
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True)
class BuiltPrefix:
    """A complete environment of ours, as its marker says. ``kb``: 0 where it does not tell."""

    hash: str
    tool: str = ""
    kb: int = 0


@dataclass(frozen=True)
class SharedPrefix(BuiltPrefix):
    """One in a shared root. ``fault``: why it is not to be used, "" where it is."""

    owner: str = ""
    fault: str = ""


@dataclass(frozen=True)
class SharedRoot:
    """The folder of ``shared_root:``. ``state``: usable | absent | link | file | open | closed |
    shut | outsider | exposed | planted | silent, as host/probe/shared.sh tells them apart; silent
    where it gave no answer. ``owner`` and ``group`` are names, "" where nothing is there."""

    path: str
    state: str
    writable: bool = False
    owner: str = ""
    group: str = ""
    filesystem: str = ""
    prefixes: tuple[SharedPrefix, ...] = ()


@dataclass(frozen=True)
class Build:
    """A build's folder: its state file's word, and the workspaces that asked for it."""

    hash: str
    state: str  # running | done | failed
    wanted_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """The user's own limit on a filesystem, in MiB; 0 where there is none."""

    filesystem: str
    used_mb: int
    limit_mb: int


@dataclass(frozen=True)
class HostFacts:
    """The probe's answer, strictly parsed."""

    system: str  # Linux
    machine: str  # x86_64
    user: str
    uid: int
    home: str
    shell: str
    node: str
    boot_id: str
    now: int  # the host's clock, seconds since the epoch
    root: str  # absolute root folder of gpuws on this host
    root_writable: bool
    root_filesystem: str  # ext2/ext3, nfs, tmpfs …
    disk_free_mb: int
    glibc: str = ""
    run_base: str = ""  # local 0700 folder for sockets, "" if none was found
    tools: tuple[Tool, ...] = ()
    pythons: tuple[Tool, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: str = ""
    slurm: bool = False
    settings: tuple[str, ...] = ()  # the host's own .condarc, pip.conf and proxy variables, by name
    environments: tuple[str, ...] = ()  # conda environments that exist on the host (paths)
    prefixes: tuple[BuiltPrefix, ...] = ()  # under <root>/envs, complete with their marker
    workspaces: tuple[Workspace, ...] = ()
    boot_time: int = 0  # seconds since the epoch, by the host's clock; 0: unknown
    inodes_free: int = -1  # on the root's filesystem; -1: unknown
    musl: bool = False
    run_base_exists: bool = False
    root_state: str = "absent"  # absent | private | open | foreign | link | file
    home_writable: bool = True
    home_filesystem: str = ""
    linger: bool | None = None  # None: the host has no systemd-logind
    kill_user_processes: bool = False  # logind ends what a login leaves behind
    tmp_noexec: tuple[str, ...] = ()  # of /tmp, /var/tmp, /dev/shm
    quotas: tuple[Quota, ...] = ()
    gpu_error: str = ""  # what nvidia-smi said instead of an answer
    builds: tuple[Build, ...] = ()
    shared: SharedRoot | None = None  # None: no shared_root: was asked for
    current: Pairs = ()  # (environment name, hash that <root>/envs/<name> links to)
    path: str = ""  # PATH that the tools were looked up with, when a prologue or a login set it
    tmux_missed: str = ""  # why none could be brought, less than a day ago
    prologue_error: str = ""
    shadowing: tuple[str, ...] = ()  # folders of LD_LIBRARY_PATH with libraries of an environment
    unanswered: tuple[str, ...] = ()  # parts of the probe that ran into their deadline
    doubts: tuple[str, ...] = ()  # keys whose value was absurd and is not believed

    def tool(self, *names: str) -> Tool | None:
        """The first of these tools that the host has."""
        found = {tool.name: tool for tool in self.tools}
        return next((found[name] for name in names if name in found), None)


# --- what runs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoteFile:
    """A small text file in the workspace's folder. ``path`` is relative to it."""

    path: str
    text: str
    mode: int = 0o600


@dataclass(frozen=True)
class Launch:
    """What a service becomes: argv, environment, files. Run by an engine's supervisor."""

    argv: tuple[str, ...]
    env: Pairs = ()
    unset: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    cwd: str = ""  # where it runs; "" is the project's folder
    overrides: tuple[str, ...] = ()  # settings of the user's own that it puts aside


@dataclass(frozen=True)
class Target:
    """Where a forward ends on the host: a Unix socket, or loopback TCP when ``socket`` is empty."""

    socket: str = ""
    host: str = "127.0.0.1"
    port: int = 0

    def __str__(self) -> str:
        return self.socket or f"{self.host}:{self.port}"


@dataclass(frozen=True)
class NamedForward:
    """A forward beside Jupyter's. ``local_port``: None where any will do."""

    name: str
    target: Target
    local_port: int | None = None


@dataclass(frozen=True)
class ReverseForward:
    """A port of the host's loopback that leads to one of the laptop's."""

    name: str
    remote_port: int
    local_port: int


@dataclass(frozen=True)
class Workspace:
    """``workspace.json`` of the host plus what the engine says now. ``raw`` keeps unknown keys."""

    name: str
    state: str  # running | starting | building | stopped | crashed | rebooted
    raw: dict[str, Any] = field(default_factory=dict)
    since: int = 0
    target: Target | None = None
    forwards: tuple[NamedForward, ...] = ()  # remembered with it on the host

    def get(self, key: str, default: str = "") -> str:
        value = self.raw.get(key, default)
        return value if isinstance(value, str) else default
