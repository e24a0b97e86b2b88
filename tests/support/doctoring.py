"""`gpuws doctor HOST` inside a test: the real journey over any host, and a world outside of it."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from gpuws.host.profile import resolve
from gpuws.journeys import doctor
from gpuws.journeys.world import World
from gpuws.plan.doctor.finding import Finding, finding_from
from gpuws.plan.doctor.table import HOST
from gpuws.plan.model import HostEntry, Mirror, Profile
from gpuws.plan.ports import Host
from gpuws.plan.requests import DoctorRequest, Reach
from tests.support.conda_channel import Served, serve
from tests.support.connected import connected
from tests.support.person import Ear
from tests.support.sshd import ALIAS, free_port


@dataclass(frozen=True)
class Findings:
    """By the check's id. ``exit``: as the command's."""

    found: dict[str, Finding]
    exit: int

    def __getitem__(self, check: str) -> Finding:
        return self.found[check]

    def verdict(self, check: str) -> str:
        return self.found[check].verdict.value

    def not_fine(self) -> dict[str, str]:
        return {k: v.verdict.value for k, v in self.found.items() if v.verdict.value != "ok"}


def of_host(host: Host, entry: HostEntry, now: Callable[[], float] = time.time) -> Findings:
    """Over a connection that is there."""
    return _examined(lambda _: contextlib.nullcontext(host), lambda _: host.profile, entry, now)


def of_config(config: Path, entry: HostEntry, alias: str = ALIAS) -> Findings:
    """Over one that is made by this ssh_config, or is not."""
    return _examined(
        lambda _: connected(config, alias),
        lambda _: resolve(alias, ssh_config=config),
        entry,
        time.time,
    )


def _examined(
    host: Callable[[Reach], AbstractContextManager[Host]],
    resolved: Callable[[Reach], Profile],
    entry: HostEntry,
    now: Callable[[], float],
) -> Findings:
    forwards = SimpleNamespace(outage=lambda: "")
    world = SimpleNamespace(host=host, resolve=resolved, forwards=forwards, report=Ear(), now=now)
    result = doctor.run(DoctorRequest(Reach(ALIAS, entry)), cast(World, world))
    findings = map(finding_from, result.checks)
    by_id = {check.id: each for check, each in zip(HOST, findings, strict=True)}
    return Findings(by_id, result.exit)


@dataclass(frozen=True)
class Outside:
    """Everything that hosts fetch from, on loopback. ``entry`` leads there, ``nowhere`` to a port
    where nobody listens."""

    served: Served
    entry: HostEntry

    @property
    def nowhere(self) -> HostEntry:
        gone = f"http://127.0.0.1:{free_port()}"
        return replace(self.entry, channels=(gone,), pip_index=gone, mirror=_hub(gone))

    def yaml(self, name: str) -> str:
        """The same as hosts.yaml."""
        mirror = f"mirror:\n      huggingface: {self.served.url}"
        return (
            f"hosts:\n  {name}:\n    channels: ['{self.served.url}/c']\n"
            f"    pip_index: {self.served.url}/simple\n    {mirror}\n"
        )


def _hub(url: str) -> Mirror:
    return Mirror(huggingface=url, own_hub=True)


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    for name, text in (
        ("c/linux-64/repodata.json", "{}"),
        ("c/linux-aarch64/repodata.json", "{}"),
        ("simple/pip/index.html", "<a>pip-24.0-py3-none-any.whl</a>"),
        ("api/models", "[]"),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with serve(folder) as served:
        entry = HostEntry(ALIAS, channels=(f"{served.url}/c",), mirror=_hub(served.url))
        yield Outside(served, replace(entry, pip_index=f"{served.url}/simple"))


def snapshot(*folders: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every path with its mode, inode, time of change and content."""
    found = {}
    for path in (each for folder in folders for each in (folder, *folder.rglob("*"))):
        facts = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(facts.st_mode) else b""
        found[str(path)] = (facts.st_mode, facts.st_ino, facts.st_ctime_ns, data)
    return found
