"""environment.yml, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.environment import find_environment, load_environment
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec

from .writing import load, refusal, write

FULL = """\
name: vision
channels:
  - conda-forge
  - https://conda.example.org/mine
dependencies:
  - python=3.11
  - numpy >= 1.26
  - pytorch=2.*=*cuda*
  - pip
  - pip:
      - einops
      - torch-geometric==2.5 ; python_version < "3.13"
variables:
  DATA: /data
  WORKERS: 08
"""


def test_a_whole_file_becomes_a_spec(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    assert load_environment(path) == EnvironmentSpec(
        source=str(path),
        kind="conda",
        name="vision",
        channels=("conda-forge", "https://conda.example.org/mine"),
        conda=("python=3.11", "numpy>=1.26", "pytorch=2.*=*cuda*", "pip"),
        pip=("einops", 'torch-geometric==2.5 ; python_version < "3.13"'),
        variables=(("DATA", "/data"), ("WORKERS", "08")),
        python="==3.11.*",
    )


def test_python_and_a_pip_list_need_no_conda(tmp_path: Path) -> None:
    spec = load(tmp_path, "dependencies:\n- python=3.11\n- pip:\n  - numpy\n")
    assert (spec.kind, spec.python, spec.pip) == ("pip", "==3.11.*", ("numpy",))
    assert spec.notes == ()


def test_windows_line_ends_and_a_bom_change_nothing(tmp_path: Path) -> None:
    plain = load(tmp_path, FULL)
    assert load(tmp_path, b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode()) == plain


@pytest.mark.parametrize(
    ("text", "place", "said", "hint"),
    [
        ("", "1:1", "the file is empty", "dependencies"),
        ("numpy\n", "1:1", "the file holds text", "requirements.txt"),
        ("- numpy\n", "1:1", "the file holds a list", "requirements.txt"),
        ("name: 3.10\n", "1:7", "reads 3.10 as a number", "quote it: name: '3.10'"),
        ("name: no\n", "1:7", "reads no as yes/no", "quote it: name: 'no'"),
        ("name: 2024-01-01\n", "1:7", "as a date", "quote it: name: '2024-01-01'"),
        ("name: null\n", "1:7", "reads null as nothing", "quote it: name: 'null'"),
        ("name:\n", "1:1", "name: has no value", "leave name: out"),
        ("name: [a]\n", "1:7", "name: takes text, not a list", ""),
        ("name: a\nname: b\n", "2:1", "duplicate key 'name': line 1", "remove one"),
        ("dependencies: numpy\n", "1:15", "takes a list, not text", ""),
        ("dependencies: {numpy: 1}\n", "1:15", "takes a list, not a map", ""),
        ("channels: conda-forge\n", "1:11", "takes a list, not text", ""),
        ("channels: [-c]\n", "1:12", "cannot begin with '-'", ""),
        ("channels: [[a]]\n", "1:12", "a channel is text, not a list", ""),
        ("dependencies: [3.10]\n", "1:16", "reads 3.10 as a number", "quote it: '3.10'"),
        ("dependencies: [yes]\n", "1:16", "reads yes as yes/no", "quote it"),
        ("dependencies:\n- \n", "2:2", "a package is missing", ""),
        ("dependencies:\n- [a]\n", "2:3", "a package is text, not a list", ""),
        ("dependencies:\n- {}\n", "2:3", "an empty map", ""),
        ("dependencies:\n- --flag\n", "2:3", "options are not taken", ""),
        ("dependencies:\n- python3.10\n", "2:3", "did you mean python=3.10?", ""),
        ("dependencies:\n- numpy: 1.26\n", "2:3", "is a map; only pip: is", "'numpy=1.26'"),
        ("dependencies:\n- sel(linux): a\n", "2:3", "selectors", ""),
        ("dependencies:\n- pip: [a]\n- b\n- pip: [c]\n", "4:3", "a second pip: list; line 2", ""),
        ("dependencies:\n- pip: numpy\n", "2:8", "pip: takes a list, not text", ""),
        ("dependencies:\n- pip:\n  - pip: [a]\n", "3:5", "text, not a map", ""),
        ("dependencies:\n- pip:\n  - [a]\n", "3:5", "text, not a list", ""),
        ("dependencies:\n- pip:\n  - -e ./x\n", "3", "there is no './x'", "is looked for in"),
        ("dependencies:\n- pip:\n  - ''\n", "3", "a pip requirement is missing", ""),
        ("dependencies:\n- pip:\n  - a\n  - b=1\n", "4", "conda's form", "b==1"),
        ("dependencies:\n- pip:\n  - '-r x.txt'\n", "3", "there is no file", ""),
        ("dependencies:\n- pip:\n  - |\n    a\n    b\n", "3", "a line end in it", ""),
        ("variables: [a]\n", "1:12", "variables: takes a map of names to values", ""),
        ("variables: {1a: b}\n", "1:13", "'1a' cannot be the name", ""),
        ("variables: {A-B: b}\n", "1:13", "cannot be the name", ""),
        ("variables: {GPUWS_X: b}\n", "1:13", "belong to gpuws", ""),
        ("variables: {A: [b]}\n", "1:13", "A takes one value, not a list", ""),
        ("variables:\n  A:\n", "2:3", "A has no value", "A: ''"),
        ("dependancies: [a]\n", "1:1", "unknown key 'dependancies'", "did you mean dependencies:"),
        ("version: 1\nmetadata: {}\npackage: []\n", "1:1", "a lock file", ""),
    ],
)
def test_a_fault_is_refused_with_its_place(
    tmp_path: Path, text: str, place: str, said: str, hint: str
) -> None:
    error = refusal(tmp_path, text)
    assert f"environment.yml:{place}: " in error.message
    assert said in error.message
    assert hint in error.hint
    assert (error.code, error.exit) == ("environment-file-invalid", 3)


@pytest.mark.parametrize("name", ["../x", "-p", "a b", "base", "'*'", "日本", "x" * 300, "con"])
def test_names_are_judged_by_the_one_validator(tmp_path: Path, name: str) -> None:
    error = refusal(tmp_path, f"name: {name}\n")
    assert (error.code, error.exit) == ("bad-name", 3)
    assert "environment.yml:1:7: " in error.message


def test_a_file_without_a_name_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, "dependencies: [numpy]").name is None


def test_values_of_variables_are_never_shown(tmp_path: Path) -> None:
    for text in ("variables: {A-B: hunter2}", "variables: {A: [hunter2]}"):
        error = refusal(tmp_path, text)
        assert "hunter2" not in f"{error.message}{error.hint}{error.detail}"


def test_variables_keep_what_is_written(tmp_path: Path) -> None:
    spec = load(tmp_path, "variables: {A: 1.10, b: yes, C: '', D: 0x1f, E: 2024-01-01}")
    assert spec.variables == (
        ("A", "1.10"),
        ("b", "yes"),
        ("C", ""),
        ("D", "0x1f"),
        ("E", "2024-01-01"),
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("prefix: /home/me/x\ndependencies: [a]", "environment.yml:1: prefix: is ignored"),
        ("platforms: [linux-64]\ndependencies: [a]", "the key 'platforms' is not known"),
        ("name: x", "names no packages"),
        ("dependencies: []", "names no packages"),
        ("dependencies:", "names no packages"),
        ("dependencies:\n- pip:\n- numpy\n", "environment.yml:2: pip: has nothing indented"),
    ],
)
def test_what_is_left_aside_is_noted(tmp_path: Path, text: str, note: str) -> None:
    spec = load(tmp_path, text)
    assert len(spec.notes) == 1
    assert note in spec.notes[0]


def test_files_of_the_pip_list_come_along(tmp_path: Path) -> None:
    write(tmp_path, "numpy\n-r more/base.txt\n", "requirements.txt")
    write(tmp_path, "torch\n", "more/base.txt")
    spec = load(tmp_path, "dependencies:\n- python\n- pip:\n  - -r requirements.txt\n")
    assert spec.pip == ("-r requirements.txt",)
    assert spec.pip_files == (
        ("requirements.txt", "numpy\n-r more/base.txt\n"),
        ("more/base.txt", "torch\n"),
    )


def test_the_file_is_found_by_a_fixed_order(tmp_path: Path) -> None:
    assert find_environment(tmp_path) is None
    names = ["pyproject.toml", "requirements.txt", "environment.yaml", "environment.yml"]
    for name in names:
        write(tmp_path, "", name)
        assert find_environment(tmp_path) == tmp_path / name


def test_a_dangling_link_is_found_so_that_it_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").symlink_to("gone")
    found = find_environment(tmp_path)
    assert found
    with pytest.raises(GpuwsError) as caught:
        load_environment(found)
    assert caught.value.code == "environment-file-missing"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "no kind of environment file" in refusal(tmp_path, "x", "Pipfile").message


def test_a_list_as_long_as_the_limit_is_read_in_time(tmp_path: Path) -> None:
    import time

    text = "dependencies:\n" + "".join(f"- package-{n}>=1.{n}\n" for n in range(20_000))
    begin = time.perf_counter()
    assert len(load(tmp_path, text).conda) == 20_000
    assert time.perf_counter() - begin < 20


def test_every_line_is_known_by_its_place(tmp_path: Path) -> None:
    spec = load(tmp_path, FULL)
    file = spec.source
    assert spec.at("channels", "https://conda.example.org/mine") == f"{file}:4"
    assert spec.at("conda", "numpy>=1.26") == f"{file}:7"
    assert spec.at("pip", "einops") == f"{file}:11"
    assert spec.at("variables", "WORKERS") == f"{file}:15"
    assert spec.at("pip", "numpy>=1.26") == file


def test_the_place_of_a_line_does_not_count_in_a_comparison(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == load(tmp_path, "# a line more\n" + FULL)
