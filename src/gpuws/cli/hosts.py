"""`gpuws hosts`: the hosts that this laptop knows how to reach."""

from __future__ import annotations

import typer

from gpuws.cli import renting

app = typer.Typer(help="Hosts of hosts.yaml: add.", rich_markup_mode=None)
app.command("add")(renting.add)
