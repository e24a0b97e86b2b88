"""`gpuws hosts add`."""

from __future__ import annotations

from typing import Annotated

import typer

from gpuws import telling as told
from gpuws.cli.words import telling


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="what to call it: `gpuws up NAME`")],
    line: Annotated[
        list[str],
        typer.Argument(metavar="-- ssh ...", help="the line that the provider's console prints"),
    ],
) -> None:
    """Write a rented machine into hosts.yaml; again with a new line: renew it. Then meet it."""
    from gpuws import renting
    from gpuws.diagnosis import lines
    from gpuws.plan.doctor.finding import finding_from

    result = renting.run(name, line, telling.options, telling.person())
    findings = [finding_from(each) for each in result["checks"]]
    telling.answer(result, *lines(name, findings), *told.added_host_lines(result))
