"""`gpuws hosts`: which can be named, what is known of one, and the logins that are kept."""

from __future__ import annotations

import typer

from gpuws.cli import logins, renting
from gpuws.cli.words import Host, telling

app = typer.Typer(
    help="The hosts that can be named, with how each is reached and where that is written.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def hosts(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from gpuws import showing

        found = showing.listed(telling.options, telling.person())
        telling.answer({"hosts": found}, *showing.lines(found))


@app.command()
def show(host: Host) -> None:
    """Each setting of one host, with the file and line that it came from. Connects to nothing."""
    from gpuws import showing

    found = showing.show(host, telling.options, telling.person())
    telling.answer(found.data(), *found.lines())


app.command("add")(renting.add)
app.command("logout")(logins.logout)
