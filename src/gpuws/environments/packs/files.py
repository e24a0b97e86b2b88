"""Archives as files of the laptop: a new one is there when it is whole, and never in place of
another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from gpuws.environments.packs.archive import Packed, write
from gpuws.environments.packs.members import Sink
from gpuws.environments.packs.meter import Meter
from gpuws.errors import GpuwsError
from gpuws.plan.ports import Progress
from gpuws.plan.results import EnvironmentPacked

_ENDINGS = (".tar.gz", ".tgz")


def name_for(name: str, digest: str) -> str:
    """The archive's, where the person names none."""
    return f"{name}-{digest[:8]}{_ENDINGS[0]}"


def into_file(
    packed: Packed, path: Path, source: str, report: Progress, clock: Callable[[], float]
) -> EnvironmentPacked:
    """``source``: where it comes from, for the answer. Raises usage, pack-invalid."""
    manifest = packed.manifest
    with new_file(path) as sink:
        write(Meter(manifest.bytes, report, clock).counted(packed), sink)
    return EnvironmentPacked(
        source=source,
        hash=manifest.hash,
        platform=manifest.platform,
        file=str(path),
        bytes=manifest.bytes,
        archive_bytes=path.stat().st_size,
    )


def check_new(path: Path) -> None:
    """Raises usage before anything is asked of a host."""
    if not path.name.endswith(_ENDINGS):
        hint = f"end its name in {_ENDINGS[0]}"
        raise GpuwsError("usage", f"{path.name} would be a gzip archive", hint=hint)
    if os.path.lexists(path):
        hint = "name another with -o, or remove it"
        raise GpuwsError("usage", f"{path} is there already", hint=hint)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Sink]:
    """Where an archive is written. Raises usage, pack-invalid."""
    check_new(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with _told(path):
        file = part.open("xb")
    try:
        try:
            yield _Out(file, path)
        finally:
            with _told(path):
                file.close()  # writes what was kept, so it may fail as a write does
        with _told(path):
            _put(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def old_file(path: Path) -> Iterator[IO[bytes]]:
    """Raises pack-invalid for what cannot be read."""
    with _told(path):
        file = path.open("rb")
    with file:
        yield file


def _put(part: Path, path: Path) -> None:
    """A link, unlike a rename, is never made over a file that came meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as a USB stick's
        check_new(path)
        part.rename(path)


class _Out:
    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    def write(self, data: bytes, /) -> None:
        with _told(self._path):
            self._file.write(data)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the laptop's file system says, as an error that names the file."""
    try:
        yield
    except OSError as error:
        raise GpuwsError(
            "pack-invalid",
            f"{path}: {error.strerror or error}",
            hint=f"ls -l {path}; df {path.parent}",
            stage="environment",
        ) from error
