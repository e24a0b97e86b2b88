"""Archives for a laptop that does not reach their origin: the same ones, from the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gpuws.environments.fetching import Arriving, Download
from gpuws.errors import GpuwsError
from gpuws.plan.mirrors import copies
from gpuws.plan.model import Mirror


class Elsewhere:
    """The Download port. Once the origin was out of reach the mirror is asked first: to wait for
    what does not answer takes a minute a file. Whose bytes they are the archive's hash says."""

    def __init__(self, download: Download, mirror: Mirror) -> None:
        self._download = download
        self._mirror = mirror
        self._mirror_first = False

    @contextmanager
    def __call__(self, url: str, begin: int = 0) -> Iterator[Arriving]:
        with ExitStack() as stack:
            yield self._open(stack, url, begin)

    def _open(self, stack: ExitStack, url: str, begin: int) -> Arriving:
        ways = (url, *copies(self._mirror, url))
        unreachable: list[GpuwsError] = []
        for way in reversed(ways) if self._mirror_first else ways:
            try:
                return stack.enter_context(self._download(way, begin))
            except GpuwsError as error:
                if error.code != "channel-unreachable":
                    raise
                unreachable.append(error)
                self._mirror_first = self._mirror_first or way == url
        raise unreachable[0]
