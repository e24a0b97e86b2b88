"""`env lock`, `up` from a lock, `env update`: real solves over a real channel, real uv."""

from __future__ import annotations

import ensurepip
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

from tests.journey.test_conda import VERSION, calls
from tests.journey.test_conda import conda_lab as lab
from tests.support import micromamba
from tests.support.conda_channel import Channel, Served, serve
from tests.support.conda_fixtures import conda_cache, conda_channel, conda_jupyter_channel
from tests.support.lab import Lab, prefer_own_port
from tests.support.local_projects import project
from tests.support.package_index import publish, wheel

__all__ = ["calls", "conda_cache", "conda_channel", "conda_jupyter_channel", "lab"]

pytestmark = pytest.mark.timeout(300)


NO = ("--no-jupyter",)


def environment(channel: str, *packages: str, pip: tuple[str, ...] = ()) -> str:
    lines = "".join(f"  - {each}\n" for each in (f"python={VERSION}", *packages))
    section = "  - pip:\n" + "".join(f"    - {each}\n" for each in pip) if pip else ""
    return f"name: demo\nchannels:\n  - {channel}\ndependencies:\n{lines}{section}"


def packages(file: str) -> list[dict[str, Any]]:
    """What the lock names, as any YAML reader sees it."""
    found: list[dict[str, Any]] = yaml.safe_load(Path(file).read_text())["package"]
    return found


@pytest.fixture
def served(conda_channel: Channel) -> Iterator[Served]:
    with serve(conda_channel) as served:
        yield served


def test_a_lock_is_solved_here_and_only_downloaded_and_linked_there(
    lab: Lab, served: Served, calls: Path
) -> None:
    run = lab.laptop.ok
    lab.laptop.write("environment.yml", environment(served.url, "pandas"))
    locked = run("--json", "env", "lock", "gpubox", "--no-jupyter").data()
    assert locked["file"].endswith("/conda-lock.yml")
    versions = {each["name"]: each["version"] for each in packages(locked["file"])}
    assert (versions["pandas"], versions["numpy"]) == ("2.2.3", "2.1.3")
    assert micromamba.calls(calls) == []

    served.log.clear()
    done = run("--json", "up", "gpubox", "--no-jupyter", "--locked")
    made = done.data()["environment"]
    assert (made["tool"], made["action"]) == ("micromamba", "created")
    assert not [path for path in served.log if "repodata" in path]
    created = next(words for words in micromamba.calls(calls) if "create" in words)
    assert created[-1].endswith("/explicit.txt")
    asked = "import pandas, numpy; print(pandas.__version__, numpy.__version__)"
    assert run("exec", "gpubox", "--", "python", "-c", asked).out == "2.2.3 2.1.3\n"
    against = run("--json", "env", "diff", "gpubox").data()
    assert (against["file"], against["lock"]) == ("same", "same")
    assert "its lock names exactly this one" in run("env", "diff", "gpubox").out
    lab.laptop.write("environment.yml", environment(served.url, "pandas", "hello"))
    against = run("--json", "env", "diff", "gpubox").data()
    assert (against["file"], against["lock"]) == ("changed", "stale")
    run("env", "lock", "gpubox", "--no-jupyter")
    assert run("--json", "env", "diff", "gpubox").data()["lock"] == "changed"
    run("down", "--yes")


def test_what_is_locked_stays_until_it_is_updated(lab: Lab, served: Served) -> None:
    run = lab.laptop.ok
    lab.laptop.write("environment.yml", environment(served.url, "pandas", "numpy<2"))
    run("env", "lock", "gpubox", "--no-jupyter")
    lab.laptop.write("environment.yml", environment(served.url, "pandas", "numpy"))
    kept = run("--json", "env", "lock", "gpubox", "--no-jupyter").data()
    assert (kept["added"], kept["removed"], kept["changed"]) == ([], [], [])
    lab.laptop.write("environment.yml", environment(served.url, "pandas", "numpy", "hello"))
    more = run("env", "lock", "gpubox", "--no-jupyter").out.splitlines()
    assert more[1:] == ["+ hello 1.0 pyhtest_0"]


def test_env_update_renews_the_lock_and_builds_from_it(
    lab: Lab, conda_jupyter_channel: Channel
) -> None:
    run = lab.laptop.ok
    with serve(conda_jupyter_channel) as served:
        lab.laptop.write("environment.yml", environment(served.url, "pandas", "numpy<2"))
        run("env", "lock", "gpubox")
        lab.laptop.write("environment.yml", environment(served.url, "pandas", "numpy"))
        one = run("--json", "env", "update", "gpubox", "six").data()
        assert one["changed"] == []
        every = run("--json", "env", "update", "gpubox").data()
        assert every["changed"] == [["numpy 1.26.4 pyhtest_0", "numpy 2.1.3 pyhtest_0"]]
        assert every["environment"]["prefix"] == one["environment"]["prefix"]  # runs in what it has
        switched = run("--json", "up", "gpubox", "--restart").data()
        assert (switched["environment"]["action"], switched["beside"]) == ("updated", "")
        assert switched["environment"]["prefix"] == every["beside"] != one["environment"]["prefix"]
        run("down", "--yes")


def test_a_lock_that_the_file_has_left_behind_is_refused_with_the_reason(
    lab: Lab, served: Served
) -> None:
    run = lab.laptop.run
    lab.laptop.write("environment.yml", environment(served.url))
    assert run("up", "gpubox", "--no-jupyter", "--locked").code == 3
    lab.laptop.ok("env", "lock", "gpubox", "--no-jupyter")
    lab.laptop.write("environment.yml", environment(served.url, "six"))
    stale = run("--json", "up", "gpubox", "--no-jupyter")
    error = stale.json()["error"]
    assert (stale.code, error["code"]) == (3, "lock-stale")
    assert "it has no six" in error["message"]
    assert "gpuws env lock" in error["hint"]
    assert not (lab.root / "envs").exists()
    lab.laptop.ok("up", "gpubox", "--no-jupyter", "--no-lock")
    assert run("exec", "gpubox", "--", "python", "-c", "import six").code == 0
    lab.laptop.ok("down", "--yes")


def test_a_lock_without_jupyter_is_stale_for_an_up_with_it(lab: Lab, served: Served) -> None:
    lab.laptop.write("environment.yml", environment(served.url))
    lab.laptop.ok("env", "lock", "gpubox", "--no-jupyter")
    done = lab.laptop.run("--json", "up", "gpubox")
    assert done.json()["error"]["code"] == "lock-stale"
    assert "ipykernel, jupyterlab" in done.json()["error"]["message"]


def test_the_driver_of_another_machine_is_said_and_picks_its_builds(
    lab: Lab, served: Served
) -> None:
    lab.laptop.write("environment.yml", environment(served.url, "torchlet"))

    def build(*more: str) -> str:
        done = lab.laptop.ok("--json", "env", "lock", "gpubox", "--no-jupyter", *more)
        found = packages(done.data()["file"])
        return next(str(each["build"]) for each in found if each["name"] == "torchlet")

    assert build() == "cpu_0"
    told = lab.laptop.ok("env", "lock", "gpubox", "--no-jupyter").err
    assert "torchlet: locked without CUDA, since gpubox shows no driver; --cuda 12.4" in told
    (lab.laptop.project / "conda-lock.yml").unlink()
    assert build("--cuda", "12.4") == "cuda126_0"
    assert "without CUDA" not in lab.laptop.ok("env", "lock", "gpubox", "--cuda", "12.4", *NO).err
    wrong = lab.laptop.run("env", "lock", "gpubox", "--cuda", "new")
    assert wrong.code == 2


def test_the_same_packages_are_one_environment_whatever_the_file_says(
    lab: Lab, served: Served
) -> None:
    run = lab.laptop.ok
    first = environment(served.url, "pandas")
    lab.laptop.write("environment.yml", first)
    run("env", "lock", "gpubox", "--no-jupyter")
    one = run("--json", "up", "gpubox/one", "--no-jupyter").data()["environment"]
    lab.laptop.write("other.yml", first.replace("  - pandas", "  - pandas>=2"))
    run("env", "lock", "gpubox", "--no-jupyter", "-f", "other.yml")
    assert (lab.laptop.project / "other.conda-lock.yml").exists()
    served.log.clear()
    two = run("--json", "up", "gpubox/two", "--no-jupyter", "-f", "other.yml").data()
    assert two["environment"]["action"] == "reused"
    assert two["environment"]["prefix"] == one["prefix"]
    assert served.log == []
    run("down", "gpubox", "--all", "--yes")


def test_an_archive_that_is_not_what_was_locked_ends_the_build(lab: Lab, served: Served) -> None:
    lab.laptop.write("environment.yml", environment(served.url, "six"))
    file = Path(lab.laptop.ok("--json", "env", "lock", "gpubox", "--no-jupyter").data()["file"])
    six = next(each for each in packages(str(file)) if each["name"] == "six")
    file.write_text(file.read_text().replace(six["hash"]["sha256"], "0" * 64))
    done = lab.laptop.run("--json", "up", "gpubox", "--no-jupyter")
    error = done.json()["error"]
    assert (done.code, error["code"]) == (8, "wrong-hash")
    assert not list(lab.root.glob("envs/*"))


def test_an_environment_that_cannot_be_had_is_told_in_the_solvers_words(
    lab: Lab, served: Served
) -> None:
    lab.laptop.write("environment.yml", environment(served.url, "left", "right"))
    done = lab.laptop.run("--json", "env", "lock", "gpubox", "--no-jupyter")
    error = done.json()["error"]
    assert (done.code, error["code"]) == (8, "unsatisfiable")
    assert "shared" in done.err
    assert "environment.yml:6 (left), " in error["hint"]
    assert "environment.yml:7 (right)" in error["hint"]
    assert not (lab.laptop.project / "conda-lock.yml").exists()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index over http with two packages of which one needs the other, and conda's numpy."""
    wheels = tmp_path / "wheels"
    for name, version in (("inner", "1.0"), ("inner", "2.0"), ("numpy", "9.9")):
        publish(tmp_path, name, *_wheels(wheels, name, version))
    outer = wheel(wheels, "outer", "1.5", metadata="Requires-Dist: inner<2\nRequires-Dist: numpy\n")
    publish(tmp_path, "outer", outer)
    publish(tmp_path, "pip", *_pip_wheels())
    with serve(tmp_path) as served:
        yield f"{served.url}/simple"


def _pip_wheels() -> list[Path]:
    """The one that makes virtual environments: CPython's own, or Debian's place for it."""
    places = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
    return [wheel for place in places for wheel in place.glob("pip-*.whl")][:1]


def _wheels(folder: Path, name: str, version: str) -> list[Path]:
    wheel(folder, name, version)
    return sorted(folder.glob(f"{name}-*.whl"))


def test_the_pip_section_is_locked_beside_what_conda_brings(
    lab: Lab, served: Served, index: str
) -> None:
    run = lab.laptop.ok
    prefer_own_port(lab.laptop, f"    pip_index: {index}\n")
    text = environment(served.url, "numpy", "pip", pip=("outer>=1",))
    lab.laptop.write("environment.yml", text)
    locked = run("--json", "env", "lock", "gpubox", "--no-jupyter").data()
    by_pip = {
        each["name"]: each["version"]
        for each in packages(locked["file"])
        if each["manager"] == "pip"
    }
    assert by_pip == {"outer": "1.5", "inner": "1.0"}  # and numpy is conda's
    made = run("--json", "up", "gpubox", "--no-jupyter", "--locked").data()["environment"]
    asked = "import outer, inner, numpy; print(inner.__version__, numpy.__version__)"
    assert run("exec", "gpubox", "--", "python", "-c", asked).out == "1.0 2.1.3\n"
    recorded = lab.root / "builds" / made["prefix"].rpartition("/")[2] / "locked.txt"
    assert "--hash=sha256:" in recorded.read_text()
    run("down", "--yes")


def test_what_local_code_needs_is_locked_and_the_code_itself_is_installed_beside(
    lab: Lab, served: Served, index: str
) -> None:
    run = lab.laptop.ok
    prefer_own_port(lab.laptop, f"    pip_index: {index}\n")
    project(lab.laptop.project, "mine", "editable", needs=("outer",))
    wheel(lab.laptop.project, "tiny", "1.0", {"tiny.py": b"SAYS = 'tiny'\n"})
    local = ("-e .", "./tiny-1.0-py3-none-any.whl")
    text = environment(served.url, "numpy", "pip", pip=local)
    lab.laptop.write("environment.yml", text)
    locked = run("--json", "env", "lock", "gpubox", "--no-jupyter").data()
    by_pip = {each["name"] for each in packages(locked["file"]) if each["manager"] == "pip"}
    assert by_pip == {"outer", "inner"}
    run("--json", "up", "gpubox", "--no-jupyter", "--locked")
    asked = "import mine, tiny, outer; print(mine.SAYS, tiny.SAYS)"
    assert run("exec", "gpubox", "--", "python", "-c", asked).out == "editable tiny\n"

    project(lab.laptop.project, "mine", "editable", needs=("inner",))
    stale = lab.laptop.run("--json", "up", "gpubox", "--no-jupyter", "--locked")
    assert (stale.code, stale.json()["error"]["code"]) == (3, "lock-stale")
    run("down", "--yes")


def test_a_requirements_file_is_locked_for_the_hosts_python_and_built_by_uv(
    lab: Lab, index: str
) -> None:
    run = lab.laptop.ok
    prefer_own_port(lab.laptop, f"    pip_index: {index}\n")
    lab.laptop.write("requirements.txt", "outer\n")
    file = ("-f", "requirements.txt")
    locked = run("--json", "env", "lock", "gpubox", "--no-jupyter", *file).data()
    versions = {each["name"]: each["version"] for each in packages(locked["file"])}
    assert versions["outer"] == "1.5"
    assert versions["numpy"] == "9.9"
    done = run("--json", "up", "gpubox", "--no-jupyter", "--locked", *file).data()["environment"]
    assert done["tool"] in ("uv", "venv")
    asked = "import inner, numpy; print(inner.__version__, numpy.__version__)"
    assert run("exec", "gpubox", "--", "python", "-c", asked).out == "1.0 9.9\n"
    run("down", "--yes")


def test_conda_lock_itself_reads_what_is_written(lab: Lab, served: Served, index: str) -> None:
    prefer_own_port(lab.laptop, f"    pip_index: {index}\n")
    lab.laptop.write("environment.yml", environment(served.url, "pandas", "pip", pip=("outer",)))
    lab.laptop.ok("env", "lock", "gpubox", "--no-jupyter")
    command = [find_uv_bin(), "tool", "run", "conda-lock", "render", "--kind", "explicit"]
    done = subprocess.run(
        [*command, "-p", "linux-64", "--filename-template", "of-{platform}.lock", "conda-lock.yml"],
        cwd=lab.laptop.project,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rendered = (lab.laptop.project / "of-linux-64.lock").read_text()
    assert "@EXPLICIT" in rendered
    assert "/noarch/pandas-2.2.3-pyhtest_0.conda#" in rendered
    assert "# pip outer" in rendered


def test_a_lock_names_the_origin_and_is_built_through_the_mirror(
    lab: Lab, served: Served, conda_channel: Channel
) -> None:
    run = lab.laptop.ok
    with serve(conda_channel) as mirror:
        more = f"    mirror:\n      channels:\n        {served.url}: {mirror.url}\n"
        prefer_own_port(lab.laptop, more)
        lab.laptop.write("environment.yml", environment(served.url, "six"))
        file = run("--json", "env", "lock", "gpubox", *NO).data()["file"]
        assert served.log == []
        assert {each["url"].rsplit("/", 2)[0] for each in packages(file)} == {served.url}
        run("up", "gpubox", *NO)
        assert archives(served) == []
        assert "/channel/noarch/six-1.16.0-pyhtest_0.conda" in archives(mirror)
        run("down", "--yes", "--purge")

        mirror.faults.missing.add("hello-")
        lab.laptop.write("environment.yml", environment(served.url, "six", "hello"))
        run("env", "lock", "gpubox", *NO)
        run("up", "gpubox", *NO)
        assert "the mirror lacks a package of the lock" in run("logs", "gpubox", "--build").out
        assert "/channel/noarch/hello-1.0-pyhtest_0.tar.bz2" in archives(served)
        run("down", "--yes")


def archives(server: Served) -> list[str]:
    return [path for path in server.log if path.endswith((".conda", ".bz2"))]


def test_code_of_the_laptop_beside_a_lock_is_no_difference(lab: Lab, served: Served) -> None:
    run = lab.laptop.ok
    project = '[project]\nname = "mine"\nversion = "1"\n'
    lab.laptop.write("pyproject.toml", project)
    lab.laptop.write("mine.py", "X = 1\n")
    lab.laptop.write("environment.yml", environment(served.url, "pip", pip=("-e .",)))
    run("env", "lock", "gpubox", *NO)
    run("up", "gpubox", *NO)
    told = run("--json", "env", "diff", "gpubox").data()
    assert (told["file"], told["lock"]) == ("same", "same")
    assert (told["unasked"], told["unmet"], told["commands"]) == ([], [], [])
    run("down", "--yes")


def test_a_private_channel_is_locked_and_built_from_and_its_password_is_written_nowhere(
    lab: Lab, served: Served
) -> None:
    run = lab.laptop.ok
    served.faults.login = "me:hunter2"
    private = served.url.replace("http://", "http://me:hunter2@")
    prefer_own_port(lab.laptop, f"    channels: ['{private}']\n")
    lab.laptop.write("environment.yml", environment("elsewhere", "six"))
    locked = run("env", "lock", "gpubox", *NO)
    text = (lab.laptop.project / "conda-lock.yml").read_text()
    assert f"{served.url}/noarch/six-" in text
    built = run("up", "gpubox", *NO)
    logs = run("logs", "gpubox", "--build")
    run("down", "--yes", "--purge")
    run("env", "gc", "gpubox", "--yes")
    sent = run("up", "gpubox", *NO, "--offline")
    run("down", "--yes")
    said = [text, *(each.out + each.err for each in (locked, built, logs, sent))]
    assert not [each for each in said if "hunter2" in each]
