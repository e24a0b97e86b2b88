"""The engines that make a connection, for tests that must hold with each of them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from gpuws.host.openssh.mux import Control
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.transport import OPENSSH, PARAMIKO, TRANSPORTS

THEIRS = "a master of the user's"
ENGINES = (*TRANSPORTS, THEIRS)

_Adapt = Callable[[Profile], Profile]


def _by_paramiko(profile: Profile) -> Profile:
    return replace(profile, transport=PARAMIKO)


_now: list[_Adapt] = [_by_paramiko]


@contextlib.contextmanager
def by(engine: str, folder: Path) -> Iterator[None]:
    """Whatever `connected` and `log_in` connect in the block, they connect with this engine.
    ``folder``: a short one."""
    with contextlib.ExitStack() as masters:

        def over_theirs(profile: Profile) -> Profile:
            path = folder / f"m{len(list(folder.iterdir()))}"
            masters.enter_context(master(profile, path))
            return replace(profile, transport=OPENSSH, control_path=str(path))

        adapt: dict[str, _Adapt] = {
            PARAMIKO: _by_paramiko,
            OPENSSH: lambda profile: replace(profile, transport=OPENSSH),
            THEIRS: over_theirs,
        }
        before, _now[0] = _now[0], adapt[engine]
        try:
            yield
        finally:
            _now[0] = before


@contextlib.contextmanager
def master(profile: Profile, path: Path) -> Iterator[None]:
    """`ssh -MNf` as a user has it, until the block ends."""
    config = ("-F", profile.ssh_config) if profile.ssh_config else ()
    words = ("-M", "-N", "-f", "-S", str(path), "-p", str(profile.port), "--", profile.alias)
    command = ["ssh", *config, *words]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=20)
    process = psutil.Process(Control(str(path)).process())
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            process.wait(10)


def profile_of(alias: str, config: Path, port: int = 0) -> Profile:
    """``port``: of a proxy in front of the server."""
    profile = resolve(alias, ssh_config=config)
    return _now[0](replace(profile, port=port) if port else profile)
