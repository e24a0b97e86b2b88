"""Is it the right server? Known keys are asked of ssh-keygen; an unknown one is a person's yes."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.host import known_hosts, revoked
from gpuws.host.known_hosts import CERTIFIED, Entry
from gpuws.host.sanitise import one_line
from gpuws.host.unknown_key import UnknownKey, fingerprint, settle
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

if TYPE_CHECKING:
    from gpuws.host.certificates import Certificate

_DEADLINE = 10.0  # seconds for all files together
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_TYPES = {"ssh-rsa": _RSA}
_NIST = tuple(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521))
_EVERY = ("ssh-ed25519", *_NIST, *_RSA)


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
        """As with ssh, also those of the host name on port 22."""
        return tuple(each for each in self._all if each.marker == "@cert-authority")

    def key_types(self) -> tuple[str, ...]:
        """Exactly the types we know, so that the server cannot show us another one; () for any.

        Certificates come first, and only where an authority's line speaks of the host.
        """
        kinds = dict.fromkeys(each.kind for each in self.plain)
        known = tuple(name for kind in kinds for name in _TYPES.get(kind, (kind,)))
        if not self.authorities:
            return known
        return (*(name + CERTIFIED for name in _EVERY), *(known or _EVERY))

    def revoked(self, blob: bytes) -> Entry | None:
        lines = (each for each in self._all if each.marker == "@revoked")
        return next((each for each in lines if each.is_key(blob)), None)

    def has(self, blob: bytes) -> bool:
        return any(each.marker == "" and each.is_key(blob) for each in self._all)

    @property
    def _all(self) -> tuple[Entry, ...]:
        return (*self.entries, *self.elsewhere)


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


def _finish(process: subprocess.Popen[bytes]) -> bytes:
    try:
        out, _ = process.communicate(timeout=_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise _error(
            "host-key-unknown", "ssh-keygen did not read your known_hosts in time", "try again"
        ) from None
    return out


@dataclass(frozen=True)
class ShownKey:
    """What the server proved to hold the private half of. ``blob`` may be a certificate of it."""

    key: bytes
    blob: bytes

    @property
    def certified(self) -> bool:
        return known_hosts.kind_of(self.blob).endswith(CERTIFIED)


def verify(
    profile: Profile, known: KnownKeys, shown: ShownKey, ask: Ask, progress: Progress
) -> None:
    """Return when the key the server proved is the right one; nothing was sent before this.

    Raises host-key-revoked, host-key-changed, host-key-unknown.
    """
    certificate, trouble = _certificate_of(shown)
    _refuse_revoked(profile, known, shown, certificate)
    doubt = trouble or _doubt(profile, known, certificate)
    if certificate is not None and not doubt:
        return
    if known.has(shown.key):
        if shown.certified:
            progress.warn(f"{known.name}: {doubt}; its key is known by itself")
        return
    _refuse_changed(known, shown.key)
    settle(UnknownKey(known.name, shown.key, doubt), profile, ask, progress)


def _certificate_of(shown: ShownKey) -> tuple[Certificate | None, str]:
    """(the certificate, why there is none to believe)."""
    if not shown.certified:
        return None, ""
    from gpuws.host import certificates

    try:
        certificate = certificates.read(shown.blob)
    except certificates.CertificateTrouble as trouble:
        return None, f"its certificate counts for nothing: {trouble}"
    if certificate.key != shown.key:
        return None, "its certificate is for another key"
    return certificate, ""


def _doubt(profile: Profile, known: KnownKeys, certificate: Certificate | None) -> str:
    """Why the authorities that are known for the host do not vouch for it; "" where they do, or
    where none is known. As with ssh, the key itself is looked up then."""
    if not known.authorities:
        return "" if certificate is None else "its certificate is of no known authority"
    place = known.authorities[0].place
    if certificate is None:
        return f"it shows no certificate of its authority, {place}"
    entry = next((e for e in known.authorities if e.is_key(certificate.authority)), None)
    if entry is None:
        return f"its certificate is not of its authority, {place}"
    from gpuws.host import certificates

    name = profile.host_key_alias or profile.hostname.lower()
    why = one_line(certificates.trouble(certificate, name, time.time()))
    return f"its certificate by {entry.place} counts for nothing: {why}" if why else ""


def _refuse_revoked(
    profile: Profile, known: KnownKeys, shown: ShownKey, certificate: Certificate | None
) -> None:
    """A certificate falls with its own key and with its authority's."""
    keys = (shown.key, *((certificate.authority,) if certificate else ()))
    revoked.refuse_listed(profile.revoked_host_keys, known.name, shown.blob, keys)
    for entry in filter(None, map(known.revoked, keys)):
        raise _error(
            "host-key-revoked",
            f"the host key of {known.name} is marked as revoked at {entry.place}",
            "do not connect; ask the host's administrator",
        )


def lost_types(known: KnownKeys, offers: str) -> GpuwsError:
    """The server no longer has a key of any type that we know for it."""
    places = ", ".join(f"{each.kind} at {each.place}" for each in known.plain)
    return _error(
        "host-key-changed",
        f"{known.name} shows none of the host keys known for it ({places})",
        f"ask its administrator, then: ssh-keygen -R '{known.name}'",
        offers,
    )


def _refuse_changed(known: KnownKeys, blob: bytes) -> None:
    if not known.plain:
        return
    kind = known_hosts.kind_of(blob)
    old = next((each for each in known.plain if each.kind == kind), known.plain[0])
    raise _error(
        "host-key-changed",
        f"the host key of {known.name} is not the one at {old.place}: now {kind} "
        f"{fingerprint(blob)}. Someone may be in between; nothing was sent",
        f"if its administrator confirms the new key: ssh-keygen -R '{known.name}' -f {old.file}",
    )


def _error(code: str, message: str, hint: str, detail: str = "") -> GpuwsError:
    return GpuwsError(code, message, hint=hint, stage="connect", detail=detail)
