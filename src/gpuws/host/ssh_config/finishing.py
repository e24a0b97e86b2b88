"""What ssh does behind the last file: defaults, "none", checks, tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpuws.host.here import Here
from gpuws.host.ssh_config.jumps import hop_of
from gpuws.host.ssh_config.lexer import lower
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood, unreadable, unsupported
from gpuws.host.ssh_config.settings import DEFAULT, Settings
from gpuws.host.tokens import Tokens, not_known

_NONE_UNSETS = (
    *("localcommand", "remotecommand", "proxycommand", "controlpath", "revokedhostkeys"),
    *("pkcs11provider", "securitykeyprovider", "knownhostscommand", "proxyjump"),
)
_FORWARDS = ("localforward", "remoteforward", "dynamicforward")
_KEYS = ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa")
_DEFAULTS = {
    "port": ("22",),
    "addressfamily": ("any",),
    "batchmode": ("no",),
    "connecttimeout": ("none",),
    "serveraliveinterval": ("0",),
    "serveralivecountmax": ("3",),
    "stricthostkeychecking": ("ask",),
    "identitiesonly": ("no",),
    "identityfile": tuple(f"~/.ssh/id_{kind}" for kind in _KEYS),
    "pubkeyauthentication": ("true",),
    "passwordauthentication": ("yes",),
    "kbdinteractiveauthentication": ("yes",),
    "userknownhostsfile": ("~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
    "hostbasedauthentication": ("no",),
    "tunnel": ("false",),
    "compression": ("no",),
    "forwardagent": ("no",),
    "proxyusefdpass": ("no",),
    "checkhostip": ("no",),
    "connectionattempts": ("1",),
    "controlmaster": ("false",),
    "controlpersist": ("no",),
    "gssapiauthentication": ("no",),
    "verifyhostkeydns": ("false",),
}


def finish(settings: Settings, here: Here, original: str) -> None:
    """Makes them what ``ssh -G`` prints. Raises profile-unreadable, profile-unsupported."""
    if settings.one("clearallforwardings") == "yes":
        for keyword in (*_FORWARDS, "tunnel"):
            settings.replace(keyword, ())
    _fill(settings, here)
    for keyword in _NONE_UNSETS:
        if lower(settings.one(keyword)) == "none":
            settings.replace(keyword, ())
    if settings.one("proxyjump"):
        settings.replace("proxyusefdpass", ["no"])
    _check(settings)
    settings.replace("hostkeyalias", map(lower, settings.values("hostkeyalias")))
    _expand(settings, here, original)


def _fill(settings: Settings, here: Here) -> None:
    system = ("ssh_known_hosts", "ssh_known_hosts2")
    settings.first("user", [here.user], DEFAULT)
    settings.first("globalknownhostsfile", [str(here.system / each) for each in system], DEFAULT)
    for keyword, values in _DEFAULTS.items():
        settings.first(keyword, values, DEFAULT)
    for keyword in ("globalknownhostsfile", "userknownhostsfile"):
        if lower(settings.one(keyword)) == "none":
            settings.replace(keyword, ())


def _check(settings: Settings) -> None:
    if settings.one("connectionattempts", "1") == "0":
        raise unreadable(settings.place("connectionattempts"), "no ConnectionAttempts")
    if settings.one("proxycommand") == "-" and settings.one("proxyusefdpass") == "yes":
        place = settings.place("proxycommand")
        raise unreadable(place, "ProxyCommand - and ProxyUseFdpass exclude each other")
    jump = settings.one("proxyjump")
    if jump:
        last = hop_of(jump.rpartition(",")[2])
        user, host, port = (settings.one(each) for each in ("user", "hostname", "port"))
        if (last.host, last.port or 22, last.user or user) == (host, int(port), user):
            raise unreadable(settings.place("proxyjump"), f"{host} would be its own jump host")


def _expand(settings: Settings, here: Here, original: str) -> None:
    """The keywords of which ``ssh -G`` prints the expanded value."""
    tokens = tokens_of(settings, here, original)
    _each(settings, "userknownhostsfile", tokens.path)
    _each(settings, "identityagent", tokens.path)
    _each(settings, "controlpath", tokens.path)
    _each(settings, "remotecommand", tokens.percent)
    if settings.one("forwardagent") not in ("yes", "no"):
        _each(settings, "forwardagent", tokens.path)
        _check_forwarded_agent(settings)
    for keyword in ("localforward", "remoteforward"):
        _each(settings, keyword, lambda text: tokens.percent(text) if "/" in text else text)


def _check_forwarded_agent(settings: Settings) -> None:
    socket = Path(settings.one("forwardagent"))
    if settings.one("exitonforwardfailure") == "yes" and not socket.exists():
        raise unreadable(settings.place("forwardagent"), f"ForwardAgent: there is no {socket}")


def _each(settings: Settings, keyword: str, change: Callable[[str], str]) -> None:
    place = settings.place(keyword)
    try:
        settings.replace(keyword, [change(value) for value in settings.values(keyword)])
    except BadLine as error:
        raise unreadable(place, f"{keyword}: {error}") from None
    except NotUnderstood as error:
        raise unsupported(place, str(error)) from None


def tokens_of(settings: Settings, here: Here, original: str) -> Tokens:
    return Tokens(
        here=here,
        original=original,
        host=settings.one("hostname"),
        port=int(settings.one("port")),
        user=settings.one("user"),
        key_alias=settings.one("hostkeyalias", original),
        hash_=not_known("%C") if settings.one("proxyjump") else None,
    )
