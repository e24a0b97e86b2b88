"""The command line: verbs, their options, and how results and errors are told."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuws import __version__, options
from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options

if TYPE_CHECKING:
    from gpuws.plan.requests import Caller, Reach, UpRequest, WorkspaceRequest
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


class _Run:
    """One command under way: its global options, the person, the answer."""

    options = Options()
    command = ""
    code = 0

    def person(self, *, live: bool = False) -> Plain:
        from gpuws import report

        chosen = self.options
        on_terminal = sys.stderr.isatty() and sys.stdout.isatty() and not chosen.json
        if live and on_terminal and not chosen.quiet and chosen.verbose == 0:
            return report.live(no_input=chosen.no_input)
        return report.Plain(quiet=chosen.quiet, no_input=chosen.no_input, verbose=chosen.verbose)

    def answer(self, data: dict[str, Any], *lines: str) -> None:
        """Data on stdout: one JSON document, or lines for a person."""
        if self.options.json:
            lines = (json.dumps(_document(self.command, data=data)),)
        for line in lines:
            _print(line)


_run = _Run()

Host = Annotated[
    str, typer.Argument(metavar="HOST", help="ssh alias, hosts.yaml entry, or user@host[:port]")
]
Workspace = Annotated[
    str | None, typer.Argument(metavar="[HOST[/NAME]]", help="default: the last one used")
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
    from gpuws import asking, view

    person = _run.person(live=not dry_run)

    def request() -> UpRequest:
        return asking.up_request(
            host,
            _run.options,
            person.warn,
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
        _tell_plan(view.one_shot("up", request(), person))
        return
    leave = detach or _run.options.json or no_jupyter
    with view.keeper(asking.split(host)[0], _run.options) as keeper:
        result = view.open_workspace(
            "up", request(), person, detach=leave, browser=_browser(no_browser), keeper=keeper
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

    person = _run.person(live=True)
    reach, name = _target(host, person)
    request = WorkspaceRequest(reach, _caller(), name=name, local_port=local_port)
    leave = detach or _run.options.json
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

    person = _run.person()
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
    _run.answer(
        {key: result[key] for key in ("stopped", "removed", "left", "kept")},
        *(
            [f"stopped {', '.join(result['stopped'])}"]
            if result["stopped"]
            else ["nothing was running"]
        ),
        *(f"removed {path}" for path in result["removed"]),
        *(f"kept    {path}" for path in result["kept"]),
        *(f"LEFT    {item}" for item in result["left"]),
        *([] if result["left"] else ["nothing of the session is left on the host"]),
    )
    if result["left"]:
        _run.code = int(Exit.CONFLICT)


@app.command()
def url(host: Workspace = None) -> None:
    """Print the URL with its token (the only verb that does)."""
    from gpuws import view

    result = view.one_shot("url", _workspace_request(host), _run.person())
    _run.answer(result, result["url"])


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
    from gpuws import report, view

    request = _workspace_request(host, follow=follow, tail=tail, build=build)
    if not _run.options.json:
        view.one_shot("logs", request, _run.person())
        return
    parts: list[str] = []
    tell = (lambda text: _run.answer({"log": text})) if follow else parts.append
    view.one_shot("logs", request, report.Listening(tell))
    if not follow:
        _run.answer({"log": "".join(parts)})


@app.command()
def shell(host: Workspace = None) -> None:
    """A terminal on the host, in the workspace's environment, inside tmux."""
    import os

    from gpuws import view

    request = _workspace_request(host, pty=True, term=os.environ.get("TERM", "xterm"))
    _run.code = view.one_shot("shell", request, _run.person())["code"]


@app.command(name="exec", context_settings={"ignore_unknown_options": True})
def exec_(
    host: Host,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="the command")],
) -> None:
    """One command in the workspace's environment, in the foreground; its own exit code."""
    import os

    from gpuws import view

    request = _workspace_request(
        host,
        command=tuple(command),
        pty=sys.stdin.isatty() and sys.stdout.isatty(),
        term=os.environ.get("TERM", "xterm"),
    )
    _run.code = view.one_shot("exec", request, _run.person())["code"]


@app.command()
def status(
    hosts: Annotated[list[str] | None, typer.Argument(metavar="[HOST]...")] = None,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", envvar="GPUWS_WATCH", help="again every 2 s")
    ] = False,
) -> None:
    """What lives where, asked of the hosts in parallel."""
    import time

    from gpuws import fleet

    person = _run.person()
    while True:
        found = fleet.status(hosts or [], _run.options, person.warn)
        _run.answer({"hosts": [fleet.data(each) for each in found]}, *fleet.lines(found))
        if not watch:
            break
        time.sleep(2)
    failed = [each for each in found if not each.reachable]
    if failed:
        _run.code = int(Exit.NETWORK if len(found) == 1 else Exit.SOME_FAILED)


app.command(name="ls", help="The same as status.")(status)


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

    demonstration.run(exit_after_ready=exit_after_ready, browser=not no_browser)


def _browser(unwanted: bool) -> bool:
    """Only for a person at a terminal."""
    return not unwanted and not _run.options.json and sys.stdout.isatty()


def _target(host: str | None, person: Plain) -> tuple[Reach, str | None]:
    from gpuws import asking

    return asking.target(host, _run.options, person.warn, verb=_run.command)


def _caller() -> Caller:
    from gpuws import asking

    return asking.caller()


def _workspace_request(
    host: str | None,
    **settings: Any,  # noqa: ANN401 - fields of WorkspaceRequest
) -> WorkspaceRequest:
    from gpuws.plan.requests import WorkspaceRequest

    reach, name = _target(host, _run.person())
    return WorkspaceRequest(reach, _caller(), name=name, **settings)


def _tell_ready(result: dict[str, Any], *, left: bool) -> None:
    if not result:
        return
    place = result["workspace"]
    if not left:
        _run.answer(
            result,
            f"left {place}: Jupyter goes on; `gpuws attach {place}` opens the way again, "
            f"`gpuws down {place}` ends it",
        )
        return
    from gpuws.report import facts_of

    rows = [f"{label:12}{value}" for label, value in facts_of(result)]
    after = f"`gpuws url {place}` prints the address with its token; `gpuws down {place}` ends it"
    _run.answer(result, *rows, after)


def _tell_plan(plan: dict[str, Any]) -> None:
    moved = "unknown" if plan["move_mb"] is None else f"{plan['move_mb']:.1f} MB"
    rows = [f"{plan['workspace']}: nothing was touched; `up` would"]
    rows += [f"  {step}" for step in plan["steps"]]
    rows += [f"  file     {path}" for path in plan["files"]]
    rows += [f"  process  {each}" for each in plan["processes"]]
    rows += [f"  port     {each}" for each in plan["ports"]]
    _run.answer(plan, *rows, f"  to move  {moved}")


def _document(command: str, **content: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "gpuws/1", "command": command, "ok": "data" in content, **content}


def run(argv: Sequence[str]) -> int:
    """The exit code. Whoever read stdout may be gone, as in `gpuws ls | head -1`: no fault."""
    _run.code = 0
    try:
        return _told(argv)
    except BrokenPipeError:
        _silence_stdout()
        return _run.code


def _told(argv: Sequence[str]) -> int:
    """Every failure is told in one place; no traceback reaches a user."""
    try:
        return _dispatch(argv)
    except GpuwsError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _fail(GpuwsError("interrupted", "interrupted"))
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
            _silence_stdout()
            return _fail(GpuwsError("usage", "the answer cannot be written: stdout is full"))
        if _run.options.debug:
            raise
        kind = type(error).__name__
        return _fail(
            GpuwsError(
                "bug",
                f"this is a fault of gpuws: {kind}: {error}",
                hint="run it again with --debug and report what it prints",
            )
        )


def _verbs() -> set[str]:
    made = app.registered_commands
    return {str(each.name or getattr(each.callback, "__name__", "")) for each in made}


def _dispatch(argv: Sequence[str]) -> int:
    _run.command = next((word for word in argv if word in _verbs()), "")
    _run.options = Options(json="--json" in argv)  # until the others are understood
    _run.options, rest = options.take(argv)
    if "--version" in rest[:1]:
        _print(f"gpuws {__version__}")
        return 0
    if not rest:
        rest = ["--help"]
    _run.command = next((word for word in rest if not word.startswith("-")), "")
    try:
        app(rest, standalone_mode=False, prog_name="gpuws")
    except typer.Exit as ended:
        return ended.exit_code
    except SystemExit:  # typer's own answer to a broken pipe
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _USAGE_ERROR as error:
        hint = f"see `gpuws {_run.command} --help`".replace("  ", " ")
        raise GpuwsError("usage", error.format_message(), hint=hint) from None
    sys.stdout.flush()
    return _run.code


def _fail(error: GpuwsError) -> int:
    from gpuws.keeper.conversation import error_data
    from gpuws.report import Plain

    ours = _run.command == "exec" and error.exit not in (Exit.USAGE, Exit.INTERRUPTED)
    _run.code = 255 if ours else int(error.exit)
    told = error_data(error)
    detail = told.pop("detail")
    talk = Plain().talk
    if _run.options.json:
        _print(json.dumps(_document(_run.command, error=told)))
    from gpuws.host.sanitise import sanitise

    if detail:
        talk(sanitise(detail).rstrip())
    talk(f"error: {sanitise(error.message)}")
    if error.hint:
        talk(f"  next: {error.hint}")
    return _run.code


def _print(text: str) -> None:
    from gpuws.report import encodable

    print(encodable(text, sys.stdout), flush=True)  # noqa: T201


def _silence_stdout() -> None:
    """The interpreter must not complain about the closed pipe at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return
