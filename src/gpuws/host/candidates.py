"""Which keys to try, in the order of ssh: named ones of the agent, files, the agent's others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host import keys
from gpuws.host.agent import Agent, AgentTrouble, agent_path
from gpuws.host.keys import KeyFile, KeyTrouble, Signer, WrongPassphrase
from gpuws.host.sanitise import one_line
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask

_MOST_TRIES = 3  # of a passphrase


class Candidates:
    """The keys of a profile. ``note`` hears of each that cannot be used, with what to do."""

    def __init__(self, profile: Profile, ask: Ask, note: Callable[[str], None]) -> None:
        self._profile = profile
        self._ask = ask
        self._note = note
        self._agent: Agent | None = None
        self.agent_is_empty = False  # or locked: then it shows no key either

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()

    def signers(self) -> Iterator[Signer | None]:
        """Lazily: a file is opened, and a passphrase asked, only when its turn has come.

        None comes before a person is asked for something that shows which key it is.
        """
        self.close()
        files = list(self._files())
        held = self._agent_keys()
        certificates = list(self._certificates(files))
        named = {file.public for file in files if file.public}
        in_agent = {blob for blob, _ in held if blob in named}
        for blob, comment in held:
            if blob in in_agent:
                yield from _and_certified(self._from_agent(blob, comment, True), certificates)
        for file in files:
            if not file.public_only and file.public not in in_agent:
                yield from self._from_file(file, certificates)
        if not self._profile.identities_only:
            for blob, comment in held:
                if blob not in in_agent:
                    yield from _and_certified(self._from_agent(blob, comment, False), certificates)

    # --- files -----------------------------------------------------------------------------------

    def _files(self) -> Iterator[KeyFile]:
        for name in dict.fromkeys(self._profile.identity_files):
            try:
                # only the public half may be here, with the private one in the agent
                file = keys.read(Path(name)) or keys.read(Path(f"{name}.pub"))
            except KeyTrouble as error:
                self._note(str(error))
                continue
            if file is not None:
                yield file

    def _certificates(self, files: list[KeyFile]) -> Iterator[bytes]:
        beside = [f"{str(file.path).removesuffix('.pub')}-cert.pub" for file in files]
        for name in dict.fromkeys([*self._profile.certificate_files, *beside]):
            path = Path(name)
            blob = keys.public_line(path.read_bytes()) if path.is_file() else None
            if blob is not None:
                yield blob

    def _from_file(self, file: KeyFile, certificates: list[bytes]) -> Iterator[Signer | None]:
        if file.unreadable:
            self._note(file.unreadable)
            return
        if file.encrypted and file.public is not None:
            sealed = _Sealed(file, self._ask)
            signer = Signer(str(file.path), file.public, sealed.sign, asks_person=True)
            yield from _and_certified(signer, certificates)
            return
        if file.encrypted:
            yield None
        try:
            signer = _open(file, self._ask) if file.encrypted else keys.load(file)
        except KeyTrouble as error:
            self._note(str(error))
            return
        yield from _and_certified(signer, certificates)

    # --- the agent -------------------------------------------------------------------------------

    def _agent_keys(self) -> list[tuple[bytes, str]]:
        path = agent_path(self._profile)
        if path is None:
            return []
        try:
            self._agent = Agent(path)
            found = self._agent.keys()
        except AgentTrouble as error:
            self._note(f"the ssh-agent at {path} is not used: {error}")
            return []
        self.agent_is_empty = not found
        return found

    def _from_agent(self, blob: bytes, comment: str, named: bool) -> Signer:
        """A key that IdentityFile names signs at once; others ask the server first."""
        assert self._agent is not None  # noqa: S101 (it listed this key)
        return keys.from_agent(self._agent, blob, one_line(comment, 80), named=named)


def _and_certified(signer: Signer, certificates: list[bytes]) -> Iterator[Signer]:
    """The key with each certificate made for it, then bare, as ssh tries them."""
    for certificate in certificates:
        if keys.certifies(certificate, signer.blob):
            yield keys.certified(signer, certificate)
    yield signer


class _Sealed:
    """An encrypted key whose public half is known: opened once the server would take it."""

    def __init__(self, file: KeyFile, ask: Ask) -> None:
        self._file = file
        self._ask = ask
        self._opened: Signer | None = None

    def sign(self, data: bytes, algorithm: str) -> bytes:
        self._opened = self._opened or _open(self._file, self._ask)
        return self._opened.sign(data, algorithm)


def _open(file: KeyFile, ask: Ask) -> Signer:
    """Ask for the passphrase, three times at most. Nobody there to ask is a KeyTrouble."""
    for _ in range(_MOST_TRIES):
        try:
            return keys.load(file, ask.secret(f"Passphrase for {file.path}: "))
        except WrongPassphrase:
            continue
        except GpuwsError as error:
            if error.code != "prompt-needed":
                raise
            why = f"{file.path} needs a passphrase, and nobody can type it: ssh-add {file.path}"
            raise KeyTrouble(why) from None
    raise KeyTrouble(f"{_MOST_TRIES} wrong passphrases for {file.path}")
