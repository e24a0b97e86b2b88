"""A lock as lists for conda tools, pip and uv."""

from __future__ import annotations

from gpuws.environments.locked import Addresses, locked_files
from gpuws.plan.lock import Lock, LockedPackage

SHA, MD5 = "a" * 64, "b" * 32
FORGE = "https://conda.anaconda.org/conda-forge"
NUMPY = LockedPackage("conda", "numpy", "2.1", f"{FORGE}/linux-64/numpy-2.1-py_0.conda", SHA, MD5)
OWN = LockedPackage("conda", "own", "1", "https://c.example/x/noarch/own-1-0.tar.bz2", SHA, MD5)
TINY = LockedPackage("pip", "tiny", "1.0", "https://files.example.org/t/tiny-1.0.whl", SHA)
WHEEL = LockedPackage("pip", "direct", "1", "https://h.example/direct-1.whl", SHA, direct=True)
FROM_GIT = LockedPackage("pip", "mine", "0", "git+https://h.example/mine@abc", direct=True)
LOCK = Lock("conda-lock.yml", "linux-64", (NUMPY, OWN, TINY, WHEEL, FROM_GIT))


def made(where: Addresses, *lines: str) -> dict[str, list[str]]:
    return {name: text.splitlines() for name, _, text in locked_files(LOCK, where, lines, ())}


def test_every_archive_with_its_hash_and_pip_without_anything_to_decide() -> None:
    found = made(Addresses())
    assert found["explicit.txt"] == [
        "@EXPLICIT",
        f"{NUMPY.url}#sha256:{SHA}",
        f"{OWN.url}#sha256:{SHA}",
    ]
    assert found["explicit-md5.txt"][1] == f"{NUMPY.url}#{MD5}"
    assert found["locked.txt"] == [
        f"tiny==1.0 --hash=sha256:{SHA}",
        f"direct @ {WHEEL.url} --hash=sha256:{SHA}",
    ]
    assert found["locked-vcs.txt"] == ["mine @ git+https://h.example/mine@abc"]
    assert found["conda-locked"] == ["numpy-2.1-py_0", "own-1-0"]
    assert found["pip-locked"] == ["tiny", "direct", "mine"]
    assert "origin.txt" not in found


def test_a_private_channel_gets_its_credentials_back_and_no_other_does() -> None:
    found = made(Addresses(channels=("https://me:pw@c.example/x", "https://me:pw@c.example/xy")))
    assert found["explicit.txt"][1:] == [
        f"{NUMPY.url}#sha256:{SHA}",
        f"https://me:pw@c.example/x/noarch/own-1-0.tar.bz2#sha256:{SHA}",
    ]


def test_a_mirror_stands_for_its_channel_and_the_origin_is_kept_for_what_it_lacks() -> None:
    mirror = "https://m.example/cloud/conda-forge"
    found = made(Addresses(sources=(("conda-forge", mirror),)))
    assert found["explicit.txt"][1:] == [
        f"{mirror}/linux-64/numpy-2.1-py_0.conda#sha256:{SHA}",
        f"{OWN.url}#sha256:{SHA}",
    ]
    assert found["origin.txt"][1] == f"{NUMPY.url}#sha256:{SHA}"


def test_what_the_laptop_sent_is_taken_from_there_and_no_index_is_asked() -> None:
    sent = tuple((each.url, f"/r/{each.file}") for each in LOCK.packages if each.sha256)
    found = made(Addresses(sources=(("conda-forge", "https://m"),), sent=sent), "-i https://i")
    assert found["explicit.txt"][1] == f"file:///r/numpy-2.1-py_0.conda#sha256:{SHA}"
    assert found["locked.txt"][:2] == ["--no-index", "--find-links file:///r"]
    assert f"direct @ file:///r/direct-1.whl --hash=sha256:{SHA}" in found["locked.txt"]
    assert "origin.txt" not in found


def test_the_index_that_the_file_names_is_asked() -> None:
    found = made(Addresses(), "--extra-index-url https://i.example/cu121", "tiny")
    assert found["locked.txt"][0] == "--extra-index-url https://i.example/cu121"
