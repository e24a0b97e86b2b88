"""`gpuws hosts` and `gpuws hosts show`: which hosts can be named, how each would be reached, and
which line says so. Nothing is connected to, and no keeper is started."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from gpuws import asking, places
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.model import HostEntry, Profile
from gpuws.plan.requests import Reach
from gpuws.projects import Person

_AT_ONCE = 8  # hosts that ssh is asked about


# --- one host ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A host explained: ``rows`` are (field of the profile, its values, their places)."""

    host: str
    profile: Profile
    resolver: str  # ssh | own
    has_timeout: bool  # whether anybody said how long to wait
    rows: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    unused: tuple[tuple[str, str, str], ...]  # (directive, value, place)

    def data(self) -> dict[str, Any]:
        profile = self.profile
        return {
            "hostname": profile.hostname,
            "user": profile.user,
            "port": profile.port,
            "identity_files": list(profile.identity_files),
            "certificate_files": list(profile.certificate_files),
            "proxy_jump": list(profile.proxy_jump),
            "proxy_command": profile.proxy_command,
            "user_known_hosts_files": list(profile.user_known_hosts),
            "strict_host_key_checking": profile.strict_host_key_checking,
            "host_key_alias": profile.host_key_alias,
            "connect_timeout": profile.connect_timeout if self.has_timeout else None,
            "resolver": self.resolver,
        }

    def lines(self) -> list[str]:
        way = "ssh -G" if self.resolver == "ssh" else "gpuws's own reading of ssh_config"
        told = [f"{self.host}: {_place(self.profile)}, by {way}"]
        for name, values, origins in self.rows:
            label = name.replace("_", " ")
            for value, origin in zip_longest(values or ("-",), _beside(values, origins)):
                told.append(f"  {label:26}{value:40}  {origin or ''}")
                label = ""
        told += [f"  not used: {name} {value}  {place}" for name, value, place in self.unused]
        return [line.rstrip() for line in told]


def show(host: str, options: Options, person: Person) -> Shown:
    """Raises bad-host-string, profile-unreadable, profile-unsupported, hosts-file-invalid."""
    from gpuws.host.explained import origins
    from gpuws.host.profile import asked_for, resolved
    from gpuws.keeper.line import as_asked

    reach = asking.reach(asking.split(host)[0], options, person)
    _say_if_unknown(reach, person)
    config = Path(reach.ssh_config) if reach.ssh_config else None
    which = asked_for(reach.destination, config, reach.port or reach.entry.port)
    found = resolved(which)
    profile = as_asked(reach, found.profile)
    origin = origins(which, found)
    rows = tuple(
        (name, _values(getattr(profile, name)), tuple(_whose(name, at, reach) for at in places_))
        for name, places_ in origin.of.items()
    )
    has_timeout = bool(reach.timeout) or found.settings.one("connecttimeout") not in ("none", "0")
    return Shown(host, profile, found.resolver, has_timeout, rows, origin.unused)


def _say_if_unknown(reach: Reach, person: Person) -> None:
    """Any name is one that ssh would try, so that a typing mistake shows only here."""
    from gpuws.host.address import parse
    from gpuws.host.profile import known_aliases, nearest

    config = Path(reach.ssh_config) if reach.ssh_config else None
    name = parse(reach.destination).host
    if reach.entry.where or name in known_aliases(config):
        return
    near = (*reach.near, *nearest(name, config))
    meant = f"; did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
    person.note(f"no Host line of your ssh config names {name}{meant}")


def _values(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(map(str, value))
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    return () if value is None else (f"{value:g}" if isinstance(value, float) else str(value),)


def _beside(values: tuple[str, ...], origins: tuple[str, ...]) -> tuple[str, ...]:
    """One place a value, or all of them beside the first one."""
    each = dict.fromkeys(origins)
    return origins if len(origins) == len(values) and len(each) > 1 else (", ".join(each),)


def _whose(name: str, place: str, reach: Reach) -> str:
    """What the profile calls the command line may be an entry of hosts.yaml, and the other way
    round an option has the last word."""
    from gpuws.host.ssh_config.settings import COMMAND_LINE
    from gpuws.keeper.entry import decided_by

    accepted = name == "strict_host_key_checking" and reach.accept_new
    if accepted or (name == "connect_timeout" and reach.timeout):
        return COMMAND_LINE
    if name in decided_by(reach.entry):
        return reach.entry.where
    if place != COMMAND_LINE or (name == "port" and reach.port):
        return place
    by_entry = reach.entry.ssh or (name == "port" and reach.entry.port)
    return reach.entry.where if by_entry else place


# --- all hosts -----------------------------------------------------------------------------------


def listed(options: Options, person: Person) -> list[dict[str, Any]]:
    """Every alias of ssh_config and entry of hosts.yaml, in the order of the files."""
    config = Path(options.ssh_config) if options.ssh_config else None
    named = {**_aliases(config), **_entries(options, person)}
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda entry: _row(entry, config, options.port), named.values()))


def _aliases(config: Path | None) -> dict[str, HostEntry]:
    from gpuws.host.ssh_config.names import alias_places

    if config is not None and not config.exists():
        raise GpuwsError(
            "profile-unreadable", f"there is no file {config}", hint="check --ssh-config"
        )
    return {name: HostEntry(name, where=place) for name, place in alias_places(config).items()}


def _entries(options: Options, person: Person) -> dict[str, HostEntry]:
    from gpuws.config.hosts import load_hosts

    file = Path(options.hosts) if options.hosts else places.config() / "hosts.yaml"
    if not options.hosts and not file.exists():
        return {}
    entries, problems = load_hosts(file)
    for problem in problems:
        person.warn(problem.message)
    return entries


def _row(entry: HostEntry, config: Path | None, port: int | None) -> dict[str, Any]:
    """``error`` is there where the host cannot be used, and says why."""
    from gpuws.host.profile import resolve
    from gpuws.keeper.entry import with_entry

    row: dict[str, Any] = {"host": entry.name, "where": entry.where}
    try:
        found = resolve(entry.ssh or entry.name, ssh_config=config, port=port or entry.port)
    except GpuwsError as error:
        return {**row, "error": {"code": error.code, "message": error.message}}
    profile = with_entry(found, entry)
    return {
        **row,
        "user": profile.user,
        "hostname": profile.hostname,
        "port": profile.port,
        "proxy_jump": list(profile.proxy_jump),
        "proxy_command": profile.proxy_command,
    }


def lines(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["no host has a name yet: write a Host line into ~/.ssh/config, or see hosts.yaml"]
    return [*_lines(rows), "`gpuws hosts show HOST` explains one"]


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    from gpuws.host.sanitise import one_line

    width = max(len(row["host"]) for row in rows)
    for row in rows:
        if "error" in row:
            yield f"{row['host']:{width}}  cannot be used: {one_line(row['error']['message'])}"
            continue
        at = _at(row["user"], row["hostname"], row["port"])
        parts = (f"{row['host']:{width}}", at, _way(row), row["where"])
        yield "  ".join(part for part in parts if part)


def _way(row: dict[str, Any]) -> str:
    from gpuws.host.sanitise import one_line

    if row["proxy_jump"]:
        return f"via {','.join(row['proxy_jump'])}"
    command = row["proxy_command"]
    return f"via {one_line(command, 40)}" if command else ""


def _place(profile: Profile) -> str:
    return _at(profile.user, profile.hostname, profile.port)


def _at(user: str, host: str, port: int) -> str:
    return f"{user}@{f'[{host}]' if ':' in host else host}:{port}"
