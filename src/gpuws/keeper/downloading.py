"""Files from the network to the laptop: as a stream of any size, or whole and small."""

from __future__ import annotations

import base64
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError

from gpuws.environments.fetching import Arriving, public
from gpuws.errors import GpuwsError
from gpuws.host.sanitise import one_line

_SILENCE = 60.0  # seconds without a byte
_BLOCK = 1 << 20  # bytes read at once
_LARGEST = 200 << 20  # bytes of what is kept in memory
_CANNOT_GO_ON = 416  # the file ends before the byte that was asked for
_FAILURES = (OSError, HTTPException, ValueError)


@contextmanager
def download(url: str, begin: int = 0) -> Iterator[Arriving]:
    """The file from byte ``begin`` on where the server can do that, else from its first.

    http, https and file; proxy variables are honoured. Raises channel-unreachable, also while the
    blocks are read.
    """
    try:
        answer, begins = _open(url, begin)
    except _FAILURES as error:
        raise _unreachable(url, error) from error
    with answer:
        yield Arriving(begins, _blocks(answer, url))


def fetch(url: str) -> bytes:
    """A small file, for hosts without a way out. Raises channel-unreachable."""
    data = bytearray()
    with download(url) as arriving:
        for block in arriving.blocks:
            data += block
            if len(data) > _LARGEST:
                raise GpuwsError("channel-unreachable", f"{public(url)} is larger than 200 MB")
    return bytes(data)


def _open(url: str, begin: int) -> tuple[IO[bytes], int]:
    try:
        answer = urllib.request.urlopen(_request(url, begin), timeout=_SILENCE)  # noqa: S310
    except HTTPError as error:
        if error.code != _CANNOT_GO_ON or not begin:
            raise
        return _open(url, 0)
    went_on = answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
    return answer, begin if went_on else 0


def _request(url: str, begin: int) -> urllib.request.Request:
    """A name and password in the address become a header that no redirect carries elsewhere."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("https", "http", "file"):
        raise ValueError("it is neither http(s) nor a file")
    login, at, host = parts.netloc.rpartition("@")
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~")  # a space would be refused
    plain = urllib.parse.urlunsplit(parts._replace(netloc=host, path=path))
    request = urllib.request.Request(plain)  # noqa: S310 - checked above
    if at:
        words = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {words}")
    if begin:
        request.add_header("Range", f"bytes={begin}-")
    return request


def _blocks(answer: IO[bytes], url: str) -> Iterator[bytes]:
    promised = getattr(answer, "length", None)  # bytes; None: the server does not say
    came = 0
    while True:
        try:
            block = answer.read(_BLOCK)
        except _FAILURES as error:
            raise _unreachable(url, error) from error
        came += len(block)
        if not block:
            break
        yield block
    if promised is not None and came < promised:  # http.client takes that for an end
        raise _unreachable(url, f"it ended after {came} of {promised} bytes")


def _unreachable(url: str, why: object) -> GpuwsError:
    return GpuwsError(
        "channel-unreachable",
        f"the laptop cannot download {public(url)}: {one_line(str(why), 200)}",
        hint="look whether this laptop reaches it; HTTPS_PROXY and NO_PROXY are honoured",
        stage="environment",
        retryable=True,
    )
