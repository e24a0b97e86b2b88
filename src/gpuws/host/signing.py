"""Signatures for a login, and the person who has to touch or confirm something for one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.host import keys
from gpuws.host.agent import AgentTrouble
from gpuws.host.attended import confirmed
from gpuws.host.keys import KeyTrouble, Signer
from gpuws.host.userauth import Conversation
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

_WAITS = 2.0  # seconds after which an agent's signature seems to wait for a person


@dataclass(frozen=True)
class Signing:
    """Of one login. ``note`` hears of each key that could not sign."""

    talk: Conversation
    profile: Profile
    ask: Ask
    progress: Progress
    note: Callable[[str], None]

    def body(self, signer: Signer, algorithm: str) -> bytes | None:
        """The body of a signed request; None when it could not be signed, which is noted."""
        text, body = self.talk.signed_part(self.profile.user, algorithm, signer.blob)
        plain = algorithm.removesuffix("-cert-v01@openssh.com")
        try:
            if signer.hardware:
                self._ask_to_touch(signer)
            with self._reminding(signer):
                return body + keys.string(signer.sign(text, plain))
        except (AgentTrouble, KeyTrouble) as error:
            self.note(f"{signer.label}: {error}")
            return None

    def _ask_to_touch(self, signer: Signer) -> None:
        """Where nobody is, a key that waits to be touched would hold up the login for a minute."""
        try:
            self.ask.touch(f"touch your key: {signer.label}")
        except GpuwsError as error:
            if error.code != "prompt-needed":
                raise
            raise KeyTrouble("it must be touched, and nobody is there") from None

    @contextlib.contextmanager
    def _reminding(self, signer: Signer) -> Iterator[None]:
        """An agent may ask in a window of its own (`ssh-add -c`): seen by how long it takes."""
        waiting = f"confirm in the agent's window: {signer.label}"
        reminder = threading.Timer(_WAITS, self.progress.note, [waiting])
        reminder.daemon = True
        begun = time.monotonic()
        if signer.in_agent and not signer.hardware:
            reminder.start()
        try:
            yield
            if signer.in_agent and time.monotonic() - begun > _WAITS:
                confirmed(self.ask)
        finally:
            reminder.cancel()
