"""An environment where it is, as a stream that an archive is made of."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gpuws.environments.packs.archive import BUILD, ENVIRONMENT, Packed, unmovable, why_not
from gpuws.environments.packs.coming import Coming
from gpuws.environments.packs.gz import Gunzip
from gpuws.environments.packs.members import Content, Member, Source, Stream, members
from gpuws.environments.packs.secrets import may_hold_secrets, without_secrets
from gpuws.errors import GpuwsError
from gpuws.host.sanitise import sanitise
from gpuws.host.script import fields, script
from gpuws.plan import answers
from gpuws.plan.packs import BUILD_FILES, Manifest, described
from gpuws.plan.ports import Host, Reply, Script

_PACKAGE = "gpuws.environments.packs"
_ORIGIN = (
    "gpuws.environments:lock.sh",
    "gpuws.environments:packages.sh",
    "origin.sh",
)


class Reading(Source, Protocol):
    """pack.sh under way: its output, and how it ended once that was read."""

    @property
    def status(self) -> int: ...
    @property
    def talk(self) -> str: ...
    def close(self) -> None: ...


def packed_there(host: Host, *, root: str, digest: str, idle: Callable[[], None]) -> Packed:
    """An environment that gpuws built on a host. Raises not-relocatable, environment-not-found."""
    prefix = f"{root}/envs/{digest}"
    reply = host.run(script(_PACKAGE, *_ORIGIN), prefix, f"{root}/builds/{digest}", timeout=300.0)
    found = fields(reply, "environment")
    manifest = described(found, prefix=prefix, digest=digest)

    def started() -> Reading:
        return Coming(host.open_process(script(_PACKAGE, "pack.sh"), prefix), idle)

    return Packed(manifest, _stream(manifest, found, started))


def packed_here(prefix: str) -> Packed:
    """A conda or virtual environment of this laptop, by the same scripts."""
    found = fields(_run_here(script(_PACKAGE, *_ORIGIN), prefix, ""), "environment")
    manifest = described(found, prefix=prefix, digest="")

    def started() -> Reading:
        return _Here(script(_PACKAGE, "pack.sh"), prefix)

    return Packed(manifest, _stream(manifest, found, started))


def _stream(manifest: Manifest, found: answers.Fields, start: Callable[[], Reading]) -> Stream:
    """Nothing is started before somebody reads. Whatever ends it, the process ends too."""
    yield from _build_files(found)
    reading = start()
    try:
        for member, content in members(Gunzip(reading, "what tar sent"), "the environment"):
            yield _clean(_checked(_within(member), manifest), content)
        _check_end(reading)
    finally:
        reading.close()


def _build_files(found: answers.Fields) -> Stream:
    lists: dict[str, list[str]] = {}
    for line in found.get("file", []):
        name, _, text = line.partition("\t")
        lists.setdefault(name, []).append(text)
    for name, lines in lists.items():
        if BUILD_FILES.fullmatch(name):
            data = without_secrets("".join(f"{line}\n" for line in lines).encode())
            yield Member(BUILD + name, "file", size=len(data)), (data,)


def _within(member: Member) -> Member:
    target = ENVIRONMENT + member.target if member.kind == "same" else member.target
    return replace(member, name=ENVIRONMENT + member.name, target=target)


def _checked(member: Member, manifest: Manifest) -> Member:
    if why := why_not(member, manifest):
        raise unmovable(why)
    return member


def _clean(member: Member, content: Content) -> tuple[Member, Content]:
    if member.kind != "file" or not may_hold_secrets(member.name, member.size):
        return member, content
    data = without_secrets(b"".join(content))
    return replace(member, size=len(data)), (data,)


def _check_end(reading: Reading) -> None:
    while reading.read(1 << 16):
        pass
    if reading.status != 0:
        raise GpuwsError(
            "environment-failed",
            "the environment could not be read to its end",
            hint="if something changed it meanwhile, run the command again",
            stage="environment",
            detail=reading.talk,
        )


# --- on this laptop -------------------------------------------------------------------------------


def _shell() -> str:
    found = shutil.which("sh")
    if found is None:
        raise GpuwsError(
            "unsupported-platform",
            "an environment of this laptop runs on no host that gpuws knows",
            hint="`gpuws env lock HOST` writes the same packages for the host's platform, "
            "`gpuws up HOST` builds them there",
            stage="environment",
        )
    return found


def _run_here(program: Script, *args: str) -> Reply:
    done = subprocess.run(
        [_shell(), "-c", program.text, program.name, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    out, err = (data.decode("utf-8", "replace") for data in (done.stdout, done.stderr))
    return Reply(out, done.returncode, err)


class _Here:
    """pack.sh as a process of this laptop."""

    def __init__(self, program: Script, *args: str) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self._process = subprocess.Popen(
            [_shell(), "-c", program.text, program.name, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    def read(self, size: int, /) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        return self._process.stdout.read(size)

    @property
    def status(self) -> int:
        return self._process.wait(10)

    @property
    def talk(self) -> str:
        self._stderr.seek(0)
        return sanitise(self._stderr.read(4000)).strip()

    def close(self) -> None:
        """Also where it has not ended: tar and gzip end when nobody reads."""
        self._stderr.close()
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._process.stdout.close()
        self._process.wait(30)
