"""The verbs that need no host: what this laptop trusts, and the demonstration."""

from __future__ import annotations

from typing import Annotated

import typer

from gpuws import telling as told
from gpuws.cli.words import NoBrowser, telling


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
        telling.answer({"trusted": known}, *(each["file"] for each in known))
    elif forget:
        gone = projects.forget(file, telling.options)
        telling.answer({"forgotten": gone}, *(f"forgotten {each}" for each in gone))
    else:
        allowed = projects.allow(file, telling.options)
        telling.answer({"trusted": allowed}, *told.trust_lines(allowed))


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
        telling.person(live=not exit_after_ready),
        exit_after_ready=exit_after_ready or telling.options.json,
        browser=not no_browser,
    )
    telling.answer(ready)
