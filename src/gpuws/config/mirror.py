"""``mirror:`` of hosts.yaml: a preset's name, or a map that may start from a preset."""

from __future__ import annotations

import difflib
from dataclasses import replace

from gpuws.config.conda_specs import checked_channel
from gpuws.config.host_values import WrongPart, address, listed, one_line
from gpuws.config.source import quoted
from gpuws.config.yaml_file import Node, Scalar, Table, describe
from gpuws.plan.mirrors import PRESETS
from gpuws.plan.model import Mirror

_KEYS = ("preset", "channels", "pip", "huggingface")
_MOST = 8
_EXAMPLE = "channels: {conda-forge: https://mirrors.example.org/conda-forge} is one"


def mirror(node: Node) -> Mirror:
    """Raises ValueError, with its place where it is about a part of the map."""
    if isinstance(node, Scalar):
        return _preset(node)
    if not isinstance(node, Table):
        raise ValueError(f"a preset's name or a map, not {describe(node)}")
    parts = {key.text: value for key, value in node.values.values()}
    for key, _ in node.values.values():
        if key.text not in _KEYS:
            raise WrongPart(key, _unknown(key.text))
    if not parts:
        raise ValueError(f"it names nothing\nthe keys are {', '.join(_KEYS)}")
    return _own(_preset(parts["preset"]) if "preset" in parts else Mirror(), parts)


def _preset(node: Node) -> Mirror:
    text = one_line(node)
    if text == "none":
        return Mirror()
    if text.lower() in PRESETS:
        return PRESETS[text.lower()]
    near = difflib.get_close_matches(text.lower(), PRESETS, 1)
    hint = f"did you mean {near[0]}?" if near else f"the presets are {', '.join(PRESETS)}"
    if "://" in text:
        hint = f"an address of your own stands in a map: {_EXAMPLE}"
    raise WrongPart(node, f"there is no preset {quoted(text)}\n{hint}")


def _own(base: Mirror, parts: dict[str, Node]) -> Mirror:
    """What the map says over what its preset says, key by key."""
    own = _channels(parts["channels"]) if "channels" in parts else []
    found = replace(base, channels=tuple({**dict(base.channels), **dict(own)}.items()))
    if "pip" in parts:
        found = replace(found, pip=_address(parts["pip"]))
    if "huggingface" in parts:
        found = replace(found, huggingface=_http(parts["huggingface"]), own_hub=True)
    return found


def _channels(node: Node) -> list[tuple[str, tuple[str, ...]]]:
    if not isinstance(node, Table):
        raise WrongPart(node, f"channels: a map of channels, not {describe(node)}\n{_EXAMPLE}")
    return [(_channel(key), _addresses(key.text, value)) for key, value in node.values.values()]


def _addresses(channel: str, node: Node) -> tuple[str, ...]:
    found = tuple(_of(channel, each) for each in listed(node))
    if len(found) > _MOST:  # the host waits for each that hangs
        raise WrongPart(node, f"{len(found)} addresses of one channel, {_MOST} at most")
    return found


def _channel(key: Scalar) -> str:
    if key.text == "*":
        return key.text
    if key.text in ("defaults", "nodefaults"):
        raise WrongPart(
            key, f"{key.text} is no channel of its own\nname pkgs/main, and pkgs/r where it matters"
        )
    try:
        return checked_channel(key.text)
    except ValueError as error:
        raise WrongPart(key, str(error)) from error


def _of(channel: str, node: Node) -> str:
    """One address of a channel; that of every channel must say where the name stands."""
    text = _address(node)
    if "{" in text.replace("{channel}", "") or "}" in text.replace("{channel}", ""):
        raise WrongPart(node, "only {channel} may stand in braces")
    if channel == "*" and "{channel}" not in text:
        raise WrongPart(
            node, 'an address for "*" needs {channel}\nhttps://mirrors.example.org/{channel} is one'
        )
    return text.rstrip("/")


def _address(node: Node) -> str:
    try:
        return address(node)
    except ValueError as error:
        raise WrongPart(node, str(error)) from error


def _http(node: Node) -> str:
    text = _address(node)
    if not text.startswith("http"):
        raise WrongPart(node, "huggingface: a URL is needed that begins with https:// or http://")
    return text.rstrip("/")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _KEYS, 1)
    hint = f"did you mean {near[0]}:?" if near else f"the keys are {', '.join(_KEYS)}"
    return f"unknown key {quoted(name)}\n{hint}"
