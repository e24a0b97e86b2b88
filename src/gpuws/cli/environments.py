"""`gpuws env`: the environments that gpuws made on a host."""

from __future__ import annotations

from typing import Annotated

import typer

from gpuws import telling as told
from gpuws.cli.words import (
    Detach,
    Files,
    Host,
    NoBrowser,
    NoJupyter,
    Workspace,
    Yes,
    caller,
    target,
    tell_ready,
    telling,
    to_browser,
)
from gpuws.errors import Exit, GpuwsError

app = typer.Typer(
    help="Environments on a host: list, add, diff, export, gc, lock, pack, remove, rollback, "
    "unpack, update.",
    rich_markup_mode=None,
)
DryRun = Annotated[
    bool, typer.Option("--dry-run", envvar="GPUWS_DRY_RUN", help="only say what would be removed")
]


@app.command("list")
def list_(host: Host) -> None:
    """Each with its size, and who uses it."""
    from gpuws import view
    from gpuws.plan.requests import EnvironmentsRequest

    person = telling.person()
    reach, _ = target(host, person)
    result = view.one_shot("env_list", EnvironmentsRequest(reach), person)
    telling.answer(result, *told.environment_lines(result))


@app.command()
def add(
    host: Host,
    packages: Annotated[
        list[str], typer.Argument(metavar="PACKAGE...", help="conda specs, or with --pip pip's")
    ],
    pip: Annotated[
        bool, typer.Option("--pip", envvar="GPUWS_PIP", help="into the file's pip section")
    ] = False,
    file: Files = None,
    yes: Yes = False,
) -> None:
    """Put packages into the environment file and build; a build that fails takes them out again.

    Of several files the last one is changed.
    """
    from gpuws import adding

    person = telling.person(live=True)
    result = adding.run(host, packages, file or (), telling.options, person, pip=pip, yes=yes)
    telling.answer(result, *told.added_lines(result))


@app.command()
def diff(
    host: Workspace = None,
    file: Files = None,
) -> None:
    """What was installed, removed or overwritten by hand since it was built."""
    from gpuws import asking, differences, view

    person = telling.person()
    request = asking.diff_request(host, file or (), telling.options, person)
    result = view.one_shot("env_diff", request, person)
    telling.answer(result, *differences.lines(result))


@app.command()
def export(
    host: Workspace = None,
    pinned: Annotated[
        bool, typer.Option("--pinned", envvar="GPUWS_PINNED", help="with the versions there")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", envvar="GPUWS_EXACT", help="every package, with its build")
    ] = False,
    dockerfile: Annotated[
        bool,
        typer.Option("--dockerfile", envvar="GPUWS_DOCKERFILE", help="a Dockerfile that makes it"),
    ] = False,
) -> None:
    """Its environment.yml again, as it was asked for, to stdout."""
    from gpuws import view
    from gpuws.plan.requests import ExportRequest

    forms = {"pinned": pinned, "exact": exact, "dockerfile": dockerfile}
    chosen = [each for each, wanted in forms.items() if wanted]
    if len(chosen) > 1:
        named = " and ".join(f"--{each}" for each in chosen)
        hint = "--pinned keeps your list, --exact names every package, --dockerfile in an image"
        raise GpuwsError("usage", f"{named} at once", hint=hint)
    person = telling.person()
    reach, name = target(host, person)
    how = chosen[0] if chosen else "asked"
    result = view.one_shot("env_export", ExportRequest(reach, caller(), name, how), person)
    telling.answer(result, result["text"].rstrip())


@app.command()
def gc(
    host: Host,
    earlier: Annotated[
        bool,
        typer.Option("--earlier", envvar="GPUWS_EARLIER", help="also those kept for a rollback"),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove those that no workspace and no process uses, and unused archives; asks first."""
    _remove(host, (), earlier=earlier, dry_run=dry_run, yes=yes)


@app.command()
def lock(
    host: Host,
    file: Files = None,
    cuda: Annotated[
        str | None,
        typer.Option("--cuda", envvar="GPUWS_CUDA", help='what the driver can do, "12.4" or none'),
    ] = None,
    glibc: Annotated[
        str | None, typer.Option("--glibc", envvar="GPUWS_GLIBC", help='the oldest, as "2.28"')
    ] = None,
    no_jupyter: NoJupyter = False,
) -> None:
    """Solve here for the host; conda-lock.yml beside the file, which `up` then builds from."""
    from gpuws import locking

    for name, said in (("--cuda", cuda), ("--glibc", glibc)):
        locking.check_version(name, said)
    result = locking.run(
        host,
        file or (),
        telling.options,
        telling.person(),
        assumed=locking.Assumed(cuda, glibc),
        jupyter=not no_jupyter,
    )
    telling.answer(result, *told.lock_lines(result))


@app.command()
def pack(
    host: Workspace = None,
    prefix: Annotated[
        str | None,
        typer.Option("--from", envvar="GPUWS_FROM", help="a conda or virtual environment here"),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", envvar="GPUWS_OUTPUT", help="default: NAME-HASH.tar.gz"),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="HOST", envvar="GPUWS_TO", help="another host, not a file"),
    ] = None,
) -> None:
    """The whole environment as an archive that `unpack` puts on any host of its platform."""
    from gpuws import packing

    if output and to:
        raise GpuwsError("usage", "-o and --to at once", hint="--to HOST needs no file")
    if prefix and host:
        raise GpuwsError("usage", f"--from and {host} at once", hint="--to HOST says where to")
    person = telling.person()
    if prefix:
        result = packing.from_laptop(prefix, output, to, telling.options, person)
    else:
        result = packing.from_host(host, output, to, telling.options, person)
    lines = told.unpacked_lines(result) if to else told.packed_lines(result)
    telling.answer(result, *lines)


@app.command()
def unpack(
    file: Annotated[str, typer.Argument(metavar="FILE", help="what `pack` wrote")], host: Host
) -> None:
    """Put a packed environment on a host; `up` with its file then finds it built."""
    from gpuws import packing

    result = packing.unpack(file, host, telling.options, telling.person())
    telling.answer(result, *told.unpacked_lines(result))


@app.command()
def update(
    host: Host,
    packages: Annotated[
        list[str] | None, typer.Argument(metavar="[PACKAGE...]", help="default: all")
    ] = None,
    file: Files = None,
    no_jupyter: NoJupyter = False,
) -> None:
    """Build with the newest versions that the file allows; into the lock, where it has one."""
    from gpuws import locking

    person = telling.person(live=True)
    result = locking.update(
        host, packages or (), file or (), telling.options, person, jupyter=not no_jupyter
    )
    locked = told.lock_lines(result) if "platform" in result else []
    telling.answer(result, *locked, *told.beside_lines(result))


@app.command()
def remove(
    host: Host,
    environment: Annotated[
        list[str], typer.Argument(metavar="HASH|NAME...", help="as `env list` shows them")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove these; one that somebody uses is refused."""
    _remove(host, tuple(environment), earlier=False, dry_run=dry_run, yes=yes)


def _remove(host: str, words: tuple[str, ...], *, earlier: bool, dry_run: bool, yes: bool) -> None:
    from gpuws import view
    from gpuws.plan.requests import RemoveEnvironmentsRequest

    person = telling.person()
    reach, _ = target(host, person)
    request = RemoveEnvironmentsRequest(reach, words, earlier, dry_run, yes)
    result = view.one_shot("env_remove", request, person)
    telling.answer(result, *told.removal_lines(result))
    if result["kept"]:
        telling.code = int(Exit.CONFLICT)


@app.command()
def rollback(
    host: Workspace = None,
    environment: Annotated[
        str | None, typer.Argument(metavar="[HASH]", help="default: the one before")
    ] = None,
    detach: Detach = False,
    no_browser: NoBrowser = False,
    yes: Yes = False,
) -> None:
    """Restart a workspace in an environment that it had before."""
    from gpuws import asking, view

    person = telling.person(live=True)
    request = asking.rollback_request(host, environment, telling.options, person, yes=yes)
    leave = detach or telling.options.json
    result = view.open_workspace(
        "env_rollback", request, person, detach=leave, browser=to_browser(no_browser)
    )
    tell_ready(result, left=leave)
