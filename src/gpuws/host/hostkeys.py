"""Is it the right server? Known keys are asked of ssh-keygen; an unknown one is a person's yes."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host import known_hosts, revoked
from gpuws.host.known_hosts import Entry
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

_DEADLINE = 10.0  # seconds for all files together
_TYPES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True)
class KnownKeys:
    """What the known_hosts files say about one host."""

    name: str  # as it stands in known_hosts: host, [host]:port, or the HostKeyAlias
    entries: tuple[Entry, ...] = ()
    elsewhere: tuple[Entry, ...] = ()  # of the same host name on port 22: may confirm, not deny

    @property
    def plain(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.marker == "")

    @property
    def authorities(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.marker == "@cert-authority")

    def key_types(self) -> tuple[str, ...]:
        """Exactly the types we know, so that the server cannot show us another one."""
        kinds = dict.fromkeys(each.kind for each in self.plain)
        return tuple(name for kind in kinds for name in _TYPES.get(kind, (kind,)))


def known_keys(profile: Profile) -> KnownKeys:
    """Ask every known_hosts file, all at once (3 ms each, tried)."""
    port = "" if profile.port == 22 else f":{profile.port}"
    host = profile.hostname.lower()
    name = profile.host_key_alias or (f"[{host}]{port}" if port else host)
    files = [Path(each) for each in (*profile.user_known_hosts, *profile.global_known_hosts)]
    files = [each for each in files if each.is_file()]
    names = [name] if profile.host_key_alias or not port else [name, host]
    found = _look_up(names, files)
    return KnownKeys(name, tuple(found[name]), tuple(found.get(host, ()) if port else ()))


def _look_up(names: list[str], files: list[Path]) -> dict[str, list[Entry]]:
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        return {name: known_hosts.find(name, files) for name in names}
    started = [
        (name, file, _start([keygen, "-F", name, "-f", str(file)]))
        for name in names
        for file in files
    ]
    found: dict[str, list[Entry]] = {name: [] for name in names}
    for name, file, process in started:
        found[name] += known_hosts.parse_found(_finish(process), file)
    return found


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _finish(process: subprocess.Popen[bytes]) -> str:
    try:
        out, _ = process.communicate(timeout=_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise _error(
            "host-key-unknown", "ssh-keygen did not read your known_hosts in time", "try again"
        ) from None
    return out.decode("utf-8", "replace")


def verify(profile: Profile, known: KnownKeys, blob: bytes, ask: Ask, progress: Progress) -> None:
    """Return when the key the server proved is the right one; nothing was sent before this.

    Raises host-key-revoked, host-key-changed, host-key-unknown, host-key-unsupported.
    """
    kind = known_hosts.kind_of(blob)
    key = base64.b64encode(blob).decode()
    revoked.refuse_listed(profile.revoked_host_keys, known.name, blob)
    _refuse_revoked(known, key)
    if any(each.key == key for each in known.plain):
        return
    if any(each.key == key and each.marker == "" for each in known.elsewhere):
        return
    _refuse_changed(known, kind, blob)
    if profile.strict_host_key_checking == "accept-new":
        _remember(profile, known, kind, key, progress)
    elif profile.strict_host_key_checking == "yes" or not _person_says_yes(known, kind, blob, ask):
        raise _unknown(profile, known, kind, blob)
    else:
        _remember(profile, known, kind, key, progress)


def fingerprint(blob: bytes) -> str:
    """SHA256:… as ssh prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def lost_types(known: KnownKeys, offered: str) -> GpuwsError:
    """The server no longer has a key of any type that we know for it."""
    places = ", ".join(f"{each.kind} at {each.place}" for each in known.plain)
    return _error(
        "host-key-changed",
        f"{known.name} shows none of the host keys known for it ({places}); {offered}",
        f"ask its administrator, then: ssh-keygen -R '{known.name}'",
    )


def _refuse_revoked(known: KnownKeys, key: str) -> None:
    for each in (*known.entries, *known.elsewhere):
        if each.marker == "@revoked" and each.key == key:
            raise _error(
                "host-key-revoked",
                f"the host key of {known.name} is marked as revoked at {each.place}",
                "do not connect; ask the host's administrator",
            )


def _refuse_changed(known: KnownKeys, kind: str, blob: bytes) -> None:
    if not known.plain:
        return
    old = next((each for each in known.plain if each.kind == kind), known.plain[0])
    raise _error(
        "host-key-changed",
        f"the host key of {known.name} is not the one at {old.place}: now {kind} "
        f"{fingerprint(blob)}. Someone may be in between; nothing was sent",
        f"if its administrator confirms the new key: ssh-keygen -R '{known.name}' -f {old.file}",
    )


def _person_says_yes(known: KnownKeys, kind: str, blob: bytes, ask: Ask) -> bool:
    """``yes`` or the fingerprint itself, as with ssh."""
    seen = fingerprint(blob)
    note = ""
    if known.authorities:
        note = "\nIts certificate authority is known, but gpuws cannot check host certificates."
    question = (
        f"The host key of {known.name} is not known: {kind} {seen}{note}\n"
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


def _remember(profile: Profile, known: KnownKeys, kind: str, key: str, progress: Progress) -> None:
    """Append one line, as ssh does; never rewrite the file."""
    if not profile.user_known_hosts:
        progress.warn("the host key is not remembered: UserKnownHostsFile is none")
        return
    file = Path(profile.user_known_hosts[0])
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(file, f"{known.name} {kind} {key}\n")
    except OSError as error:
        progress.warn(f"the host key is not remembered: {file}: {error.strerror}")
        return
    progress.note(f"added the {kind} key of {known.name} to {file}")


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


def _unknown(profile: Profile, known: KnownKeys, kind: str, blob: bytes) -> GpuwsError:
    seen = f"{kind} {fingerprint(blob)}"
    if known.authorities:
        return _error(
            "host-key-unsupported",
            f"{known.name} is known by its certificate authority ({known.authorities[0].place}), "
            f"which gpuws cannot check; its plain key is {seen}",
            f"compare the key with its administrator, then: ssh-keyscan {known.name}",
        )
    return _error(
        "host-key-unknown",
        f"the host key of {known.name} is not known: {seen}",
        f"connect once by hand with: ssh {profile.alias} — or accept it with --accept-new",
    )


def _error(code: str, message: str, hint: str) -> GpuwsError:
    return GpuwsError(code, message, hint=hint, stage="connect")
