"""The verbs of a workspace's life."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gpuws import completing
from gpuws import telling as told
from gpuws.cli.words import (
    Detach,
    Files,
    Host,
    LocalPort,
    NoBrowser,
    NoJupyter,
    Workspace,
    Yes,
    caller,
    reached,
    target,
    tell_ready,
    telling,
    to_browser,
    workspace_request,
)
from gpuws.errors import Exit, GpuwsError

if TYPE_CHECKING:
    from gpuws.plan.requests import UpRequest


def up(
    host: Host,
    file: Files = None,
    name: Annotated[
        str | None, typer.Option("--name", envvar="GPUWS_NAME", help="the workspace's name")
    ] = None,
    dir: Annotated[
        str | None, typer.Option("--dir", envvar="GPUWS_DIR", help="project folder on the host")
    ] = None,
    use_env: Annotated[
        str | None,
        typer.Option("--use-env", envvar="GPUWS_USE_ENV", help="an environment that is there"),
    ] = None,
    local_port: LocalPort = None,
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", envvar="GPUWS_GPUS", help='a count "2", indices "0,2", or none'),
    ] = None,
    detach: Detach = False,
    no_browser: NoBrowser = False,
    no_jupyter: NoJupyter = False,
    locked: Annotated[
        bool, typer.Option("--locked", envvar="GPUWS_LOCKED", help="only from a lock file")
    ] = False,
    no_lock: Annotated[
        bool, typer.Option("--no-lock", envvar="GPUWS_NO_LOCK", help="leave the lock file aside")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", envvar="GPUWS_OFFLINE", help="this laptop sends the packages"),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", envvar="GPUWS_RESTART", help="apply changed settings")
    ] = False,
    here: Annotated[
        bool,
        typer.Option("--here", envvar="GPUWS_HERE", help="on a login node; for a silent machine"),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="GPUWS_DRY_RUN", help="only say what would be made")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make the workspace be there and open the way to it. Safe to run again."""
    from gpuws import asking, declaring, projects, view

    if no_lock and (locked or offline):
        said = "--locked" if locked else "--offline"
        hint = f"{said} needs the lock file, --no-lock leaves it aside"
        raise GpuwsError("usage", f"{said} and --no-lock at once", hint=hint)
    person = telling.person(live=not dry_run)

    def request() -> UpRequest:
        return asking.up_request(
            host,
            telling.options,
            person,
            files=file or (),
            name=name,
            use_env=use_env,
            confirm_foreign=declaring.confirmation(person, yes=yes),
            locks="require" if locked or offline else "ignore" if no_lock else "use",
            offline=offline,
            dir=dir,
            gpus=gpus,
            local_port=local_port,
            jupyter=not no_jupyter,
            restart=restart,
            here=here,
            dry_run=dry_run,
            yes=yes,
        )

    if dry_run:
        plan = view.one_shot("up", request(), person)
        telling.answer(plan, *told.plan_lines(plan))
        return
    leave = detach or telling.options.json or no_jupyter
    browser = to_browser(no_browser)
    if projects.here(telling.options):  # no keeper waits for a person's yes
        result = view.open_workspace("up", request(), person, detach=leave, browser=browser)
    else:
        with view.keeper(asking.split(host)[0], telling.options) as keeper:
            result = view.open_workspace(
                "up", request(), person, detach=leave, browser=browser, keeper=keeper
            )
    tell_ready(result, left=leave)


def attach(
    host: Workspace = None,
    detach: Detach = False,
    local_port: LocalPort = None,
    no_browser: NoBrowser = False,
) -> None:
    """After a disconnect, or from another laptop: open the way again."""
    from gpuws import view
    from gpuws.plan.requests import WorkspaceRequest

    person = telling.person(live=True)
    reach, name = target(host, person)
    request = WorkspaceRequest(reach, caller(), name=name, local_port=local_port)
    leave = detach or telling.options.json
    result = view.open_workspace(
        "attach", request, person, detach=leave, browser=to_browser(no_browser)
    )
    tell_ready(result, left=leave)


def down(
    host: Workspace = None,
    rm_env: Annotated[
        bool, typer.Option("--rm-env", envvar="GPUWS_RM_ENV", help="remove its environment too")
    ] = False,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            envvar="GPUWS_PURGE",
            help="remove its project too; with --all: everything",
        ),
    ] = False,
    keep_running: Annotated[
        bool,
        typer.Option(
            "--keep-running", envvar="GPUWS_KEEP_RUNNING", help="leave what its terminals started"
        ),
    ] = False,
    all: Annotated[
        bool, typer.Option("--all", envvar="GPUWS_ALL", help="every workspace of HOST")
    ] = False,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot",
            envvar="GPUWS_SNAPSHOT",
            help="write an environment that was changed by hand into environment.snapshot.yml",
        ),
    ] = False,
    no_snapshot: Annotated[
        bool,
        typer.Option("--no-snapshot", envvar="GPUWS_NO_SNAPSHOT", help="do not ask about that"),
    ] = False,
    yes: Yes = False,
) -> None:
    """Stop Jupyter, close the forwards, remove run files, and prove that nothing is left."""
    from pathlib import Path

    from gpuws import snapshots, view
    from gpuws.plan.requests import DownRequest

    if snapshot and no_snapshot:
        hint = "without both, a person at a terminal is asked"
        raise GpuwsError("usage", "--snapshot and --no-snapshot at once", hint=hint)
    person = telling.person()
    reach, name = target(host, person)
    request = DownRequest(
        reach,
        caller(),
        name=name,
        all=all,
        rm_env=rm_env,
        purge=purge,
        yes=yes,
        keep_running=keep_running,
        snapshot=True if snapshot else False if no_snapshot else None,
    )
    result = view.one_shot("down", request, person)
    data = {key: result[key] for key in ("stopped", "removed", "left", "kept")}
    data["snapshots"] = snapshots.keep(result["snapshots"], Path.cwd(), person.talk)
    telling.answer(data, *told.down_lines(data))
    if result["left"]:
        telling.code = int(Exit.CONFLICT)


def url(host: Workspace = None) -> None:
    """Print the URL with its token (the only verb that does)."""
    from gpuws import view

    result = view.one_shot("url", workspace_request(host), telling.person())
    telling.answer(result, result["url"])


def logs(
    host: Workspace = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", envvar="GPUWS_FOLLOW", help="go on as the log grows")
    ] = False,
    tail: Annotated[
        int, typer.Option("--tail", envvar="GPUWS_TAIL", min=0, help="this many last lines")
    ] = 100,
    build: Annotated[
        bool, typer.Option("--build", envvar="GPUWS_BUILD", help="the environment build's log")
    ] = False,
) -> None:
    """Jupyter's log, or the environment build's."""
    from gpuws import view
    from gpuws.listening import text_of

    request = workspace_request(host, follow=follow, tail=tail, build=build)
    if not telling.options.json:
        view.one_shot("logs", request, telling.person())
    elif follow:
        each = telling.listener(lambda block: telling.answer({"log": text_of(block)}))
        view.one_shot("logs", request, each)
    else:
        parts: list[str] = []
        view.one_shot("logs", request, telling.listener(lambda part: parts.append(text_of(part))))
        telling.answer({"log": "".join(parts)})


def shell(host: Workspace = None) -> None:
    """A terminal on the host, in the workspace's environment, inside tmux."""
    from gpuws import view

    request = workspace_request(host, pty=True, term=os.environ.get("TERM", "xterm"))
    if telling.options.json:
        raise GpuwsError(
            "usage",
            "a terminal has no JSON answer",
            hint="`gpuws --json exec HOST -- COMMAND` has one",
        )
    telling.code = view.one_shot("shell", request, telling.person())["code"]


def exec_(
    host: Host,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="the command")],
) -> None:
    """One command in the workspace's environment, in the foreground; its own exit code."""
    from gpuws import view
    from gpuws.listening import Printed

    json = telling.options.json
    request = workspace_request(
        host,
        command=tuple(command),
        pty=sys.stdin.isatty() and sys.stdout.isatty() and not json,
        term=os.environ.get("TERM", "xterm"),
    )
    printed = Printed()
    person = telling.listener(printed.hear) if json else telling.person()
    telling.code = view.one_shot("exec", request, person)["code"]
    telling.answer({"code": telling.code, **printed.data()})


def status(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HOST]...", autocompletion=completing.hosts),
    ] = None,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", envvar="GPUWS_WATCH", help="again every 2 s")
    ] = False,
) -> None:
    """What lives where, asked of the hosts in parallel."""
    import time

    from gpuws import fleet

    person = telling.person()
    while True:
        found = fleet.status(hosts or [], telling.options, person)
        telling.answer({"hosts": [fleet.data(each) for each in found]}, *fleet.lines(found))
        if not watch:
            break
        time.sleep(2)
    telling.code = reached(found)
