"""`gpuws doctor`: a host, or this laptop."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuws import completing
from gpuws.cli.words import target, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuws.plan.doctor.finding import Finding


def doctor(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST]", help="default: this laptop", autocompletion=completing.hosts
        ),
    ] = None,
) -> None:
    """Say what is wrong with a host, or with this laptop, and what to do. Changes nothing."""
    from gpuws.plan.doctor.finding import finding_from

    result = _host(host) if host else _laptop()
    _tell(host or "this laptop", [finding_from(each) for each in result["checks"]], result)


def _host(name: str) -> dict[str, Any]:
    from gpuws import view
    from gpuws.plan.requests import DoctorRequest

    person = telling.person()
    reach, _ = target(name, person)
    return view.one_shot("doctor", DoctorRequest(reach), person)


def _laptop() -> dict[str, Any]:
    from gpuws import checkup
    from gpuws.plan.doctor.finding import exit_of, found
    from gpuws.plan.doctor.laptop import LAPTOP

    findings = found(LAPTOP, checkup.laptop(telling.options))
    return {"checks": [asdict(each) for each in findings], "exit": exit_of(findings, LAPTOP)}


def _tell(what: str, findings: Sequence[Finding], result: dict[str, Any]) -> None:
    from gpuws.diagnosis import lines

    telling.answer(result, *lines(what, findings))
    telling.code = result["exit"]
