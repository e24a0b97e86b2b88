"""`gpuws env add`: a package more in the environment file, and the environment that it makes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws import asking, locking, view
from gpuws.config.adding import add_packages
from gpuws.config.environment import find_environment
from gpuws.config.lock_file import lock_path
from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options

if TYPE_CHECKING:
    from gpuws.report import Plain


def run(
    host: str,
    packages: Sequence[str],
    file: str | None,
    options: Options,
    person: Plain,
    *,
    pip: bool,
) -> dict[str, Any]:
    """The file is the truth, so it is changed first; where the environment cannot be made of it, it
    is as it was. A workspace that runs goes on in what it has.

    Raises environment-file-missing, environment-file-invalid, and what `up` raises.
    """
    edited = add_packages(_file(host, file, options, person), packages, pip=pip)
    locked = None
    try:
        named = str(edited.path) if file else None
        if os.path.lexists(lock_path(edited.path)):
            locked = locking.renewed(host, named, options, person)
        request = asking.up_request(
            host,
            options,
            person,
            file=named,
            name=None,
            use_env=None,
            confirm_foreign=asking.foreign_asked(person),
        )
        ready = view.open_workspace("up", request, person, detach=True, browser=False)
    except GpuwsError as error:
        if error.exit in (Exit.ENVIRONMENT, Exit.INPUT):
            edited.undo()
            if locked:
                locked.undo()
            error.message += f"; {edited.path.name} is as it was"
        raise
    return {"file": str(edited.path), "added": list(edited.added), **ready}


def _file(host: str, file: str | None, options: Options, person: Plain) -> Path:
    chosen = file or asking.reach(asking.split(host)[0], options, person).entry.environment
    found = Path(chosen).expanduser() if chosen else find_environment(Path.cwd())
    if found is None:
        raise GpuwsError(
            "environment-file-missing",
            f"no environment.yml or requirements.txt in {Path.cwd()} to add a package to",
            hint="name one with -f FILE",
            stage="environment",
        )
    return found
