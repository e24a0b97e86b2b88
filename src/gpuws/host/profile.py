"""A host as ``ssh`` itself would reach it: ``ssh -G`` is asked, never imitated."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.address import Address, parse
from gpuws.host.aliases import known_aliases, nearest
from gpuws.host.sanitise import sanitise
from gpuws.host.tokens import Tokens, home, local_user
from gpuws.plan.model import ALIVE_INTERVAL, Profile

__all__ = ["known_aliases", "nearest", "resolve"]

_DEADLINE = 10.0  # seconds; a ``Match exec`` may run anything

_Settings = dict[str, list[str]]


def resolve(host: str, *, ssh_config: Path | None = None, port: int | None = None) -> Profile:
    """What ``ssh HOST`` would do. ``ssh_config`` is ``-F``, ``port`` is ``-p``.

    Raises bad-host-string before any program runs, profile-unreadable with ssh's own words.
    """
    address = parse(host)
    port = port or address.port
    ssh = shutil.which("ssh")
    if ssh is None:
        return _without_ssh(host, address, ssh_config, port)
    command = [ssh, "-T", "-G"]
    if ssh_config is not None:
        command += ["-F", str(ssh_config)]
    if port is not None:
        command += ["-p", str(port)]
    if address.user is not None:
        command += ["-l", address.user]
    settings = _parse(_ask_ssh([*command, "--", address.host]))
    return _profile(host, address, settings, ssh_config)


def _ask_ssh(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE
        )
    except subprocess.TimeoutExpired:
        raise _unreadable(f"ssh -G gave no answer in {_DEADLINE:.0f} s (a Match exec?)") from None
    except OSError as error:
        raise _unreadable(f"ssh cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        said = sanitise(done.stderr).strip()
        raise _unreadable(f"ssh refuses it: {said.splitlines()[0] if said else 'no reason'}", said)
    return done.stdout.decode("utf-8", "surrogateescape")


def _parse(text: str) -> _Settings:
    settings: _Settings = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value)
    return settings


def _profile(host: str, address: Address, settings: _Settings, ssh_config: Path | None) -> Profile:
    def one(keyword: str, default: str = "") -> str:
        value = settings.get(keyword, [default])[0]
        return default if value == "none" else value

    jump = one("proxyjump")
    tokens = Tokens(
        original=address.host,
        host=one("hostname", address.host),
        port=int(one("port", "22")),
        user=one("user", address.user or local_user()),
        alias=one("hostkeyalias") or None,
        jump=jump.rpartition(",")[2],
    )
    command = one("proxycommand")
    strict, notes = _strict(one("stricthostkeychecking", "ask"))
    methods = _methods(settings)
    return Profile(
        alias=host,
        hostname=tokens.host,
        port=tokens.port,
        user=tokens.user,
        identity_files=_files(settings, "identityfile", tokens),
        certificate_files=_files(settings, "certificatefile", tokens),
        identities_only=_yes(one("identitiesonly")),
        identity_agent=_agent(settings, tokens),
        host_key_alias=tokens.percent(tokens.alias, keyword="HostKeyAlias")
        if tokens.alias
        else None,
        user_known_hosts=_split_paths(one("userknownhostsfile")),
        global_known_hosts=_split_paths(one("globalknownhostsfile")),
        revoked_host_keys=_files(settings, "revokedhostkeys", tokens),
        strict_host_key_checking=strict,
        proxy_jump=tuple(hop for hop in jump.split(",") if hop),
        proxy_command=tokens.percent(command, keyword="ProxyCommand") if command else None,
        connect_timeout=float(one("connecttimeout") or 15),
        address_family=one("addressfamily", "any"),
        bind_address=one("bindaddress") or None,
        bind_interface=one("bindinterface") or None,
        connection_attempts=int(one("connectionattempts", "1")),
        pubkey="publickey" in methods,
        password="password" in methods,
        keyboard_interactive="keyboard-interactive" in methods,
        alive_interval=float(one("serveraliveinterval") or 0) or ALIVE_INTERVAL,
        alive_count=max(1, int(one("serveralivecountmax", "3"))),
        ssh_config=str(ssh_config) if ssh_config is not None else None,
        notes=(*notes, *_ignored(settings)),
    )


def _yes(value: str) -> bool:
    return value in ("yes", "true")


def _strict(value: str) -> tuple[str, tuple[str, ...]]:
    """yes | ask | accept-new. A configuration that checks nothing is not followed that far."""
    if value in ("false", "no", "off"):
        note = "StrictHostKeyChecking no is treated as accept-new: a changed key is still refused"
        return "accept-new", (note,)
    return {"true": "yes", "yes": "yes", "accept-new": "accept-new"}.get(value, "ask"), ()


def _methods(settings: _Settings) -> set[str]:
    """The ways to log in that the configuration leaves open."""
    switches = {
        "publickey": "pubkeyauthentication",
        "password": "passwordauthentication",
        "keyboard-interactive": "kbdinteractiveauthentication",
    }
    allowed = {name for name, key in switches.items() if settings.get(key, ["yes"])[0] != "no"}
    allowed = {name for name in allowed if settings.get(switches[name], ["yes"])[0] != "false"}
    preferred = settings.get("preferredauthentications")
    if preferred:
        allowed &= set(preferred[0].split(","))
    if _yes(settings.get("batchmode", ["no"])[0]):
        allowed -= {"password", "keyboard-interactive"}
    return allowed


def _files(settings: _Settings, keyword: str, tokens: Tokens) -> tuple[str, ...]:
    written = [value for value in settings.get(keyword, []) if value != "none"]
    return tuple(tokens.path(value, keyword=keyword) for value in written)


def _agent(settings: _Settings, tokens: Tokens) -> str | None:
    value = settings.get("identityagent", [""])[0]
    if value in ("", "SSH_AUTH_SOCK"):
        return None
    return value if value == "none" else tokens.path(value, keyword="IdentityAgent")


def _split_paths(value: str) -> tuple[str, ...]:
    """Several paths on one line, unquoted by ssh -G: each begins with /, ~ or a drive letter.

    So "/home/me/a b /etc/c" are two files.
    """
    pieces = re.split(r" (?=/|~|[A-Za-z]:[\\/]|__PROGRAMDATA__)", value)
    return tuple(piece for piece in pieces if piece and piece not in ("none", "/dev/null"))


def _ignored(settings: _Settings) -> tuple[str, ...]:
    asked = {
        "RemoteCommand": settings.get("remotecommand", ["none"])[0] != "none",
        "ForwardAgent": settings.get("forwardagent", ["no"])[0] not in ("no", "false"),
        "LocalForward": "localforward" in settings,
        "RemoteForward": "remoteforward" in settings,
        "DynamicForward": "dynamicforward" in settings,
        "SetEnv": "setenv" in settings,
        "Compression": _yes(settings.get("compression", ["no"])[0]),
        "ProxyUseFdpass": _yes(settings.get("proxyusefdpass", ["no"])[0]),
        "KnownHostsCommand": settings.get("knownhostscommand", ["none"])[0] != "none",
        "CheckHostIP": _yes(settings.get("checkhostip", ["no"])[0]),
        "VerifyHostKeyDNS": settings.get("verifyhostkeydns", ["no"])[0] not in ("no", "false"),
    }
    names = [name for name, present in asked.items() if present]
    return (f"not used by gpuws: {', '.join(names)}",) if names else ()


def _without_ssh(host: str, address: Address, ssh_config: Path | None, port: int | None) -> Profile:
    """A machine without OpenSSH: only what needs no configuration file."""
    config = ssh_config or Path(home(), ".ssh", "config")
    if address.user is None or ssh_config is not None or address.host in known_aliases(config):
        raise GpuwsError(
            "profile-unsupported",
            f"{host} needs an ssh configuration, and there is no ssh program to read it",
            hint="install OpenSSH's client, or write user@host:port",
            stage="connect",
        )
    ssh = Path(home(), ".ssh")
    return Profile(
        alias=host,
        hostname=address.host,
        port=port or 22,
        user=address.user,
        identity_files=tuple(str(ssh / f"id_{kind}") for kind in ("ed25519", "ecdsa", "rsa")),
        user_known_hosts=(str(ssh / "known_hosts"), str(ssh / "known_hosts2")),
        notes=("no ssh program found: ssh_config is not read",),
    )


def _unreadable(why: str, detail: str = "") -> GpuwsError:
    return GpuwsError(
        "profile-unreadable",
        f"your ssh configuration cannot be used: {why}",
        hint="ssh -G HOST shows the same; correct the file it names",
        stage="connect",
        detail=detail,
    )
