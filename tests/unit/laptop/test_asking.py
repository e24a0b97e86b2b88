"""Which environment files a command means, and which folder is its project."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws import asking
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.requests import UpRequest
from gpuws.report import Plain

QUIET = Plain(quiet=True, no_input=True)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an environment file of its own and files beside it."""
    for name in ("config", "state", "cache"):
        monkeypatch.setenv(f"GPUWS_{name.upper()}_DIR", str(tmp_path / name))
    folder = tmp_path / "project"
    for name in ("project/env", "config", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    for path in (folder / "requirements.txt", folder / "env/a.txt", folder / "env/b.txt"):
        path.write_text(f"{path.stem}-package\n")
    (tmp_path / "elsewhere/c.txt").write_text("pywin32\nc-package\n")
    monkeypatch.chdir(folder)
    return folder


def asked(
    *files: str, edits: list[tuple[Path, ...]] | None = None, foreign: bool = False
) -> UpRequest:
    questions: list[EnvironmentSpec] = []

    def confirm(spec: EnvironmentSpec) -> bool:
        questions.append(spec)
        return True

    request = asking.up_request(
        "gpubox",
        Options(),
        QUIET,
        files=[Path(each) for each in files],
        name="demo",
        use_env=None,
        confirm_foreign=confirm,
        edit=(edits if edits is not None else []).append,
    )
    assert [spec.foreign for spec in questions] == (["Windows"] if foreign else [])
    return request


def packages(request: UpRequest) -> tuple[str, ...]:
    assert request.spec
    return request.spec.pip


def entry(desk: Path, lines: str) -> None:
    text = "hosts:\n  gpubox:\n" + "".join(f"    {each}\n" for each in lines.split("; "))
    (desk.parent / "config/hosts.yaml").write_text(text)


def test_a_flag_wins_over_hosts_yaml_and_that_over_the_folder(desk: Path) -> None:
    assert packages(asked()) == ("requirements-package",)
    entry(desk, "environment: [env/a.txt, env/b.txt]")
    assert packages(asked()) == ("a-package", "b-package")
    assert packages(asked("env/b.txt")) == ("b-package",)
    (desk / "gpuws.yaml").write_text("environment: [env/b.txt, requirements.txt]\n")
    assert packages(asked()) == ("b-package", "requirements-package")


def test_an_environment_of_the_host_leaves_the_files_alone(desk: Path) -> None:
    entry(desk, "use_env: /opt/envs/x; environment: env/a.txt")
    edits: list[tuple[Path, ...]] = []
    request = asked(edits=edits)
    assert (request.spec, request.use_env, edits) == (None, "/opt/envs/x", [()])
    assert packages(asked("env/a.txt")) == ("a-package",)


def test_the_project_is_the_folder_that_all_files_are_in_else_the_current_one(desk: Path) -> None:
    assert asked().caller.folder == str(desk)
    assert asked("env/a.txt").caller.folder == str(desk / "env")
    assert asked("env/a.txt", "env/b.txt").caller.folder == str(desk / "env")
    assert asked("env/a.txt", "requirements.txt").caller.folder == str(desk)


def test_only_the_file_from_another_system_is_asked_about(desk: Path) -> None:
    request = asked("env/a.txt", "../elsewhere/c.txt", foreign=True)
    assert packages(request) == ("a-package", "c-package")
    assert request.spec and request.spec.foreign is None


def test_a_no_to_one_file_ends_it(desk: Path) -> None:
    with pytest.raises(GpuwsError) as caught:
        asking.up_request(
            "gpubox",
            Options(),
            QUIET,
            files=[Path("env/a.txt"), Path("../elsewhere/c.txt")],
            name=None,
            use_env=None,
            confirm_foreign=lambda _: False,
        )
    assert caught.value.code == "foreign-export"
    assert "c.txt is an export from Windows" in caught.value.message


def test_files_are_edited_before_they_are_read(desk: Path) -> None:
    def edit(listed: tuple[Path, ...]) -> None:
        listed[-1].write_text("edited-package\n")

    request = asking.up_request(
        "gpubox",
        Options(),
        QUIET,
        files=(),
        name=None,
        use_env=None,
        confirm_foreign=lambda _: False,
        edit=edit,
    )
    assert packages(request) == ("edited-package",)
