"""conda-lock.yml, written and read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuws.config.lock_file import find_locks, load_locks, lock_path, lock_text
from gpuws.errors import GpuwsError
from gpuws.plan.lock import Lock, LockedPackage

SHA, MD5 = "a" * 64, "b" * 32
NUMPY = LockedPackage(
    "conda",
    "numpy",
    "2.10",
    "https://conda.anaconda.org/conda-forge/linux-64/numpy-2.10-py311_0.conda",
    SHA,
    MD5,
    "py311_0",
    (("__glibc", ">=2.17,<3.0.a0"), ("python", "3.11.*")),
)
RICH = LockedPackage(
    "pip",
    "rich",
    "15.0.0",
    "https://files.example.org/packages/rich-15.0.0-py3-none-any.whl",
    SHA,
)
FROM_GIT = LockedPackage("pip", "mine", "1", "git+https://h/mine@0123abcd", direct=True)
LOCK = Lock(
    "conda-lock.yml",
    "linux-64",
    (NUMPY, FROM_GIT, RICH),
    declared="c" * 64,
    virtual=(("__cuda", "12.4"), ("__glibc", "2.35")),
    python="3.11",
    channels=("https://conda.anaconda.org/conda-forge",),
    download_bytes=123,
)


def written(folder: Path, *locks: Lock) -> Path:
    path = folder / "conda-lock.yml"
    path.write_text(lock_text(locks, ("environment.yml",)))
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, LOCK)
    (found,) = load_locks(path)
    assert found == Lock(**{**LOCK.__dict__, "source": str(path)})


@given(
    st.text(alphabet="0123456789.abcdefnoyes~_+!-e", min_size=1, max_size=12),
    st.sampled_from(["", ">=1,<2.0a0", "*", "1.*|2.*", "no", "1e3", "~", "0x10", "3:4", "yes"]),
)
def test_every_version_and_constraint_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, version: str, constraint: str
) -> None:
    package = LockedPackage(
        "conda", "p", version, "https://h/p-1-0.conda", SHA, MD5, "1e5", (("no", constraint),)
    )
    path = written(tmp_path_factory.mktemp("l"), Lock("x", "linux-64", (package,), "d" * 64))
    assert load_locks(path)[0].packages == (package,)


def test_platforms_are_locks_of_their_own(tmp_path: Path) -> None:
    other = Lock("x", "linux-aarch64", (NUMPY,), declared="c" * 64)
    found = load_locks(written(tmp_path, LOCK, other))
    assert [(each.platform, len(each.packages)) for each in found] == [
        ("linux-64", 3),
        ("linux-aarch64", 1),
    ]


def test_a_lock_of_another_tool_says_nothing_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, LOCK)
    text = path.read_text()
    start, end = text.index("  custom_metadata"), text.index("package:")
    path.write_text(text[:start] + text[end:])
    assert load_locks(path)[0].declared == ""


@pytest.mark.parametrize(
    ("file", "lock"),
    [
        ("environment.yml", "conda-lock.yml"),
        ("requirements.txt", "conda-lock.yml"),
        ("gpu.yml", "gpu.conda-lock.yml"),
    ],
)
def test_each_file_has_its_own_lock_beside_it(file: str, lock: str) -> None:
    assert lock_path([Path("/p") / file]) == Path("/p") / lock
    assert find_locks([Path("/nowhere") / file]) == ()


def test_files_that_are_merged_have_one_of_their_own() -> None:
    both = [Path("/p/environment.yml"), Path("/q/gpu.yml")]
    assert lock_path(both) == Path("/p/environment+gpu.conda-lock.yml")


BAD = {
    "not a map": ("[]", "map"),
    "another version": ("version: 9\n", "version 1"),
    "no packages": ("version: 1\nmetadata: {}\n", "package"),
    "an option for a name": ("- name: numpy", "- name: --index-url=http://evil"),
    "a shell's words in a url": ("/linux-64/numpy", "/linux-64/$(id)numpy"),
    "another scheme": ("https://conda", "ftp://conda"),
    "no hash": (f"sha256: {SHA}", "sha256: zz"),
    "another manager": ("manager: conda", "manager: npm"),
}


@pytest.mark.parametrize(
    "case", [name for name in BAD if name.startswith(("not", "another v", "no p"))]
)
def test_a_file_that_is_no_lock_is_refused(tmp_path: Path, case: str) -> None:
    text, reason = BAD[case]
    path = tmp_path / "conda-lock.yml"
    path.write_text(text)
    with pytest.raises(GpuwsError) as caught:
        load_locks(path)
    assert caught.value.code == "lock-invalid"
    assert reason in caught.value.message
    assert f"{path}:1" in caught.value.message


@pytest.mark.parametrize(
    "case",
    [
        "an option for a name",
        "a shell's words in a url",
        "another scheme",
        "no hash",
        "another manager",
    ],
)
def test_a_package_that_is_not_what_it_seems_is_refused(tmp_path: Path, case: str) -> None:
    good, bad = BAD[case]
    path = written(tmp_path, LOCK)
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad))
    with pytest.raises(GpuwsError) as caught:
        load_locks(path)
    assert caught.value.code == "lock-invalid"
