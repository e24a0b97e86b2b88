"""`gpuws hosts add`: the ssh line of a rented machine becomes an entry, is renewed, is met."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws import asking, places, view
from gpuws.config.host_lines import Written, write_entry
from gpuws.config.host_values import host_name
from gpuws.config.ssh_line import SshLine, read_ssh_line
from gpuws.errors import GpuwsError
from gpuws.host.unknown_key import fingerprint
from gpuws.keeper.entry import known_hosts_of
from gpuws.options import Options
from gpuws.plan.model import HostEntry
from gpuws.plan.requests import MeetRequest

if TYPE_CHECKING:
    from gpuws.report import Plain

_KEYS = ("ssh", "port", "identity_file", "proxy_jump", "known_hosts")
_COMPARE = (
    "providers rarely show a machine's host key: where the console has a terminal, compare with "
    "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there"
)


@dataclass(frozen=True)
class Change:
    """A key of the entry that has another value now; "" where there was none."""

    key: str
    old: str
    new: str


def run(name: str, words: Sequence[str], options: Options, person: Plain) -> dict[str, Any]:
    """The entry is written first, then the host is met: a machine that still starts can be met
    later. Raises usage, hosts-file-invalid, and what a first contact does."""
    line = read_ssh_line(words)
    for note in line.notes:
        person.note(note)
    path = Path(options.hosts) if options.hosts else places.config() / "hosts.yaml"
    written = write_entry(path, _checked(name), _values(name, line, options, path))
    changes = _changes(written)
    for change in changes:
        person.note(f"{name}: {change.key}: {change.old or 'not set'} → {change.new}")
    met = _meet(name, options, person)
    return {
        "name": name,
        "file": str(path),
        "action": _action(written, changes),
        "entry": {key: getattr(written.entry, key) for key in _KEYS},
        "changed": [vars(change) for change in changes],
        "notes": list(line.notes),
        **met,
        "next": f"`gpuws up {name}` makes a workspace there",
    }


def _checked(name: str) -> str:
    try:
        return host_name(name)
    except ValueError as error:
        hint = "`gpuws hosts add NAME -- ssh -p 52979 root@host.example`"
        raise GpuwsError("usage", str(error), hint=hint) from None


def _values(name: str, line: SshLine, options: Options, path: Path) -> dict[str, str | int]:
    """What is written. A line without a port means ssh's own, whatever the entry had before."""
    if line.port and options.port and line.port != options.port:
        hint = "put -- before the ssh line"
        raise GpuwsError("usage", f"-p {options.port} and -p {line.port} at once", hint=hint)
    entry = _entry_there(path, name)
    port = line.port or options.port or (22 if entry and entry.port else None)
    identity = line.identity_file
    if identity and not re.match(r"/|~|[A-Za-z]:[\\/]", identity):
        identity = str(Path(identity).absolute())
    found = {
        "ssh": line.ssh,
        "port": port,
        "identity_file": identity,
        "proxy_jump": line.proxy_jump,
        "known_hosts": (entry.known_hosts if entry else None) or f"known_hosts/{name}",
    }
    return {key: value for key, value in found.items() if value is not None}


def _entry_there(path: Path, name: str) -> HostEntry | None:
    if not path.exists():
        return None
    from gpuws.config.hosts import load_hosts

    return load_hosts(path)[0].get(name)


def _changes(written: Written) -> tuple[Change, ...]:
    before, after = written.before, written.entry
    if before is None:
        return ()
    pairs = [(key, getattr(before, key), getattr(after, key)) for key in _KEYS]
    return tuple(Change(key, str(old or ""), str(new)) for key, old, new in pairs if old != new)


def _action(written: Written, changes: tuple[Change, ...]) -> str:
    if written.before is None:
        return "created"
    return "renewed" if changes else "unchanged"


# --- the first contact, and whose key it is -------------------------------------------------------


def _meet(name: str, options: Options, person: Plain) -> dict[str, Any]:
    request = MeetRequest(asking.reach(name, options, person))
    keys = known_hosts_of(request.reach.entry)
    if keys is None or not keys.exists():
        person.note(_COMPARE)
        return view.one_shot("meet", request, person)
    try:
        return view.one_shot("meet", request, person)
    except GpuwsError as error:
        if error.code != "host-key-changed":
            raise
    person.warn(f"{name} is another machine, or has new keys; known until now: {_known(keys)}")
    person.note(_COMPARE)
    with _aside(keys):
        return view.one_shot("meet", request, person)


@contextlib.contextmanager
def _aside(keys: Path) -> Iterator[None]:
    """The key is a new one for what happens here, which asks; unless it was accepted, the old
    file comes back. It is this entry's alone: what is known of other hosts is not touched."""
    old = keys.with_name(f"{keys.name}.old")
    keys.replace(old)
    try:
        yield
    finally:
        if keys.exists():
            old.unlink()
        else:
            old.replace(keys)


def _known(keys: Path) -> str:
    """The fingerprints in an entry's own file."""
    found = []
    for line in keys.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        with contextlib.suppress(ValueError, IndexError):
            found.append(f"{words[1]} {fingerprint(base64.b64decode(words[2]))}")
    return ", ".join(found) or "no key"
