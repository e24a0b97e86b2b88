"""Lines that name code of this laptop, and the files of a project that are its own."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from gpuws.config import code_files
from gpuws.config.environment import load_environment
from gpuws.plan.model import EnvironmentSpec, LocalCode

from .writing import load, refusal, write

TXT = "requirements.txt"
WHEEL = "x-1.0-py3-none-any.whl"
PROJECT = '[project]\nname = "Mine"\nversion = "1"\n'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A project's folder with another below it, one beside it, and archives."""
    top = tmp_path / "my project"
    for folder in (top, top / "pkg", tmp_path / "beside"):
        write(folder, PROJECT, "pyproject.toml")
        write(folder, "x = 1\n", "mine.py")
    for name in (f"wheels/{WHEEL}", "x-1.0.tar.gz", "my_sdist-2.0.zip"):
        write(top, name, name)
    return top


def only(spec: EnvironmentSpec) -> LocalCode:
    [code] = spec.local
    assert code.line in spec.pip
    return code


@pytest.mark.parametrize(
    ("line", "kind", "inside", "around"),
    [
        ("-e .", "editable", ".", ("-e ", "")),
        ("-e.", "editable", ".", ("-e ", "")),
        ("--editable=./pkg[a,b]", "editable", "pkg", ("-e ", "[a,b]")),
        ("-e 'pkg/../pkg'", "editable", "pkg", ("-e ", "")),
        ("-e file:./pkg", "editable", "pkg", ("-e ", "")),
        (".", "folder", "", ("", "")),
        ("./pkg[extra] ; os_name > 'a'", "folder", "", ("", "[extra] ; os_name > 'a'")),
        ("../beside", "folder", "", ("", "")),
        ("pkg/", "folder", "", ("", "")),
        ("mine @ file:pkg", "folder", "", ("mine @ ", "")),
        (f"./wheels/{WHEEL}", "archive", "", ("", "")),
        (f"wheels/{WHEEL}[more]", "archive", "", ("", "[more]")),
        (f"x[y] @ ./wheels/{WHEEL} ; os_name == 'posix'", "archive", "",
         ("x[y] @ ", " ; os_name == 'posix'")),
        ("x-1.0.tar.gz --config-settings=a=b", "archive", "", ("", " --config-settings=a=b")),
    ],
)  # fmt: skip
def test_a_line_names_code_as_pip_takes_it(
    here: Path, line: str, kind: str, inside: str, around: tuple[str, str]
) -> None:
    spec = load(here, f"numpy\n{line}  # why\n", TXT)
    code = only(spec)
    assert (code.line, code.kind, code.inside) == (line, kind, inside)
    assert (code.before, code.after) == around
    assert Path(code.path).exists()
    assert code.declares
    assert bool(code.digest) == (kind != "editable")


def test_a_pip_section_and_a_file_url_with_spaces_name_it_too(here: Path) -> None:
    wheel = (here / "wheels" / WHEEL).as_uri()
    spec = load(here, f"dependencies:\n- python\n- pip:\n  - '-e .  # why'\n  - x @ {wheel}\n")
    assert spec.pip[0] == "-e ."
    assert [each.kind for each in spec.local] == ["editable", "archive"]
    assert "%20" in wheel
    assert spec.local[1].digest == sha256(f"wheels/{WHEEL}".encode()).hexdigest()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("-e .", "Mine"),
        (f"wheels/{WHEEL}", "x"),
        ("x-1.0.tar.gz", "x"),
        ("my_sdist-2.0.zip", "my_sdist"),
    ],
)
def test_the_distributions_name_is_known_where_nothing_must_be_run(
    here: Path, line: str, name: str
) -> None:
    assert only(load(here, line, TXT)).name == name


def test_paths_in_nested_files_are_those_of_the_folder_where_pip_is_run(here: Path) -> None:
    write(here, "ok  # fine\n-e \\\n  ./pkg # why\n", "sub/base.txt")
    spec = load(here, "-r sub/base.txt\n./pkg\n", TXT)
    assert {each.line for each in spec.local} == {"-e   ./pkg", "./pkg"}
    assert dict(spec.pip_files)["sub/base.txt"] == "ok\n-e   ./pkg\n"


def test_an_editable_is_placed_in_the_project_that_the_workspace_is_made_for(here: Path) -> None:
    path = write(here, "-e ..\n-e ../pkg\n", "env/requirements.txt")
    found = load_environment(path, here).local
    assert [each.inside for each in found] == [".", "pkg"]
    error = refusal(here, "-e ..\n", "env/requirements.txt")
    assert f"'..' is outside {here / 'env'}" in error.message
    assert "gpuws.yaml" in error.hint


def test_what_lies_outside_is_noted_because_it_is_sent(here: Path) -> None:
    [note] = load(here, "../beside\n./pkg\n", TXT).notes
    assert note.startswith(f"{here / TXT}:1: ")
    assert "is sent to the host" in note


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("./none", "there is no './none'"),
        ("-e ./none", "there is no './none'"),
        ("/no/where", "there is no '/no/where'"),
        ("none.whl", "there is no 'none.whl'"),
        ("C:\\pkg", "there is no"),
        ("./requirements.txt/x", "there is no"),
        ("./wheels", "neither pyproject.toml nor setup.py"),
        ("-e ./wheels", "neither pyproject.toml nor setup.py"),
        (f"-e ./wheels/{WHEEL}", "no folder"),
        ("./requirements.txt", "no wheel and no source archive"),
        ("./a b-1.0.zip", "no wheel and no source archive"),
        ("./fifo.whl", "neither a folder nor an archive"),
        ("./" + "x" * 300, "cannot be read: File name too long"),
        ("-e ../beside", "without -e"),
        ("-e /", "neither pyproject.toml nor setup.py"),
        ("-e git+https://example.org/x#egg=x", "without it, pip installs from that address"),
        ("-e . --config-settings x=y", "takes a folder, and nothing after it"),
        ("-e", "takes a folder, and nothing after it"),
        ("-e 'x", "never closed"),
        ("~/pkg", "only a shell knows"),
        ("git+file:///srv/x", "name its folder instead"),
        ("file://server/x.whl", "names another machine"),
        (f"x @ file:wheels/{WHEEL}#sha256=00", "the line promises another"),
        ("-c limits.txt", "a constraints file names versions"),
    ],
)
def test_bad_local_code_is_one_error_with_its_line(here: Path, line: str, said: str) -> None:
    os.mkfifo(here / "fifo.whl")
    write(here, "x", "a b-1.0.zip")
    write(here, "-r more.txt\n", "limits.txt")
    write(here, "./pkg\n", "more.txt")
    error = refusal(here, f"numpy\n{line}\n", TXT)
    assert said in f"{error.message} {error.hint}"
    assert (error.code, error.exit) == ("environment-file-invalid", 3)
    assert f"{'more.txt:1' if 'limits' in line else 'requirements.txt:2'}: " in error.message


def test_a_project_that_is_published_cannot_need_local_code(tmp_path: Path) -> None:
    text = "[project]\ndependencies = ['a @ file:///x']\n"
    error = refusal(tmp_path, text, "pyproject.toml")
    assert "local code of this laptop" in error.message
    assert "requirements.txt" in error.hint


# --- which files ----------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return [each.name for each in code_files.code_files(folder)]


def git(folder: Path, *words: str) -> None:
    settings = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", "-C", str(folder), *settings, *words], check=True, capture_output=True)


def test_git_says_which_files_are_the_projects(here: Path) -> None:
    git(here, "init", "-q")
    for name in ("data/big.bin", "new.py", "gone.py", "__pycache__/x.pyc", "Mine.egg-info/x"):
        write(here, "x", name)
    write(here, "data/\n", ".gitignore")
    git(here, "add", "gone.py", "pyproject.toml")
    (here / "gone.py").unlink()
    inner = here / "inner"
    write(inner, "x", "kept.py")
    write(inner, "x", "left.log")
    write(inner, "*.log\n", ".gitignore")
    git(inner, "init", "-q")
    assert names(here) == [
        ".gitignore",
        "inner/.gitignore",
        "inner/kept.py",
        "mine.py",
        "my_sdist-2.0.zip",
        "new.py",
        "pkg/mine.py",
        "pkg/pyproject.toml",
        "pyproject.toml",
        f"wheels/{WHEEL}",
        "x-1.0.tar.gz",
    ]
    assert names(here / "pkg") == ["mine.py", "pyproject.toml"]


@pytest.mark.parametrize("in_ignored", [False, True])
def test_without_git_all_is_sent_but_what_tools_make(tmp_path: Path, in_ignored: bool) -> None:
    """A folder that git ignores is one that it says nothing about."""
    folder = tmp_path / "ignored"
    for name in ("setup.py", "a/build/x.py", "build/x", "dist/x.whl", ".venv/x", "a/x.egg-info/y"):
        write(folder, "x", name)
    write(folder, "x", "node_modules/x")
    os.mkfifo(folder / "socket")
    if in_ignored:
        git(tmp_path, "init", "-q")
        write(tmp_path, "ignored\n", ".gitignore")
    assert names(folder) == ["a/build/x.py", "setup.py"]


def test_the_digest_follows_names_contents_and_rights(here: Path) -> None:
    def digest() -> str:
        return only(load(here.parent / "beside", "../my project/pkg", TXT)).digest

    seen = [digest(), digest()]
    assert seen[0] == seen[1]
    write(here, "x = 2\n", "pkg/mine.py")
    seen.append(digest())
    (here / "pkg/mine.py").chmod(0o755)
    seen.append(digest())
    (here / "pkg/mine.py").rename(here / "pkg/other.py")
    seen.append(digest())
    (here / "pkg/link").symlink_to("other.py")
    seen.append(digest())
    assert len(set(seen)) == 5


def test_what_declares_a_project_is_the_same_on_windows(here: Path) -> None:
    before = code_files.declares(here)
    (here / "pyproject.toml").write_bytes(PROJECT.replace("\n", "\r\n").encode())
    assert code_files.declares(here) == before
    write(here, "x", "setup.py")
    assert code_files.declares(here) != before


@pytest.mark.parametrize("to", ["/etc/hostname", "../../beside/mine.py", "sub/../.."])
def test_a_link_that_leads_out_is_refused(here: Path, to: str) -> None:
    (here / "pkg/link").symlink_to(to)
    error = refusal(here, "./pkg", TXT)
    assert error.message.startswith(f"{here / TXT}:1: the link '")
    assert "leads out of the folder" in error.message


def test_a_link_that_leads_out_by_way_of_another_is_refused(here: Path) -> None:
    (here / "pkg/sub").mkdir()
    (here / "pkg/sub/up").symlink_to("..")
    (here / "pkg/sub/link").symlink_to("up/../../beside/mine.py")
    assert "the link 'sub/link' leads out" in refusal(here, "./pkg", TXT).message


def test_links_inside_stay_links_also_to_nothing_and_in_a_circle(here: Path) -> None:
    for name, to in {"a": "mine.py", "b": "none", "c": "c"}.items():
        (here / "pkg" / name).symlink_to(to)
    found = {each.name: each.link for each in code_files.code_files(here / "pkg") if each.link}
    assert found == {"a": "mine.py", "b": "none", "c": "c"}


def test_too_much_is_refused_with_the_largest_named(here: Path) -> None:
    for name, size in (("small.bin", 1000), ("large.bin", code_files.MAX_BYTES)):
        with (here / "pkg" / name).open("wb") as file:
            file.truncate(size)
    error = refusal(here, "./pkg", TXT)
    assert "4 files of 200 MB are more than code" in error.message
    assert "'large.bin' with 200 MB" in error.hint
    with (here / "big-1.0.tar.gz").open("wb") as file:
        file.truncate(code_files.MAX_BYTES + 1)
    assert "is the most that is sent" in refusal(here, "./big-1.0.tar.gz", TXT).message


def test_too_many_files_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_files, "MAX_FILES", 3)
    for number in range(5):
        write(here, "x", f"pkg/{number}.py")
    assert "are more than code: 3 files" in refusal(here, "./pkg", TXT).message
