"""Where each setting of a profile came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpuws.host.asked import SSH_G
from gpuws.host.mapped import KEYWORDS_OF
from gpuws.host.profile import Asked, Resolved, read_or_nothing
from gpuws.host.ssh_config.keywords import DIRECTIVES, Use
from gpuws.host.ssh_config.settings import COMMAND_LINE, DEFAULT, Settings

_NOT_DONE = (Use.NOTED, Use.IGNORED)


@dataclass(frozen=True)
class Origins:
    """``of``: field of the profile → the places that decided it: "file:line", DEFAULT,
    COMMAND_LINE, or SSH_G where only ssh knows. ``unused``: (directive, value, place) of what
    gpuws does not use."""

    of: dict[str, tuple[str, ...]]
    unused: tuple[tuple[str, str, str], ...]


def origins(which: Asked, found: Resolved) -> Origins:
    """By our own reading of the files, as far as it comes to the same value as ssh."""
    own = found.settings if found.resolver == "own" else read_or_nothing(which)
    of = {
        field: tuple(_places(keywords, found.settings, own))
        for field, keywords in KEYWORDS_OF.items()
    }
    return Origins(of, tuple(_unused(own)))


def _places(keywords: tuple[str, ...], settings: Settings, own: Settings) -> Iterator[str]:
    if not own.keywords() or any(own.values(each) != settings.values(each) for each in keywords):
        yield SSH_G
        return
    said = [each.place for keyword in keywords for each in own.all(keyword)]
    yield from [place for place in said if place != DEFAULT] or [DEFAULT]


def _unused(own: Settings) -> Iterator[tuple[str, str, str]]:
    for directive in DIRECTIVES:
        for each in own.all(directive.keyword):
            if directive.use in _NOT_DONE and each.place not in (DEFAULT, COMMAND_LINE):
                yield directive.name, each.value, each.place
