"""`gpuws env add`: a package more in the environment file, and the environment that it makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws import asking, locking, view
from gpuws.config.adding import Edited, add_packages
from gpuws.config.lock_file import lock_path
from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options

if TYPE_CHECKING:
    from gpuws.plan.requests import UpRequest
    from gpuws.report import Plain


def run(
    host: str,
    packages: Sequence[str],
    files: Sequence[Path],
    options: Options,
    person: Plain,
    *,
    pip: bool,
    yes: bool,
) -> dict[str, Any]:
    """The file is the truth, so it is changed first, and its lock where it has one; where the
    environment cannot be made of it, both are as they were. A workspace that runs goes on in what
    it has. Of several files the last changes.

    Raises environment-file-missing, environment-file-invalid, and what `env lock` and `up` raise.
    """

    def edit(listed: tuple[Path, ...]) -> Edited:
        return add_packages(_last(listed), packages, pip=pip)

    request, listed, edited = _request(host, files, options, person, edit, yes=yes)
    locked = None
    try:
        if os.path.lexists(lock_path(listed)):
            locked = locking.lock(request, listed, person)
            request = replace(request, locks=locked.locks)
        ready = view.open_workspace("up", request, person, detach=True, browser=False)
    except GpuwsError as error:
        if error.exit in (Exit.ENVIRONMENT, Exit.INPUT):
            _undo(edited, error)
            if locked:
                locked.undo()
        raise
    return {"file": str(edited.path), "added": list(edited.added), **ready}


def _request(
    host: str,
    files: Sequence[Path],
    options: Options,
    person: Plain,
    edit: Callable[[tuple[Path, ...]], Edited],
    *,
    yes: bool,
) -> tuple[UpRequest, tuple[Path, ...], Edited]:
    """What `up` would ask, of the files that it would take, after the edit; and those files."""
    done: list[Edited] = []
    try:
        request, listed = asking.files_request(
            host,
            files,
            options,
            person,
            yes=yes,
            edit=lambda listed: done.append(edit(listed)),
        )
    except BaseException as error:  # Ctrl-C at a question, too
        for each in done:
            _undo(each, error)
        raise
    return request, listed, done[0]


def _undo(edited: Edited, error: BaseException) -> None:
    edited.undo()
    if isinstance(error, GpuwsError):
        error.message += f"; {edited.path.name} is as it was"


def _last(files: tuple[Path, ...]) -> Path:
    if files:
        return files[-1]
    raise GpuwsError(
        "environment-file-missing",
        "there is no environment file to add a package to",
        hint="name one with -f FILE",
        stage="environment",
    )
