"""Archives come from the mirror where their origin is out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.environments.elsewhere import Elsewhere
from gpuws.errors import GpuwsError
from gpuws.keeper.downloading import download
from gpuws.plan.mirrors import PRESETS, copies
from gpuws.plan.model import Mirror

FILE = "packages/12/34/" + "a" * 60 + "/x-1.0-py3-none-any.whl"


def read(ways: Elsewhere, url: str) -> bytes:
    with ways(url) as arriving:
        return b"".join(arriving.blocks)


def mirrored(folder: Path) -> tuple[Elsewhere, str]:
    """A mirror that has the package of a channel that is not there."""
    package = folder / "mirror/noarch/x-1.0-0.conda"
    package.parent.mkdir(parents=True)
    package.write_bytes(b"the archive")
    channel = (folder / "origin").as_uri()
    mirror = Mirror("ours", ((channel, ((folder / "mirror").as_uri(),)),))
    return Elsewhere(download, mirror), f"{channel}/noarch/x-1.0-0.conda"


def test_a_package_that_its_origin_does_not_give_comes_from_the_mirror(tmp_path: Path) -> None:
    ways, url = mirrored(tmp_path)
    assert read(ways, url) == b"the archive"


def test_the_origin_is_asked_first_until_it_fails(tmp_path: Path) -> None:
    ways, url = mirrored(tmp_path)
    origin = tmp_path / "origin/noarch/x-1.0-0.conda"
    origin.parent.mkdir(parents=True)
    origin.write_bytes(b"of the origin")
    assert read(ways, url) == b"of the origin"
    origin.unlink()
    assert read(ways, url) == b"the archive"
    origin.write_bytes(b"of the origin")
    assert read(ways, url) == b"the archive"


def test_what_neither_has_is_told_of_the_origin(tmp_path: Path) -> None:
    ways, url = mirrored(tmp_path)
    with pytest.raises(GpuwsError) as refused:
        read(ways, url.replace("x-1.0", "y-1.0"))
    assert refused.value.code == "channel-unreachable"
    assert "/origin/noarch/y-1.0" in refused.value.message


def test_where_a_mirror_keeps_what(tmp_path: Path) -> None:
    tuna = PRESETS["tuna"]
    conda = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"
    package = "linux-64/numpy-2.1.3-py311_0.conda"
    assert copies(tuna, f"https://conda.anaconda.org/conda-forge/{package}") == (
        f"{conda}/cloud/conda-forge/{package}",
    )
    assert copies(tuna, f"https://repo.anaconda.com/pkgs/main/{package}") == (
        f"{conda}/pkgs/main/{package}",
    )
    assert copies(tuna, f"https://files.example.org/{FILE}") == (
        f"https://mirrors.tuna.tsinghua.edu.cn/pypi/web/{FILE}",
    )
    assert copies(tuna, "https://example.org/x.whl") == ()
