"""The laptop's cache of package archives: downloaded once, and looked at each time they are used.

Below gpuws's cache folder: ``archives/<2 of hash>/<hash>/FILE``, and ``FILE.part`` where a download
was cut. A download that is under way has a name of its own, so two gpuws at once do no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from gpuws import places
from gpuws.environments.fetching import Download, public
from gpuws.environments.tally import Tally
from gpuws.errors import GpuwsError
from gpuws.host.sanitise import one_line
from gpuws.plan.lock import LockedPackage
from gpuws.plan.ports import Progress

_AT_ONCE = 4
_BLOCK = 1 << 20  # bytes
_ABANDONED = 180.0  # seconds without a byte: a download gives up after 60
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~%@=-]{0,199}")


@dataclass(frozen=True)
class Archive:
    """A package's archive on the laptop, whole and checked. ``size`` in bytes."""

    path: Path
    sha256: str
    size: int


def home() -> Path:
    """Where they are on this laptop."""
    return places.cache() / "archives"


class Archives:
    """Safe to use from several threads and by several gpuws."""

    def __init__(self, download: Download, folder: Path | None = None) -> None:
        self._download = download
        self._folder = folder or home()

    def all(self, packages: Sequence[LockedPackage], progress: Progress) -> tuple[Archive, ...]:
        """In the order of ``packages``. The first failure ends the other downloads too."""
        places.private(self._folder)
        tally, stop = Tally(progress, len(packages)), threading.Event()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            coming = [pool.submit(self._one, each, tally, stop) for each in packages]
            try:
                wait(coming, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)
        failed = [e for each in coming if not each.cancelled() and (e := each.exception())]
        if failed:
            raise min(failed, key=lambda error: isinstance(error, _Stopped))
        return tuple(each.result() for each in coming)

    def _one(self, package: LockedPackage, tally: Tally, stop: threading.Event) -> Archive:
        """From the cache, else downloaded; what is spoiled is downloaded once more."""
        place = self._place(package)
        try:
            found = _checked(place, package) or self._new(place, package, tally, stop)
            found = found or self._new(place, package, tally, stop)
        except OSError as error:
            raise _unwritable(place, error) from error
        if found is None:
            raise _wrong(package)
        tally.finish()
        with contextlib.suppress(OSError):
            os.utime(found.path)  # spare.py removes what is not used for long
        return found

    def _place(self, package: LockedPackage) -> Path:
        digest = package.sha256 or package.md5
        if not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", digest):
            raise _refused(package, "no hash to check it by")
        if not _FILE.fullmatch(package.file):
            raise _refused(package, "an address that does not end in the name of a file")
        return self._folder / digest[:2] / digest / package.file

    def _new(
        self, place: Path, package: LockedPackage, tally: Tally, stop: threading.Event
    ) -> Archive | None:
        """None where what came is not what the lock promises; then nothing of it is kept."""
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _claimed(place) as part:
            self._fill(part, package.url, tally, stop)
            found = _checked(part, package)
            if found is None:
                return None
            part.replace(place)
        return replace(found, path=place)

    def _fill(self, part: Path, url: str, tally: Tally, stop: threading.Event) -> None:
        with part.open("ab") as file, self._download(url, file.tell()) as arriving:
            file.truncate(arriving.begins)
            for block in arriving.blocks:
                if stop.is_set():
                    raise _Stopped
                file.write(block)
                tally.add(len(block))


class _Stopped(Exception):
    """Another download failed."""


@contextlib.contextmanager
def _claimed(place: Path) -> Iterator[Path]:
    """A part that is ours alone, with what an earlier download left; kept when this one is cut."""
    kept = place.with_name(place.name + ".part")
    ours = place.with_name(f"{kept.name}.{os.getpid()}-{threading.get_ident()}")
    for left in (kept, *_abandoned(place)):
        with contextlib.suppress(OSError):
            left.replace(ours)
            break
    try:
        yield ours
    except BaseException:
        with contextlib.suppress(OSError):
            ours.replace(kept)
        raise
    ours.unlink(missing_ok=True)


def _abandoned(place: Path) -> list[Path]:
    """Of downloads whose gpuws was killed."""
    found = []
    for each in place.parent.glob(place.name + ".part.*"):
        with contextlib.suppress(OSError):  # another gpuws was quicker
            if time.time() - each.stat().st_mtime > _ABANDONED:
                found.append(each)
    return found


def _checked(path: Path, package: LockedPackage) -> Archive | None:
    """None where it is not there, or not what the lock promises."""
    size, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            sha256.update(block)
            md5.update(block if not package.sha256 else b"")
        promised, found = package.sha256 or package.md5, sha256 if package.sha256 else md5
        if found.hexdigest() == promised:
            return Archive(path, sha256.hexdigest(), size)
    return None


# --- what went wrong ------------------------------------------------------------------------------


def _wrong(package: LockedPackage) -> GpuwsError:
    return GpuwsError(
        "wrong-hash",
        f"{package.file} is not what the lock promises: {public(package.url)} gave other bytes, "
        "twice",
        hint="the server is stale or something on the way changed it; nothing of it was used",
        stage="environment",
    )


def _refused(package: LockedPackage, what: str) -> GpuwsError:
    return GpuwsError(
        "environment-file-invalid",
        f"the lock gives {one_line(package.name, 80)} {what}: {one_line(public(package.url))}",
        hint="lock the environment again",
        stage="environment",
    )


def _unwritable(place: Path, error: OSError) -> GpuwsError:
    return GpuwsError(
        "usage",
        f"the laptop's cache {place.parent} cannot be used: {error.strerror or error}",
        hint="make room there, or set GPUWS_CACHE_DIR to a folder on a larger disk",
        stage="environment",
    )
