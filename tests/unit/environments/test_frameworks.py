"""torch, tensorflow and jax, asked in an environment; stand-in modules that answer as they do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gpuws.environments.frameworks import Framework, ask, declared, verdict
from gpuws.plan.model import EnvironmentSpec, Gpu
from tests.support.local_host import LocalHost

SPEC = EnvironmentSpec(
    "environment.yml", "conda", conda=("conda-forge::pytorch=2.*",), pip=("jax",)
)
CARDS = (Gpu(0, "GPU-1", "H100", 80_000, 0, 0),)


def _prefix(folder: Path, torch: str) -> Path:
    """An isolated python that finds a module named torch."""
    import venv

    prefix = folder / "env"
    venv.create(prefix, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "lib" / version / "site-packages" / "torch.py").write_text(torch)
    return prefix


def test_frameworks_are_found_by_the_names_that_channels_give_them() -> None:
    assert declared(SPEC) == ("torch", "jax")
    assert declared(EnvironmentSpec("e", "pip", pip=("torchvision", "numpy"))) == ()


@pytest.mark.parametrize(
    ("cuda", "cards", "bad", "word"),
    [
        ("'12.4'", 2, False, "sees 2 card(s)"),
        ("'12.4'", 0, True, "the driver may be older"),
        ("None", 0, True, "CPU build"),
    ],
)
def test_what_torch_says_of_itself_becomes_a_verdict(
    tmp_path: Path, cuda: str, cards: int, bad: bool, word: str
) -> None:
    text = (
        "import types\n__version__ = '2.5.1'\nprint('noise at import')\n"
        f"version = types.SimpleNamespace(cuda={cuda}, hip=None)\n"
        f"cuda = types.SimpleNamespace(device_count=lambda: {cards})\n"
    )
    prefix = _prefix(tmp_path, text)
    [found] = ask(LocalHost(tmp_path, env={"PATH": os.environ["PATH"]}), str(prefix), ("torch",))
    assert found.version == "2.5.1"
    told, said = verdict(found, SPEC, CARDS)
    assert told is bad
    assert word in said


def test_a_cpu_build_names_the_line_to_change() -> None:
    _, said = verdict(Framework("torch", "2.5.1", "", 0), SPEC, CARDS)
    assert "`conda-forge::pytorch=2.*` of environment.yml" in said


def test_a_framework_that_cannot_be_imported_is_said(tmp_path: Path) -> None:
    prefix = _prefix(tmp_path, "raise ImportError('libcudnn')")
    [found] = ask(LocalHost(tmp_path), str(prefix), ("torch",))
    told, said = verdict(found, SPEC, CARDS)
    assert told
    assert "cannot be imported" in said
