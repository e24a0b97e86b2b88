"""`up` with code of this laptop: editable, as a wheel, and what every verb says of it."""

from __future__ import annotations

import pytest

from tests.journey.conftest import Lab
from tests.support.local_projects import project
from tests.support.package_index import wheel

pytestmark = pytest.mark.timeout(240)

FILE = """\
name: demo
dependencies:
  - pip:
      - -e .
      - ./tiny-1.0-py3-none-any.whl
"""
ASKED = "import mine, tiny; print(mine.SAYS, tiny.SAYS)"


def tiny(lab: Lab, says: str) -> None:
    wheel(lab.laptop.project, "tiny", "1.0", {"tiny.py": f"SAYS = {says!r}\n".encode()})


def told(lab: Lab) -> str:
    return lab.laptop.ok("exec", "gpubox", "--", "python", "-c", ASKED).out.strip()


def test_the_project_is_brought_along_and_edited_on_the_host(lab: Lab) -> None:
    run, there = lab.laptop.ok, lab.root / "projects/demo"
    project(lab.laptop.project, "mine", "from the laptop")
    tiny(lab, "first")
    lab.laptop.write("environment.yml", FILE)

    planned = "\n".join(run("--json", "up", "gpubox", "--no-jupyter", "--dry-run").data()["files"])
    assert f"{there}/ (-e .: 5 files" in planned
    assert "/tiny-1.0-py3-none-any.whl (./tiny-1.0-py3-none-any.whl: " in planned
    assert not lab.root.exists()

    first = run("--json", "up", "gpubox", "--no-jupyter")
    assert f"-e . lives in {there} on the host: change it there" in first.err
    assert told(lab) == "from the laptop first"
    (there / "mine/__init__.py").write_text("SAYS = 'from the host'\n")
    assert told(lab) == "from the host first"
    assert run("--json", "up", "gpubox", "--no-jupyter").data()["environment"]["action"] == "none"
    assert run("--json", "env", "diff").data()["file"] == "same"
    for how in ((), ("--exact",)):
        exported = run("env", "export", *how).out
        assert '- "-e ."\n' in exported
        assert '- "./tiny-1.0-py3-none-any.whl"\n' in exported

    tiny(lab, "second")
    assert run("--json", "env", "diff").data()["file"] == "changed"
    run("down", "--yes")


def test_bad_local_code_ends_before_anything_is_made(lab: Lab) -> None:
    lab.laptop.write("environment.yml", "name: demo\ndependencies:\n- pip:\n  - -e ./none\n")
    done = lab.laptop.run("--json", "up", "gpubox")
    assert done.code == 3
    error = done.json()["error"]
    assert error["code"] == "environment-file-invalid"
    assert error["message"].endswith("/environment.yml:4: there is no './none'")
    assert "Traceback" not in done.err
    assert not lab.root.exists()
