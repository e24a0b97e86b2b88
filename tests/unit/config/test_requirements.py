"""requirements.txt: what pip takes, minus what lives on this laptop only."""

from __future__ import annotations

from pathlib import Path

import pytest

from .writing import load, refusal, write

TXT = "requirements.txt"


def test_lines_are_kept_and_comments_are_not(tmp_path: Path) -> None:
    text = """\
# a comment \\
numpy>=1.26  # why
torch==2.1.0+cu118 \\
    --hash=sha256:aa \\
    --hash=sha256:bb

x[extra]; python_version < "3.13"
y @ https://example.org/y.whl#sha256=aa
git+https://example.org/z@main#egg=z
--index-url https://example.org/simple --extra-index-url=https://example.org/more
--pre
--only-binary :all:
"""
    spec = load(tmp_path, text, TXT)
    assert spec.kind == "pip"
    assert spec.python is None
    assert [line.split() for line in spec.pip] == [
        ["numpy>=1.26"],
        ["torch==2.1.0+cu118", "--hash=sha256:aa", "--hash=sha256:bb"],
        ["x[extra];", "python_version", "<", '"3.13"'],
        ["y", "@", "https://example.org/y.whl#sha256=aa"],
        ["git+https://example.org/z@main#egg=z"],
        ["--index-url", "https://example.org/simple", "--extra-index-url=https://example.org/more"],
        ["--pre"],
        ["--only-binary", ":all:"],
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy=1.26", "conda's form"),
        ("numpy=1.26=py311_0", "conda's form"),
        ("conda-forge::numpy", "conda's form"),
        ("numpy >", "no pip requirement"),
        ("two words", "no pip requirement"),
        ("numpy; os_name", "no pip requirement"),
        ("a" * 3000, "too long"),
        ("x; " + "(" * 500, "too long or too nested"),
        ("--no-build-isolation", "not one of a requirements file"),
        ("--index", "did you mean"),
        ("--index-url", "lacks its value"),
        ("--index-url ./simple", "takes a URL"),
        ("-f wheels", "takes a URL"),
        ("-r", "lacks its value"),
        ("-r https://example.org/r.txt", "takes a file here, not a URL"),
        ("-r a.txt -r b.txt", "on a line of its own"),
        ("-r 'x", "never closed"),
        ("-r none.txt", "there is no file"),
        ("-r .", "is a folder"),
        ("-r /etc/hostname", "outside the project"),
        ("numpy --upgrade", "cannot follow a requirement"),
        ("$(id)", "no pip requirement"),
    ],
)
def test_what_cannot_be_installed_there_is_refused_with_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    error = refusal(tmp_path, f"numpy\n\n{line}\n", TXT)
    assert said in f"{error.message} {error.hint}"
    assert f"{TXT}:3: " in error.message
    assert (error.code, error.exit) == ("environment-file-invalid", 3)


def test_a_fault_in_a_nested_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "ok\n--upgrade\n", "sub/base.txt")
    message = refusal(tmp_path, "-r sub/base.txt\n", TXT).message
    assert message.startswith(f"{tmp_path / 'sub' / 'base.txt'}:2: the option '--upgrade'")


def test_nested_files_are_found_from_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, "-r b.txt\n-c ../limits.txt\n", "sub/a.txt")
    write(tmp_path, "numpy\n", "sub/b.txt")
    write(tmp_path, "numpy<2\n", "limits.txt")
    spec = load(tmp_path, "-r sub/a.txt\n--constraint=limits.txt\n", TXT)
    assert spec.pip == ("-r sub/a.txt", "--constraint=limits.txt")
    assert dict(spec.pip_files) == {
        "sub/a.txt": "-r b.txt\n-c ../limits.txt\n",
        "sub/b.txt": "numpy\n",
        "limits.txt": "numpy<2\n",
    }


@pytest.mark.parametrize("written", ["-rbase.txt", "-r ./base.txt", "-r sub/../base.txt"])
def test_other_spellings_of_a_name_become_plain(tmp_path: Path, written: str) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, "numpy\n", "base.txt")
    spec = load(tmp_path, written, TXT)
    assert spec.pip in (("-r base.txt",), (written,))
    assert spec.pip_files == (("base.txt", "numpy\n"),)


def test_a_file_elsewhere_in_the_repository_gets_a_name_inside(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, "-r other.txt\n", "shared/base.txt")
    write(tmp_path, "numpy\n", "shared/other.txt")
    spec = load(tmp_path / "app", "-r ../shared/base.txt\n", TXT)
    assert spec.pip == ("-r outside-1-base.txt",)
    assert spec.pip_files == (
        ("outside-1-base.txt", "-r outside-2-other.txt\n"),
        ("outside-2-other.txt", "numpy\n"),
    )


def test_without_a_repository_files_outside_the_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "numpy\n", "base.txt")
    error = refusal(tmp_path / "app", "-r ../base.txt\n", TXT)
    assert "outside the project" in error.message


def test_a_link_cannot_lead_out_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, "secret\n", "secret.txt")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "base.txt").symlink_to("../secret.txt")
    assert "outside the project" in refusal(tmp_path / "app", "-r base.txt\n", TXT).message


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({TXT: "-r requirements.txt"}, "requirements.txt:1"),
        ({TXT: "-r a.txt", "a.txt": "x\n-r requirements.txt"}, "a.txt:2"),
        ({TXT: "-r a.txt", "a.txt": "-r b.txt", "b.txt": "-c a.txt"}, "b.txt:1"),
    ],
)
def test_a_circle_is_refused_where_it_closes(
    tmp_path: Path, files: dict[str, str], where: str
) -> None:
    for name, text in files.items():
        write(tmp_path, text, name)
    message = refusal(tmp_path, files[TXT], TXT).message
    assert "refers back to itself" in message
    assert f"{where}: " in message


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "numpy\n", "base.txt")
    spec = load(tmp_path, "-r base.txt\n-r base.txt\n", TXT)
    assert spec.pip_files == (("base.txt", "numpy\n"),)


def test_a_long_chain_of_files_is_refused(tmp_path: Path) -> None:
    for n in range(30):
        write(tmp_path, f"-r f{n + 1}.txt\n", f"f{n}.txt")
    assert "too many requirement files" in refusal(tmp_path, "-r f0.txt\n", TXT).message


def test_a_wheelhouse_of_the_host_is_noted(tmp_path: Path) -> None:
    spec = load(tmp_path, "--find-links /srv/wheels\n--no-index\nnumpy\n", TXT)
    assert spec.pip[0] == "--find-links /srv/wheels"
    assert "requirements.txt:1: --find-links /srv/wheels is looked for on the host" in spec.notes[0]


def test_an_empty_file_is_noted(tmp_path: Path) -> None:
    assert "names no packages" in load(tmp_path, "# nothing\n", TXT).notes[0]


def test_an_explicit_conda_list_is_recognised(tmp_path: Path) -> None:
    text = "# x\n@EXPLICIT\nhttps://example.org/a.conda\n"
    assert "explicit conda list" in refusal(tmp_path, text, TXT).message


def test_passwords_of_urls_are_never_shown(tmp_path: Path) -> None:
    error = refusal(tmp_path, "git+file://me:hunter2@host/x and more\n", TXT)
    assert "hunter2" not in f"{error.message}{error.hint}{error.detail}"
