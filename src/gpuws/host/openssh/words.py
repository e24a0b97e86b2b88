"""What ssh said when it did not get through, as an error of ours: the one place that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gpuws.errors import EXIT_OF, Exit, GpuwsError
from gpuws.host.openssh.desk import HOST_KEY
from gpuws.host.openssh.way import is_direct
from gpuws.host.sanitise import one_line
from gpuws.plan.model import Profile

MOST = 256 << 10  # bytes of ssh's stderr that are read
TURNS = (
    (b"expecting SSH2_MSG_KEX_ECDH_REPLY", b"SSH2_MSG_KEX_ECDH_REPLY received"),
    (b"SSH2_MSG_SERVICE_ACCEPT received", b"Authentications that can continue"),
)
"""What ssh tells when it has asked the server something, and when it has the answer."""

_DEBUG = "debug1: "
_VERSION = re.compile(r"remote software version (\S+)")
_GREETED = f"{_DEBUG}Remote protocol version"
_OFFERED = f"{_DEBUG}Offering public key: "
_LOGGING_IN = f"{_DEBUG}Authentications that can continue"
_REVOKED = re.compile(r"REVOKED HOST KEY|revoked (by|keys) file")
VERIFIED = b"SSH2_MSG_NEWKEYS received"
_AGAIN = "Permission denied, please try again."
_PLUMBING = re.compile(r"OpenSSH_|Authenticated to |Warning: Permanently added|\s*$|" + _AGAIN)


@dataclass(frozen=True)
class _Meaning:
    """``says``: the message from (profile, the line that matched); None: the line itself."""

    pattern: str
    code: str
    hint: str
    says: Callable[[Profile, str], str] | None = None


def _where(profile: Profile) -> str:
    return f"{profile.hostname}:{profile.port}"


_FOR_GOOD = ("no-common-algorithm", "name-not-resolved")  # the next try would meet the same
_BY_HAND = "compare with: ssh -v {alias}"
_TABLE = (
    _Meaning(
        r"Bad configuration option|Bad owner or permissions|terminating, \d+ bad|unknown cipher",
        "profile-unreadable",
        "ssh -G {alias} shows the same; correct the file it names",
    ),
    _Meaning(
        r"no matching .* found",
        "no-common-algorithm",
        "the server is too old or too strict; see Ciphers, KexAlgorithms, HostKeyAlgorithms",
    ),
    _Meaning(
        r"administratively prohibited",
        "jump-failed",
        "AllowTcpForwarding on the jump host, and the name as the jump host sees it",
        lambda profile, _: f"it forbids forwarding ({_where(profile)})",
    ),
    _Meaning(
        r"Could not resolve hostname",
        "name-not-resolved",
        "check the spelling, the network and the VPN",
    ),
    _Meaning(
        r"Connection refused",
        "connection-refused",
        "check the port (-p) and that sshd runs on the host",
    ),
    _Meaning(
        r"No route to host|Network is unreachable|Host is down",
        "host-unreachable",
        "check the network and the VPN",
    ),
    _Meaning(
        r"banner line \d+: |major versions differ|could not read protocol version"
        r"|banner line (too long|contains)|invalid format|Bad remote protocol",
        "not-ssh",
        "check the port (-p): a proxy, a web server or a captive portal may answer",
        lambda profile, line: f"{_where(profile)} is not an SSH server: {line}",
    ),
    _Meaning(
        r"timed out during banner exchange",
        "not-ssh",
        "check the port (-p): a proxy, a web server or a captive portal may answer",
        lambda profile, _: f"{_where(profile)} accepts connections and says nothing",
    ),
    _Meaning(
        r"timed out",
        "connection-timeout",
        "a firewall may drop it; check the address and the VPN, or set ConnectTimeout",
    ),
    _Meaning(
        r"kex_exchange_identification: .*(closed|reset)",
        "connection-lost",
        "wait a moment and try again",
        lambda profile, _: (
            f"{_where(profile)} closed the connection before a word "
            "(too many logins at once, or a ban)"
        ),
    ),
)
"""Of the way to the host. What concerns its key and the login is told further below."""


def explain(profile: Profile, said: str, *, answers: int) -> GpuwsError:
    """The error for a login that ended with these words. ``answers``: a person's, to the host."""
    found = _host_key(profile, said) or _login(profile, said, answers) or _way(profile, said)
    if _GREETED not in said:
        found = _on_the_way(profile, found, said)
    found.detail = "\n".join(news(said))[-4000:]
    found.stage = "connect"
    return found


def news(said: str) -> list[str]:
    """The lines that a person would have seen, without what gpuws tells by itself."""
    lines = (line for line in said.splitlines() if not line.startswith("debug"))
    return [line.strip() for line in lines if not _PLUMBING.match(line)]


def version(said: str) -> str:
    """The server's software, such as OpenSSH_9.2p1; "" where it was not told."""
    found = _VERSION.search(said)
    return found[1] if found else ""


def unanswered(profile: Profile, prompt: str, said: str) -> GpuwsError:
    """The error for a question that nobody was there to answer."""
    if HOST_KEY.search(prompt):
        shown = _first(r"(\S+) key fingerprint is", prompt), _first(r"(SHA256:\S+?)\.?$", prompt)
        found = _unknown(profile, _first(r"host '(\S+)", prompt), " ".join(map(str, shown)))
    else:
        found = GpuwsError(
            "authentication-failed",
            f"{profile.user}@{profile.hostname} asks for a password or code, and nobody can type "
            "it here",
            hint="run it in a terminal, or set up a key: ssh-copy-id",
            detail="\n".join(news(said))[-4000:],
        )
    found.stage = "connect"
    return found


def silent(profile: Profile, said: str) -> GpuwsError:
    """The error for a server that speaks on and on without an end, or stops in the middle."""
    last = one_line(said.rstrip().rpartition("\n")[2].removeprefix(_DEBUG), 120)
    if _GREETED in said or not is_direct(profile):
        code, why = "connection-timeout", f"ssh did not get to {profile.alias} in time"
    else:
        code, why = "not-ssh", f"{_where(profile)} accepts connections and says nothing of SSH"
    return GpuwsError(
        code,
        f"{why}; the last that ssh said: {last}",
        hint=_BY_HAND.format(alias=profile.alias),
        stage="connect",
        retryable=True,
    )


# --- the host's key ------------------------------------------------------------------------------


def _host_key(profile: Profile, said: str) -> GpuwsError | None:
    name = _first(r"[Hh]ost key for (\S+)", said) or _first(r"is known for (\S+)", said)
    name = name or profile.host_key_alias or profile.hostname
    shown = _first(r"Server host key: (\S+ \S+)", said) or "of another type"
    if _REVOKED.search(said):
        place = _first(r"revoked (?:by|keys) file (.+?)(?::|$)", said) or "by your known_hosts"
        return GpuwsError(
            "host-key-revoked",
            f"the host key of {name} is marked as revoked: {place}",
            hint="do not connect; ask the host's administrator",
        )
    if "HOST IDENTIFICATION HAS CHANGED" in said:
        place = _first(r"Offending .*? key in (.+)", said) or "your known_hosts"
        file = place.rpartition(":")[0]
        return GpuwsError(
            "host-key-changed",
            f"the host key of {name} is not the one at {place}: now {shown}. "
            "Someone may be in between; nothing was sent",
            hint=f"if its administrator confirms the new key: ssh-keygen -R '{name}' -f {file}",
        )
    if "Host key verification failed" in said:
        return _unknown(profile, name, shown)
    return None


def _unknown(profile: Profile, name: str | None, shown: str) -> GpuwsError:
    return GpuwsError(
        "host-key-unknown",
        f"the host key of {name or profile.hostname} is not known: {shown}",
        hint=f"connect once by hand with: ssh {profile.alias}, or accept it with --accept-new",
    )


# --- the login -----------------------------------------------------------------------------------


def _login(profile: Profile, said: str, answers: int) -> GpuwsError | None:
    denied = _first(r"Permission denied \(([^)]*)\)", said)
    too_many = "Too many authentication failures" in said
    if denied is None and not too_many:
        return _cut_off(profile, said) if _LOGGING_IN in said else None
    if answers:
        where = f"{profile.user}@{profile.hostname}"
        hint = f"try by hand: ssh {profile.alias}"
        return GpuwsError("wrong-password", f"{where}: {answers} wrong answers", hint=hint)
    return _keys_refused(profile, said, denied or "nothing", too_many=too_many)


def _keys_refused(profile: Profile, said: str, offers: str, *, too_many: bool) -> GpuwsError:
    where = f"{profile.user}@{profile.hostname}"
    offers = offers.replace(",", ", ")
    lines = [line for line in said.splitlines() if line.startswith(_OFFERED)]
    keys = [line.removeprefix(_OFFERED).split(" SHA256:")[0] for line in lines]
    if too_many:
        return GpuwsError(
            "too-many-keys",
            f"{profile.alias} refused {len(keys)} keys, and a server cuts off after a few: "
            f"{', '.join(keys)}",
            hint="name the right key in your ssh config: IdentityFile …, with IdentitiesOnly yes",
        )
    if not keys:
        return GpuwsError(
            "no-usable-key",
            f"there is no key to log in to {where} with (it offers {offers})",
            hint="set IdentityFile in your ssh config, or load the key: ssh-add",
        )
    return GpuwsError(
        "authentication-failed",
        f"{where} accepts none of the keys {', '.join(keys)} (it offers {offers})",
        hint="check the user name, and ~/.ssh/authorized_keys on the host",
    )


def _cut_off(profile: Profile, said: str) -> GpuwsError:
    told = news(said)
    return GpuwsError(
        "authentication-failed",
        f"{profile.alias} ended the login: {told[-1] if told else 'it hung up without a word'}",
        hint=_BY_HAND.format(alias=profile.alias),
        retryable=True,  # it may as well have been the network
    )


# --- the way there -------------------------------------------------------------------------------


def _way(profile: Profile, said: str) -> GpuwsError:
    for meaning in _TABLE:
        line = _first(f"^(.*(?:{meaning.pattern}).*)$", said)
        if line is not None:
            line = line.removeprefix(_DEBUG)
            text = meaning.says(profile, line) if meaning.says else f"{profile.alias}: {line}"
            return _network(meaning.code, text, meaning.hint.format(alias=profile.alias))
    told = news(said)
    text = f"{profile.alias}: ssh ended: {told[-1] if told else 'without a word'}"
    return _network("connection-lost", text, _BY_HAND.format(alias=profile.alias))


def _network(code: str, message: str, hint: str) -> GpuwsError:
    again = EXIT_OF[code] is Exit.NETWORK and code not in _FOR_GOOD
    return GpuwsError(code, message, hint=hint, retryable=again)


def _on_the_way(profile: Profile, found: GpuwsError, said: str) -> GpuwsError:
    """The host itself has not said a word yet: its jump host or proxy command failed."""
    told = [line for line in news(said) if "UNKNOWN port" not in line and "kex_exch" not in line]
    first = one_line(told[0], 200) if told else "it ended without a word"
    if profile.proxy_jump:
        by = profile.proxy_jump[-1]
        network = found.exit is Exit.NETWORK
        own = not network or found.code == "jump-failed"
        return GpuwsError(
            "jump-failed" if network else found.code,
            f"at the jump host {by}: {found.message if own else first}",
            hint=found.hint if own else "check each hop by hand: ssh HOP",
            retryable=found.retryable,
        )
    if profile.proxy_command and found.exit is Exit.NETWORK:
        return GpuwsError(
            "proxy-command-failed",
            f"the ProxyCommand for {profile.alias} failed on this machine: {first}",
            hint=f"try it by hand: {profile.proxy_command}",
            retryable=True,
        )
    return found


def _first(pattern: str, said: str) -> str | None:
    found = re.search(pattern, said, re.MULTILINE)
    return found[1] if found else None
