"""The small packages of the tests' channel. Names are familiar, contents are tiny but real."""

from __future__ import annotations

from tests.support.conda_package import PLACEHOLDER, File, Package

WRONG_HASH = "wrong-hash"
"""The package whose hashes in repodata are not those of its archive."""

_BINARY = b"\x7fBIN\0" + PLACEHOLDER.encode() + b"/share/data\0tail\0"


def module(
    name: str,
    version: str,
    *depends: str,
    text: str = "",
    points: tuple[str, ...] = (),
    form: str = ".tar.bz2",
) -> Package:
    """A noarch python package with one importable module that knows its version."""
    title = name.replace("-", "_")
    site = "site-packages"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return Package(
        name,
        version,
        build="pyhtest_0",
        depends=("python >=3.9", *depends),
        files=(
            File(f"{site}/{title}/__init__.py", f'__version__ = "{version}"\n{text}'.encode()),
            File(f"{site}/{title}-{version}.dist-info/METADATA", metadata.encode()),
            File(f"{site}/{title}-{version}.dist-info/INSTALLER", b"conda\n"),
        ),
        noarch="python",
        entry_points=points,
        form=form,
    )


def plain(
    name: str, version: str, *depends: str, build: str = "0", number: int = 0, noarch: str = ""
) -> Package:
    """A package with one file that names it."""
    label = File(f"share/{name}/version", f"{version}-{build}\n".encode())
    return Package(name, version, build, number, depends, (label,), noarch)


_HELLO = """
def main():
    import sys
    print("hello from", sys.prefix)
    return 0
"""

STANDARD: tuple[Package, ...] = (
    module("numpy", "1.26.4"),
    module("numpy", "2.0.2"),
    module("numpy", "2.1.3"),
    module("six", "1.16.0", form=".conda"),
    module("pandas", "2.2.3", "numpy >=1.26", "six", form=".conda"),
    module("scipy", "1.11.4", "numpy >=1.21,<2"),
    module("scipy", "1.14.1", "numpy >=2"),
    module("hello", "1.0", text=_HELLO, points=("hello = hello:main",)),
    Package(
        "with-prefix",
        "1.0",
        files=(
            File("share/with-prefix/text.conf", f"root={PLACEHOLDER}/etc\n".encode()),
            File("share/with-prefix/data.bin", _BINARY),
            File(
                "bin/with-prefix",
                f'#!/bin/sh\necho "{PLACEHOLDER}"\n'.encode(),
                executable=True,
            ),
        ),
    ),
    Package(
        "activated",
        "1.0",
        noarch="generic",
        files=(
            File("etc/conda/activate.d/activated.sh", b'export ACTIVATED_BY="$CONDA_PREFIX"\n'),
            File("etc/conda/deactivate.d/activated.sh", b"unset ACTIVATED_BY\n"),
        ),
    ),
    # Two builds of one version: the solver takes the CUDA build where __cuda is there.
    plain("torchlet", "2.5.1", build="cpu_0", number=0),
    plain("torchlet", "2.5.1", "__cuda >=12", build="cuda126_0", number=200),
    plain("cuda-only", "1.0", "__cuda >=12"),
    plain("shared", "1.5", noarch="generic"),
    plain("shared", "2.5", noarch="generic"),
    plain("left", "1.0", "shared 1.*", noarch="generic"),
    plain("right", "1.0", "shared 2.*", noarch="generic"),
    plain(WRONG_HASH, "1.0", noarch="generic"),
)
