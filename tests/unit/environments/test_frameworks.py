"""tensorflow and jax, asked in an environment; stand-in modules that answer as they do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gpuws.environments.frameworks import Framework, ask, declared, verdict
from gpuws.plan.model import EnvironmentSpec, Gpu
from tests.support.local_host import LocalHost

SPEC = EnvironmentSpec(
    "environment.yml", "conda", conda=("conda-forge::tensorflow=2.*", "pytorch"), pip=("jax",)
)
CARDS = (Gpu(0, "GPU-1", "H100", 80_000, 0, 0),)
TENSORFLOW = """\
import types
__version__ = '2.16.1'
print('noise at import')
sysconfig = types.SimpleNamespace(get_build_info=lambda: {info})
config = types.SimpleNamespace(list_physical_devices=lambda kind: [None] * {cards})
"""


def _prefix(folder: Path, tensorflow: str) -> Path:
    """An isolated python that finds a module named tensorflow."""
    import venv

    prefix = folder / "env"
    venv.create(prefix, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "lib" / version / "site-packages" / "tensorflow.py").write_text(tensorflow)
    return prefix


def test_frameworks_are_found_by_the_names_that_channels_give_them() -> None:
    assert declared(SPEC) == ("tensorflow", "jax")
    assert declared(EnvironmentSpec("e", "pip", pip=("torchvision", "numpy"))) == ()


@pytest.mark.parametrize(
    ("info", "cards", "bad", "word"),
    [
        ("{'cuda_version': '12.4'}", 2, False, "sees 2 card(s)"),
        ("{'cuda_version': '12.4'}", 0, True, "the driver may be older"),
        ("{}", 0, True, "CPU build"),
    ],
)
def test_what_a_framework_says_of_itself_becomes_a_verdict(
    tmp_path: Path, info: str, cards: int, bad: bool, word: str
) -> None:
    prefix = _prefix(tmp_path, TENSORFLOW.format(info=info, cards=cards))
    host = LocalHost(tmp_path, env={"PATH": os.environ["PATH"]})
    [found] = ask(host, str(prefix), ("tensorflow",))
    assert found.version == "2.16.1"
    told, said = verdict(found, SPEC, CARDS)
    assert told is bad
    assert word in said


def test_a_cpu_build_names_the_line_to_change() -> None:
    _, said = verdict(Framework("tensorflow", "2.16.1", "", 0), SPEC, CARDS)
    assert "`conda-forge::tensorflow=2.*` of environment.yml" in said


def test_a_framework_that_cannot_be_imported_is_said(tmp_path: Path) -> None:
    prefix = _prefix(tmp_path, "raise ImportError('libcudnn')")
    [found] = ask(LocalHost(tmp_path), str(prefix), ("tensorflow",))
    told, said = verdict(found, SPEC, CARDS)
    assert told
    assert "cannot be imported" in said
