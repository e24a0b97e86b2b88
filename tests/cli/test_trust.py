"""A cloned repository's gpuws.yaml and hosts.yaml: little counts without a person's yes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pexpect
import pytest

from tests.cli.test_contract import failure
from tests.support.lab import Lab
from tests.support.laptop import Laptop

ENVIRONMENT = "name: demo\ndependencies:\n  - pip\n"
WANTS = "gpus: none\nprologue:\n  - touch owned\nroot: ~/elsewhere\n"


@pytest.fixture
def cloned(laptop: Laptop) -> Laptop:
    """gpubox is an alias where nobody listens: exit 6 is what a command ends with that goes on."""
    laptop.write("environment.yml", ENVIRONMENT)
    laptop.write("gpuws.yaml", WANTS)
    return laptop


def typed(laptop: Laptop, *words: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", *words],
        cwd=str(laptop.project),
        env={**laptop.env, "TERM": "dumb", "NO_COLOR": "1"},
        dimensions=(24, 200),
        encoding="utf-8",
        timeout=20,
    )


def end_of(child: pexpect.spawn[str]) -> tuple[int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


# --- gpuws.yaml ---------------------------------------------------------------------------------


def test_without_a_terminal_what_wants_more_is_exit_12_with_its_lines(cloned: Laptop) -> None:
    error = failure(cloned.run("--json", "up", "gpubox"), 12)
    assert error["code"] == "not-trusted"
    assert "gpuws.yaml:2" in str(error["message"])
    assert "prologue (line 2), root (line 4)" in str(error["message"])
    assert "gpus" not in str(error["message"])
    assert "`gpuws trust gpuws.yaml`" in str(error["hint"])
    assert not cloned.keepers()
    assert cloned.run("up", "gpubox", "--yes").code == 12  # that yes is for other questions


def test_a_terminal_shows_exactly_the_lines_that_want_more_and_remembers_a_yes(
    cloned: Laptop,
) -> None:
    child = typed(cloned, "up", "gpubox")
    child.expect(re.escape("Allow it, as long as the file stays as it is? [y/N] "))
    shown = (child.before or "").splitlines()
    lines = [line.strip() for line in shown if line.startswith("  ")]
    assert lines == ['gpuws.yaml:2: prologue: ["touch owned"]', 'gpuws.yaml:4: root: "~/elsewhere"']
    child.sendline("y")
    code, told = end_of(child)
    assert code == 6
    assert "gpuws.yaml:1 sets gpus" in told
    failure(cloned.run("--json", "up", "gpubox"), 6)

    cloned.write("gpuws.yaml", WANTS + "# changed\n")
    failure(cloned.run("--json", "up", "gpubox"), 12)


def test_a_no_is_exit_12_and_is_asked_again(cloned: Laptop) -> None:
    for _ in range(2):
        child = typed(cloned, "up", "gpubox")
        child.expect(re.escape("[y/N] "))
        child.sendline("n")
        assert end_of(child)[0] == 12


def test_a_question_that_would_be_cut_is_not_asked(cloned: Laptop) -> None:
    cloned.write("gpuws.yaml", f"prologue: 'true {'x' * 5000}; curl evil'\n")
    code, told = end_of(typed(cloned, "up", "gpubox"))
    assert code == 12
    assert "gpuws trust gpuws.yaml" in told


def test_trust_remembers_the_file_as_it_is_and_can_forget_it(
    cloned: Laptop, tmp_path: Path
) -> None:
    told = cloned.ok("trust").out
    assert 'gpuws.yaml:2: prologue: ["touch owned"]' in told
    failure(cloned.run("--json", "up", "gpubox"), 6)
    [known] = cloned.ok("--json", "trust", "--list").data()["trusted"]
    assert known["file"] == str(cloned.project / "gpuws.yaml")
    assert known["unchanged"] is True
    assert (cloned.folder / "state/trusted.json").stat().st_mode & 0o777 == 0o600

    copy = tmp_path / "copy"
    copy.mkdir()
    cloned.project, project = copy, cloned.project
    cloned.write("environment.yml", ENVIRONMENT)
    cloned.write("gpuws.yaml", WANTS)
    failure(cloned.run("--json", "up", "gpubox"), 12)  # the same words of somebody else
    cloned.project = project

    assert cloned.ok("--json", "trust", "--forget").data()["forgotten"] == [known["file"]]
    failure(cloned.run("--json", "up", "gpubox"), 12)
    assert cloned.ok("trust", "--list").out == ""


def test_trust_without_a_file_to_trust_is_exit_2(laptop: Laptop) -> None:
    assert failure(laptop.run("--json", "trust"), 2)["code"] == "usage"
    assert failure(laptop.run("--json", "trust", "nowhere.yaml"), 3)["code"]


def test_a_damaged_memory_holds_no_yes(cloned: Laptop) -> None:
    cloned.ok("trust")
    (cloned.folder / "state/trusted.json").write_text('{"trusted": [{}]}')
    failure(cloned.run("--json", "up", "gpubox"), 12)


def test_what_is_free_counts_and_says_its_place_and_a_flag_wins(laptop: Laptop) -> None:
    laptop.hosts("hosts:\n  gpubox:\n    gpus: 4\n    use_env: base\n")
    laptop.write("other.yml", "name: demo\ndependencies: nothing\n")
    laptop.write("gpuws.yaml", "environment: other.yml\ngpus: 2\nname: mine\nidle: 1h\n")
    done = laptop.run("--json", "up", "gpubox")
    assert "other.yml:2" in str(failure(done, 3)["message"])  # it was read
    for said in ("gpuws.yaml:4: idle: is ignored", "gpuws.yaml:2 sets gpus", "yaml:3 sets name"):
        assert said in done.err
    done = laptop.run("up", "gpubox", "--gpus", "1", "--name", "x", "--use-env", "base")
    assert done.code == 6
    assert "sets" not in done.err


def test_a_mistake_in_it_is_told_with_its_place(laptop: Laptop) -> None:
    laptop.write("gpuws.yaml", "gpus: many\n")
    error = failure(laptop.run("--json", "up", "gpubox", "--use-env", "x"), 3)
    assert error["code"] == "project-file-invalid"
    assert "gpuws.yaml:1:7" in str(error["message"])


# --- hosts.yaml of a project ----------------------------------------------------------------------


def test_an_entry_that_says_where_to_log_in_wants_a_yes_for_every_verb(laptop: Laptop) -> None:
    laptop.write("hosts.yaml", "hosts:\n  lab:\n    ssh: gpubox\n    gpus: 1\n  free:\n")
    for verb in ("url", "down", "attach"):
        error = failure(laptop.run("--json", verb, "lab"), 12)
        assert "hosts.yaml:3" in str(error["message"])
    assert failure(laptop.run("--json", "url", "free"), 3)["code"] == "unknown-host"
    laptop.ok("trust", "hosts.yaml")
    failure(laptop.run("--json", "url", "lab"), 6)


def test_an_entry_never_shadows_an_alias_or_an_entry_of_the_user(laptop: Laptop) -> None:
    laptop.hosts("hosts:\n  mine:\n    ssh: gpubox\n")
    entry = "    ssh: me@198.51.100.1\n    prologue: touch owned\n"
    laptop.write("hosts.yaml", f"hosts:\n  mine:\n{entry}  gpubox:\n{entry}")
    for host, place in (("mine", "hosts.yaml:2"), ("gpubox", "hosts.yaml:5")):
        done = laptop.run("--json", "url", host)
        assert "127.0.0.1" in str(failure(done, 6)["message"])
        assert f"{place}: {host} is not used" in done.err


def test_a_file_that_is_the_users_own_is_no_projects(laptop: Laptop) -> None:
    laptop.write("hosts.yaml", "hosts:\n  lab:\n    ssh: gpubox\n    prologue: 'true'\n")
    done = laptop.run("--json", "--hosts", "hosts.yaml", "url", "lab")
    failure(done, 6)
    assert "is not used" not in done.err


# --- on a real host -------------------------------------------------------------------------------


def test_a_trusted_prologue_runs_and_a_folder_below_the_project_is_where_jupyter_opens(
    box: Lab, jupyter_env: Path
) -> None:
    laptop = box.laptop
    laptop.write("gpuws.yaml", "name: second\ndir: deep/er\nprologue: export FROM_FILE=1\n")
    try:
        up = ("--json", "up", "gpubox", "--use-env", str(jupyter_env), "--no-jupyter")
        failure(laptop.run(*up), 12)
        laptop.ok("trust")
        data = laptop.ok(*up).data()
        assert data["workspace"] == "gpubox/second"
        assert data["dir"] == str(box.root / "projects/second/deep/er")
        asked = ("exec", "gpubox/second", "--", "sh", "-c", "echo $FROM_FILE")
        assert laptop.ok(*asked).out == "1\n"
    finally:
        (laptop.project / "gpuws.yaml").unlink()
        laptop.run("down", "gpubox/second", "--yes")
