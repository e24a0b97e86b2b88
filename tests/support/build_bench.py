"""Everything that a test of environment builds needs: a host, facts about it, orders."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gpuws.engines.engine import TMUX, Engine
from gpuws.environments.build import Built, ensure
from gpuws.environments.choose import choose
from gpuws.environments.order import BuildOrder
from gpuws.plan.model import EnvironmentSpec, HostFacts, Pairs, Tool
from gpuws.plan.naming import environment_hash
from tests.support import micromamba
from tests.support.local_host import LocalHost
from tests.support.package_index import pip_settings


@dataclass
class Heard:
    """A Progress that remembers."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def stage(self, name: str, detail: str = "") -> None: ...

    def line(self, text: str) -> None:
        self.lines.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def advise(self, about: str, *lines: str) -> None: ...


@dataclass(frozen=True)
class Bench:
    """A host whose HOME is ``home``. Plain values, so that another process can have it too."""

    home: Path
    run_base: str
    tools: tuple[Tool, ...] = ()
    shell: tuple[str, ...] = ("/bin/sh",)
    env: Pairs = field(default_factory=pip_settings)
    engine: Engine = TMUX
    login: str = "me"

    @property
    def root(self) -> Path:
        return self.home / "gpuws"

    @property
    def calls(self) -> Path:
        """Where the stand-ins note each call."""
        return self.home / "calls"

    def host(self) -> LocalHost:
        return LocalHost(self.home, shell=self.shell, env=dict(self.env))

    def facts(self) -> HostFacts:
        return HostFacts(
            system="Linux",
            machine=os.uname().machine,
            user=self.login,
            uid=os.getuid(),
            home=str(self.home),
            shell="/bin/sh",
            node="node",
            boot_id="boot",
            now=0,
            root=str(self.root),
            root_writable=True,
            root_filesystem="ext4",
            disk_free_mb=10_000,
            glibc=os.confstr("CS_GNU_LIBC_VERSION").split()[-1],  # type: ignore[union-attr]
            run_base=self.run_base,
            tools=self.tools,
            pythons=(Tool("python3", base_python(), ".".join(map(str, sys.version_info[:3]))),),
        )

    def order(
        self,
        spec: EnvironmentSpec,
        *,
        extra: tuple[str, ...] = (),
        channels: tuple[str, ...] = (),
        pip_index: str | None = None,
        cache_dir: str | None = None,
        prologue: tuple[str, ...] = (),
        env: Pairs = (),
    ) -> BuildOrder:
        facts = self.facts()
        digest = environment_hash(
            spec, extra=extra, machine=facts.machine, channels=channels, pip_index=pip_index
        )
        return BuildOrder(
            root=str(self.root),
            run_base=self.run_base,
            engine=self.engine,
            spec=spec,
            extra=extra,
            choice=choose(spec, facts),
            hash=digest,
            facts=facts,
            channels=channels,
            pip_index=pip_index,
            cache_dir=cache_dir,
            prologue=prologue,
            env=((micromamba.CALLS, str(self.calls)), *env),
        )


def base_python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")


def host_uv() -> Tool:
    """uv as a host has it: the one that came with the tests."""
    path = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert path, "the test extra brings uv"
    return Tool("uv", path)


def conda_tool(folder: Path, name: str = "micromamba") -> Tool:
    """A stand-in on the host."""
    return Tool(name, str(micromamba.install(folder, name)))


def build(bench: Bench, order: BuildOrder, heard: Heard | None = None) -> Built:
    """What a laptop does; a function of its own so that another process can do it."""
    return ensure(bench.host(), order, heard or Heard(), None)


def processes_of(order: BuildOrder) -> list[psutil.Process]:
    """The build's own processes, by the name in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            named = process.environ().get("GPUWS_BUILD") == order.folder
            if named and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_build(order: BuildOrder) -> None:
    """SIGKILL for all of it at once, as the kernel does when memory is short."""
    for _ in range(20):
        left = processes_of(order)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        if not left:
            return
        time.sleep(0.05)


def wait_for(path: Path, text: str = "", seconds: float = 20) -> None:
    """Until a file is there and holds ``text``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if text in path.read_text():
                return
        time.sleep(0.05)
    raise AssertionError(f"{path} never held {text!r}")
