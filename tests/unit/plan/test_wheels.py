"""The file of a release that pip would take."""

from __future__ import annotations

import subprocess
import sys

import pytest
from packaging import tags as running

from gpuws.plan.wheels import best, tags_of


def wheel(tags: str) -> str:
    return f"pkg-1.0-{tags}.whl"


OLD, NEW = wheel("cp311-cp311-manylinux_2_17_x86_64"), wheel("cp311-cp311-manylinux_2_34_x86_64")
ABI3, PURE = wheel("cp38-abi3-manylinux2014_x86_64"), wheel("py3-none-any")


@pytest.mark.parametrize(
    ("files", "glibc", "taken"),
    [
        ([PURE, OLD, NEW], "2.35", NEW),
        ([PURE, OLD, NEW], "2.31", OLD),
        ([PURE, ABI3], "2.31", ABI3),
        ([PURE], "2.31", PURE),
        ([NEW], "2.31", None),
        ([wheel("cp312-cp312-manylinux_2_17_x86_64")], "2.31", None),
        ([wheel("cp311-cp311-manylinux_2_17_aarch64"), "pkg-1.0.tar.gz"], "2.31", None),
        ([wheel("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64")], "2.17", "same"),
    ],
)
def test_the_newest_that_the_host_can_load(files: list[str], glibc: str, taken: str | None) -> None:
    expected = files[0] if taken == "same" else taken
    assert best(files, tags_of("linux-64", "3.11.7", glibc)) == expected


def test_the_tags_are_those_that_packaging_gives_this_very_python() -> None:
    """On the machine that runs the test the answer is known: what pip itself would say."""
    if sys.platform != "linux":
        pytest.skip("the tags of Linux")
    ours = tags_of("linux-64", f"3.{sys.version_info[1]}", _glibc())
    theirs = [tag for tag in running.sys_tags() if "x86_64" in str(tag) or str(tag).endswith("any")]
    assert list(ours) == theirs


def _glibc() -> str:
    said = subprocess.run(["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True)
    return said.stdout.split()[1]
