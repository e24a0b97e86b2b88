"""HTTP/1.1 over a stream, no more than asking Jupyter takes. The answers are untrusted."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field

from gpuws.plan.ports import Stream

_HEAD_CAP = 64 * 1024  # bytes of status line and headers
_BODY_CAP = 1 << 20  # bytes
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n\0]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_SIZE = re.compile(rb"[0-9]{1,12}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n\0]*)?")
_WORD = re.compile(r"[!-~]+")  # printable ASCII without spaces: safe in a request line


class BadAnswer(OSError):
    """What came is not HTTP/1.1, is larger than allowed, or ended early."""


@dataclass(frozen=True)
class Response:
    """``headers`` have lower-case names; a repeated one is joined by ", "."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> object:
        """The body as JSON. Raises BadAnswer where it is not."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadAnswer("the answer is not JSON") from error
        return value


def request(
    stream: Stream,
    method: str,
    path: str,
    *,
    token: str = "",
    host: str = "localhost",
    timeout: float,
) -> Response:
    """Ask once; the stream stays usable for the next request.

    Raises BadAnswer or another OSError (TimeoutError after ``timeout`` seconds in all).
    """
    answers = Answers(stream, timeout)
    stream.sendall(ask(method, path, token=token, host=host))
    return answers.read(method)


def ask(method: str, path: str, *, token: str = "", host: str = "localhost") -> bytes:
    """The bytes of a request without a body. Raises ValueError for text that would break out."""
    for word in (method, path, host, token or "-"):
        if not _WORD.fullmatch(word):
            raise ValueError("not fit for an HTTP request")
    authorization = f"Authorization: token {token}\r\n" if token else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}"
    return f"{head}Accept: application/json\r\nAccept-Encoding: identity\r\n\r\n".encode("ascii")


class Answers:
    """Reads the responses of one stream in order, with one deadline for all of them."""

    def __init__(self, stream: Stream, timeout: float) -> None:
        self._stream = stream
        self._deadline = time.monotonic() + timeout
        self._held = bytearray()
        self._wait()

    def read(self, method: str = "GET") -> Response:
        status, headers = self._head()
        while status < 200:  # 100 Continue and the like come before the answer
            status, headers = self._head()
        return Response(status, headers, self._body(method, status, headers))

    def _head(self) -> tuple[int, dict[str, str]]:
        start, *lines = self._until(b"\r\n\r\n", _HEAD_CAP).split(b"\r\n")
        status = _STATUS.fullmatch(start)
        if not status:
            raise BadAnswer("the answer is not HTTP")
        headers: dict[str, str] = {}
        for line in lines:
            found = _HEADER.fullmatch(line)
            if not found:
                raise BadAnswer("the answer has a malformed header")
            name, value = (part.decode("latin-1") for part in found.groups())
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
        return int(status[1]), headers

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        size, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if method == "HEAD" or status in (204, 304):
            return b""
        if coding is not None:
            if coding.lower() != "chunked" or size is not None:
                raise BadAnswer("the answer's length is ambiguous")
            return self._chunks()
        if size is None:
            return self._rest()
        if not _SIZE.fullmatch(size.encode("latin-1")):
            raise BadAnswer("the answer's length is malformed")
        return self._exactly(int(size))

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = _CHUNK.fullmatch(self._until(b"\r\n", 1024))
            if not size:
                raise BadAnswer("the answer has a malformed chunk")
            length = int(size[1], 16)
            if len(body) + length > _BODY_CAP:
                raise BadAnswer("the answer is larger than 1 MiB")
            if length == 0:
                break
            body += self._exactly(length)
            if self._exactly(2) != b"\r\n":
                raise BadAnswer("the answer has a malformed chunk")
        while self._until(b"\r\n", 1024):  # trailers
            pass
        return bytes(body)

    def _exactly(self, size: int) -> bytes:
        if size > _BODY_CAP:
            raise BadAnswer("the answer is larger than 1 MiB")
        while len(self._held) < size:
            self._more()
        return self._take(size)

    def _rest(self) -> bytes:
        while len(self._held) <= _BODY_CAP:
            self._wait()
            data = self._stream.recv(64 * 1024)
            if not data:
                return self._take(len(self._held))
            self._held += data
        raise BadAnswer("the answer is larger than 1 MiB")

    def _until(self, end: bytes, cap: int) -> bytes:
        """What comes before ``end``; ``end`` is dropped."""
        while (at := self._held.find(end)) < 0:
            if len(self._held) > cap:
                raise BadAnswer("the answer's head is too long")
            self._more()
        if at > cap:
            raise BadAnswer("the answer's head is too long")
        found = self._take(at)
        del self._held[: len(end)]
        return found

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _more(self) -> None:
        self._wait()
        data = self._stream.recv(64 * 1024)
        if not data:
            raise BadAnswer("the connection ended before the answer did")
        self._held += data

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no complete answer in time")
        self._stream.settimeout(left)
