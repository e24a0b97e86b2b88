"""`gpuws doctor` without a host: what is judged of this laptop. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.errors import Exit
from gpuws.plan.doctor.finding import Check, Said, advice, ok, problem, warning

_LITTLE_MB = 200  # MiB: a keeper's log and a lock's solver need less
_LONGEST_SOCKET = 107  # bytes of a path, the kernel's limit; 103 on macOS


@dataclass(frozen=True)
class Place:
    """A folder or file of the laptop. ``mode``: its permission bits, -1 where it is not there or
    the system has none; ``free_mb``: MiB on its disk, -1 where that is unknown."""

    path: str
    mode: int = -1
    writable: bool = True
    free_mb: int = -1


@dataclass(frozen=True)
class Laptop:
    """What was gathered, without any network. ``agent``: how many keys it holds, -1: there is none;
    ``agent_trouble``: why one that is there is of no use."""

    python: str = ""
    gpuws: str = ""
    ssh: str = ""  # what `ssh -V` says; "" where there is no ssh
    folders: tuple[Place, ...] = ()  # config, state, cache
    ssh_files: tuple[Place, ...] = ()  # ~/.ssh, its config, private keys
    agent: int = -1
    agent_trouble: str = ""
    ports: int = 0  # how many of the first local ports are free
    port_holder: str = ""  # who has the first one
    sockets: str = ""  # a keeper's socket would be there
    sockets_trouble: str = ""
    hosts_file: str = ""  # "" where there is none
    hosts_problems: tuple[tuple[str, str], ...] = ()  # (what, next step)
    hosts: int = 0
    solver: bool = True
    browser: str = ""  # why none would be opened
    terminal: str = ""  # its encoding


def _python(laptop: Laptop) -> Said | None:
    return ok(f"gpuws {laptop.gpuws}, Python {laptop.python}")


def _ssh(laptop: Laptop) -> Said | None:
    return ok(laptop.ssh) if laptop.ssh else warning("there is no ssh program on PATH")


def _folders(laptop: Laptop) -> Said | None:
    shut = [each.path for each in laptop.folders if not each.writable]
    if shut:
        return problem(f"{', '.join(shut)} cannot be written", code="usage")
    loose = [each.path for each in laptop.folders if each.mode >= 0 and each.mode & 0o022]
    if loose:
        return warning(f"others may write in {', '.join(loose)}", f"chmod go-w {loose[0]}")
    return ok(", ".join(each.path for each in laptop.folders))


def _disk(laptop: Laptop) -> Said | None:
    little = [each for each in laptop.folders if 0 <= each.free_mb < _LITTLE_MB]
    if any(each.free_mb == 0 for each in little):
        return problem(f"no space is free for {little[0].path}")
    if little:
        return warning(f"only {little[0].free_mb} MB are free for {little[0].path}")
    return ok("there is room")


def _hosts(laptop: Laptop) -> Said | None:
    if laptop.hosts_problems:
        what, fix = laptop.hosts_problems[0]
        more = len(laptop.hosts_problems) - 1
        return problem(f"{what} (and {more} more)" if more else what, fix)
    if not laptop.hosts_file:
        return ok("there is none, and none is needed")
    return ok(f"{laptop.hosts_file}: {laptop.hosts} hosts")


def _ssh_files(laptop: Laptop) -> Said | None:
    loose = [each.path for each in laptop.ssh_files if each.mode >= 0 and each.mode & 0o022]
    config = [each for each in loose if each.endswith("/config")]
    if config:
        return problem(f"others may write {config[0]}: ssh refuses it", f"chmod go-w {config[0]}")
    if loose:
        return warning(f"others may write {', '.join(loose)}", f"chmod go-w {loose[0]}")
    keys = [each.path for each in laptop.ssh_files if _is_key(each) and each.mode & 0o044]
    if keys:
        return warning(f"others can read {', '.join(keys)}", f"chmod 600 {keys[0]}")
    return ok("nobody else can write them")


def _is_key(place: Place) -> bool:
    return place.mode >= 0 and place.path.rpartition("/")[2].startswith("id_")


def _agent(laptop: Laptop) -> Said | None:
    if laptop.agent_trouble:
        return warning(f"the ssh-agent is of no use: {laptop.agent_trouble}")
    if laptop.agent < 0:
        return ok("none runs, and none is needed")
    return ok(f"it holds {laptop.agent} keys") if laptop.agent else advice("it holds no key")


def _ports(laptop: Laptop) -> Said | None:
    if laptop.ports == 0:
        return warning("none of the ports from 8888 on is free: the system chooses others")
    if laptop.port_holder:
        return ok(f"8888 is taken by {laptop.port_holder}; the next one is used")
    return ok("free from 8888 on")


def _sockets(laptop: Laptop) -> Said | None:
    if laptop.sockets_trouble:
        return problem(laptop.sockets_trouble, code="usage")
    length = len(laptop.sockets.encode())
    if length > _LONGEST_SOCKET:
        return problem(f"{laptop.sockets} is too long for a socket ({length} bytes)", code="usage")
    return ok(laptop.sockets or "named pipes")


def _solver(laptop: Laptop) -> Said | None:
    return ok("`gpuws env lock` can solve") if laptop.solver else advice("no solver is installed")


def _screen(laptop: Laptop) -> Said | None:
    if laptop.terminal and "utf" not in laptop.terminal.lower():
        return advice(f"the terminal's encoding is {laptop.terminal}: some signs become ?")
    return ok(laptop.terminal or "no terminal")


def _browser(laptop: Laptop) -> Said | None:
    return advice(f"none would open: {laptop.browser}") if laptop.browser else ok("it would open")


LAPTOP: tuple[Check[Laptop], ...] = (
    Check(
        "laptop-python",
        "gpuws",
        "The version of gpuws and of the Python that it runs in.",
        "`pip install --upgrade gpuws`",
        _python,
    ),
    Check(
        "no-ssh-program",
        "ssh",
        "There is an ssh program: without it, your ssh config is not read.",
        "install OpenSSH's client",
        _ssh,
    ),
    Check(
        "laptop-folders",
        "gpuws's folders",
        "The folders for configuration, state and cache can be written, by you alone.",
        "GPUWS_CONFIG_DIR, GPUWS_STATE_DIR and GPUWS_CACHE_DIR name others",
        _folders,
        codes=("usage",),
    ),
    Check(
        "laptop-disk-full",
        "laptop's disk",
        "They have room (200 MB).",
        "remove what you do not need; GPUWS_CACHE_DIR names another place",
        _disk,
        Exit.USAGE,
    ),
    Check(
        "hosts-file-invalid",
        "hosts.yaml",
        "Your hosts.yaml can be read, every entry of it.",
        "correct the line; hosts.example.yaml shows every key",
        _hosts,
    ),
    Check(
        "open-ssh-files",
        "~/.ssh",
        "Nobody else may write your ssh files, nor read your keys: ssh refuses them then.",
        "chmod -R go-w ~/.ssh",
        _ssh_files,
        Exit.INPUT,
    ),
    Check(
        "no-agent",
        "ssh-agent",
        "The agent that SSH_AUTH_SOCK names answers, and holds keys.",
        "`ssh-add` loads a key; `eval $(ssh-agent)` starts an agent",
        _agent,
    ),
    Check(
        "local-port-taken",
        "local ports",
        "Ports from 8888 on are free for the tunnel.",
        "`gpuws up HOST --local-port N` names another",
        _ports,
    ),
    Check(
        "keeper-sockets",
        "keeper",
        "A connection's background process can have its socket: a private folder, a short path.",
        "set GPUWS_STATE_DIR to a short path of your own",
        _sockets,
        codes=("usage",),
    ),
    Check(
        "no-solver",
        "solver",
        "The solvers for `gpuws env lock` are installed.",
        "`pip install 'gpuws[lock]'`",
        _solver,
    ),
    Check(
        "no-browser",
        "browser",
        "`gpuws up` can open a browser.",
        "`gpuws url HOST` prints the address for another one",
        _browser,
    ),
    Check(
        "plain-terminal",
        "terminal",
        "The terminal shows every sign that gpuws prints.",
        "set LANG to a UTF-8 locale, such as C.UTF-8",
        _screen,
    ),
)
