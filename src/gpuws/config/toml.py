"""The TOML reader of this Python."""

from __future__ import annotations

import importlib
import sys

from gpuws.errors import GpuwsError


def toml_loads(text: str, shown: str, code: str) -> dict[str, object]:
    """tomllib is part of Python 3.11; for 3.10 tomli is the same thing, where it is installed.

    Raises ValueError or RecursionError for what is not TOML, GpuwsError ``code`` without a reader.
    """
    try:
        module = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise GpuwsError(
            code,
            f"{shown} cannot be read: this Python {sys.version_info[0]}.{sys.version_info[1]} "
            "has no TOML reader",
            hint="pip install tomli, or use Python 3.11 or newer",
        ) from None
    found: dict[str, object] = module.loads(text)
    return found
