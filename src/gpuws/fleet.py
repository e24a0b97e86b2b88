"""`gpuws status` over several hosts at once, and how it is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from gpuws import asking
from gpuws.errors import GpuwsError
from gpuws.keeper.kept import clock
from gpuws.options import Options
from gpuws.plan.codec import decode
from gpuws.plan.forwards import words as forward_words
from gpuws.plan.healing import words
from gpuws.plan.open_ports import OpenPort, offer
from gpuws.plan.requests import Reach, StatusRequest
from gpuws.plan.results import HostStatus
from gpuws.projects import Person
from gpuws.records import Records

_IDLE = 300  # seconds without activity that are worth a word
_PATIENCE = 2.5  # seconds for a host that does not answer, unless --timeout says otherwise


def status(hosts: Sequence[str], options: Options, person: Person) -> tuple[HostStatus, ...]:
    """Each named host (default: every host of the address book), asked in parallel."""
    reaches = _reaches(hosts, options, person)
    if not reaches:
        return ()
    with ThreadPoolExecutor(max_workers=16) as pool:
        asks = len(reaches) == 1 and not options.no_input
        return tuple(pool.map(lambda reach: _one(reach, options, asks), reaches))


def _reaches(hosts: Sequence[str], options: Options, person: Person) -> list[Reach]:
    if hosts:
        return [asking.reach(asking.split(host)[0], options, person) for host in hosts]
    seen: dict[str, Reach] = {}
    for record in Records().all():
        if record.host not in seen:
            found = asking.reach(record.host, options, person)
            seen[record.host] = replace(
                found,
                ssh_config=found.ssh_config or record.ssh_config,
                port=found.port or record.port,
            )
    return list(seen.values())


def _one(reach: Reach, options: Options, asks: bool) -> HostStatus:
    """``asks``: a person may be asked for a code; of several hosts at once nobody knows whose."""
    from gpuws import view
    from gpuws.journeys.status import last_known
    from gpuws.report import Plain

    patient = replace(reach, timeout=options.timeout or _PATIENCE)
    person = Plain(quiet=True, no_input=not asks)
    try:
        return decode(HostStatus, view.ask("status", StatusRequest(patient), person))
    except GpuwsError as error:
        if error.code == "usage":
            raise
        return last_known(reach.host, error, Records(), time.time())


def data(found: HostStatus) -> dict[str, Any]:
    return {key: value for key, value in asdict(found).items() if value is not None}


def forwards(found: Sequence[HostStatus]) -> list[dict[str, Any]]:
    """Every forward beside Jupyter's, with its workspace as HOST/NAME."""
    return [
        {"workspace": f"{host.host}/{each['name']}", **forward}
        for host in found
        for each in host.workspaces
        for forward in each.get("forwards", ())
    ]


def lines(found: Sequence[HostStatus]) -> list[str]:
    """For a person: one block a host."""
    if not found:
        return ["no workspace is known on this laptop; `gpuws status HOST` asks a host"]
    told: list[str] = []
    for host in found:
        told.append(_headline(host))
        told += [f"  {line}" for each in host.workspaces for line in _workspace(host.host, each)]
        if host.reachable and not host.workspaces:
            told.append("  no workspace")
        told += [f"  {_led_back(each)}" for each in host.reverse]
        if host.kept_until is not None:
            until, end = clock(host.kept_until), f"`gpuws hosts logout {host.host}` ends it"
            told.append(f"  stays logged in until {until}; {end}")
    return told


def _headline(host: HostStatus) -> str:
    if not host.reachable:
        age = f"; last known {host.known_s:.0f} s ago" if host.known_s is not None else ""
        return f"{host.host}: unreachable ({host.error}){age}"
    cards = ", ".join(
        f"{gpu['index']} {gpu['name']} {gpu['memory_used']}/{gpu['memory_total']} MiB"
        + (f" ({', '.join(gpu['users'])})" if gpu["users"] else "")
        for gpu in host.gpus
    )
    return f"{host.host}: {cards or 'no GPU'}"


def _workspace(host: str, each: dict[str, Any]) -> list[str]:
    tunnel = f"tunnel {words(each['tunnel'])}" if each["tunnel"] else "no tunnel from here"
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(each["since"])) if each["since"] else ""
    owner = each.get("owner") or {}
    whose = f"{owner.get('person')}@{owner.get('laptop')}" if owner else ""
    idle = _idle(each["idle_s"] or 0)
    far = f"on the node {each['node']}" if each.get("elsewhere") else ""
    parts = [f"{each['name']:20} {each['state']:9} {since}", far, idle, tunnel, whose]
    told = ["  ".join(part for part in parts if part)]
    told += [f"    {one['name']:14} {forward_words(one)}" for one in each.get("forwards", ())]
    place = f"{host}/{each['name']}"
    told += [f"    {offer(decode(OpenPort, one), place)}" for one in each.get("ports", ())]
    if each.get("activate"):
        told.append(f"    {each['activate']}")
    return told


def _led_back(each: dict[str, Any]) -> str:
    there, here = each["remote_port"], each["local_port"]
    return f"{each['name']}: port {there} of the host leads to {here} here: {each['state']}"


def _idle(seconds: int) -> str:
    if seconds < _IDLE:
        return ""
    minutes = seconds // 60
    long = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return f"no activity for {long}"
