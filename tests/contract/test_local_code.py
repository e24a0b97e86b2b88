"""Code of the laptop on a host: sent, installed by real pip and uv, and what is left of it."""

from __future__ import annotations

import ensurepip
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.config.environment import load_environment
from gpuws.environments import local
from gpuws.environments.build import Built, ensure, plan_lines
from gpuws.environments.choose import venv_instead
from gpuws.environments.installed import installed
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.plan.export import declared_from, exported
from gpuws.plan.local import placed
from gpuws.plan.lock import Lock
from gpuws.plan.model import EnvironmentSpec
from tests.support.build_bench import Bench, Heard, conda_tool, host_uv
from tests.support.conda_channel import Channel, serve
from tests.support.local_projects import project
from tests.support.package_index import publish, wheel
from tests.support.shells import shell

__all__ = ["shell"]

pytest_plugins = ["tests.support.conda_fixtures"]

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def bench(short_tmp: Path) -> Bench:
    """A host with uv; HOME has a space in its name."""
    home = short_tmp / "h me"
    home.mkdir()
    return Bench(home, str(short_tmp / "r"), tools=(host_uv(),))


@pytest.fixture(params=["uv", "pip"])
def either(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """What installs: the host's uv, or the pip of a venv."""
    return bench if request.param == "uv" else replace(bench, tools=())


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    folder.mkdir()
    return folder


def declared(laptop: Path, *lines: str) -> EnvironmentSpec:
    path = laptop / "requirements.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return load_environment(path)


def ordered(bench: Bench, spec: EnvironmentSpec, workspace: str = "demo") -> BuildOrder:
    folder = f"{bench.root}/projects/{workspace}"
    order = bench.order(replace(spec, local=placed(spec, workspace, folder)))
    if bench.tools:
        return order
    return replace(order, choice=venv_instead(order.choice, "this test is about pip"))


def up(bench: Bench, order: BuildOrder, heard: Heard | None = None) -> Built:
    """As the journey does it."""
    heard = heard or Heard()
    local.bring(bench.host(), order, heard)
    return ensure(bench.host(), order, heard, None)


def brought(bench: Bench, order: BuildOrder) -> Heard:
    heard = Heard()
    local.bring(bench.host(), order, heard)
    return heard


def refused(bench: Bench, order: BuildOrder) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        up(bench, order)
    return caught.value


def says(order: BuildOrder, module: str) -> str:
    command = [f"{order.prefix}/bin/python", "-c", f"import {module}; print({module}.SAYS)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.strip()


# --- editable -------------------------------------------------------------------------------------


def test_an_editable_is_its_folder_on_the_host_and_a_change_there_is_seen(
    bench: Bench, laptop: Path
) -> None:
    project(laptop, "mine", "from the laptop")
    order = ordered(bench, declared(laptop, "-e ."))
    heard = Heard()
    assert up(bench, order, heard).action == "created"
    assert says(order, "mine") == "from the laptop"
    there = bench.root / "projects/demo"
    assert f"-e . lives in {there} on the host: change it there" in heard.notes
    (there / "mine/__init__.py").write_text("SAYS = 'from the host'\n")
    assert says(order, "mine") == "from the host"


def test_an_editable_belongs_to_one_workspace(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "first")
    spec = declared(laptop, "-e .")
    first, second = ordered(bench, spec), ordered(bench, spec, "other")
    assert first.hash != second.hash
    up(bench, first)
    up(bench, second)
    (bench.root / "projects/other/mine/__init__.py").write_text("SAYS = 'second'\n")
    assert (says(first, "mine"), says(second, "mine")) == ("first", "second")


def test_a_folder_with_files_of_its_own_is_left_as_it_is(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "from the laptop")
    there = bench.root / "projects/demo"
    project(there, "mine", "was there")
    (there / "pyproject.toml").write_bytes(
        (there / "pyproject.toml").read_bytes().replace(b"\n", b"\r\n")
    )
    order, heard = ordered(bench, declared(laptop, "-e .")), Heard()
    up(bench, order, heard)
    assert says(order, "mine") == "was there"
    assert f"{there} on the host has files already: left as they are" in heard.notes


def test_a_folder_that_declares_another_project_is_refused_and_not_overwritten(
    bench: Bench, laptop: Path
) -> None:
    project(laptop, "mine", "from the laptop", needs=("iniconfig",))
    there = project(bench.root / "projects/demo", "mine", "was there")
    before = (there / "pyproject.toml").read_text()
    error = refused(bench, ordered(bench, declared(laptop, "-e .")))
    assert (error.code, error.exit) == ("local-code-differs", 10)
    assert str(there) in error.message
    assert f"scp {laptop}/pyproject.toml" in error.hint
    assert (there / "pyproject.toml").read_text() == before


def test_what_declares_an_editable_makes_its_environment_and_its_code_does_not(
    bench: Bench, laptop: Path
) -> None:
    def digest() -> str:
        return ordered(bench, declared(laptop, "-e .")).hash

    project(laptop, "mine", "one")
    first = digest()
    project(laptop, "mine", "two")
    assert digest() == first
    project(laptop, "mine", "two", needs=("iniconfig",))
    assert digest() != first


def test_a_project_and_one_inside_it_are_both_editable(bench: Bench, laptop: Path) -> None:
    project(laptop, "outer", "outer")
    project(laptop / "a/b", "inner", "inner")
    order = ordered(bench, declared(laptop, "-e ./a/b", "-e ."))
    up(bench, order)
    assert (says(order, "outer"), says(order, "inner")) == ("outer", "inner")


def test_an_empty_folder_that_somebody_is_in_stays_the_same_folder(
    bench: Bench, laptop: Path
) -> None:
    project(laptop, "mine", "x")
    (laptop / ".hidden").write_text("x")
    there = bench.root / "projects/demo"
    there.mkdir(parents=True)
    before = there.stat().st_ino
    brought(bench, ordered(bench, declared(laptop, "-e .")))
    assert there.stat().st_ino == before
    assert {each.name for each in there.iterdir()} >= {"mine", "pyproject.toml", ".hidden"}
    assert [each.name for each in there.parent.iterdir()] == ["demo"]


# --- folders and archives -------------------------------------------------------------------------


def test_folders_and_archives_are_installed_and_nothing_of_them_is_left(
    either: Bench, laptop: Path
) -> None:
    project(laptop / "lib", "lib", "lib", needs=("tiny",))
    project(laptop / "other lib", "other", "other")
    wheel(laptop / "wheels", "tiny", "1.0", {"tiny.py": b"SAYS = 'tiny'\n"})
    wheel(laptop / "wheels", "named", "1.0", {"named.py": b"SAYS = 'named'\n"})
    (laptop / "more.txt").write_text("named[more] @ file:./wheels/named-1.0-py3-none-any.whl\n")
    spec = declared(
        laptop,
        "./lib[more] ; python_version > '3'",
        "./other lib",
        "./wheels/tiny-1.0-py3-none-any.whl[more]  # why",
        "-r more.txt",
    )
    order = ordered(either, spec)
    up(either, order)
    for name in ("lib", "other", "tiny", "named"):
        assert says(order, name) == name
    assert not Path(order.folder, "local").exists()
    sent = sorted(path.name for path in (either.root / "cache/archives").glob("*/*/*"))
    assert sent == ["named-1.0-py3-none-any.whl", "tiny-1.0-py3-none-any.whl"]
    assert not (either.root / "projects").exists()


def test_a_changed_wheel_or_folder_is_another_environment(bench: Bench, laptop: Path) -> None:
    lines = ("./lib", "./wheels/tiny-1.0-py3-none-any.whl")
    orders = []
    for word in ("one", "two"):
        wheel(laptop / "wheels", "tiny", "1.0", {"tiny.py": f"SAYS = {word!r}\n".encode()})
        project(laptop / "lib", "lib", word)
        orders.append(ordered(bench, declared(laptop, *lines)))
        up(bench, orders[-1])
    assert orders[0].hash != orders[1].hash
    assert [(says(each, "lib"), says(each, "tiny")) for each in orders] == [
        ("one", "one"),
        ("two", "two"),
    ]


def test_a_real_build_backend_comes_from_the_index(bench: Bench, laptop: Path) -> None:
    project(laptop / "lib", "lib", "built", setuptools=True)
    order = ordered(bench, declared(laptop, "./lib"))
    up(bench, order)
    assert says(order, "lib") == "built"


def test_the_pip_section_of_a_conda_file_may_name_it(
    bench: Bench, conda_channel: Channel, laptop: Path
) -> None:
    bench = replace(bench, tools=(conda_tool(bench.home / "opt"),))
    project(laptop, "mine", "editable")
    wheel(laptop, "tiny", "1.0", {"tiny.py": b"SAYS = 'tiny'\n"})
    path = laptop / "environment.yml"
    path.write_text(
        f"channels: ['{conda_channel.url}']\ndependencies: [python={VERSION}, with-prefix, "
        "{pip: [-e ., ./tiny-1.0-py3-none-any.whl]}]\n"
    )
    spec = load_environment(path)
    assert spec.kind == "conda"
    order = ordered(bench, spec)
    up(bench, order)
    assert (says(order, "mine"), says(order, "tiny")) == ("editable", "tiny")


def test_without_an_index_a_folder_says_that_its_build_tool_is_missing(
    either: Bench, laptop: Path
) -> None:
    project(laptop / "lib", "lib", "x", setuptools=True)
    bundled = [*Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")]
    bundled += Path("/usr/share/python-wheels").glob("pip-*.whl")
    publish(laptop / "index", "pip", bundled[0])
    nowhere = (("PIP_CONFIG_FILE", "/dev/null"), ("PIP_DEFAULT_TIMEOUT", "1"))
    either = replace(either, env=nowhere)
    with serve(laptop / "index") as served:
        order = ordered(either, declared(laptop, "./lib"))
        error = refused(either, replace(order, pip_index=f"{served.url}/simple"))
    assert error.code == "pip-failed"
    assert "what builds local code or a source archive" in error.message
    assert "wheel" in error.hint


# --- sending --------------------------------------------------------------------------------------


def test_every_shell_unpacks_what_was_sent(
    bench: Bench, laptop: Path, shell: tuple[str, ...]
) -> None:
    bench = replace(bench, shell=shell)
    project(laptop, "mine", "x")
    (laptop / "link").symlink_to("mine/__init__.py")
    (laptop / "größe und mehr").write_text("x")
    (laptop / "größe und mehr").chmod(0o755)
    (laptop / ("deep/" * 30)).mkdir(parents=True)
    (laptop / ("deep/" * 30) / ("n" * 120)).write_text("x")
    wheel(laptop, "tiny", "1.0")
    order = ordered(bench, declared(laptop, "-e .", ".", "tiny-1.0-py3-none-any.whl"))
    brought(bench, order)
    for there in (bench.root / "projects/demo", Path(order.folder, "local/2")):
        assert (there / "link").readlink() == Path("mine/__init__.py")
        assert (there / "größe und mehr").stat().st_mode & 0o100
        assert not (there / "mine/__init__.py").stat().st_mode & 0o100
        assert (there / ("deep/" * 30) / ("n" * 120)).exists()
    link = Path(order.folder, "local/3/tiny-1.0-py3-none-any.whl")
    assert link.read_bytes() == (laptop / link.name).read_bytes()


def test_a_host_without_gzip_says_so_and_takes_wheels(
    bench: Bench, laptop: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for each in {path.name for folder in ("/bin", "/usr/bin") for path in Path(folder).iterdir()}:
        if each != "gzip":
            (tmp_path / "bin" / each).symlink_to(shutil.which(each) or "/nowhere")
    bench = replace(bench, env=(("PATH", str(tmp_path / "bin")),))
    project(laptop / "lib", "lib", "x")
    error = refused(bench, ordered(bench, declared(laptop, "./lib")))
    assert (error.code, error.exit) == ("unsupported-platform", 7)
    wheel(laptop, "tiny", "1.0")
    assert brought(bench, ordered(bench, declared(laptop, "tiny-1.0-py3-none-any.whl"))).lines


def test_what_is_there_is_not_sent_again(bench: Bench, laptop: Path) -> None:
    project(laptop / "lib", "lib", "x")
    wheel(laptop, "tiny", "1.0")
    order = ordered(bench, declared(laptop, "./lib", "tiny-1.0-py3-none-any.whl"))
    assert len(brought(bench, order).lines) == 2
    assert brought(bench, order).lines == []


def test_a_spoiled_archive_is_refused_and_sent_anew(bench: Bench, laptop: Path) -> None:
    wheel(laptop, "tiny", "1.0", {"tiny.py": b"SAYS = 'tiny'\n"})
    order = ordered(bench, declared(laptop, "tiny-1.0-py3-none-any.whl"))
    brought(bench, order)
    [kept] = (bench.root / "cache/archives").glob("*/*/*")
    kept.write_bytes(b"spoiled")
    assert refused(bench, order).code == "wrong-hash"
    up(bench, order)
    assert says(order, "tiny") == "tiny"


@pytest.mark.parametrize("line", ["-e .", ".", "tiny-1.0-py3-none-any.whl"])
def test_code_that_changes_while_it_is_sent_is_refused(
    bench: Bench, laptop: Path, line: str
) -> None:
    project(laptop, "mine", "x")
    wheel(laptop, "tiny", "1.0")
    order = ordered(bench, declared(laptop, line))
    project(laptop, "mine", "y", needs=("z",))
    wheel(laptop, "tiny", "1.0", {"tiny.py": b"another"})
    error = refused(bench, order)
    assert (error.code, error.retryable) == ("local-code-differs", True)
    assert not (bench.root / "projects").exists()


def test_an_editable_that_cannot_be_sent_says_why(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "x")
    (laptop / "out").symlink_to("/etc")
    error = refused(bench, ordered(bench, declared(laptop, "-e .")))
    assert (error.code, error.exit) == ("environment-file-invalid", 3)
    assert f"{laptop}/requirements.txt: -e .: the link 'out' leads out of the folder" in (
        error.message
    )


def test_a_file_where_an_editable_is_to_live_is_left_alone(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "x")
    (bench.root / "projects").mkdir(parents=True)
    (bench.root / "projects/demo").write_text("a file")
    assert refused(bench, ordered(bench, declared(laptop, "-e ."))).code == "not-ours"
    assert (bench.root / "projects/demo").read_text() == "a file"


def test_the_plan_names_what_would_be_sent(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "x")
    size = wheel(laptop, "tiny", "1.0").stat().st_size / 1000
    order = ordered(bench, declared(laptop, "-e .", ".", "tiny-1.0-py3-none-any.whl"))
    told = "\n".join(plan_lines(order))
    assert f"{bench.root}/projects/demo/ (-e .: 5 files" in told
    assert "unless it has files already" in told
    assert f"{order.folder}/local/2/ (.: 5 files" in told
    assert f"/tiny-1.0-py3-none-any.whl (tiny-1.0-py3-none-any.whl: {size:,.1f} kB)" in told
    assert not bench.root.exists()


# --- with a lock, and back into a file ------------------------------------------------------------


def test_beside_a_lock_local_code_is_installed_without_its_dependencies(
    either: Bench, laptop: Path
) -> None:
    project(laptop, "mine", "mine", needs=("no-such-project-anywhere",))
    order = ordered(either, declared(laptop, "-e .[more]"))
    lock = Lock("conda-lock.yml", "linux-64", (), python=VERSION)
    up(either, replace(order, lock=lock))
    assert says(order, "mine") == "mine"


def test_an_export_has_the_lines_as_they_were_written(bench: Bench, laptop: Path) -> None:
    project(laptop, "mine", "x", needs=("tiny",))
    wheel(laptop, "tiny", "1.0")
    order = ordered(bench, declared(laptop, "-e .", "./tiny-1.0-py3-none-any.whl"))
    up(bench, order)
    found = installed(bench.host(), root=order.root, prefix=order.prefix)
    assert found.asked[-2:] == ("mine", "tiny")
    asked = declared_from(found.yml, found.pip, found.variables, without=(), local=found.local)
    for how in ("asked", "pinned", "exact"):
        text = exported("demo", asked, found.now, (), how)
        (laptop / "environment.yml").write_text(text)
        again = load_environment(laptop / "environment.yml")
        assert [each.line for each in again.local] == ["-e .", "./tiny-1.0-py3-none-any.whl"]
