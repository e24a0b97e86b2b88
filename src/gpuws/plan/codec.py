"""Frozen dataclasses to JSON and back. Both ends are the same installation of gpuws."""

from __future__ import annotations

import dataclasses
import types
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

encode = dataclasses.asdict


def decode(kind: type[T], value: object) -> T:
    """Rebuild ``kind`` from what ``encode`` made; unknown keys are dropped."""
    result: T = _decode(kind, value)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - the shape of JSON
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{key: _decode(hints[key], value[key]) for key in hints if key in value})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        choices = [choice for choice in inner if choice is not type(None)]
        return None if value is None else _decode(choices[0], value)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return tuple(_decode(inner[0], item) for item in value)
        return tuple(_decode(each, item) for each, item in zip(inner, value, strict=True))
    return value
