"""What the verbs share: their arguments, who is told, and how a workspace is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuws import completing
from gpuws import telling as told
from gpuws.errors import Exit
from gpuws.telling import Telling

if TYPE_CHECKING:
    from gpuws.plan.requests import Caller, Reach, WorkspaceRequest
    from gpuws.plan.results import HostStatus
    from gpuws.report import Plain

telling = Telling()

Host = Annotated[
    str,
    typer.Argument(
        metavar="HOST",
        help="ssh alias, hosts.yaml entry, or user@host[:port]",
        autocompletion=completing.hosts,
    ),
]
Workspace = Annotated[
    str | None,
    typer.Argument(
        metavar="[HOST[/NAME]]",
        help="default: the last one used",
        autocompletion=completing.hosts,
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "-d", "--detach", envvar="GPUWS_DETACH", help="leave the tunnel to the background"
    ),
]
LocalPort = Annotated[
    int | None,
    typer.Option("--local-port", envvar="GPUWS_LOCAL_PORT", min=1024, max=65535, help="local port"),
]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", envvar="GPUWS_NO_BROWSER", help="do not open the browser")
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "-f",
        "--file",
        envvar="GPUWS_FILE",
        metavar="FILE",
        help="environment file; of several, the later ones win",
    ),
]
NoJupyter = Annotated[
    bool, typer.Option("--no-jupyter", envvar="GPUWS_NO_JUPYTER", help="no JupyterLab")
]
Yes = Annotated[bool, typer.Option("-y", "--yes", envvar="GPUWS_YES", help="answer yes")]


def reached(found: Sequence[HostStatus]) -> int:
    """The exit code of having asked them."""
    if all(each.reachable for each in found):
        return 0
    return int(Exit.NETWORK if len(found) == 1 else Exit.SOME_FAILED)


def to_browser(unwanted: bool) -> bool:
    """Only for a person at a terminal."""
    return not unwanted and not telling.options.json and sys.stdout.isatty()


def target(host: str | None, person: Plain) -> tuple[Reach, str | None]:
    from gpuws import asking

    return asking.target(host, telling.options, person, verb=telling.command)


def caller() -> Caller:
    from gpuws import asking

    return asking.caller()


def workspace_request(
    host: str | None,
    **settings: Any,  # noqa: ANN401 - fields of WorkspaceRequest
) -> WorkspaceRequest:
    from gpuws.plan.requests import WorkspaceRequest

    reach, name = target(host, telling.person())
    return WorkspaceRequest(reach, caller(), name=name, **settings)


def tell_ready(result: dict[str, Any], *, left: bool) -> None:
    """Nothing for a terminal that hung up before it was ready: nobody reads it."""
    if result:
        telling.answer(result, *told.ready_lines(result, left=left))
