"""Logging in as ssh would: keys in its order, then prompts; partial successes are followed."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator

from paramiko.message import Message

from gpuws.errors import GpuwsError
from gpuws.host import first_key, keys, prompts
from gpuws.host.candidates import Candidates
from gpuws.host.keys import Signer
from gpuws.host.sanitise import one_line, sanitise
from gpuws.host.signing import Signing
from gpuws.host.transport import Transport
from gpuws.host.userauth import Answer, Conversation
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

FIRST_ANSWER = 15.0  # seconds, as for the key exchange; later ones may wait for a person's phone
MOST_KEYS = 5  # sshd hangs up at 6 failures (MaxAuthTries), and says so to nobody
MOST_TRIES = 3  # of a password or a code
_Signers = Iterator["Signer | None"]


def log_in(transport: Transport, profile: Profile, ask: Ask, progress: Progress) -> None:
    """Authenticate. The host key must have been verified before.

    Raises authentication-failed, no-usable-key, too-many-keys, wrong-password.
    """
    login = _Login(transport, profile, ask, progress)
    try:
        login.run()
    except EOFError:
        raise login.cut_off() from None
    except TimeoutError as error:
        raise _error("connection-timeout", f"{profile.alias}: {error}", "try again") from None
    finally:
        login.end()


class _Login:
    def __init__(
        self, transport: Transport, profile: Profile, ask: Ask, progress: Progress
    ) -> None:
        self._transport = transport
        self._profile = profile
        self._ask = ask
        self._progress = progress
        self._talk: Conversation = transport.begin_login()
        self._candidates = Candidates(profile, ask, self._note)
        self._signing = Signing(self._talk, profile, ask, progress, self._note)
        self._allowed: tuple[str, ...] = ()
        self._refused: list[str] = []  # labels of keys
        self._notes: list[str] = []  # keys that could not be used, and why
        self._typed = {"keyboard-interactive": 0, "password": 0}
        self._nobody = False  # a prompt came that nobody could answer
        self._keyed = False  # a key was taken, if not as enough
        self._offers_keys = False
        self._passwords = False  # what was typed last was a password

    def run(self) -> None:
        signers = self._candidates.signers()
        answer, signers = self._first_flight(signers)
        while answer.kind != "success":
            self._say_banners()
            self._allowed = answer.allowed or self._allowed
            self._offers_keys = self._offers_keys or "publickey" in self._allowed
            if answer.partial:  # a key that came too early may be right now
                signers = self._candidates.signers()
                self._refused.clear()
            following = self._next(signers)
            if following is None:
                raise self._failed()
            answer = following
        self._say_banners()
        if self._passwords and self._offers_keys and not self._keyed:
            where = f"key for {self._profile.user}@{self._profile.hostname}:{self._profile.port}"
            advice = first_key.advice(self._profile, windows=os.name == "nt")
            self._progress.advise(where, *advice)

    def end(self) -> None:
        self._candidates.close()

    def _first_flight(self, signers: _Signers) -> tuple[Answer, _Signers]:
        """What may we do, and the first key, in one round trip where no person is needed for it.

        A server that allows no keys counts that as one wrong try at most.
        """
        asked = time.monotonic()
        self._talk.post(self._profile.user, "none")
        signer = next(signers, None) if self._profile.pubkey else None
        algorithm = self._early_algorithm(signer)
        body = self._signing.body(signer, algorithm) if signer and algorithm else None
        if body is not None:
            self._talk.post(self._profile.user, "publickey", body)
        answer = self._talk.answer(max(FIRST_ANSWER, self._profile.connect_timeout))
        self._transport.timed(time.monotonic() - asked)
        if signer is None or body is None or answer.kind == "success":
            return answer, itertools.chain([] if algorithm else [signer], signers)
        self._allowed = answer.allowed
        return self._judged(signer, self._talk.answer()), signers

    def _early_algorithm(self, signer: Signer | None) -> str | None:
        """How an RSA key may sign the server says a little later than it can be asked."""
        if signer is None or signer.asks_person:
            return None
        if signer.kind.startswith("ssh-rsa") and not self._server_takes():
            return None
        return keys.algorithm(signer.kind, self._server_takes())

    # --- which way next --------------------------------------------------------------------------

    def _next(self, signers: _Signers) -> Answer | None:
        """One attempt by the best way that the server and the profile still allow."""
        profile = self._profile
        if profile.pubkey and "publickey" in self._allowed and len(self._refused) < MOST_KEYS:
            for signer in filter(None, signers):
                answer = self._try_key(signer)
                if answer is not None:
                    return answer
        if profile.keyboard_interactive and self._may_ask("keyboard-interactive"):
            answer = self._prompted("keyboard-interactive")
            if answer is not None:
                return answer
        if profile.password and self._may_ask("password"):
            return self._prompted("password")
        return None

    def _may_ask(self, method: str) -> bool:
        return method in self._allowed and self._typed[method] < MOST_TRIES and not self._nobody

    def _prompted(self, method: str) -> Answer | None:
        if self._typed[method] > 0:
            self._progress.warn("that was not right, please try again")
        self._typed[method] += 1
        asked: list[str] = ["password"] if method == "password" else []
        try:
            if method == "password":
                return prompts.by_password(self._talk, self._profile, self._ask)
            return prompts.by_questions(self._talk, self._profile, self._ask, self._progress, asked)
        except GpuwsError as error:
            if error.code != "prompt-needed":
                raise
            self._nobody = True
            return None
        finally:
            self._passwords = any("password" in each.lower() for each in asked)

    # --- keys ------------------------------------------------------------------------------------

    def _try_key(self, signer: Signer) -> Answer | None:
        """None when this key could not be tried; its reason is among the notes."""
        algorithm = keys.algorithm(signer.kind, self._server_takes())
        if algorithm is None:
            self._note(f"{signer.label}: the server only takes RSA with SHA-1, which is broken")
            return None
        answer = self._offer(signer, algorithm) if signer.asks_person else None
        if answer is None or answer.kind == "more":
            body = self._signing.body(signer, algorithm)
            if body is None:
                return None
            answer = self._talk.request(self._profile.user, "publickey", body)
        return self._judged(signer, answer)

    def _judged(self, signer: Signer, answer: Answer) -> Answer:
        if answer.kind == "failure" and not answer.partial:
            self._refused.append(signer.label)
        else:
            self._keyed = True
        return answer

    def _server_takes(self) -> list[str]:
        """Signature algorithms the server announced; empty where it did not."""
        said = self._transport.server_extensions.get("server-sig-algs", b"")
        words = said.decode("ascii", "replace") if isinstance(said, bytes) else said
        return words.split(",") if words else []

    def _offer(self, signer: Signer, algorithm: str) -> Answer:
        """Would the server take it? Only then is a person asked for a touch or a passphrase."""
        body = Message()
        body.add_boolean(False)
        body.add_string(algorithm)
        body.add_string(signer.blob)
        return self._talk.request(self._profile.user, "publickey", body.asbytes())

    # --- what is said ----------------------------------------------------------------------------

    def _say_banners(self) -> None:
        while self._talk.banners:
            self._progress.note(sanitise(self._talk.banners.pop(0), 2000).strip())

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._progress.note(text)

    def cut_off(self) -> GpuwsError:
        """The server hung up in the middle of the login."""
        said = one_line(self._transport.goodbye)
        if self._refused and ("too many" in said.lower() or len(self._refused) >= MOST_KEYS):
            return self._too_many(said)
        if any(self._typed.values()):
            return self._wrong_answers()
        error = _error(
            "authentication-failed",
            f"{self._profile.alias} ended the login: {said or 'it hung up without a word'}",
            f"compare with: ssh -v {self._profile.alias}",
            "\n".join(self._notes),
        )
        error.retryable = not said  # then it may as well have been the network
        return error

    def _too_many(self, said: str) -> GpuwsError:
        told = f" ({said})" if said else ""
        return _error(
            "too-many-keys",
            f"{self._profile.alias} refused {len(self._refused)} keys, and a server cuts off "
            f"after a few{told}: {', '.join(self._refused)}",
            "name the right key in your ssh config: IdentityFile …, with IdentitiesOnly yes",
        )

    def _wrong_answers(self) -> GpuwsError:
        where = f"{self._profile.user}@{self._profile.hostname}"
        tries = max(self._typed.values())
        hint = f"try by hand: ssh {self._profile.alias}"
        return _error("wrong-password", f"{where}: {tries} wrong answers", hint)

    def _failed(self) -> GpuwsError:
        offers = ", ".join(one_line(each, 40) for each in self._allowed) or "nothing"
        where = f"{self._profile.user}@{self._profile.hostname}"
        if self._candidates.agent_is_empty:
            self._notes.append("the ssh-agent shows no key (a locked one does not: ssh-add -X)")
        notes = "\n".join(self._notes)
        if self._nobody:
            return _error(
                "authentication-failed",
                f"{where} asks for a password or code, and nobody can type it here",
                "run it in a terminal, or set up a key: ssh-copy-id",
                notes,
            )
        if any(count >= MOST_TRIES for count in self._typed.values()):
            return self._wrong_answers()
        if len(self._refused) >= MOST_KEYS:
            return self._too_many("")
        if not self._refused:
            return _error(
                "no-usable-key",
                f"there is no key to log in to {where} with (it offers {offers})",
                "set IdentityFile in your ssh config, or load the key: ssh-add",
                notes,
            )
        return _error(
            "authentication-failed",
            f"{where} accepts none of the keys {', '.join(self._refused)} (it offers {offers})",
            "check the user name, and ~/.ssh/authorized_keys on the host",
            notes,
        )


def _error(code: str, message: str, hint: str, detail: str = "") -> GpuwsError:
    return GpuwsError(code, message, hint=hint, stage="connect", detail=detail)
