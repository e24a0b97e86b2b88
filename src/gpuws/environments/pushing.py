"""Archives of packages from the laptop to a host: only the missing bytes, checked there.

A push that is cut goes on where it was, from any laptop. Several at once do no harm: each fills a
part of its own, and only what has the right hash gets the archive's name.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from gpuws.environments.archives import Archive
from gpuws.environments.tally import Tally
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.ports import Host, Progress
from gpuws.plan.pushing import Held, amount, held_from, lanes

Answers = dict[str, list[str]]  # of receive.sh

_BLOCK = 1 << 20  # bytes read at once
_COPYING = 300.0  # seconds: the host may have to copy a part that it cannot be sure of


@dataclass(frozen=True)
class Pushed:
    """``sent`` is bytes of archives, ``skipped`` archives that the host had."""

    sent: int
    skipped: int
    seconds: float


@dataclass(frozen=True)
class Parcel:
    """An archive and the bytes of it that the host has."""

    archive: Archive
    offset: int = 0

    @property
    def left(self) -> int:
        return self.archive.size - self.offset

    @property
    def head(self) -> bytes:
        """As receive.sh reads it."""
        about = self.archive
        return f"{about.sha256} {self.offset} {about.size} {about.path.name}\n".encode()


def push(host: Host, root: str, archives: Sequence[Archive], progress: Progress) -> Pushed:
    """Have all of them under <root>/cache/archives. An archive that arrives wrong is sent twice.

    Raises disk-full, read-only, no-root-folder, wrong-hash, and what Host.feed does.
    """
    begun = time.monotonic()
    parcels, free = missing(host, root, archives)
    _refuse_full_disk(root, sum(each.left for each in parcels), free)
    tally = Tally(progress, len(parcels), sum(each.left for each in parcels))
    lost = _send(host, root, parcels, tally)
    if lost:
        again, _ = missing(host, root, [each.archive for each in lost])
        lost = _send(host, root, [Parcel(each.archive) for each in again], tally)
    if lost:
        raise _arrived_wrong(lost)
    return Pushed(tally.sent, len(archives) - len(parcels), time.monotonic() - begun)


def missing(host: Host, root: str, archives: Sequence[Archive]) -> tuple[list[Parcel], int | None]:
    """What the host lacks, asked in one round trip, and the bytes free there (None: unknown)."""
    names = [word for each in archives for word in (each.sha256, each.path.name)]
    program = script("gpuws.environments", "archives.sh", "held.sh")
    answers = fields(host.run(program, root, *names, timeout=_COPYING), "environment")
    held = held_from(answers, [each.size for each in archives])
    return _parcels(archives, held), held.free


def _parcels(archives: Sequence[Archive], held: Held) -> list[Parcel]:
    """The largest first: the lanes end together, and little is left to check at the end."""
    found = [
        Parcel(archive, held.parts.get(at, 0))
        for at, archive in enumerate(archives)
        if at not in held.whole
    ]
    return sorted(found, key=lambda each: -each.left)


# --- the lanes ------------------------------------------------------------------------------------


def _send(host: Host, root: str, parcels: Sequence[Parcel], tally: Tally) -> list[Parcel]:
    """Those that did not arrive as they are. The first failure ends the other lanes too."""
    if not parcels:
        return []
    waiting, stop = deque(parcels), threading.Event()
    count = lanes(host.distance(), len(parcels))
    with ThreadPoolExecutor(count) as pool:
        running = [
            pool.submit(_lane, host, root, _stream(waiting, tally, stop)) for _ in range(count)
        ]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    return _lost(parcels, [each.result() for each in running], tally)


def _lane(host: Host, root: str, data: Iterator[bytes]) -> Answers | GpuwsError:
    """An error where the host has no session for it (MaxSessions): another lane does its part."""
    program = script("gpuws.environments", "mark.sh", "sha256.sh", "archives.sh", "receive.sh")
    try:
        return fields(host.feed(program, root, data=data), "environment")
    except GpuwsError as error:
        if error.code != "remote-shell":
            raise
        return error


def _stream(waiting: deque[Parcel], tally: Tally, stop: threading.Event) -> Iterator[bytes]:
    """What one lane sends; the lanes take from ``waiting`` in turns."""
    while waiting and not stop.is_set():
        try:
            parcel = waiting.popleft()
        except IndexError:
            return
        yield parcel.head
        for block in _blocks(parcel):
            yield block
            tally.add(len(block))
            if stop.is_set():
                return
        yield b".\n"
        tally.finish()


def _blocks(parcel: Parcel) -> Iterator[bytes]:
    left = parcel.left
    with parcel.archive.path.open("rb") as file:
        file.seek(parcel.offset)
        while left:
            block = file.read(min(left, _BLOCK))
            if not block:
                raise _changed(parcel.archive)
            left -= len(block)
            yield block


def _lost(
    parcels: Sequence[Parcel], ended: Sequence[Answers | GpuwsError], tally: Tally
) -> list[Parcel]:
    refusals = [each for each in ended if isinstance(each, GpuwsError)]
    answers = [each for each in ended if not isinstance(each, GpuwsError)]
    if not answers:
        raise refusals[0]
    unchecked = [name for each in answers for name in each.get("unchecked", ())]
    if unchecked:
        tally.warn_unchecked(len(unchecked))
    kept = {name for each in answers for name in each.get("kept", ())}.union(unchecked)
    return [each for each in parcels if each.archive.sha256 not in kept]


# --- what went wrong ------------------------------------------------------------------------------


def _refuse_full_disk(root: str, needed: int, free: int | None) -> None:
    if free is None or needed <= free:
        return
    raise GpuwsError(
        "disk-full",
        f"{amount(needed)} of packages do not fit on the host: {amount(free)} are free in {root}",
        hint="make room there (gpuws env ls HOST), or set root: in hosts.yaml to a larger disk",
        stage="environment",
    )


def _arrived_wrong(lost: Sequence[Parcel]) -> GpuwsError:
    return GpuwsError(
        "wrong-hash",
        f"{lost[0].archive.path.name} arrived on the host with other bytes, twice "
        f"({len(lost)} such)",
        hint="the host's disk or memory may be faulty; nothing of it was used",
        stage="environment",
    )


def _changed(archive: Archive) -> GpuwsError:
    return GpuwsError(
        "wrong-hash",
        f"{archive.path} became shorter while it was sent",
        hint="run the same command again",
        stage="environment",
        retryable=True,
    )
