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

from gpuws import places, projects
from gpuws.declaring import Confirm, confirmation, declared, environment_files, locks_of
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.model import HostEntry, Pairs
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
    if options.bridge:
        entry = replace(entry, bridge=None if options.bridge == "none" else options.bridge)
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
        of_project=project is not None and host not in entries,
        transport=options.transport,
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
    flags = {
        **settings,
        "name": name,
        "environment": chosen_by_flag,
        "use_env": chosen_by_flag,
        "bridge": options.bridge,
    }
    entry, projects_name = projects.overlaid(found.entry, flags, options, person)
    found = replace(found, entry=entry)
    name = projects_name if name is None else name
    use_env = use_env or (None if files else found.entry.use_env)
    listed = () if use_env else environment_files(files, found.entry)
    edit(listed)
    folder = _folder(files)
    spec = declared(listed, folder, confirm_foreign)
    jupyter = bool(settings.get("jupyter", True))
    locked = locks_of(listed, spec, found.entry, jupyter, locks) if spec else ()
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


def files_request(
    host: str,
    files: Sequence[Path],
    options: Options,
    person: Person,
    *,
    yes: bool = False,
    jupyter: bool = True,
    edit: Callable[[tuple[Path, ...]], None] = lambda _: None,
) -> tuple[UpRequest, tuple[Path, ...]]:
    """What `up` would ask of the environment files alone, without a lock; and those files."""
    request = up_request(
        host,
        options,
        person,
        files=files,
        name=None,
        use_env=None,
        confirm_foreign=confirmation(person, yes=yes),
        edit=edit,
        locks="ignore",
        jupyter=jupyter,
    )
    return request, environment_files(files, request.reach.entry)


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
    spec = declared(listed, _folder(files))
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
