"""`gpuws env pack`, `env unpack`: which archive, from where, to where."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws import asking, view
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.codec import encode
from gpuws.plan.requests import PackRequest, UnpackRequest

if TYPE_CHECKING:
    from gpuws.report import Plain

_NAMES_NOTHING = frozenset({"venv", "env", ".venv", ".env"})


def from_host(
    host: str | None, file: str | None, to: str | None, options: Options, person: Plain
) -> dict[str, Any]:
    """Of a workspace. Raises usage for words that contradict each other."""
    reach, name = asking.target(host, options, person, verb="env pack")
    other = asking.reach(asking.split(to)[0], options, person) if to else None
    if other is not None and other.host == reach.host:
        raise GpuwsError("usage", f"it is on {to} already", hint="--to names another host")
    request = PackRequest(reach, asking.caller(), name, file, other)
    return view.one_shot("env_pack", request, person)


def from_laptop(
    prefix: str, file: str | None, to: str | None, options: Options, person: Plain
) -> dict[str, Any]:
    """A conda or virtual environment that is here."""
    folder = Path(prefix).expanduser().absolute()
    if to is None:
        return _into_file(folder, file, person)
    reach = asking.reach(asking.split(to)[0], options, person)
    return view.one_shot("env_unpack", UnpackRequest(reach, prefix=str(folder)), person)


def _into_file(folder: Path, file: str | None, person: Plain) -> dict[str, Any]:
    from gpuws.environments.packs.files import check_new, into_file, name_for
    from gpuws.environments.packs.pack import packed_here

    if file:
        check_new(Path(file).absolute())
    packed = packed_here(str(folder))
    name = folder.parent.name if folder.name in _NAMES_NOTHING else folder.name
    path = Path(file or name_for(name, packed.manifest.hash)).absolute()
    try:
        return encode(into_file(packed, path, str(folder), person, time.monotonic))
    except KeyboardInterrupt:
        raise GpuwsError("interrupted", "interrupted") from None


def unpack(file: str, host: str, options: Options, person: Plain) -> dict[str, Any]:
    reach = asking.reach(asking.split(host)[0], options, person)
    path = str(Path(file).expanduser().absolute())
    return view.one_shot("env_unpack", UnpackRequest(reach, file=path), person)
