"""A host key that nobody has vouched for: a person is asked, the answer is remembered."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host import known_hosts
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress


@dataclass(frozen=True)
class UnknownKey:
    """``doubt``: why no authority vouches for it, "" where none was expected to."""

    name: str  # as it is written to known_hosts
    blob: bytes
    doubt: str = ""

    @property
    def kind(self) -> str:
        return known_hosts.kind_of(self.blob)

    @property
    def seen(self) -> str:
        return f"{self.kind} {fingerprint(self.blob)}"


def fingerprint(blob: bytes) -> str:
    """SHA256:… as ssh prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def settle(key: UnknownKey, profile: Profile, ask: Ask, progress: Progress) -> None:
    """As StrictHostKeyChecking says. Raises host-key-unknown unless it is accepted."""
    strict = profile.strict_host_key_checking
    if strict == "yes" or (strict != "accept-new" and not _person_says_yes(key, ask)):
        raise GpuwsError(
            "host-key-unknown",
            f"the host key of {key.name} is not known: {key.seen}{_in_brackets(key.doubt)}",
            hint=f"connect once by hand with: ssh {profile.alias} — or accept it with --accept-new",
            stage="connect",
        )
    _remember(key, profile, progress)


def _person_says_yes(key: UnknownKey, ask: Ask) -> bool:
    """``yes`` or the fingerprint itself, as with ssh."""
    seen = fingerprint(key.blob)
    question = (
        f"The host key of {key.name} is not known: {key.seen}{_in_brackets(key.doubt)}\n"
        "Is it the right one? (yes, no, or the fingerprint you expect) "
    )
    for _ in range(3):
        try:
            answer = ask.text(question).strip()
        except GpuwsError as error:
            if error.code != "prompt-needed":
                raise
            return False
        if answer.lower() == "yes" or answer == seen:
            return True
        if answer.startswith("SHA256:") or answer.lower() in ("no", "n", ""):
            return False
        question = "Please type yes, no, or the fingerprint: "
    return False


def _in_brackets(doubt: str) -> str:
    return f" ({doubt})" if doubt else ""


def _remember(key: UnknownKey, profile: Profile, progress: Progress) -> None:
    """Append one line, as ssh does; never rewrite the file."""
    if not profile.user_known_hosts:
        progress.warn("the host key is not remembered: UserKnownHostsFile is none")
        return
    file = Path(profile.user_known_hosts[0])
    encoded = base64.b64encode(key.blob).decode()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(file, f"{key.name} {key.kind} {encoded}\n")
    except OSError as error:
        progress.warn(f"the host key is not remembered: {file}: {error.strerror}")
        return
    progress.note(f"added the {key.kind} key of {key.name} to {file}")


def _append(file: Path, line: str) -> None:
    """One write with O_APPEND, so that two of us never mix lines."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            if os.read(handle, 1) != b"\n":
                line = "\n" + line
        os.write(handle, line.encode())
    finally:
        os.close(handle)
