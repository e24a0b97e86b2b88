"""Shell completion of HOST and HOST/NAME: from files of the laptop, offline, nothing written.

typer has the shells' protocols; this has the words. Whatever is wrong with a file, the answer is
fewer words: a message would end up in the middle of what somebody types.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from gpuws import options, places
from gpuws.errors import GpuwsError
from gpuws.options import Options


def under_way() -> bool:
    """Whether it is a shell that asks, by the variable of typer's scripts."""
    return "_GPUWS_COMPLETE" in os.environ


def understand_globals(environ: MutableMapping[str, str]) -> None:
    """typer knows the verbs' own options: the global ones leave the typed line, and those that
    say where hosts are named become the variables that they may be given as, too.

    Raises GpuwsError where a global option still waits for its value: that is no word of ours.
    """
    if "COMP_CWORD" in environ:  # bash: all words, one a line, and the number of the asked one
        typed = environ["COMP_WORDS"].split("\n")
        at = int(environ["COMP_CWORD"])
        rest = _without_globals(typed[1:at], environ)
        environ["COMP_WORDS"] = "\n".join([*typed[:1], *rest, *typed[at : at + 1]])
        environ["COMP_CWORD"] = str(len(rest) + 1)
    elif line := environ.get("_TYPER_COMPLETE_ARGS"):  # zsh, fish, PowerShell: the line so far
        *typed, last = line.split(" ")
        rest = _without_globals([word for word in typed[1:] if word], environ)
        environ["_TYPER_COMPLETE_ARGS"] = " ".join([typed[0], *rest, last])


def _without_globals(words: list[str], environ: MutableMapping[str, str]) -> list[str]:
    joined = "\n".join(words).replace("\n=\n", "=")  # bash makes three words of --hosts=FILE
    given, rest = options.take(joined.split("\n") if joined else [])
    for name, value in (("GPUWS_SSH_CONFIG", given.ssh_config), ("GPUWS_HOSTS", given.hosts)):
        if value:
            environ[name] = value
    return rest


def hosts(incomplete: str) -> list[str]:
    """Each once: aliases, entries, the address book's hosts, then its HOST/NAME."""
    given, _ = options.take([])
    found = dict.fromkeys((*_aliases(given), *_entries(given), *_known()))
    return [each for each in found if each.startswith(incomplete)]


def _aliases(given: Options) -> Iterator[str]:
    from gpuws.host.ssh_config.names import known_aliases

    yield from known_aliases(Path(given.ssh_config) if given.ssh_config else None)


def _entries(given: Options) -> Iterator[str]:
    file = Path(given.hosts) if given.hosts else places.config() / "hosts.yaml"
    if not file.exists():
        return
    from gpuws.config.hosts import load_hosts

    with contextlib.suppress(GpuwsError):
        yield from load_hosts(file)[0]


def _known() -> Iterator[str]:
    from gpuws.records import Records

    known = Records().read()
    yield from (each.host for each in known)
    yield from (f"{each.host}/{each.name}" for each in known)
