"""Another reading of what ``ssh -G`` prints: the fields of a profile, found without gpuws."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_TOKEN = re.compile(r"%(.)|\$\{([^}]+)\}", re.DOTALL)
_YES = {"yes": True, "true": True, "no": False, "false": False}

Lines = dict[str, list[str]]


def lines_of(text: str) -> Lines:
    found: Lines = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value)
    return found


class Unexpandable(Exception):
    """ssh would stop at this value as soon as it used it."""


class Reading:
    """``known_hosts``: every value of UserKnownHostsFile that the case may have, expanded here to
    find the borders of the one line that ssh prints."""

    def __init__(self, said: Lines, typed: str, known_hosts: Sequence[str]) -> None:
        self._said = said
        self._typed = typed
        self._known_hosts = known_hosts
        me = pwd.getpwuid(os.getuid())
        self._home = me.pw_dir
        host, port, user = (said[key][0] for key in ("hostname", "port", "user"))
        here = socket.gethostname()
        self._tokens = {
            "%": "%",
            "h": host,
            "p": port,
            "r": user,
            "n": typed,
            "k": said.get("hostkeyalias", [typed])[0],
            "u": me.pw_name,
            "d": me.pw_dir,
            "i": str(me.pw_uid),
            "l": here,
            "L": here.split(".")[0],
            "C": hashlib.sha1(f"{here}{host}{port}{user}".encode()).hexdigest(),
        }

    def fields(self) -> dict[str, Any]:
        """Raises Unexpandable."""
        said = self._said
        jump = self._expand(said.get("proxyjump", ["none"])[0], "hknpr%")
        alias = said.get("hostkeyalias")
        return {
            "hostname": said["hostname"][0],
            "port": int(said["port"][0]),
            "user": said["user"][0],
            "identity_files": self._paths("identityfile"),
            "certificate_files": self._paths("certificatefile"),
            "identities_only": _YES[said["identitiesonly"][0]],
            "identity_agent": self._agent(),
            "host_key_alias": self._expand(alias[0]) if alias else None,
            "user_known_hosts": self._files("userknownhostsfile", lambda text: text),
            "global_known_hosts": self._files("globalknownhostsfile", self._tilde),
            "revoked_host_keys": self._paths("revokedhostkeys"),
            "strict_host_key_checking": {
                "true": "yes",
                "false": "accept-new",
                "ask": "ask",
                "accept-new": "accept-new",
            }[said["stricthostkeychecking"][0]],
            "proxy_jump": () if jump == "none" else tuple(h.strip() for h in jump.split(",")),
            "proxy_command": self._command(),
            "connect_timeout": float(said["connecttimeout"][0].replace("none", "0")) or 15.0,
            "address_family": said["addressfamily"][0],
            "bind_address": said.get("bindaddress", [None])[0],
            **self._login(),
            "alive_count": max(1, int(said["serveralivecountmax"][0])),
        }

    def _login(self) -> dict[str, bool]:
        said = self._said
        preferred = said.get("preferredauthentications", [""])[0].split(",")
        asks = said["batchmode"] == ["no"]
        return {
            name: not said[key][0].startswith(("no", "false"))
            and (preferred == [""] or method in preferred)
            and (asks or name == "pubkey")
            for name, key, method in (
                ("pubkey", "pubkeyauthentication", "publickey"),
                ("password", "passwordauthentication", "password"),
                (
                    "keyboard_interactive",
                    "kbdinteractiveauthentication",
                    "keyboard-interactive",
                ),
            )
        }

    def _command(self) -> str | None:
        found = self._said.get("proxycommand")
        return self._expand(found[0], "hknpr%", variables=False) if found else None

    def _agent(self) -> str | None:
        value = self._said.get("identityagent", ["SSH_AUTH_SOCK"])[0]
        if value == "SSH_AUTH_SOCK":
            return None
        return os.environ.get(value[1:], "none") if value[0] == "$" else value

    def _paths(self, key: str) -> tuple[str, ...]:
        found = [text for text in self._said.get(key, []) if text.lower() != "none"]
        every = [self._expand(self._tilde(text)) for text in found]
        return tuple(sorted(set(every), key=every.index))

    def _expand(self, text: str, letters: str = "hprnkudilLC%", *, variables: bool = True) -> str:
        def value(found: re.Match[str]) -> str:
            if found[2]:
                if variables and found[2] not in os.environ:
                    raise Unexpandable(text)
                return os.environ[found[2]] if variables else found[0]
            if found[1] not in letters:
                raise Unexpandable(text)
            return self._tokens[found[1]]

        return _TOKEN.sub(value, text)

    def _tilde(self, text: str) -> str:
        if text.startswith("~"):
            user, _, rest = text[1:].partition("/")
            home = pwd.getpwnam(user).pw_dir if user else self._home
            return str(Path(home)) + "/" + rest.lstrip("/")
        return text

    def _files(self, key: str, last: Callable[[str], str]) -> tuple[str, ...]:
        """The longest known value first, from the left."""
        rest = self._said[key][0]
        known = {self._expand(self._tilde(text)) for text in self._known_hosts}
        known |= set(self._known_hosts)
        found = []
        while rest and rest != "none":
            fits = [each for each in known if rest == each or rest.startswith(each + " ")]
            taken = max(fits, key=len) if fits else rest.split(" ")[0]
            found.append(last(taken))
            rest = rest[len(taken) :].lstrip(" ")
        return tuple(found)
