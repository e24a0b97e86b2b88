"""Environment variables that a file sets or passes on: names and values."""

from __future__ import annotations

import re

from gpuws.config.source import Source, quoted
from gpuws.config.yaml_file import Node, Scalar, Table, describe
from gpuws.errors import GpuwsError
from gpuws.plan.model import Pairs

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")


def checked_variable(name: str) -> str:
    """The name of an environment variable. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{quoted(name)} cannot be the name of an environment variable")
    if name.upper().startswith("GPUWS_"):
        raise ValueError(f"{name}: names that begin with GPUWS_ belong to gpuws")
    return name


def checked_variables(source: Source, node: Node, key: str) -> Pairs:
    """A map of names to values, each as it is written: ``1.10`` and ``yes`` stay that.

    No message shows a value, nor the line it is on: it may be a password.
    """
    if isinstance(node, Scalar) and node.sort == "nothing":
        return ()
    if not isinstance(node, Table):
        raise source.error(
            node.line, node.column, f"{key}: takes a map of names to values, not {describe(node)}"
        )
    return tuple(_pair(source, name, value) for name, value in node.values.values())


def _pair(source: Source, key: Scalar, value: Node) -> tuple[str, str]:
    def error(message: str, hint: str = "") -> GpuwsError:
        return source.error(key.line, key.column, message, hint, hide=True)

    try:
        name = checked_variable(key.text)
    except ValueError as fault:
        raise error(str(fault)) from fault
    if not isinstance(value, Scalar):
        raise error(f"{name} takes one value, not {describe(value)}")
    if value.sort == "nothing":
        raise error(f"{name} has no value", f"quote it: {name}: ''")
    return name, value.text
