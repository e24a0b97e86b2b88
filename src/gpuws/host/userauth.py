"""Login requests and the server's answers, as RFC 4252 has them, driven by the caller's thread."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_REQUEST,
)
from paramiko.message import Message

if TYPE_CHECKING:
    from gpuws.host.transport import Transport


@dataclass(frozen=True)
class Answer:
    """What the server said to one login request."""

    kind: str  # success | failure | more
    allowed: tuple[str, ...] = ()
    partial: bool = False
    body: bytes = b""  # of "more": PK_OK or a keyboard-interactive request


class Conversation(AuthHandler):
    """One login. paramiko's own handlers answer prompts in the reader thread, hide which methods
    remain, take a partial success for success in places, and lose an answer that comes before they
    wait for it.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._own = transport
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._introduced = False
        self.banners: list[str] = []
        self.offered: tuple[str, ...] = ()  # ways to log in, as the server named them first

    def request(self, user: str, method: str, body: bytes = b"") -> Answer:
        """Ask to log in and wait for the answer."""
        self.post(user, method, body)
        return self.answer()

    def post(self, user: str, method: str, body: bytes = b"") -> None:
        """Ask, for an ``answer`` later: the server answers in order. The first call also asks for
        the login service, in the same flight. Raises EOFError when the server hung up."""
        if not self._introduced:
            hello = Message()
            hello.add_byte(cMSG_SERVICE_REQUEST)
            hello.add_string("ssh-userauth")
            self._put(hello)
            self._introduced = True
        self.username, self.auth_method = user, method
        self._put(_with(self._opening_of(user, method), body))

    def send(self, message: Message) -> Answer:
        """Answer the server's own question; its next word."""
        self._put(message)
        return self.answer()

    def answer(self, timeout: float = 30.0) -> Answer:
        """Raises EOFError when the server hung up, TimeoutError when it is silent."""
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no answer to the login in {timeout:.0f} s") from None
        if answer is None:
            raise _hung_up()
        return answer

    def _put(self, message: Message) -> None:
        try:
            self._own._send_message(message)
        except OSError:
            raise _hung_up() from None

    def signed_part(self, user: str, algorithm: str, blob: bytes) -> tuple[bytes, bytes]:
        """(what to sign, the body of the request without its signature)."""
        body = Message()
        body.add_boolean(True)
        body.add_string(algorithm)
        body.add_string(blob)
        head = Message()
        head.add_string(self._own.session_id or b"")
        request = self._opening_of(user, "publickey").asbytes()
        return head.asbytes() + request + body.asbytes(), body.asbytes()

    def abort(self) -> None:
        self._answers.put(None)

    @staticmethod
    def _opening_of(user: str, method: str) -> Message:
        message = Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(user)
        message.add_string("ssh-connection")
        message.add_string(method)
        return message

    @property
    def _handler_table(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 (paramiko's untyped hook)
        return {
            MSG_SERVICE_ACCEPT: self._accepted,
            MSG_USERAUTH_SUCCESS: self._success,
            MSG_USERAUTH_FAILURE: self._failure,
            MSG_USERAUTH_BANNER: self._banner,
            MSG_USERAUTH_INFO_REQUEST: self._more,
        }

    def _accepted(self, m: Message) -> None:
        """The login service is there; our first request is already under way."""

    def _success(self, _: Message) -> None:
        self.authenticated = True
        self._own._auth_trigger()
        self._answers.put(Answer("success"))

    def _failure(self, m: Message) -> None:
        allowed = tuple(m.get_list())
        self.offered = self.offered or allowed
        self._answers.put(Answer("failure", allowed, m.get_boolean()))

    def _more(self, m: Message) -> None:
        self._answers.put(Answer("more", body=m.get_remainder()))

    def _banner(self, m: Message) -> None:
        if len(self.banners) < 10:
            self.banners.append(m.get_text()[:4000])


def _hung_up() -> EOFError:
    return EOFError("the server closed the connection during the login")


def _with(message: Message, body: bytes) -> Message:
    message.add_bytes(body)
    return message
