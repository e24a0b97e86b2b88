"""`gpuws doctor` without a host: what is gathered of this laptop. No network; nothing is made."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gpuws import __version__, places
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.doctor.laptop import Laptop, Place

_FIRST_PORT = 8888
_PORTS = 20  # ports that are looked at
_SSH_SECONDS = 5.0


def laptop(options: Options) -> Laptop:
    from gpuws.tunnel.local_ports import holder, is_free
    from gpuws.tunnel.opener import browser_available

    first = range(_FIRST_PORT, _FIRST_PORT + _PORTS)
    agent, agent_trouble = _agent()
    sockets, sockets_trouble = _sockets()
    hosts_file, hosts, problems = _hosts(options)
    return Laptop(
        python=f"{platform.python_version()} ({sys.executable})",
        gpuws=__version__,
        ssh=_ssh(),
        folders=tuple(map(_place, (places.config(), places.state(), places.cache()))),
        ssh_files=tuple(map(_place, _ssh_files())),
        agent=agent,
        agent_trouble=agent_trouble,
        ports=sum(map(is_free, first)),
        port_holder="" if is_free(_FIRST_PORT) else holder(_FIRST_PORT) or "another program",
        sockets=sockets,
        sockets_trouble=sockets_trouble,
        hosts_file=hosts_file,
        hosts=hosts,
        hosts_problems=problems,
        solver=all(importlib.util.find_spec(name) for name in ("rattler", "uv")),
        browser=browser_available(os.environ, sys.platform) or "",
        terminal=sys.stdout.encoding if sys.stdout.isatty() else "",
    )


def _place(path: Path) -> Place:
    """Of one that is not there yet, what counts is the closest folder above it."""
    near = next((each for each in (path, *path.parents) if each.exists()), path)
    posix = os.name == "posix"
    try:
        mode = path.stat().st_mode & 0o777 if posix and path.exists() else -1
        free = shutil.disk_usage(near).free >> 20
    except OSError:
        mode = free = -1
    return Place(str(path), mode, near.is_dir() and os.access(near, os.W_OK), free)


def _ssh() -> str:
    """What `ssh -V` prints, which is on stderr."""
    program = shutil.which("ssh")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-V"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SSH_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stderr or done.stdout).splitlines()), program)


def _ssh_files() -> Iterator[Path]:
    """The folder, its configuration, and the private keys of the usual names."""
    from gpuws.host.here import home

    folder = Path(home(), ".ssh")
    yield folder
    yield folder / "config"
    if folder.is_dir():
        yield from islice((p for p in sorted(folder.glob("id_*")) if p.suffix != ".pub"), 20)


def _agent() -> tuple[int, str]:
    """(keys it holds, -1 where there is none; why it is of no use)."""
    from gpuws.host.agent import Agent, AgentTrouble

    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return -1, ""
    try:
        agent = Agent(path)
        try:
            return len(agent.keys()), ""
        finally:
            agent.close()
    except AgentTrouble as error:
        return 0, f"{path}: {error}"


def _sockets() -> tuple[str, str]:
    """(where a keeper's socket would be, why it cannot be there)."""
    if os.name == "nt":
        return "", ""
    from gpuws.keeper import wire

    folder = wire.run_path()
    if not os.path.lexists(folder):
        return str(folder / f"{'0' * 16}.sock"), ""
    try:
        return wire.address("0" * 16), ""
    except GpuwsError as error:
        return "", error.message


def _hosts(options: Options) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """(the file, how many hosts it names, its problems with what to do)."""
    path = Path(options.hosts) if options.hosts else places.config() / "hosts.yaml"
    if not options.hosts and not path.exists():
        return "", 0, ()
    from gpuws.config.hosts import load_hosts

    try:
        entries, problems = load_hosts(path)
    except GpuwsError as error:
        return str(path), 0, ((error.message, error.hint),)
    return str(path), len(entries), tuple((each.message, each.hint) for each in problems)
