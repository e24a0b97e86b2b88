"""From the command line's words to requests: host entry, environment file, who asks."""

from __future__ import annotations

import difflib
import getpass
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpuws import places, projects
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.model import EnvironmentSpec, HostEntry, Pairs
from gpuws.plan.requests import (
    Caller,
    DiffRequest,
    ForwardRequest,
    Reach,
    RollbackRequest,
    UpRequest,
)
from gpuws.projects import Person
from gpuws.records import Records

if TYPE_CHECKING:
    from gpuws.plan.lock import Lock

Confirm = Callable[[EnvironmentSpec], bool]
"""Whether an export from another system is to be used without its builds."""


def split(host: str) -> tuple[str, str | None]:
    """HOST or HOST/NAME."""
    if host.startswith("ssh://") or "/" not in host:
        return host, None
    name, _, workspace = host.partition("/")
    return name, workspace or None


def reach(host: str, options: Options, person: Person) -> Reach:
    """The host's entry of hosts.yaml, or an empty one; the profile is resolved later."""
    entries = _entries(host, options, person)
    project = projects.entry_of(host, options, entries, person)
    entry = entries.get(host) or project or HostEntry(host)
    near = () if host in entries or project else tuple(difflib.get_close_matches(host, entries, 3))
    config = str(Path(options.ssh_config).absolute()) if options.ssh_config else None
    return Reach(
        host,
        entry,
        config,
        options.port,
        options.accept_new,
        options.timeout,
        options.verbose,
        near,
        of_project=entry is project,
    )


def _entries(host: str, options: Options, person: Person) -> dict[str, HostEntry]:
    """What hosts.yaml says. A mistake in the entry that is meant ends the command: without it the
    host would get the defaults, such as another root folder."""
    path = Path(options.hosts) if options.hosts else places.config() / "hosts.yaml"
    if not options.hosts and not path.exists():
        return {}
    from gpuws.config.hosts import BadEntry, load_hosts

    entries, problems = load_hosts(path)
    if problems and options.hosts and not entries:
        raise problems[0]
    for problem in problems:
        if isinstance(problem, BadEntry) and problem.host == host:
            raise problem
        person.warn(problem.message)
    return entries


def target(
    host: str | None, options: Options, person: Person, *, verb: str = "attach"
) -> tuple[Reach, str | None]:
    """The workspace that is meant; without a HOST the only one or the last one used."""
    if host:
        name, workspace = split(host)
        return reach(name, options, person), workspace
    known = Records().all()
    if not known:
        raise GpuwsError(
            "no-workspace",
            "this laptop knows no workspace yet",
            hint=f"name the host: `gpuws {verb} HOST`",
        )
    last = known[0]
    found = reach(last.host, options, person)
    if last.ssh_config and not options.ssh_config:
        found = replace(found, ssh_config=last.ssh_config, port=options.port or last.port)
    return found, last.name


def forward_request(
    host: str, remote: str, name: str | None, options: Options, person: Person
) -> ForwardRequest:
    """Raises usage for words that lead nowhere, before anything goes over the wire."""
    from gpuws.plan.forwards import forward_from

    try:
        forward = forward_from(remote, name)
    except ValueError as error:
        message, _, hint = str(error).partition("\n")
        hint = hint or "see `gpuws forward --help`"
        raise GpuwsError("usage", message, hint=hint) from None
    found, workspace = target(host, options, person, verb="forward")
    return ForwardRequest(found, caller(), forward, workspace)


def caller() -> Caller:
    try:
        person = getpass.getuser()
    except (OSError, KeyError, ImportError):
        person = "unknown"
    return Caller(person, socket.gethostname(), str(Path.cwd()))


def up_request(
    host: str,
    options: Options,
    person: Person,
    *,
    files: Sequence[Path],
    name: str | None,
    use_env: str | None,
    confirm_foreign: Confirm,
    edit: Callable[[tuple[Path, ...]], None] = lambda _: None,
    locks: str = "use",
    **settings: object,
) -> UpRequest:
    """Reads and checks every local file before anything goes over the wire.

    ``files``: those of -f. ``edit`` is called with the environment files before they are read.
    ``locks``: use the lock beside them where there is one, require it, or ignore it.
    """
    from gpuws.plan.naming import workspace_name

    found = reach(split(host)[0], options, person)
    name = split(host)[1] if name is None else name
    chosen_by_flag = files or use_env
    flags = {**settings, "name": name, "environment": chosen_by_flag, "use_env": chosen_by_flag}
    entry, projects_name = projects.overlaid(found.entry, flags, options, person)
    found = replace(found, entry=entry)
    name = projects_name if name is None else name
    use_env = use_env or (None if files else found.entry.use_env)
    listed = () if use_env else environment_files(files, found.entry)
    edit(listed)
    folder = _folder(files)
    spec = _spec(listed, folder, confirm_foreign)
    jupyter = bool(settings.get("jupyter", True))
    locked = _locks(listed, spec, found.entry, jupyter, locks) if spec else ()
    chosen, source = workspace_name(name, spec.name if spec else None, folder.name)
    secret, missing = _passed(found)
    commit, dirty = _git(folder)
    who = caller()
    return UpRequest(
        reach=found,
        caller=Caller(who.person, who.laptop, str(folder)),
        name=chosen,
        name_source=source,
        spec=spec,
        locks=locked,
        use_env=use_env,
        secret_env=secret,
        missing_env=missing,
        git_commit=commit,
        git_dirty=dirty,
        **settings,  # type: ignore[arg-type]
    )


def rollback_request(
    host: str | None, word: str | None, options: Options, person: Person, *, yes: bool
) -> RollbackRequest:
    """With the variables of pass_env, which its restart needs."""
    found, name = target(host, options, person, verb="env rollback")
    secret, missing = _passed(found)
    return RollbackRequest(
        found, caller(), name=name, word=word, yes=yes, secret_env=secret, missing_env=missing
    )


def diff_request(
    host: str | None, files: Sequence[Path], options: Options, person: Person
) -> DiffRequest:
    """With the environment file that `up` would build from, where there is one, and its lock."""
    from gpuws.config.lock_file import find_locks

    found, name = target(host, options, person, verb="env diff")
    entry, _ = projects.overlaid(found.entry, {"environment": files}, options, person)
    listed = environment_files(files, entry)
    locks = find_locks(listed) if listed else ()
    spec = _spec(listed, _folder(files))
    found = replace(found, entry=entry)
    return DiffRequest(found, caller(), name=name, spec=spec, locks=locks)


def _passed(found: Reach) -> tuple[Pairs, tuple[str, ...]]:
    """The variables of pass_env, and the names of those that this laptop does not have."""
    wanted = found.entry.pass_env
    secret = tuple((key, os.environ[key]) for key in wanted if key in os.environ)
    return secret, tuple(key for key in wanted if key not in os.environ)


def _folder(files: Sequence[Path]) -> Path:
    """The project's folder: the one that all of the files are in, else the current one."""
    folders = {path.expanduser().absolute().parent for path in files}
    return folders.pop() if len(folders) == 1 else Path.cwd()


def environment_files(files: Sequence[Path], entry: HostEntry) -> tuple[Path, ...]:
    """Those of -f, else those of the host's entry, else the one of this folder, if it has one."""
    from gpuws.config.environment import find_environment

    if files or entry.environment:
        return tuple(Path(each).expanduser() for each in files or entry.environment)
    found = find_environment(Path.cwd())
    return (found,) if found else ()


def _spec(
    files: tuple[Path, ...], project: Path, confirm: Confirm | None = None
) -> EnvironmentSpec | None:
    """Of all of them. ``project``: the folder that local code is placed in by its path from there;
    ``confirm``: asked of exports from another system, which it lets through."""
    from gpuws.config.environment import load_environment
    from gpuws.config.merging import merged

    specs = [load_environment(path, project) for path in files]
    if confirm:
        specs = [_without_builds(each, confirm) if each.foreign else each for each in specs]
    return merged(specs) if specs else None


def _locks(
    files: tuple[Path, ...], spec: EnvironmentSpec, entry: HostEntry, jupyter: bool, wanted: str
) -> tuple[Lock, ...]:
    """The lock beside the files, by platform. Raises lock-invalid, lock-stale, lock-missing."""
    from gpuws.config.lock_file import find_locks
    from gpuws.plan.lock import usable

    if wanted == "ignore":
        return ()
    return usable(find_locks(files), spec, entry.channels, jupyter, wanted == "require")


def confirmation(person: Person, *, yes: bool) -> Confirm:
    """The question, put to a person unless ``yes`` has answered it."""

    def confirm(spec: EnvironmentSpec) -> bool:
        question = f"{spec.source} is an export from {spec.foreign}; use it without builds?"
        return yes or person.confirm(question, flag="--yes")

    return confirm


def _without_builds(spec: EnvironmentSpec, confirm: Confirm) -> EnvironmentSpec:
    from gpuws.config.environment import without_builds

    if not confirm(spec):
        raise GpuwsError(
            "foreign-export",
            f"{spec.source} is an export from {spec.foreign}: its builds do not exist for Linux",
            hint="`conda env export --from-history` there writes a file that travels; "
            "or answer yes to use it without builds",
        )
    return without_builds(spec)


def _git(folder: Path) -> tuple[str, bool]:
    """(commit, dirty) of the project folder, ("", False) outside a repository."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return "", False

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.TimeoutExpired):
        return "", False
