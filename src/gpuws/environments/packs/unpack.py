"""A packed environment onto a host: sent, settled, looked at there, and marked last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources

from gpuws.environments.order import Engine, unit
from gpuws.environments.packs.archive import BUILD, ENVIRONMENT, Packed
from gpuws.environments.packs.coming import Coming
from gpuws.environments.packs.gz import Gzip
from gpuws.environments.packs.members import Member, Writer
from gpuws.environments.packs.relocate import Move
from gpuws.environments.packs.settle import Base, Settling
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.host.session import lost
from gpuws.plan import answers
from gpuws.plan.model import HostFacts
from gpuws.plan.packs import Manifest
from gpuws.plan.ports import Host, Process, Reply

_PACKAGE = "gpuws.environments"
_MOST_ANSWERED = 1 << 20  # bytes
_LEVEL = 1  # of gzip: most wires are slower than that


@dataclass(frozen=True)
class Unpacked:
    """``action``: created, or reused where it was complete. ``left``: files that still name the
    place that it comes from."""

    prefix: str
    action: str
    left: tuple[str, ...] = ()


def unpack(
    host: Host, facts: HostFacts, engine: Engine, packed: Packed, idle: Callable[[], None]
) -> Unpacked:
    """Nothing is complete before all of it came, its checksum was right, and its python ran there.

    Raises locked, python-not-found, disk-full, health-check-failed, build-interrupted.
    """
    manifest = packed.manifest
    prefix = f"{facts.root}/envs/{manifest.hash}"
    process = _start(host, facts, engine, manifest)
    said = _Answers(Coming(process, idle))
    try:
        state = said.state()
        if state == "complete":
            return Unpacked(prefix, "reused")
        if state != "ready":
            raise _under_way(manifest.hash)
        settling = Settling(Move(manifest.prefixes, prefix), Base(manifest.base, said.last("base")))
        with _Sending(process, said):
            _send(process, packed, settling)
        said.finish()
    finally:
        said.close()
    return Unpacked(prefix, "created", tuple(settling.left))


def _start(host: Host, facts: HostFacts, engine: Engine, manifest: Manifest) -> Process:
    names = ("mark.sh", "gpuws.engines:volume.sh", "lock.sh", "own.sh", "packages.sh", "finish.sh")
    program = script(_PACKAGE, *engine.fragments, *names, f"{_PACKAGE}.packs:unpack.sh")
    minor = ".".join(manifest.python.split(".")[:2]) if manifest.base else ""
    same = [each.path for each in facts.pythons if each.version.startswith(f"{minor}.")]
    return host.open_process(
        program,
        facts.root,
        manifest.hash,
        engine.name,
        unit(manifest.hash),
        f"{facts.run_base}/{unit(manifest.hash)}",
        manifest.tool,
        manifest.version,
        "1" if manifest.jupyter else "0",
        minor,
        *([manifest.base, *same] if minor else []),
    )


def _under_way(digest: str) -> GpuwsError:
    return GpuwsError(
        "locked",
        f"the environment {digest} is being built or unpacked there by somebody else",
        hint="`gpuws env list HOST` shows it; run the command again when it has ended",
        stage="environment",
    )


def _send(process: Process, packed: Packed, settling: Settling) -> None:
    gzip = Gzip(_Wire(process), _LEVEL)
    tar = Writer(gzip)
    digest = packed.manifest.hash
    for member, content in packed.members:
        if member.name.startswith(ENVIRONMENT):
            member, content = settling.settled(member, content)
        tar.add(_placed(member, digest), content)
    check = resources.files(_PACKAGE).joinpath("check.py").read_bytes()
    tar.add(Member(f"builds/{digest}/check.py", "file", size=len(check)), (check,))
    tar.add(Member(f"builds/{digest}/scratch/whole", "file"))
    tar.close()
    gzip.close()


def _placed(member: Member, digest: str) -> Member:
    """Below the root, and so that its owner can read and remove it."""
    least = 0o700 if member.kind == "folder" else 0o600
    target = _path(member.target, digest) if member.kind == "same" else member.target
    return Member(
        name=_path(member.name, digest),
        kind=member.kind,
        mode=member.mode | least,
        mtime=member.mtime,
        size=member.size,
        target=target,
    )


def _path(name: str, digest: str) -> str:
    if name.startswith(ENVIRONMENT):
        return f"envs/{digest}/{name.removeprefix(ENVIRONMENT)}"
    return f"builds/{digest}/{name.removeprefix(BUILD)}"


class _Wire:
    """What is written goes to the process, as fast as the host takes it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def write(self, data: bytes, /) -> None:
        try:
            self._process.send(data)
        except (OSError, EOFError) as error:
            raise _Unheard from error


class _Unheard(Exception):
    """The host does not listen any more; it has said why, or never will."""


class _Sending:
    """However the sending ends, the host hears the end of it and can clean up."""

    def __init__(self, process: Process, said: _Answers) -> None:
        self._process = process
        self._said = said

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._process.send_eof()
        if kind is _Unheard:
            self._said.finish()
            raise lost("unpacking")
        if kind is not None and issubclass(kind, GpuwsError):
            with contextlib.suppress(GpuwsError):
                self._said.finish()


class _Answers:
    """What unpack.sh says, line by line."""

    def __init__(self, coming: Coming) -> None:
        self._coming = coming
        self._text = ""

    def state(self) -> str:
        """The first that it tells. Raises what it dies of."""
        while not self.last("state"):
            if not self._read():
                self.finish()
                raise lost("the start of unpacking")
        return self.last("state")

    def last(self, key: str) -> str:
        lines = [line.partition("\t") for line in self._lines()]
        return next((value for name, _, value in reversed(lines) if name == key), "")

    def _lines(self) -> Iterator[str]:
        yield from self._text.split("\n")[:-1]

    def _read(self) -> bool:
        block = self._coming.read(1 << 16)
        room = _MOST_ANSWERED - len(self._text)
        self._text += block.decode("utf-8", "replace")[:room]
        return bool(block)

    def finish(self) -> None:
        """Read to the end. Raises what it died of."""
        while self._read():
            pass
        plain = [answers.clean(line, 400) for line in self._lines() if "\t" not in line]
        detail = "\n".join((*plain[-20:], self._coming.talk))
        fields(Reply(self._text, self._coming.status, detail), "environment")

    def close(self) -> None:
        self._coming.close()
