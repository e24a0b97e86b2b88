"""What is not as safe as it could be. Advice, mostly: none of it keeps gpuws from working. Pure."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from gpuws.plan.doctor.finding import Check, Said, advice, ok, warning
from gpuws.plan.doctor.seen import Examined, Jupyter, OwnKey, Server

_RSA_BITS = 3072  # what NIST allows beyond 2030
_HOLES = (
    ("2.18", "CVE-2026-40110, CVE-2026-40934, CVE-2026-35397"),
    ("2.20", "CVE-2026-44727"),
)
_TYPED = ("password", "keyboard-interactive")


def _keys(examined: Examined) -> Said | None:
    weak = [f"{each.path} ({_why(each)})" for each in examined.keys if _why(each)]
    if weak:
        return advice(", ".join(weak))
    return ok(_named(examined.keys)) if examined.keys else ok("no key file is named")


def _why(key: OwnKey) -> str:
    if "dss" in key.kind:
        return "DSA, which servers refuse"
    return f"RSA of {key.bits} bits" if 0 < key.bits < _RSA_BITS else ""


def _named(keys: tuple[OwnKey, ...]) -> str:
    return ", ".join(dict.fromkeys(each.kind for each in keys))


def _sealed(examined: Examined) -> Said | None:
    bare = [each.path for each in examined.keys if not each.encrypted]
    if bare:
        return advice(f"no passphrase: {', '.join(bare)}")
    return ok("every key file has a passphrase" if examined.keys else "no key file is named")


def _unchecked(examined: Examined) -> Said | None:
    if examined.profile is None:
        return None
    if any(note.startswith("StrictHostKeyChecking no") for note in examined.profile.notes):
        return advice("your ssh config says StrictHostKeyChecking no for this host")
    return ok(f"StrictHostKeyChecking {examined.profile.strict_host_key_checking}")


def _strict(examined: Examined) -> Said | None:
    said = examined.agreed.get("strict")
    if said is None:
        return None
    if said == "no":
        return advice("the server knows no strict key exchange (Terrapin, CVE-2023-48795)")
    return ok("strict")


def _root(examined: Examined) -> Said | None:
    if examined.facts is None:
        return None
    if examined.facts.uid == 0:
        return advice("you log in as root: whatever runs in a notebook may change everything")
    return ok(f"you log in as {examined.facts.user}")


def _passwords(examined: Examined) -> Said | None:
    offered = examined.agreed.get("login")
    if not offered:
        return None
    typed = [each for each in offered.split(",") if each in _TYPED]
    if typed:
        return advice(f"the server offers {' and '.join(typed)}: passwords can be guessed")
    return ok(f"the server offers {offered} alone")


def _servers(examined: Examined) -> Said | None:
    seen = examined.seen
    if seen is None or "servers" in seen.unanswered:
        return None
    bad = [_told(each) for each in seen.servers if each.reach != "loopback" or each.open]
    return advice(", ".join(bad)) if bad else ok("none that others could use")


def _told(server: Server) -> str:
    how = "without a token" if server.open else "for every computer that reaches the host"
    return f"process {server.pid} listens on port {server.port} {how}"


def _holes(examined: Examined) -> Said | None:
    seen = examined.seen
    if seen is None or "jupyters" in seen.unanswered:
        return None
    bad = [f"{each.prefix} has {each.version} ({_cves(each)})" for each in seen.jupyters]
    bad = [told for told, each in zip(bad, seen.jupyters, strict=True) if _cves(each)]
    if bad:
        return warning(", ".join(bad))
    return ok(", ".join(each.version for each in seen.jupyters) or "no environment has one yet")


def _cves(jupyter: Jupyter) -> str:
    try:
        version = Version(jupyter.version)
    except InvalidVersion:
        return ""
    return ", ".join(names for mended, names in _HOLES if version < Version(mended))


SAFETY: tuple[Check[Examined], ...] = (
    Check(
        "jupyter-holes",
        "jupyter_server",
        "The environments in use, and conda's base, have a jupyter_server without known holes "
        "(2.20 or newer: CVE-2026-44727; 2.18: CVE-2026-40110, CVE-2026-40934, CVE-2026-35397).",
        "`gpuws env update HOST jupyter_server` renews a locked one, and `gpuws up HOST --restart` "
        "takes it",
        _holes,
    ),
    Check(
        "jupyter-open",
        "your other Jupyters",
        "No Jupyter of yours listens for other computers, or without a token. Processes and "
        "sockets are looked at, never their settings or tokens.",
        "end it with `kill PID` on the host; `gpuws up HOST` opens a private one",
        _servers,
    ),
    Check(
        "weak-key",
        "your keys",
        "The key files that ssh would use are strong: Ed25519, ECDSA, or RSA of 3072 bits. How old "
        "a key is, it does not tell.",
        "make a new one with `ssh-keygen -t ed25519` and bring it with `ssh-copy-id HOST`",
        _keys,
    ),
    Check(
        "bare-key",
        "passphrases",
        "The key files are sealed with a passphrase: who copies such a file has nothing yet.",
        "`ssh-keygen -p -f FILE` sets one; `ssh-add FILE` keeps it open for a session",
        _sealed,
    ),
    Check(
        "unchecked-host-key",
        "host key checks",
        "Your ssh config checks host keys. gpuws checks them in any case.",
        "remove `StrictHostKeyChecking no` from your ssh config, or write accept-new",
        _unchecked,
    ),
    Check(
        "no-strict-kex",
        "key exchange",
        "The key exchange is strict, so that nobody in between can leave out packets.",
        "ask its administrator for OpenSSH 9.6 or newer",
        _strict,
    ),
    Check(
        "root-login",
        "user",
        "You log in as a user of your own. On rented machines root is usual.",
        "make a user with `adduser` on the host, and name it with `User` in your ssh config",
        _root,
    ),
    Check(
        "password-login",
        "passwords",
        "The server takes keys only.",
        "where it is yours: `PasswordAuthentication no` in sshd_config, once your key works",
        _passwords,
    ),
)
