"""From the settings of ssh_config to a Profile: the one place that knows both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpuws.host.ssh_config.keywords import DIRECTIVES, Directive, Use
from gpuws.host.ssh_config.lexer import lower
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood, unreadable, unsupported
from gpuws.host.ssh_config.settings import Settings
from gpuws.host.tokens import PROXY, Tokens, tilde
from gpuws.plan.keeping import persistence
from gpuws.plan.model import ALIVE_INTERVAL, Profile

PATIENCE = 15.0  # seconds, where ConnectTimeout says nothing

_CLOSE = ("preferredauthentications", "batchmode")
KEYWORDS_OF = {
    "hostname": ("hostname",),
    "port": ("port",),
    "user": ("user",),
    "identity_files": ("identityfile",),
    "certificate_files": ("certificatefile",),
    "identities_only": ("identitiesonly",),
    "identity_agent": ("identityagent",),
    "host_key_alias": ("hostkeyalias",),
    "user_known_hosts": ("userknownhostsfile",),
    "global_known_hosts": ("globalknownhostsfile",),
    "revoked_host_keys": ("revokedhostkeys",),
    "strict_host_key_checking": ("stricthostkeychecking",),
    "proxy_jump": ("proxyjump",),
    "proxy_command": ("proxycommand",),
    "connect_timeout": ("connecttimeout",),
    "address_family": ("addressfamily",),
    "bind_address": ("bindaddress",),
    "bind_interface": ("bindinterface",),
    "connection_attempts": ("connectionattempts",),
    "pubkey": ("pubkeyauthentication", "preferredauthentications"),
    "password": ("passwordauthentication", "preferredauthentications", "batchmode"),
    "keyboard_interactive": (
        "kbdinteractiveauthentication",
        "preferredauthentications",
        "batchmode",
    ),
    "alive_interval": ("serveraliveinterval",),
    "alive_count": ("serveralivecountmax",),
    "control_persist": ("controlpersist", "controlmaster"),
    "control_path": ("controlpath",),
    "gssapi": ("gssapiauthentication",),
}
"""Field of the profile → the keywords that decide it."""

_SWITCHES = {
    "publickey": "pubkeyauthentication",
    "password": "passwordauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
}


def profile_from(settings: Settings, host: str, tokens: Tokens, ssh_config: Path | None) -> Profile:
    """``host`` as the user typed it. Raises profile-unreadable for tokens that ssh would refuse,
    too, and profile-unsupported."""
    expand = _Expanding(settings, tokens)
    strict, notes = _strict(settings.one("stricthostkeychecking", "ask"))
    methods = _methods(settings)
    return Profile(
        alias=host,
        hostname=tokens.host,
        port=tokens.port,
        user=tokens.user,
        identity_files=expand.files("identityfile"),
        certificate_files=expand.files("certificatefile"),
        identities_only=settings.one("identitiesonly") == "yes",
        identity_agent=_agent(settings, expand),
        host_key_alias=next(iter(expand.each("hostkeyalias", tokens.percent)), None),
        user_known_hosts=_known_hosts(expand.each("userknownhostsfile", _as_it_is)),
        global_known_hosts=_known_hosts(expand.each("globalknownhostsfile", expand.tilde)),
        revoked_host_keys=expand.files("revokedhostkeys"),
        strict_host_key_checking=strict,
        proxy_jump=_hops(expand),
        proxy_command=_command(expand),
        connect_timeout=_seconds(settings.one("connecttimeout")) or PATIENCE,
        address_family=settings.one("addressfamily", "any"),
        bind_address=settings.one("bindaddress") or None,
        bind_interface=settings.one("bindinterface") or None,
        connection_attempts=int(settings.one("connectionattempts", "1")),
        pubkey="publickey" in methods,
        password="password" in methods,
        keyboard_interactive="keyboard-interactive" in methods,
        alive_interval=_seconds(settings.one("serveraliveinterval")) or ALIVE_INTERVAL,
        alive_count=max(1, int(settings.one("serveralivecountmax", "3"))),
        control_persist=persistence(
            settings.one("controlmaster", "no"), settings.one("controlpersist", "no")
        ),
        control_path=_control_path(settings),
        gssapi=settings.one("gssapiauthentication") == "yes",
        ssh_config=str(ssh_config) if ssh_config is not None else None,
        notes=(*notes, *_unused(settings)),
    )


class _Expanding:
    """Values of a keyword with their tokens expanded; a mistake is told with its place."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens

    def each(self, keyword: str, change: Callable[[str], str]) -> tuple[str, ...]:
        place = self._settings.place(keyword)
        try:
            return tuple(change(value) for value in self._settings.values(keyword))
        except BadLine as error:
            raise unreadable(place, f"{keyword}: {error}") from None
        except NotUnderstood as error:
            raise unsupported(place, str(error)) from None

    def files(self, keyword: str) -> tuple[str, ...]:
        """ "none" is no file."""
        found = self.each(keyword, lambda text: "" if lower(text) == "none" else self.path(text))
        return tuple(dict.fromkeys(file for file in found if file))

    def path(self, text: str) -> str:
        return self._tokens.path(text)

    def tilde(self, text: str) -> str:
        return tilde(text, self._tokens.here)

    def proxy(self, text: str) -> str:
        return self._tokens.percent(text, PROXY)

    def variable(self, name: str) -> str:
        return self._tokens.here.environment.get(name, "")


def _as_it_is(text: str) -> str:
    return text


def _hops(expand: _Expanding) -> tuple[str, ...]:
    """First hop first. The value ends up in a ProxyCommand of ssh's, with tokens."""
    found = expand.each("proxyjump", expand.proxy)
    hops = found[0].split(",") if found and found[0] != "none" else []
    return tuple(hop.strip() for hop in hops if hop.strip())


def _command(expand: _Expanding) -> str | None:
    found = expand.each("proxycommand", expand.proxy)
    return found[0] if found and lower(found[0]) != "none" else None


def _known_hosts(files: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(file for file in files if file and lower(file) not in ("none", "/dev/null"))


def _control_path(settings: Settings) -> str | None:
    value = settings.one("controlpath", "none")
    return None if lower(value) == "none" else value


def _seconds(value: str) -> float:
    """0 where nothing is said: ssh means that, too, with 0."""
    return float(value) if value.isdigit() else 0.0


def _strict(value: str) -> tuple[str, tuple[str, ...]]:
    """yes | ask | accept-new. A configuration that checks nothing is not followed that far."""
    if value in ("false", "no", "off"):
        note = "StrictHostKeyChecking no is treated as accept-new: a changed key is still refused"
        return "accept-new", (note,)
    return {"true": "yes", "yes": "yes", "accept-new": "accept-new"}.get(value, "ask"), ()


def _methods(settings: Settings) -> set[str]:
    """The ways to log in that the configuration leaves open."""
    allowed = {
        name for name, key in _SWITCHES.items() if settings.one(key, "yes") not in ("no", "false")
    }
    preferred = settings.one("preferredauthentications")
    if preferred:
        allowed &= set(preferred.split(","))
    if settings.one("batchmode") == "yes":
        allowed -= {"password", "keyboard-interactive"}
    return allowed


def _agent(settings: Settings, expand: _Expanding) -> str | None:
    """A socket's path, "none", or None for that of SSH_AUTH_SOCK."""
    value = settings.one("identityagent", "SSH_AUTH_SOCK")
    if value == "SSH_AUTH_SOCK":
        return None
    if value.startswith("$") and not value.startswith("${"):
        return expand.variable(value[1:]) or "none"
    return value


def _unused(settings: Settings) -> tuple[str, ...]:
    names = [each.name for each in DIRECTIVES if asks_for(each, settings)]
    return (f"not used by gpuws: {', '.join(names)}",) if names else ()


def asks_for(directive: Directive, settings: Settings) -> bool:
    """Whether the configuration wants what gpuws does not do."""
    if directive.use is not Use.NOTED:
        return False
    values = settings.values(directive.keyword)
    return any(value and lower(value) not in directive.off for value in values)
