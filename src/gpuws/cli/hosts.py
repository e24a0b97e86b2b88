"""`gpuws hosts`: the hosts that this laptop knows how to reach."""

from __future__ import annotations

import typer

from gpuws.cli import logins, renting

app = typer.Typer(help="The hosts you work on.", rich_markup_mode=None)
app.command("add")(renting.add)
app.command("logout")(logins.logout)
