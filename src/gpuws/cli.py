"""The command line: verbs and their options."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuws import __version__, completing, options, telling
from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options
from gpuws.telling import Telling

if TYPE_CHECKING:
    from gpuws.plan.requests import Caller, HostStatus, Reach, UpRequest, WorkspaceRequest
    from gpuws.report import Plain

app = typer.Typer(
    name="gpuws",
    help="Remote GPU workspaces over SSH: JupyterLab on a GPU server, in the declared environment.",
    epilog=options.HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# typer carries its own copy of click since 0.29; this finds the class in either.
_USAGE_ERROR: Any = next(k for k in typer.BadParameter.__mro__ if k.__name__ == "UsageError")


_telling = Telling()

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
Yes = Annotated[bool, typer.Option("-y", "--yes", envvar="GPUWS_YES", help="answer yes")]


@app.command()
def up(
    host: Host,
    file: Annotated[
        str | None, typer.Option("-f", "--file", envvar="GPUWS_FILE", help="environment file")
    ] = None,
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
    no_jupyter: Annotated[
        bool, typer.Option("--no-jupyter", envvar="GPUWS_NO_JUPYTER", help="no JupyterLab")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", envvar="GPUWS_RESTART", help="apply changed settings")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", envvar="GPUWS_HERE", help="even on a login node")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="GPUWS_DRY_RUN", help="only say what would be made")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make the workspace be there and open the way to it. Safe to run again."""
    from gpuws import asking, projects, view

    person = _telling.person(live=not dry_run)

    def request() -> UpRequest:
        return asking.up_request(
            host,
            _telling.options,
            person,
            file=file,
            name=name,
            use_env=use_env,
            confirm_foreign=lambda spec: (
                yes
                or person.confirm(
                    f"{spec.source} is an export from {spec.foreign}; use it without builds?",
                    flag="--yes",
                )
            ),
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
        _telling.answer(plan, *telling.plan_lines(plan))
        return
    leave = detach or _telling.options.json or no_jupyter
    browser = _browser(no_browser)
    if projects.here(_telling.options):  # no keeper waits for a person's yes
        result = view.open_workspace("up", request(), person, detach=leave, browser=browser)
    else:
        with view.keeper(asking.split(host)[0], _telling.options) as keeper:
            result = view.open_workspace(
                "up", request(), person, detach=leave, browser=browser, keeper=keeper
            )
    _tell_ready(result, left=leave)


@app.command()
def attach(
    host: Workspace = None,
    detach: Detach = False,
    local_port: LocalPort = None,
    no_browser: NoBrowser = False,
) -> None:
    """After a disconnect, or from another laptop: open the way again."""
    from gpuws import view
    from gpuws.plan.requests import WorkspaceRequest

    person = _telling.person(live=True)
    reach, name = _target(host, person)
    request = WorkspaceRequest(reach, _caller(), name=name, local_port=local_port)
    leave = detach or _telling.options.json
    result = view.open_workspace(
        "attach", request, person, detach=leave, browser=_browser(no_browser)
    )
    _tell_ready(result, left=leave)


@app.command()
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
    yes: Yes = False,
) -> None:
    """Stop Jupyter, close the forwards, remove run files, and prove that nothing is left."""
    from gpuws import view
    from gpuws.plan.requests import DownRequest

    person = _telling.person()
    reach, name = _target(host, person)
    request = DownRequest(
        reach,
        _caller(),
        name=name,
        all=all,
        rm_env=rm_env,
        purge=purge,
        yes=yes,
        keep_running=keep_running,
    )
    result = view.one_shot("down", request, person)
    data = {key: result[key] for key in ("stopped", "removed", "left", "kept")}
    _telling.answer(data, *telling.down_lines(result))
    if result["left"]:
        _telling.code = int(Exit.CONFLICT)


@app.command()
def url(host: Workspace = None) -> None:
    """Print the URL with its token (the only verb that does)."""
    from gpuws import view

    result = view.one_shot("url", _workspace_request(host), _telling.person())
    _telling.answer(result, result["url"])


@app.command()
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

    request = _workspace_request(host, follow=follow, tail=tail, build=build)
    if not _telling.options.json:
        view.one_shot("logs", request, _telling.person())
    elif follow:
        each = _telling.listener(lambda block: _telling.answer({"log": text_of(block)}))
        view.one_shot("logs", request, each)
    else:
        parts: list[str] = []
        view.one_shot("logs", request, _telling.listener(lambda part: parts.append(text_of(part))))
        _telling.answer({"log": "".join(parts)})


@app.command()
def shell(host: Workspace = None) -> None:
    """A terminal on the host, in the workspace's environment, inside tmux."""
    from gpuws import view

    request = _workspace_request(host, pty=True, term=os.environ.get("TERM", "xterm"))
    if _telling.options.json:
        raise GpuwsError(
            "usage",
            "a terminal has no JSON answer",
            hint="`gpuws --json exec HOST -- COMMAND` has one",
        )
    _telling.code = view.one_shot("shell", request, _telling.person())["code"]


@app.command(name="exec", context_settings={"ignore_unknown_options": True})
def exec_(
    host: Host,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="the command")],
) -> None:
    """One command in the workspace's environment, in the foreground; its own exit code."""
    from gpuws import view
    from gpuws.listening import Printed

    json = _telling.options.json
    request = _workspace_request(
        host,
        command=tuple(command),
        pty=sys.stdin.isatty() and sys.stdout.isatty() and not json,
        term=os.environ.get("TERM", "xterm"),
    )
    printed = Printed()
    person = _telling.listener(printed.hear) if json else _telling.person()
    _telling.code = view.one_shot("exec", request, person)["code"]
    _telling.answer({"code": _telling.code, **printed.data()})


@app.command()
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

    person = _telling.person()
    while True:
        found = fleet.status(hosts or [], _telling.options, person)
        _telling.answer({"hosts": [fleet.data(each) for each in found]}, *fleet.lines(found))
        if not watch:
            break
        time.sleep(2)
    _telling.code = _reached(found)


app.command(name="ls", help="The same as status.")(status)


@app.command()
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

    person = _telling.person()
    request = asking.forward_request(host, remote, name, _telling.options, person)
    result = view.open_workspace("forward", request, person, detach=True, browser=False)
    _telling.answer(result, telling.opened_line(result))


def _auto_forward(host: str, more: str | None, *, yes: bool) -> None:
    from gpuws import view
    from gpuws.plan.requests import AutoForwardRequest

    if more is not None:
        hint = "`gpuws forward HOST[/NAME] --auto` finds the ports by itself"
        raise GpuwsError("usage", f"--auto takes no port such as {more}", hint=hint)
    person = _telling.person()
    reach, workspace = _target(host, person)
    request = AutoForwardRequest(reach, _caller(), workspace, yes)
    result = view.open_workspace("auto_forward", request, person, detach=True, browser=False)
    _telling.answer(result, *telling.auto_lines(result))


def _list_forwards(host: str | None, more: str | None) -> None:
    from gpuws import fleet

    if more is not None:
        raise GpuwsError("usage", f"{more} is one word too many", hint="`gpuws forward ls [HOST]`")
    found = fleet.status([host] if host else [], _telling.options, _telling.person())
    listed = fleet.forwards(found)
    _telling.answer({"forwards": listed}, *telling.forward_lines(listed))
    _telling.code = _reached(found)


def _end_forward(host: str | None, name: str | None) -> None:
    from gpuws import view
    from gpuws.plan.requests import EndForwardRequest

    if host is None or name is None:
        hint = "`gpuws forward rm HOST[/NAME] FNAME`; `gpuws forward ls` lists them"
        raise GpuwsError("usage", "which forward shall end?", hint=hint)
    person = _telling.person()
    reach, workspace = _target(host, person)
    request = EndForwardRequest(reach, _caller(), name, workspace)
    result = view.one_shot("end_forward", request, person)
    _telling.answer(result, f"ended {result['name']} of {result['workspace']}")


@app.command()
def trust(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="default: those of this folder")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", envvar="GPUWS_LIST", help="what is trusted on this laptop")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", envvar="GPUWS_FORGET", help="ask about it again")
    ] = False,
) -> None:
    """Let a project's gpuws.yaml or hosts.yaml, as it is now, set what needs a yes."""
    from gpuws import projects

    if list_:
        known = projects.trusted()
        _telling.answer({"trusted": known}, *(each["file"] for each in known))
    elif forget:
        gone = projects.forget(file, _telling.options)
        _telling.answer({"forgotten": gone}, *(f"forgotten {each}" for each in gone))
    else:
        allowed = projects.allow(file, _telling.options)
        _telling.answer({"trusted": allowed}, *telling.trust_lines(allowed))


@app.command()
def demo(
    exit_after_ready: Annotated[
        bool,
        typer.Option(
            "--exit-after-ready",
            envvar="GPUWS_EXIT_AFTER_READY",
            help="for scripts: end as soon as it is ready",
        ),
    ] = False,
    no_browser: NoBrowser = False,
) -> None:
    """The whole journey against a private SSH server on this machine; nothing is left behind."""
    from gpuws import demo as demonstration

    ready = demonstration.run(
        _telling.person(live=not exit_after_ready),
        exit_after_ready=exit_after_ready or _telling.options.json,
        browser=not no_browser,
    )
    _telling.answer(ready)


def _reached(found: Sequence[HostStatus]) -> int:
    """The exit code of having asked them."""
    if all(each.reachable for each in found):
        return 0
    return int(Exit.NETWORK if len(found) == 1 else Exit.SOME_FAILED)


def _browser(unwanted: bool) -> bool:
    """Only for a person at a terminal."""
    return not unwanted and not _telling.options.json and sys.stdout.isatty()


def _target(host: str | None, person: Plain) -> tuple[Reach, str | None]:
    from gpuws import asking

    return asking.target(host, _telling.options, person, verb=_telling.command)


def _caller() -> Caller:
    from gpuws import asking

    return asking.caller()


def _workspace_request(
    host: str | None,
    **settings: Any,  # noqa: ANN401 - fields of WorkspaceRequest
) -> WorkspaceRequest:
    from gpuws.plan.requests import WorkspaceRequest

    reach, name = _target(host, _telling.person())
    return WorkspaceRequest(reach, _caller(), name=name, **settings)


def _tell_ready(result: dict[str, Any], *, left: bool) -> None:
    """Nothing for a terminal that hung up before it was ready: nobody reads it."""
    if result:
        _telling.answer(result, *telling.ready_lines(result, left=left))


def run(argv: Sequence[str]) -> int:
    """The exit code of a command line."""
    if completing.under_way():
        return _complete()
    return _telling.run(lambda: _dispatch(argv))


def _complete() -> int:
    """typer answers a shell and ends. A mistake must not be told in the line being typed."""
    with contextlib.suppress(Exception, SystemExit):
        completing.understand_globals(os.environ)
        app([], prog_name="gpuws")
    return 0


def _verbs() -> set[str]:
    made = app.registered_commands
    return {str(each.name or getattr(each.callback, "__name__", "")) for each in made}


def _dispatch(argv: Sequence[str]) -> int:
    _telling.command = next((word for word in argv if word in _verbs()), "")
    _telling.options = Options(json=options.wants_json(argv))  # until all are understood
    _telling.options, rest = options.take(argv)
    if "--version" in rest[:1]:
        _telling.answer({"version": __version__}, f"gpuws {__version__}")
        return 0
    if not rest:
        rest = ["--help"]
    _telling.command = next((word for word in rest if not word.startswith("-")), "")
    try:
        ended = app(rest, standalone_mode=False, prog_name="gpuws")
    except SystemExit:  # typer's own answer to a broken pipe
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _USAGE_ERROR as error:
        hint = f"see `gpuws {_telling.command} --help`".replace("  ", " ")
        raise GpuwsError("usage", error.format_message(), hint=hint) from None
    sys.stdout.flush()
    if ended == Exit.INTERRUPTED:  # how typer hands on Ctrl-C; a verb itself returns nothing
        raise KeyboardInterrupt
    return _telling.code
