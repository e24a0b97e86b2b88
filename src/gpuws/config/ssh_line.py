"""The `ssh` line that a provider's console prints → what hosts.yaml keeps of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gpuws.config.host_values import ssh_target
from gpuws.errors import GpuwsError

_ALONE = frozenset("46aACfgGkKMnNqstTvxXyY")
_VALUED = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_FORWARDS = frozenset("LRD")
_PASSED_OVER = frozenset("46aACfgkNnqTtvXxY")
"""How ssh talks, or what a terminal would need: gpuws has its own way for each."""

_OWN_WAY = {
    "stricthostkeychecking": "gpuws asks about a new host key and never accepts a changed one",
    "userknownhostsfile": "the host's keys are kept in a file of its own",
    "globalknownhostsfile": "the host's keys are kept in a file of its own",
    "identitiesonly": "only the key of -i is offered",
    "serveraliveinterval": "gpuws notices a dead connection by itself",
    "serveralivecountmax": "gpuws notices a dead connection by itself",
    "exitonforwardfailure": "gpuws makes its own forwards",
    "requesttty": "gpuws asks for a terminal where it needs one",
    "loglevel": "-v shows what is going on",
    "connecttimeout": "--timeout sets it",
    "tcpkeepalive": "gpuws notices a dead connection by itself",
}
"""Keys of -o that are left out, and why nothing is lost."""


@dataclass(frozen=True)
class SshLine:
    """``ssh`` is [user@]host. ``notes``: what was left out, and why."""

    ssh: str
    port: int | None = None
    identity_file: str | None = None
    proxy_jump: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Heard:
    """The line so far; of what is said twice the first counts, as with ssh."""

    host: str = ""
    user: str = ""
    port: str = ""
    identity: str = ""
    jump: str = ""
    notes: tuple[str, ...] = ()

    def with_(self, key: str, value: str) -> _Heard:
        return self if getattr(self, key) else replace(self, **{key: value})  # type: ignore[arg-type]

    def without(self, what: str, why: str) -> _Heard:
        return replace(self, notes=(*self.notes, f"left out: {what} ({why})"))


def read_ssh_line(words: Sequence[str]) -> SshLine:
    """``words``: as the shell split them, or one that holds the whole line. Raises usage."""
    heard = _Heard()
    rest = iter(_words(words))
    for word in rest:
        if word == "--":
            continue
        if word.startswith("-") and word != "-":
            for option, value in _options(word, rest):
                heard = _take(heard, option, value)
        elif not heard.host:
            heard = _with_host(heard, word)
        else:
            raise _refused(f"a command at its end: {word}", "leave it out")
    return _line(heard)


def _words(words: Sequence[str]) -> list[str]:
    found = list(words)
    if len(found) == 1:
        try:
            found = shlex.split(found[0])
        except ValueError:
            raise _refused("a quote that is never closed") from None
    if found and re.fullmatch(r"(.*[/\\])?ssh(\.exe)?", found[0]):
        found = found[1:]
    if not found:
        raise GpuwsError(
            "usage",
            "the ssh line is missing",
            hint="`gpuws hosts add NAME -- ssh -p 52979 root@host.example`",
        )
    return found


def _options(word: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """``-NfL 8080:…`` as ssh takes it apart: the first that has a value takes what follows."""
    letters = word[1:]
    while letters:
        option, letters = letters[0], letters[1:]
        if option in _VALUED:
            value = letters or next(rest, "")
            if not value:
                raise _refused(f"-{option} without a value")
            yield option, value
            return
        if option not in _ALONE:
            raise _refused(f"the option -{option}")
        yield option, ""


def _take(heard: _Heard, option: str, value: str) -> _Heard:
    keys = {"p": "port", "l": "user", "i": "identity", "J": "jump"}
    if option in keys:
        return heard.with_(keys[option], value)
    if option == "o":
        return _with_setting(heard, value)
    if option in _FORWARDS:
        return heard.without(f"-{option} {value}", "gpuws makes its own forwards")
    if option in _PASSED_OVER:
        return heard
    hint = "--ssh-config FILE is gpuws's -F" if option == "F" else ""
    raise _refused(f"the option -{option}", hint)


def _with_setting(heard: _Heard, written: str) -> _Heard:
    """``Key=Value`` or ``Key Value``."""
    key, _, value = written.replace("=", " ", 1).strip().partition(" ")
    value = value.strip().strip('"')
    keys = {"port": "port", "user": "user", "identityfile": "identity", "proxyjump": "jump"}
    name = key.lower()
    if not value:
        raise _refused(f"-o {written}, which has no value")
    if name in keys:
        return heard.with_(keys[name], value)
    if name in _OWN_WAY:
        return heard.without(f"-o {key}", _OWN_WAY[name])
    hint = "settings of ssh belong in ~/.ssh/config: write a Host there and leave it out here"
    raise _refused(f"the setting -o {key}", hint)


def _with_host(heard: _Heard, word: str) -> _Heard:
    """``[user@]host``, or ``ssh://[user@]host[:port]``; a port behind a plain host is a mistake
    that console lines do not make, and hosts.yaml takes it all the same."""
    text = word[6:].rstrip("/") if word.lower().startswith("ssh://") else word
    user, _, host = text.rpartition("@")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d+)", host)
    if found:
        heard = heard.with_("port", found[2])
        host = found[1]
    heard = heard.with_("user", user) if user else heard
    return replace(heard, host=host)


def _line(heard: _Heard) -> SshLine:
    if not heard.host:
        raise _refused("no host", "`root@host.example` is missing")
    target = f"{heard.user}@{heard.host}" if heard.user else heard.host
    try:
        ssh = ssh_target(target)
    except ValueError as error:
        raise _refused(str(error)) from None
    return SshLine(
        ssh=ssh,
        port=_port(heard.port),
        identity_file=heard.identity or None,
        proxy_jump=heard.jump or None,
        notes=heard.notes,
    )


def _port(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise _refused(f"{text!r}, which is no port")
    return int(text)


def _refused(what: str, hint: str = "") -> GpuwsError:
    return GpuwsError(
        "usage",
        f"the ssh line has {what}",
        hint=hint or "leave it out, or write the entry by hand: hosts.example.yaml shows how",
    )
