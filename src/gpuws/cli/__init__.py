"""The command line: the table of verbs, and how a command line becomes an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from gpuws import __version__, completing, options
from gpuws.cli import environments, forwards, hosts, laptop, workspaces
from gpuws.cli.words import telling
from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options

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

_VERBS: dict[str, Callable[..., None]] = {
    "up": workspaces.up,
    "attach": workspaces.attach,
    "down": workspaces.down,
    "url": workspaces.url,
    "logs": workspaces.logs,
    "shell": workspaces.shell,
    "exec": workspaces.exec_,
    "status": workspaces.status,
    "ls": workspaces.status,
    "forward": forwards.forward,
    "trust": laptop.trust,
    "demo": laptop.demo,
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "exec": {"context_settings": {"ignore_unknown_options": True}},
    "ls": {"help": "The same as status."},
}
for _name, _verb in _VERBS.items():
    app.command(name=_name, **_SETTINGS.get(_name, {}))(_verb)
app.add_typer(environments.app, name="env")
app.add_typer(hosts.app, name="hosts")
_NAMES = {*_VERBS, "env", "hosts"}


def run(argv: Sequence[str]) -> int:
    """The exit code of a command line."""
    if completing.under_way():
        return _complete()
    return telling.run(lambda: _dispatch(argv))


def _complete() -> int:
    """typer answers a shell and ends. A mistake must not be told in the line being typed."""
    with contextlib.suppress(Exception, SystemExit):
        completing.understand_globals(os.environ)
        app([], prog_name="gpuws")
    return 0


def _dispatch(argv: Sequence[str]) -> int:
    telling.command = next((word for word in argv if word in _NAMES), "")
    telling.options = Options(json=options.wants_json(argv))  # until all are understood
    telling.options, rest = options.take(argv)
    if "--version" in rest[:1]:
        telling.answer({"version": __version__}, f"gpuws {__version__}")
        return 0
    if not rest:
        rest = ["--help"]
    telling.command = next((word for word in rest if not word.startswith("-")), "")
    try:
        ended = app(rest, standalone_mode=False, prog_name="gpuws")
    except SystemExit:  # typer's own answer to a broken pipe
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _USAGE_ERROR as error:
        hint = f"see `gpuws {telling.command} --help`".replace("  ", " ")
        raise GpuwsError("usage", error.format_message(), hint=hint) from None
    sys.stdout.flush()
    if ended == Exit.INTERRUPTED:  # how typer hands on Ctrl-C; a verb itself returns nothing
        raise KeyboardInterrupt
    return telling.code
