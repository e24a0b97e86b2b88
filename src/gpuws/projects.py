"""gpuws.yaml and hosts.yaml where a command is typed: read, and asked about before they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gpuws import places
from gpuws.config.precedence import pick
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.model import HostEntry
from gpuws.plan.ports import Ask, Progress
from gpuws.trusted import Trusted, Yes

if TYPE_CHECKING:
    from gpuws.config.project import ProjectFile, Wanted

_MOST_SHOWN = 3000  # characters of a question; what is longer would be cut when it is shown
SETTINGS, HOSTS = Path("gpuws.yaml"), Path("hosts.yaml")


class Person(Progress, Ask, Protocol):
    """Who is told what a file sets, and asked whether it may."""


def here(options: Options) -> tuple[Path, ...]:
    """The project files of the current folder. The user's own hosts.yaml is none of them."""
    own = Path(options.hosts) if options.hosts else places.config() / "hosts.yaml"
    found = (path for path in (SETTINGS, HOSTS) if path.exists())
    return tuple(path for path in found if not (own.exists() and path.samefile(own)))


def entry_of(
    host: str, options: Options, own: Mapping[str, HostEntry], person: Person
) -> HostEntry | None:
    """The project's entry for ``host``. One that the user's files know, too, is only told of.

    Raises not-trusted, project-file-invalid.
    """
    if HOSTS not in here(options):
        return None
    from gpuws.config.hosts import BadEntry
    from gpuws.config.project import load_project_hosts

    found = load_project_hosts(HOSTS)
    for problem in found.problems:
        if isinstance(problem, BadEntry) and problem.host == host and host not in own:
            raise problem
        person.warn(problem.message)
    entry = found.entries.get(host)
    if entry is None:
        return None
    if theirs := _own(host, options, own):
        person.note(f"{entry.where}: {host} is not used: {theirs} is your own and wins")
        return None
    for text in found.notes:
        person.note(text)
    _require(HOSTS, found.text, found.wanted[host], person)
    return entry


def _own(host: str, options: Options, own: Mapping[str, HostEntry]) -> str:
    """Where the user's own files know the host, "" where they do not."""
    from gpuws.host.ssh_config.names import known_aliases

    if host in own:
        return own[host].where
    config = Path(options.ssh_config) if options.ssh_config else None
    return f"the alias {host} of your ssh config" if host in known_aliases(config) else ""


def overlaid(
    entry: HostEntry, flags: Mapping[str, object], options: Options, person: Person
) -> tuple[HostEntry, str | None]:
    """(the host's entry with what ./gpuws.yaml sets, its ``name:``): flag > project > user.

    Every setting that counts is said with its place. Raises not-trusted, project-file-invalid.
    """
    if SETTINGS not in here(options):
        return entry, None
    from gpuws.config.project import load_project

    found = load_project(SETTINGS)
    for text in found.notes:
        person.note(text)
    _require(found.path, found.text, found.wanted, person)
    chosen = {
        key: value for key, value in found.settings.items() if _wins(key, found, flags, entry)
    }
    for key in chosen:
        person.note(f"{found.places[key]} sets {key}")
    name = chosen.pop("name", None)
    if "environment" in chosen:
        entry = replace(entry, use_env=None)
    known = {each.name for each in fields(HostEntry)}
    settings = {key: value for key, value in chosen.items() if key in known}
    return replace(entry, **settings), name if isinstance(name, str) else None  # type: ignore[arg-type]


def _wins(key: str, found: ProjectFile, flags: Mapping[str, object], entry: HostEntry) -> bool:
    user = getattr(entry, key, None) if key != "name" else None
    _, source = pick(flags.get(key), None, found.settings[key], user, None)
    return source == "project file"


# --- the yes --------------------------------------------------------------------------------------


def _require(path: Path, text: str, wanted: tuple[Wanted, ...], person: Person) -> None:
    """Raises not-trusted unless a person said yes to this very content, now or before."""
    memory = Trusted()
    if not wanted or memory.has(path, text):
        return
    lines = "\n".join(f"  {each}" for each in wanted)
    if len(lines) > _MOST_SHOWN:
        raise not_trusted(path, wanted)
    question = (
        f"{path} of this folder wants more than a project may set by itself:\n{lines}\n"
        "Allow it, as long as the file stays as it is?"
    )
    try:
        said = person.confirm(question, flag=f"`gpuws trust {path}`")
    except GpuwsError as error:
        if error.code != "prompt-needed":
            raise
        said = False
    if not said:
        raise not_trusted(path, wanted)
    memory.remember(path, text)


def not_trusted(path: Path, wanted: tuple[Wanted, ...]) -> GpuwsError:
    keys = ", ".join(f"{each.key} (line {each.where.rpartition(':')[2]})" for each in wanted)
    return GpuwsError(
        "not-trusted",
        f"{wanted[0].where}: {path} of this folder wants more than a project may set by itself: "
        f"{keys}",
        hint=f"read it, then: `gpuws trust {path}`",
    )


# --- gpuws trust ----------------------------------------------------------------------------------


def allow(file: str | None, options: Options) -> list[dict[str, Any]]:
    """Remember a yes to each file as it is; what they want. Raises project-file-invalid."""
    allowed = []
    for path in _named(file, options):
        text, wanted = _read(path)
        Trusted().remember(path, text)
        allowed.append({"file": str(path.absolute()), "wants": [str(each) for each in wanted]})
    return allowed


def _read(path: Path) -> tuple[str, tuple[Wanted, ...]]:
    from gpuws.config.project import load_project, load_project_hosts

    if path.name != HOSTS.name:
        found = load_project(path)
        return found.text, found.wanted
    hosts = load_project_hosts(path)
    if hosts.problems:
        raise hosts.problems[0]
    return hosts.text, tuple(dict.fromkeys(each for of in hosts.wanted.values() for each in of))


def forget(file: str | None, options: Options) -> list[str]:
    """The files of which a yes was forgotten; a file that is gone can be named, too."""
    named = [Path(file)] if file else _named(None, options)
    return [str(path.absolute()) for path in named if Trusted().forget(path)]


def trusted() -> list[dict[str, Any]]:
    """Each file with whether it is still as it was."""
    return [{**asdict(yes), "unchanged": _unchanged(yes)} for yes in Trusted().all()]


def _unchanged(yes: Yes) -> bool:
    path = Path(yes.file)
    try:
        return Trusted().has(path, _read(path)[0])
    except GpuwsError:
        return False


def _named(file: str | None, options: Options) -> tuple[Path, ...]:
    found = (Path(file),) if file else here(options)
    if not found:
        raise GpuwsError(
            "usage",
            f"there is no {SETTINGS} or {HOSTS} of a project in this folder",
            hint="name the file: `gpuws trust FILE`",
        )
    return found
