"""The end of a login that is kept, before its time."""

from __future__ import annotations

from typing import Annotated

import typer

from gpuws import completing
from gpuws.cli.words import target, telling


def logout(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST]",
            help="default: every login that is kept",
            autocompletion=completing.hosts,
        ),
    ] = None,
) -> None:
    """End a login that is kept. Tunnels over it close; what runs on the host goes on."""
    from gpuws.keeper import client, logout

    if host is None:
        ended = logout.log_out_everywhere()
    else:
        reach, _ = target(host, telling.person())
        found = logout.log_out(client.keeper_key(reach))
        ended = [found] if found else []
    closed = [f"{each.host}/{name}" for each in ended for name in each.closed]
    told = [f"logged out of {each.host}" for each in ended]
    told += [f"closed the tunnel to {place}: `gpuws attach {place}`" for place in closed]
    none = f"no login to {host} is open" if host else "no login is kept"
    telling.answer({"hosts": [each.host for each in ended], "closed": closed}, *(told or [none]))
