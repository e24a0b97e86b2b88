"""`gpuws forward`, with `ls` and `rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from gpuws import completing
from gpuws import telling as told
from gpuws.cli.words import Yes, caller, reached, target, telling
from gpuws.errors import GpuwsError


def forward(
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST[/NAME]",
            help="whose; or `ls [HOST]`: list them, `rm HOST[/NAME] FNAME`: end one",
            autocompletion=completing.hosts,
        ),
    ],
    remote: Annotated[
        str | None,
        typer.Argument(metavar="[LOCAL:]REMOTE", help="6006, 8890:6006, node7:6006, /path/socket"),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[FNAME]", help="default: the service's, or the port")
    ] = None,
    auto: Annotated[
        bool,
        typer.Option("--auto", envvar="GPUWS_AUTO", help="ask about the ports that it has opened"),
    ] = False,
    yes: Yes = False,
) -> None:
    """One more local port of a workspace, to a port or a Unix socket of its host."""
    if auto:
        _auto_forward(host, remote, yes=yes)
    elif host == "ls":
        _list_forwards(remote, name)
    elif host == "rm":
        _end_forward(remote, name)
    elif remote is None:
        hint = f"`gpuws forward {host} 6006` opens TensorBoard's port"
        raise GpuwsError("usage", "where shall it lead?", hint=hint)
    else:
        _open_forward(host, remote, name)


def _open_forward(host: str, remote: str, name: str | None) -> None:
    from gpuws import asking, view

    person = telling.person()
    request = asking.forward_request(host, remote, name, telling.options, person)
    result = view.open_workspace("forward", request, person, detach=True, browser=False)
    telling.answer(result, told.opened_line(result))


def _auto_forward(host: str, more: str | None, *, yes: bool) -> None:
    from gpuws import view
    from gpuws.plan.requests import AutoForwardRequest

    if more is not None:
        hint = "`gpuws forward HOST[/NAME] --auto` finds the ports by itself"
        raise GpuwsError("usage", f"--auto takes no port such as {more}", hint=hint)
    person = telling.person()
    reach, workspace = target(host, person)
    request = AutoForwardRequest(reach, caller(), workspace, yes)
    result = view.open_workspace("auto_forward", request, person, detach=True, browser=False)
    telling.answer(result, *told.auto_lines(result))


def _list_forwards(host: str | None, more: str | None) -> None:
    from gpuws import fleet

    if more is not None:
        raise GpuwsError("usage", f"{more} is one word too many", hint="`gpuws forward ls [HOST]`")
    found = fleet.status([host] if host else [], telling.options, telling.person())
    listed = fleet.forwards(found)
    telling.answer({"forwards": listed}, *told.forward_lines(listed))
    telling.code = reached(found)


def _end_forward(host: str | None, name: str | None) -> None:
    from gpuws import view
    from gpuws.plan.requests import EndForwardRequest

    if host is None or name is None:
        hint = "`gpuws forward rm HOST[/NAME] FNAME`; `gpuws forward ls` lists them"
        raise GpuwsError("usage", "which forward shall end?", hint=hint)
    person = telling.person()
    reach, workspace = target(host, person)
    request = EndForwardRequest(reach, caller(), name, workspace)
    result = view.one_shot("end_forward", request, person)
    telling.answer(result, f"ended {result['name']} of {result['workspace']}")
