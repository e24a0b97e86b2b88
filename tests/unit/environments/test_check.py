"""check.py under a real python: what torch answers decides whether an environment is given out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpuws import environments

CHECK = Path(environments.__file__).with_name("check.py")
TORCH = """\
import os, types, warnings
__version__ = '2.5.1'
version = types.SimpleNamespace(cuda={cuda!r}, hip=None)

def is_available():
    if 'CUDA_VISIBLE_DEVICES' in os.environ:
        return False
    {answer}

def init():
    raise RuntimeError({fault!r})

cuda = types.SimpleNamespace(is_available=is_available, init=init, device_count=lambda: 2)
"""
OLD = "The NVIDIA driver on your system is too old (found version 11040)"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import venv

    folder = tmp_path_factory.mktemp("check") / "env"
    venv.create(folder, symlinks=True)
    return folder


def run(prefix: Path, torch: str, *, cards: str = "1", **env: str) -> tuple[int, str]:
    """(status, what it says)."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "lib" / version / "site-packages" / "torch.py").write_text(torch)
    (prefix / "none").write_text("")
    none = str(prefix / "none")
    asked = subprocess.run(
        [str(prefix / "bin/python"), "-I", "-B", str(CHECK), "0", none, none, cards],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], **env},
    )
    return asked.returncode, asked.stdout


@pytest.mark.parametrize(
    ("cuda", "answer", "fault", "word"),
    [
        (None, "return False", "", "torch 2.5.1 is a CPU build"),
        ("12.4", "return False", OLD, f"CUDA 12.4, LD_LIBRARY_PATH /shadow/busy: {OLD}"),
        ("12.4", "raise OSError('libcudart.so.12')", "", "OSError('libcudart.so.12')"),
        ("12.4", "warnings.warn('CUDA unknown error'); return False", "no", "unknown error"),
    ],
)
def test_torch_that_sees_no_card_is_refused_with_its_own_reason(
    prefix: Path, cuda: str | None, answer: str, fault: str, word: str
) -> None:
    torch = TORCH.format(cuda=cuda, answer=answer, fault=fault)
    status, said = run(prefix, torch, LD_LIBRARY_PATH="/shadow/busy")
    assert status == 6, said
    [line] = said.splitlines()
    assert line.startswith("check: torch sees no card: ")
    assert word in line
    assert run(prefix, torch, cards="0") == (0, "")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("return True", ""),
        ("return False", "all CUDA-capable devices are busy or unavailable"),
        ("return False", "CUDA error: out of memory"),
        ("raise RuntimeError('exclusive (thread) device already in use')", ""),
    ],
)
def test_a_card_that_is_taken_or_hidden_is_no_fault_of_the_environment(
    prefix: Path, answer: str, fault: str
) -> None:
    torch = TORCH.format(cuda="12.4", answer=answer, fault=fault)
    status, said = run(prefix, torch, CUDA_VISIBLE_DEVICES="")
    told = "gpuws: torch 2.5.1, CUDA 12.4: sees 2 card(s)\n" if "True" in answer else ""
    assert (status, said) == (0, told)


def test_a_torch_that_somebody_brought_along_and_cannot_be_imported_is_refused(
    prefix: Path,
) -> None:
    status, said = run(prefix, "raise ImportError('libcudnn.so.9')")
    assert status == 6
    assert "libcudnn.so.9" in said
