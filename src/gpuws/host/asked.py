"""What ``ssh -G`` says about a host."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.address import Address
from gpuws.host.here import Here
from gpuws.host.sanitise import sanitise
from gpuws.host.ssh_config.lexer import lower
from gpuws.host.ssh_config.refusing import unreadable
from gpuws.host.ssh_config.settings import DEFAULT, Settings
from gpuws.host.tokens import Tokens

SSH_G = "ssh -G"
DEADLINE = 10.0  # seconds; a ``Match exec`` may run anything
_OF_BATCH_MODE = "300"  # seconds; the default of Debian's ssh there
_FILES = ("userknownhostsfile", "globalknownhostsfile")


def command(
    ssh: str, address: Address, config: Path | None, port: int | None, *more: str
) -> list[str]:
    """-N and -T: no shell and no terminal are wanted, so that ssh does not refuse for want of
    them, as it does with ForkAfterAuthentication."""
    words = [ssh, "-T", "-N", "-G", *more]
    if config is not None:
        words += ["-F", str(config)]
    if port is not None:
        words += ["-p", str(port)]
    if address.user is not None:
        words += ["-l", address.user]
    return [*words, "--", address.host]


def asked(words: list[str], own: Callable[[], Settings]) -> Settings:
    """``own`` reads the same configuration, as well as it can; it is needed only where ssh's answer
    is ambiguous. Raises profile-unreadable with ssh's own words."""
    settings = Settings()
    for line in answer(words).splitlines():
        keyword, _, value = line.partition(" ")
        settings.add(lower(keyword), [value], SSH_G, own=True)
    for keyword in _FILES:
        files = _files(settings.one(keyword), lambda name=keyword: own().values(name))  # type: ignore[misc]
        settings.replace(keyword, files)
    local = [value.split(" ")[0] for value in settings.values("localforward")]
    dynamic = [value for value in settings.values("dynamicforward") if value not in local]
    settings.replace("dynamicforward", dynamic)  # ssh lists those to a socket as both
    if settings.one("serveraliveinterval") == _OF_BATCH_MODE and settings.one("batchmode") == "yes":
        said = own().place("serveraliveinterval")
        settings.replace("serveraliveinterval", ["0" if said == DEFAULT else _OF_BATCH_MODE])
    return settings


def answer(words: list[str]) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE
        )
    except subprocess.TimeoutExpired:
        why = f"ssh -G gave no answer in {DEADLINE:.0f} s (a Match exec?)"
        raise unreadable("", why) from None
    except OSError as error:
        raise unreadable("", f"ssh cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        said = sanitise(done.stderr).strip()
        why = f"ssh refuses it: {said.splitlines()[0] if said else 'no reason'}"
        raise unreadable("", why, detail=said)
    return done.stdout.decode("utf-8", "surrogateescape")


def _files(value: str, own: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Several paths on one line, unquoted by ssh: "/home/me/a b /etc/c" may be two files or three.

    Where that is so, our own reading of the same line tells. Raises profile-unsupported.
    """
    pieces = tuple(value.split(" "))
    if len(pieces) == 1 or all(re.match(r"[/~]|[A-Za-z]:[\\/]", piece) for piece in pieces):
        return tuple(piece for piece in pieces if piece)
    known = own()
    if " ".join(known) != value:
        raise GpuwsError(
            "profile-unsupported",
            f"ssh -G does not tell which known_hosts files these are: {value[:200]}",
            hint="give each a path without blanks in UserKnownHostsFile",
            stage="connect",
        )
    return known


def by_ssh(words: Callable[..., list[str]], token: str) -> Callable[[], str]:
    """A token whose meaning depends on ssh's version, as this ssh expands it. ControlPath is
    printed with everything expanded."""

    def value() -> str:
        return next(_expansions(words("-o", f"ControlPath=/{token}")), "")

    return value


def _expansions(words: list[str]) -> Iterator[str]:
    for line in answer(words).splitlines():
        if line.startswith("controlpath /"):
            yield line.removeprefix("controlpath /")


def tokens_of(
    settings: Settings, here: Here, original: str, words: Callable[..., list[str]]
) -> Tokens:
    """The same tokens as ssh's; what its version decides, it is asked when it is needed."""
    jump = settings.one("proxyjump", "none") != "none"
    return Tokens(
        here=here,
        original=original,
        host=settings.one("hostname", original),
        port=int(settings.one("port", "22")),
        user=settings.one("user", here.user),
        key_alias=settings.one("hostkeyalias", original),
        hash_=by_ssh(words, "%C") if jump else None,
        jump=by_ssh(words, "%j"),
    )
