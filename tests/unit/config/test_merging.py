"""Several files are one: in order, the later line wins, and what it replaces is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.environment import load_environment
from gpuws.config.merging import merged
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import environment_hash

from .writing import load, write

BASE = """\
name: vision
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=1.26
  - pip
  - pip:
      - einops==0.7
      - Ruamel.YAML
variables:
  DATA: /data
  MODE: slow
"""
GPU = """\
name: gpu
channels: [nvidia, conda-forge]
dependencies:
  - NumPy>=2
  - pytorch
  - pip:
      - ruamel_yaml==0.18
variables:
  MODE: fast
"""
AS_ONE = """\
name: gpu
channels: [conda-forge, nvidia]
dependencies:
  - pytorch
  - NumPy>=2
  - python=3.11
  - pip
  - pip:
      - einops==0.7
      - ruamel_yaml==0.18
variables:
  MODE: fast
  DATA: /data
"""


def both(folder: Path, one: str, later: str, *names: str) -> EnvironmentSpec:
    first, second = names or ("base.yml", "gpu.yml")
    return merged([load(folder, one, first), load(folder, later, second)])


def hashed(spec: EnvironmentSpec) -> str:
    return environment_hash(spec, extra=(), machine="x86_64", channels=(), pip_index=None)


def test_two_files_are_the_environment_that_one_file_would_be(tmp_path: Path) -> None:
    found, written = both(tmp_path, BASE, GPU), load(tmp_path, AS_ONE)
    assert hashed(found) == hashed(written)
    assert sorted(found.conda) == sorted(written.conda)
    same = ("kind", "name", "channels", "pip", "pip_files", "python", "foreign")
    assert [getattr(found, key) for key in same] == [getattr(written, key) for key in same]
    assert dict(found.variables) == dict(written.variables)
    assert found.source == f"{tmp_path}/base.yml + {tmp_path}/gpu.yml"


def test_each_conflict_is_named_with_both_lines_and_no_value(tmp_path: Path) -> None:
    base, gpu = tmp_path / "base.yml", tmp_path / "gpu.yml"
    assert both(tmp_path, BASE, GPU).notes == (
        f"{gpu}:4: NumPy>=2 replaces numpy=1.26 of {base}:5",
        f"{gpu}:7: ruamel_yaml==0.18 replaces Ruamel.YAML of {base}:9",
        f"{gpu}:9: MODE replaces MODE of {base}:12",
        f"{gpu}: name: gpu replaces name: vision of {base}",
    )


def test_one_file_and_equal_lines_are_no_conflict(tmp_path: Path) -> None:
    spec = load(tmp_path, BASE)
    assert merged([spec]) is spec
    again = both(tmp_path, BASE, BASE)
    assert (again.notes, hashed(again)) == ((), hashed(spec))


def test_the_places_are_those_of_the_lines_that_count(tmp_path: Path) -> None:
    found = both(tmp_path, BASE, GPU)
    assert found.at("conda", "NumPy>=2") == f"{tmp_path}/gpu.yml:4"
    assert found.at("conda", "python=3.11") == f"{tmp_path}/base.yml:4"
    assert found.at("conda", "numpy=1.26") == found.source


def test_the_last_of_three_wins_over_the_one_before_it(tmp_path: Path) -> None:
    texts = ("numpy==1\n", "numpy==2\nscipy\n", "numpy==3\n")
    specs = [load(tmp_path, text, f"{n}.txt") for n, text in enumerate(texts)]
    found = merged(specs)
    assert found.pip == ("scipy", "numpy==3")
    assert [note.partition(": ")[2] for note in found.notes] == [
        f"numpy==2 replaces numpy==1 of {tmp_path}/0.txt:1",
        f"numpy==3 replaces numpy==2 of {tmp_path}/1.txt:1",
    ]


def test_two_lines_of_one_file_about_a_package_stay_together(tmp_path: Path) -> None:
    later = "dependencies:\n  - numpy>=1.20\n  - numpy<2\n"
    assert both(tmp_path, BASE, later).conda == ("python=3.11", "pip", "numpy>=1.20", "numpy<2")


def test_a_requirements_file_joins_an_environment_file(tmp_path: Path) -> None:
    text = "--extra-index-url https://a.example.org/simple\nEinops>=0.8\nrich\n"
    found = both(tmp_path, BASE, text, "environment.yml", "requirements.txt")
    option = "--extra-index-url https://a.example.org/simple"
    assert found.pip == ("Ruamel.YAML", option, "Einops>=0.8", "rich")
    assert (found.kind, found.name, found.python) == ("conda", "vision", "==3.11.*")


def test_an_index_is_replaced_and_its_password_is_not_told(tmp_path: Path) -> None:
    one = "-i https://me:secret@a.example.org/simple\n--pre\ntorch @ https://u:secret@a.example.org/t\n"
    later = "--index-url https://b.example.org/simple\n--pre\ntorch\n"
    found = both(tmp_path, one, later, "a.txt", "b.txt")
    assert found.pip == tuple(later.split("\n")[:-1])
    assert "secret" not in str(found.notes)
    assert [note.partition(": ")[2].partition(" of")[0] for note in found.notes] == [
        "--index-url replaces --index-url",
        "torch replaces torch",
    ]


def test_packages_that_are_addresses_are_each_their_own(tmp_path: Path) -> None:
    one, later = (
        "git+https://example.org/a\n",
        "git+https://example.org/b\nhttps://example.org/c.whl\n",
    )
    found = both(tmp_path, one, later, "a.txt", "b.txt")
    assert len(found.pip) == 3
    assert found.notes == ()


def test_a_projects_required_python_holds_beside_the_chosen_one(tmp_path: Path) -> None:
    project = '[project]\nname = "p"\nrequires-python = ">=3.10,<3.14"\ndependencies = ["rich"]\n'
    for names in (("environment.yml", "pyproject.toml"), ("pyproject.toml", "environment.yml")):
        texts = {"environment.yml": BASE, "pyproject.toml": project}
        found = both(tmp_path, texts[names[0]], texts[names[1]], *names)
        assert found.conda == ("python=3.11", "numpy=1.26", "pip", "python>=3.10,<3.14")
        assert found.python == "==3.11.*,>=3.10,<3.14"
        assert "rich" in found.pip
    alone = both(tmp_path, project, "numpy\n", "pyproject.toml", "requirements.txt")
    assert (alone.kind, alone.conda, alone.python) == ("pip", (), ">=3.10,<3.14")


def test_a_bare_python_takes_the_version_back(tmp_path: Path) -> None:
    found = both(tmp_path, BASE, "dependencies: [python]\n")
    assert (found.python, "python" in found.conda) == (None, True)


def test_two_files_may_refer_to_one_file_and_not_to_two_of_one_name(tmp_path: Path) -> None:
    write(tmp_path, "numpy\n", "more.txt")
    write(tmp_path, "numpy\n", "sub/more.txt")
    found = both(tmp_path, "-r more.txt\n", "-r more.txt\nrich\n", "a.txt", "sub/b.txt")
    assert (found.pip, found.pip_files) == (("-r more.txt", "rich"), (("more.txt", "numpy\n"),))
    write(tmp_path, "scipy\n", "sub/more.txt")
    with pytest.raises(GpuwsError) as caught:
        merged([load_environment(tmp_path / "a.txt"), load_environment(tmp_path / "sub/b.txt")])
    assert caught.value.code == "environment-file-invalid"
    assert "a.txt" in caught.value.message and "sub/b.txt" in caught.value.message
    assert caught.value.hint


def test_code_of_the_laptop_comes_along_from_either_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    one = "dependencies:\n  - python\n  - pip:\n      - -e .\n"
    found = both(tmp_path, one, "dependencies:\n  - numpy\n")
    assert [(each.line, each.kind) for each in found.local] == [("-e .", "editable")]
