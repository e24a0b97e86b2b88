"""The global options: they work before and after the verb, and as GPUWS_… variables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpuws.errors import GpuwsError
from gpuws.plan.transport import TRANSPORTS


@dataclass(frozen=True)
class Options:
    """Read once per command."""

    port: int | None = None
    ssh_config: str | None = None
    hosts: str | None = None
    json: bool = False
    transport: str = ""  # paramiko | openssh; "": by what the host needs
    bridge: str | None = None  # stdio | none; None: as hosts.yaml says
    accept_new: bool = False
    verbose: int = 0
    quiet: bool = False
    no_input: bool = False
    timeout: float | None = None  # seconds for the connection
    debug: bool = False


_FLAGS = {
    "--json": "json",
    "--accept-new": "accept_new",
    "-q": "quiet",
    "--quiet": "quiet",
    "--no-input": "no_input",
    "--debug": "debug",
}
_VALUES = {
    "-p": "port",
    "--port": "port",
    "--ssh-config": "ssh_config",
    "--hosts": "hosts",
    "--transport": "transport",
    "--bridge": "bridge",
    "--timeout": "timeout",
}
_VERBOSE = {"-v": 1, "-vv": 2, "-vvv": 3, "--verbose": 1}

HELP = """\
Global options, before or after the verb (each also as GPUWS_... variable):
-p/--port N (the SSH port) | --ssh-config FILE (as ssh -F) | --hosts FILE |
--json | --accept-new | --no-input | --timeout SECONDS | -v/-vv/-vvv | -q |
--transport paramiko|openssh | --bridge stdio|none (where forwarding is forbidden) | --debug |
--version"""


def take(argv: Sequence[str]) -> tuple[Options, list[str]]:
    """The global options of a command line, and the rest of it. Stops at ``--``."""
    found: dict[str, object] = _from_environment()
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, value = word.partition("=")
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif word in _VERBOSE:
            found["verbose"] = _VERBOSE[word]
        elif name in _VALUES:
            key = _VALUES[name]
            text = value if equals else next(words, None)
            found[key] = _value(name, key, text)
        else:
            rest.append(word)
    return replace(Options(), **found), rest  # type: ignore[arg-type]


def wants_json(argv: Sequence[str]) -> bool:
    """Whether a mistake in the global options themselves is told as JSON."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in words or _is_yes(os.environ.get("GPUWS_JSON", "no"))


def _is_yes(text: str) -> bool:
    return text.lower() not in ("", "0", "no", "false")


def _from_environment() -> dict[str, object]:
    found: dict[str, object] = {}
    if verbose := os.environ.get("GPUWS_VERBOSE"):
        found["verbose"] = _number("GPUWS_VERBOSE", verbose, 0, 3)
    for key in {*_FLAGS.values(), *_VALUES.values()}:
        name = f"GPUWS_{key.upper()}"
        text = os.environ.get(name)
        if not text:
            continue
        if key in _FLAGS.values():
            found[key] = _is_yes(text)
        else:
            found[key] = _value(name, key, text)
    return found


def _value(name: str, key: str, text: str | None) -> object:
    if text is None:
        raise GpuwsError("usage", f"{name} needs a value", hint="see `gpuws --help`")
    if key == "port":
        return _number(name, text, 1, 65535)
    if key == "timeout":
        return float(_number(name, text, 1, 86400))
    if key == "bridge" and text not in ("stdio", "none"):
        raise GpuwsError("usage", f"{name} takes stdio or none, not {text!r}")
    if key == "transport" and text not in TRANSPORTS:
        hint = "leave it out: gpuws then takes what the host needs"
        raise GpuwsError("usage", f"{name} takes paramiko or openssh, not {text!r}", hint=hint)
    return text


def _number(name: str, text: str, low: int, high: int) -> int:
    if not text.isdigit() or not low <= int(text) <= high:
        raise GpuwsError("usage", f"{name} takes a whole number from {low} to {high}, not {text!r}")
    return int(text)
