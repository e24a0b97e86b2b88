"""Environments on a host, from the declaration to the marker: real sh, uv, pip and channels."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpuws.engines.engine import SETSID, TMUX, Engine
from gpuws.environments.build import cancel, ensure, plan_lines
from gpuws.environments.choose import venv_instead
from gpuws.environments.conda.bring import unpacked
from gpuws.environments.installed import Installed, installed
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.plan.mixes import mixes
from gpuws.plan.model import EnvironmentSpec, Kept
from tests.support import micromamba
from tests.support.build_bench import (
    Bench,
    Heard,
    build,
    conda_tool,
    host_uv,
    kill_build,
    processes_of,
    wait_for,
)
from tests.support.conda_channel import Channel, make_channel, serve
from tests.support.conda_package import File, Package
from tests.support.conda_pythons import interpreters
from tests.support.package_index import publish, wheel

PYTHON = f"python={sys.version_info[0]}.{sys.version_info[1]}"
TOP = Path(__file__).parents[2]
pytest_plugins = ["tests.support.conda_fixtures"]


@pytest.fixture
def bench(short_tmp: Path) -> Iterator[Bench]:
    """HOME has a space in its name. Whatever a test leaves building is ended."""
    home = short_tmp / "h me"
    home.mkdir()
    yield Bench(home, str(short_tmp / "r"))
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("GPUWS_BUILD", "").startswith(str(home)):
                process.kill()


@pytest.fixture
def mamba(bench: Bench) -> Bench:
    """The same host with a micromamba (the stand-in) of its own."""
    return replace(bench, tools=(conda_tool(bench.home / "opt"),))


def conda_spec(
    channel: str, *packages: str, pip: tuple[str, ...] = (), **more: object
) -> EnvironmentSpec:
    return replace(
        EnvironmentSpec("environment.yml", "conda", channels=(channel,), conda=packages, pip=pip),
        **more,  # type: ignore[arg-type]
    )


def python_of(order: BuildOrder, code: str) -> str:
    command = [f"{order.prefix}/bin/python", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def log_of(order: BuildOrder) -> str:
    return Path(order.folder, "build.log").read_text()


def creations(bench: Bench) -> int:
    return sum("create" in call for call in micromamba.calls(bench.calls))


def refused(bench: Bench, order: BuildOrder) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        build(bench, order)
    assert caught.value.exit == 8 or caught.value.code == "disk-full"
    assert not Path(order.prefix).exists(), "a failed prefix gives its space back"
    assert processes_of(order) == []
    return caught.value


# --- without conda --------------------------------------------------------------------------------


def test_uv_builds_a_pip_file_from_the_package_index_and_the_second_up_reuses_it(
    bench: Bench,
) -> None:
    bench = replace(bench, tools=(host_uv(),))
    spec = EnvironmentSpec(
        "requirements.txt", "pip", pip=("iniconfig==2.0.0",), variables=(("GREETING", "it's"),)
    )
    order, heard = bench.order(spec), Heard()
    built = build(bench, order, heard)
    assert (built.tool, built.action, built.prefix) == ("uv", "created", order.prefix)
    assert python_of(order, "import iniconfig, pip; print(iniconfig.__file__)").startswith(
        order.prefix
    )
    assert any("iniconfig" in line for line in heard.lines)
    assert "GREETING" in Path(order.prefix, ".gpuws-variables").read_text()
    marker = json.loads(Path(order.prefix, ".gpuws-complete").read_text())
    assert marker["hash"] == order.hash
    assert marker["version"] == built.tool_version != ""

    host, before = bench.host(), Path(order.folder, "build.log").stat().st_mtime_ns
    again = ensure(host, order, Heard(), None)
    assert (again.action, again.tool, host.calls) == ("reused", "uv", 1)
    assert Path(order.folder, "build.log").stat().st_mtime_ns == before


@pytest.mark.parametrize("modules", [("iniconfig", "json.decoder"), ("iniconfig", "nonesuch")])
def test_modules_that_must_be_importable_are_imported_before_it_is_complete(
    bench: Bench, modules: tuple[str, ...]
) -> None:
    bench = replace(bench, tools=(host_uv(),))
    spec = EnvironmentSpec("requirements.txt", "pip", pip=("iniconfig==2.0.0",))
    order = replace(bench.order(spec), check=modules)
    if "nonesuch" not in modules:
        assert build(bench, order).action == "created"
        return
    error = refused(bench, order)
    assert error.code == "health-check-failed"
    assert "import nonesuch: ModuleNotFoundError" in error.detail


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A package index with one small package and the pip of this machine."""
    folder = tmp_path / "index"
    publish(folder, "tiny", wheel(tmp_path, "tiny", "1.0"), wheel(tmp_path, "tiny", "1.1"))
    import ensurepip

    bundled = [*Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")]
    bundled += Path("/usr/share/python-wheels").glob("pip-*.whl")
    publish(folder, "pip", bundled[0])
    return folder


def test_venv_and_pip_do_it_where_uv_cannot_be_brought(bench: Bench, index: Path) -> None:
    with serve(index) as served:
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny<1.1",))
        order = replace(bench, env=()).order(spec, pip_index=f"{served.url}/simple")
        heard = Heard()
        built = ensure(replace(bench, env=()).host(), order, heard, None)
    assert built.tool == "venv"
    assert "venv" in heard.warnings[0]
    assert python_of(order, "import tiny; print(tiny.__version__)") == "1.0"


def test_uv_is_given_what_pip_conf_of_the_host_says(bench: Bench, index: Path) -> None:
    bench = replace(bench, tools=(host_uv(),), env=())
    conf = bench.home / ".config" / "pip" / "pip.conf"
    conf.parent.mkdir(parents=True)
    with serve(index) as served:
        conf.write_text(f"[global]\n# mirror\nindex-url = {served.url}/simple\n")
        order = bench.order(EnvironmentSpec("requirements.txt", "pip", pip=("tiny",)))
        build(bench, order)
        assert "/channel/simple/tiny/" in served.log
    assert f"uv is given pip's index-url ({conf})" in log_of(order)
    assert served.url not in log_of(order).replace(f"{served.url}/simple/", "")


@pytest.mark.parametrize("engine", [TMUX, SETSID], ids=lambda engine: engine.name)
def test_what_the_login_says_by_variables_reaches_the_build(
    bench: Bench, index: Path, engine: Engine
) -> None:
    bench = replace(bench, engine=engine)
    with serve(index) as served:
        login = (("PIP_INDEX_URL", f"{served.url}/simple"), ("no_proxy", "it's"), ("SECRET", "x"))
        bench = replace(bench, tools=(host_uv(),), env=login)
        order = bench.order(EnvironmentSpec("requirements.txt", "pip", pip=("tiny",)))
        build(bench, order)
        assert "/channel/simple/tiny/" in served.log
    assert "uv is given pip's index-url (PIP_INDEX_URL)" in log_of(order)
    assert "no_proxy of the host is honoured" in log_of(order)


def test_requirements_that_refer_to_other_files_keep_them(bench: Bench, index: Path) -> None:
    bench = replace(bench, tools=(host_uv(),), env=())
    spec = EnvironmentSpec(
        "requirements.txt",
        "pip",
        pip=("-r ../more/base.txt", "-c limits.txt"),
        pip_files=(("../more/base.txt", "tiny\n"), ("limits.txt", "tiny<1.1\n")),
    )
    with serve(index) as served:
        order = bench.order(spec, pip_index=f"{served.url}/simple")
        build(bench, order)
    assert python_of(order, "import tiny; print(tiny.__version__)") == "1.0"


@pytest.mark.parametrize("by", ["uv", "venv"])
def test_what_is_kept_of_pip_constrains_and_is_let_go_where_it_cannot_be_had(
    bench: Bench, index: Path, by: str
) -> None:
    bench = replace(bench, tools=(host_uv(),), env=())
    for constraint, version in (("tiny==1.0", "1.0"), ("tiny==0.9", "1.1")):
        with serve(index) as served:
            spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",), name=constraint)
            order = bench.order(spec, pip_index=f"{served.url}/simple")
            order = replace(
                order, kept=Kept(pip=(constraint,)), hash=order.hash[:8] + version[-1] * 8
            )
            chosen = venv_instead(order.choice, "") if by == "venv" else order.choice
            order = replace(order, choice=chosen)
            assert build(bench, order).tool == by
        assert python_of(order, "import tiny; print(tiny.__version__)") == version
        assert ("once more, all of it free" in log_of(order)) is (version == "1.1")


def test_a_project_that_the_index_does_not_have_is_named(bench: Bench, index: Path) -> None:
    bench = replace(bench, tools=(host_uv(),), env=())
    with serve(index) as served:
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("no-such-project",))
        error = refused(bench, bench.order(spec, pip_index=f"{served.url}/simple"))
    assert error.code == "package-not-found"
    assert "no-such-project" in error.message


def test_a_wheel_that_is_not_what_the_index_promises_is_refused(
    bench: Bench, index: Path, tmp_path: Path
) -> None:
    bench = replace(bench, env=(), tools=(host_uv(),))
    publish(index, "tiny", wheel(tmp_path / "w", "tiny", "2.0"), sha256="0" * 64)
    with serve(index) as served:
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",))
        order = bench.order(spec, pip_index=f"{served.url}/simple")
        for choice in (order.choice, venv_instead(order.choice, "")):
            assert refused(bench, replace(order, choice=choice)).code == "wrong-hash"


# --- with conda -----------------------------------------------------------------------------------


def test_conda_pip_and_variables_and_the_second_time_asks_nobody(
    mamba: Bench, conda_channel: Channel, index: Path
) -> None:
    with serve(conda_channel) as served, serve(index) as packages:
        spec = conda_spec(
            served.url,
            PYTHON,
            "numpy=1.26",
            pip=("tiny",),
            variables=(("GREETING", 'it\'s a "b"'),),
        )
        order = mamba.order(spec, pip_index=f"{packages.url}/simple")
        heard = Heard()
        built = build(mamba, order, heard)
        assert (built.tool, built.tool_version, built.action) == ("micromamba", "2.8.1", "created")
        asked, calls = len(served.log), len(micromamba.calls(mamba.calls))
        assert asked > 0
        again = build(mamba, order)
        assert (again.action, again.tool) == ("reused", "micromamba")
        assert (len(served.log), len(micromamba.calls(mamba.calls))) == (asked, calls)
    versions = "import numpy, tiny; print(numpy.__version__, tiny.__version__)"
    assert python_of(order, versions) == "1.26.4 1.1"
    assert any(line.startswith("Linking numpy 1.26.4 (") for line in heard.lines)
    assert any(line.startswith("pip: Collecting tiny") for line in heard.lines)
    state = json.loads(Path(order.prefix, "conda-meta", "state").read_text())
    assert state["env_vars"] == {"GREETING": 'it\'s a "b"'}
    assert not (mamba.home / ".conda").exists()


@pytest.mark.parametrize("name", ["conda", "mamba"])
def test_each_conda_tool_gets_the_flags_it_has(
    bench: Bench, conda_channel: Channel, name: str
) -> None:
    bench = replace(bench, tools=(conda_tool(bench.home / "opt", name),))
    with serve(conda_channel) as served:
        spec = conda_spec(served.url, "shared=1.5", channels=(served.url, "nodefaults"))
        order = bench.order(spec)
        assert build(bench, order).tool == name
    assert Path(order.prefix, "share/shared/version").read_text() == "1.5-0\n"
    created = next(call for call in micromamba.calls(bench.calls) if "create" in call)
    expected = ["env", "create"] if name == "conda" else ["create", "--no-rc", "-y"]
    assert created[1 : 1 + len(expected)] == expected or created[: len(expected)] == expected


def test_a_condarc_of_the_host_is_honoured(mamba: Bench, conda_channel: Channel) -> None:
    with serve(conda_channel) as served:
        parent, name = served.url.rsplit("/", 1)
        (mamba.home / ".condarc").write_text(f"channel_alias: {parent}\n")
        order = mamba.order(conda_spec(name, "shared=2.5"))
        build(mamba, order)
    assert Path(order.prefix, "share/shared/version").exists()


def test_the_driver_decides_about_cuda_builds(mamba: Bench, conda_channel: Channel) -> None:
    order = replace(mamba.order(conda_spec(conda_channel.url, "torchlet")), cuda="12.6")
    build(mamba, order)
    assert "cuda126" in Path(order.prefix, "share/torchlet/version").read_text()


def test_jupyter_comes_through_pip_where_the_channels_do_not_have_it(
    mamba: Bench, conda_channel: Channel, index: Path, tmp_path: Path
) -> None:
    mamba = replace(mamba, env=())
    for name in ("jupyterlab", "ipykernel"):
        publish(index, name, wheel(tmp_path, name, "4.0"))
    with serve(index) as served:
        order = mamba.order(
            conda_spec(conda_channel.url, PYTHON, "numpy"),
            extra=("jupyterlab", "ipykernel"),
            pip_index=f"{served.url}/simple",
        )
        build(mamba, order)
    assert python_of(order, "import jupyterlab, numpy; print(jupyterlab.__version__)") == "4.0"
    assert creations(mamba) == 2


def test_prologue_and_variables_reach_the_build(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(
        conda_spec(conda_channel.url, "shared"),
        prologue=(
            'echo "prologue: $FROM_HOSTS"',
            "false",
            "unset HISTORY; echo $HISTORY",
            '[[ -n "$BASH_VERSION" ]] && echo it is bash',
        ),
        env=(("FROM_HOSTS", "a 'b'"),),
        cache_dir=str(mamba.home / "my cache"),
    )
    build(mamba, order)
    assert "prologue: a 'b'" in log_of(order)
    assert "it is bash" in log_of(order) or not shutil.which("bash")
    assert any((mamba.home / "my cache" / "conda").iterdir())


@pytest.mark.parametrize(
    ("packages", "code", "named"),
    [
        (("no-such-package",), "package-not-found", "no-such-package"),
        (("left", "right"), "unsatisfiable", "environment.yml"),
        (("wrong-hash",), "wrong-hash", "wrong-hash"),
    ],
)
def test_a_conda_failure_has_its_class(
    mamba: Bench, conda_channel: Channel, packages: tuple[str, ...], code: str, named: str
) -> None:
    with serve(conda_channel) as served:
        error = refused(mamba, mamba.order(conda_spec(served.url, *packages)))
    assert (error.code, named in error.message) == (code, True), (error.message, error.detail)
    assert error.hint
    assert 0 < len(error.detail.splitlines()) <= 30
    assert creations(mamba) == (2 if code == "wrong-hash" else 1), "a bad cache is tried once more"


def test_a_spoiled_package_cache_costs_one_more_try_with_a_private_one(
    mamba: Bench, conda_channel: Channel
) -> None:
    with serve(conda_channel) as served:
        order = mamba.order(conda_spec(served.url, "shared"), env=((micromamba.FAULT, "spoiled"),))
        assert build(mamba, order).action == "created"
    assert "once more with a private cache" in log_of(order)
    assert creations(mamba) == 2
    assert not Path(order.folder, "scratch").exists()


def test_an_unknown_channel_is_named(mamba: Bench, conda_channel: Channel) -> None:
    with serve(conda_channel) as served:
        error = refused(mamba, mamba.order(conda_spec(served.url + "-not", "shared")))
    assert error.code == "channel-unreachable"
    assert served.url + "-not" in error.message + error.detail


def test_a_pip_that_fails_with_status_0_is_a_failure(mamba: Bench, tmp_path: Path) -> None:
    site = "site-packages/pip"
    main = b"print('ERROR: could not install, and nobody is told')\n"
    liar = Package(
        "pip",
        "99.0",
        depends=("python",),
        files=(File(f"{site}/__init__.py"), File(f"{site}/__main__.py", main)),
        noarch="python",
    )
    channel = make_channel(
        tmp_path / "channel", pythons=interpreters()[:1], standard=False, extra=(liar,)
    )
    error = refused(mamba, mamba.order(conda_spec(channel.url, "python", pip=("tiny",))))
    assert error.code == "pip-failed"
    assert "missing after pip: tiny" in error.detail
    assert "nobody is told" in error.detail


def test_a_log_that_floods_is_kept_small(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(
        conda_spec(conda_channel.url, "shared"), env=((micromamba.FAULT, "flood:3"),)
    )
    build(mamba, order)
    sizes = [path.stat().st_size for path in Path(order.folder).glob("build.log*")]
    assert len(sizes) == 2
    assert sum(sizes) < 2_100_000


# --- interrupted, joined, shared ------------------------------------------------------------------


ELSEWHERE = """
import pickle, sys
from tests.support.build_bench import build
build(*pickle.loads(bytes.fromhex(sys.argv[1])))
"""


@pytest.fixture
def laptop() -> Iterator[Callable[[Bench, BuildOrder], subprocess.Popen[bytes]]]:
    """Another process that runs the same up, to be killed."""
    started: list[subprocess.Popen[bytes]] = []

    def up(bench: Bench, order: BuildOrder) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", ELSEWHERE, pickle.dumps((bench, order)).hex()]
        started.append(subprocess.Popen(command, cwd=TOP, stderr=subprocess.DEVNULL))
        return started[-1]

    yield up
    for each in started:
        each.kill()
        each.wait(10)


Laptop = Callable[[Bench, BuildOrder], "subprocess.Popen[bytes]"]


@pytest.mark.parametrize("engine", [TMUX, SETSID], ids=lambda engine: engine.name)
def test_a_build_outlives_its_laptop_and_the_next_up_joins_it(
    mamba: Bench, conda_channel: Channel, laptop: Laptop, engine: Engine
) -> None:
    mamba = replace(mamba, engine=engine)
    with serve(conda_channel) as served:
        served.faults.delay_s = 0.7
        order = mamba.order(conda_spec(served.url, "shared", "activated"))
        first = laptop(mamba, order)
        wait_for(Path(order.folder, "build.log"), "makes the environment")
        first.kill()
        pid = Path(order.folder, "pid").read_text()
        heard = Heard()
        built = build(mamba, order, heard)
    assert built.action == "created"
    assert "joining" in heard.notes[0]
    assert Path(order.folder, "pid").read_text() == pid
    assert creations(mamba) == 1


def test_a_build_killed_while_it_links_is_made_anew(
    mamba: Bench, conda_channel: Channel, laptop: Laptop
) -> None:
    spec = conda_spec(conda_channel.url, "shared", "activated", "with-prefix")
    order = mamba.order(spec)
    first = laptop(mamba, replace(order, env=(*order.env, (micromamba.FAULT, "hang:2"))))
    wait_for(Path(order.folder, "build.log"), "Linking")
    assert Path(order.prefix, "conda-meta").is_dir()
    kill_build(order)
    assert first.wait(20) == 1
    Path(order.prefix, "trash").write_text("of the build that was killed")
    built = build(mamba, order)
    assert built.action == "created"
    assert not Path(order.prefix, "trash").exists()
    assert Path(order.prefix, "share/shared/version").exists()


def test_the_one_who_waits_is_told_that_the_build_was_killed(
    mamba: Bench, conda_channel: Channel
) -> None:
    order = mamba.order(
        conda_spec(conda_channel.url, "shared", "activated"), env=((micromamba.FAULT, "hang:2"),)
    )

    def kill() -> None:
        wait_for(Path(order.folder, "build.log"), "Linking")
        kill_build(order)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(GpuwsError) as caught:
        build(mamba, order)
    killer.join()
    assert (caught.value.code, caught.value.retryable) == ("build-interrupted", True)


def test_two_ups_at_once_build_once(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(conda_spec(conda_channel.url, "shared", "activated"))
    results: list[str] = []

    def up() -> None:
        results.append(build(mamba, order).action)

    threads = [threading.Thread(target=up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert creations(mamba) == 1
    assert Path(order.prefix, ".gpuws-complete").exists()


@pytest.mark.parametrize("engine", [TMUX, SETSID], ids=lambda engine: engine.name)
def test_cancel_ends_a_build_and_takes_the_partial_prefix_away(
    mamba: Bench, conda_channel: Channel, laptop: Laptop, engine: Engine
) -> None:
    mamba = replace(mamba, engine=engine)
    order = mamba.order(
        conda_spec(conda_channel.url, "shared", "activated"), env=((micromamba.FAULT, "hang:2"),)
    )
    first = laptop(mamba, order)
    wait_for(Path(order.folder, "build.log"), "Linking")
    removed = cancel(mamba.host(), order.root, order.hash, order.engine)
    assert processes_of(order) == []
    assert not Path(order.prefix).exists()
    assert removed in ((), (order.prefix,))
    assert first.wait(20) == 1
    assert Path(order.folder, "state").read_text().startswith("failed build-interrupted")
    assert not Path(order.run).exists()
    assert cancel(mamba.host(), order.root, order.hash, order.engine) == ()


def test_cancel_leaves_a_complete_environment_alone(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(conda_spec(conda_channel.url, "shared"))
    build(mamba, order)
    assert cancel(mamba.host(), order.root, order.hash, order.engine) == ()
    assert build(mamba, order).action == "reused"


def test_a_prefix_that_is_a_link_is_refused_and_what_it_means_is_kept(
    mamba: Bench, conda_channel: Channel
) -> None:
    order = mamba.order(conda_spec(conda_channel.url, "shared"))
    precious = mamba.home / "precious"
    precious.mkdir()
    (precious / "data").write_text("years of work")
    Path(order.prefix).parent.mkdir(parents=True)
    Path(order.prefix).symlink_to(precious)
    with pytest.raises(GpuwsError) as caught:
        build(mamba, order)
    assert caught.value.code == "not-ours"
    assert (precious / "data").read_text() == "years of work"


def test_join_only_starts_nothing(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(conda_spec(conda_channel.url, "shared"))
    with pytest.raises(GpuwsError) as caught:
        ensure(mamba.host(), order, Heard(), None, join_only=True)
    assert caught.value.code == "environment-not-found"
    assert not mamba.root.exists()


def test_a_stale_lock_of_another_boot_does_not_hold_anybody_up(
    mamba: Bench, conda_channel: Channel
) -> None:
    order = mamba.order(conda_spec(conda_channel.url, "shared"))
    folder = Path(order.folder)
    folder.mkdir(parents=True)
    record = f"{os.uname().nodename} other-boot {os.getpid()} setsid {order.unit} {order.run}"
    (folder / "lock.7").symlink_to(record)
    (folder / "state").write_text("running")
    assert build(mamba, order).action == "created"
    assert [path.name for path in folder.glob("lock.*")] == ["lock.8"]


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix")], ids=lambda shell: shell[0])
def test_every_script_runs_under(
    mamba: Bench, conda_channel: Channel, shell: tuple[str, ...]
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"needs {shell[0]}")
    bench = replace(mamba, shell=shell)
    order = bench.order(conda_spec(conda_channel.url, "shared"))
    assert build(bench, order).action == "created"
    assert build(bench, order).action == "reused"


def test_the_plan_names_what_is_then_made(mamba: Bench, conda_channel: Channel) -> None:
    order = mamba.order(
        conda_spec(conda_channel.url, "shared"), cache_dir=str(mamba.root / "cache")
    )
    planned = plan_lines(order)
    build(mamba, order)
    folders = tuple(line.rstrip("/") + "/" for line in planned if line.endswith("/"))
    made = {str(path) for path in mamba.root.rglob("*") if not path.is_dir() or path.is_symlink()}
    made = {path for path in made if not path.startswith(folders)}
    assert made == {line for line in planned if not line.endswith(("/", ")"))}


# --- what changed since ---------------------------------------------------------------------------


def test_a_conda_command_by_hand_is_told_with_what_it_broke(
    mamba: Bench, conda_channel: Channel
) -> None:
    """conda's scipy was made for numpy 1; somebody puts numpy 2 under it."""
    order = mamba.order(conda_spec(conda_channel.url, PYTHON, "numpy=1.26", "scipy=1.11"))
    build(mamba, order)

    def now() -> Installed:
        return installed(mamba.host(), root=order.root, prefix=order.prefix, also="changes")

    before = now()
    assert (before.touched, before.commands, mixes(before.now, before.bounds)) == ((), (), ())
    mamba_of = [order.choice.path, "install", "-y", "-p", order.prefix, "-c", conda_channel.url]
    somebody = {"PATH": os.environ["PATH"], "HOME": str(mamba.home)}
    subprocess.run([*mamba_of, "six"], check=True, capture_output=True, env=somebody)
    site = next(Path(order.prefix).glob("lib/python3*/site-packages"))
    shutil.rmtree(site / "numpy-1.26.4.dist-info")
    (site / "numpy-2.1.0.dist-info").mkdir()
    (site / "numpy-2.1.0.dist-info/INSTALLER").write_text("pip\n")
    after = now()
    touched = {(each.package.kind, each.package.name) for each in after.touched}
    assert {("conda", "six"), ("python", "numpy"), ("python", "six")} <= touched
    [command] = after.commands
    assert command.line.endswith(" six")
    assert mixes(after.now, after.bounds) == (
        "numpy 2.1.0 under scipy-1.11.4-pyhtest_0, which asks for numpy >=1.21,<2",
    )


# --- bringing micromamba --------------------------------------------------------------------------


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as page:
        return bytes(page.read())


def spoiled(channel: Channel, folder: Path) -> Path:
    """A channel that promises another micromamba than it has."""
    shutil.copytree(channel.folder, folder)
    for path in folder.glob("*/repodata.json"):
        repodata = json.loads(path.read_text())
        for record in repodata["packages"].values():
            if record["name"] == "micromamba":
                record["sha256"] = "1" * 64
        path.write_text(json.dumps(repodata))
    return folder


_FEW = (
    "sh awk basename cat chmod cp cut date df dirname env find grep head id kill ln ls mkdir mv",
    "ps readlink rm rmdir sed setsid sleep sort sync tail tar tee touch tr uname wc dd tmux",
)


def few_tools(folder: Path, *but: str) -> str:
    """A PATH with what a small container has."""
    names = " ".join(_FEW).split()
    folder.mkdir(parents=True)
    for name in (*names, *but):
        path = shutil.which(name)
        if path and ".pyenv" not in path:
            (folder / name).symlink_to(path)
    return str(folder)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_micromamba_comes_from_the_first_channel_that_has_it(
    bench: Bench, conda_channel: Channel, scheme: str
) -> None:
    with serve(conda_channel) as served:
        url = served.url if scheme == "http" else conda_channel.url
        spec = conda_spec(url, "shared", channels=("file:///nowhere", url))
        order = replace(bench.order(spec), channels=("file:///nowhere", url))
        assert order.choice.bring
        order = replace(order, channels=(url,), spec=spec)
        heard = Heard()
        built = build(bench, order, heard)
    assert (built.tool, built.tool_version) == ("micromamba", "2.8.1")
    tool = bench.root / "tools" / "bin" / "micromamba"
    assert os.access(tool, os.X_OK)
    assert (bench.root / "cache" / "conda").is_dir()
    assert [path.name for path in bench.root.glob(".bring*")] == []


def test_a_micromamba_with_another_hash_is_refused(
    bench: Bench, conda_channel: Channel, tmp_path: Path
) -> None:
    with serve(spoiled(conda_channel, tmp_path / "bad")) as served:
        order = bench.order(conda_spec(served.url, "shared"))
        for way in (None, fetch):
            with pytest.raises(GpuwsError) as caught:
                ensure(bench.host(), order, Heard(), way)
            assert (caught.value.code, caught.value.exit) == ("wrong-hash", 8)
    assert not (bench.root / "tools" / "bin" / "micromamba").exists()


def test_the_laptop_sends_micromamba_to_a_host_that_cannot_fetch_it(
    bench: Bench, conda_channel: Channel
) -> None:
    bench = replace(bench, env=(*bench.env, ("PATH", few_tools(bench.home / "few"))))
    with serve(conda_channel) as served:
        order = bench.order(conda_spec(served.url, "shared"))
        heard = Heard()
        built = ensure(bench.host(), order, heard, fetch)
    assert built.tool_version == "2.8.1"
    assert any("and sends it" in line for line in heard.lines)


def test_where_neither_side_can_fetch_it_the_ways_that_were_tried_are_told(bench: Bench) -> None:
    order = bench.order(conda_spec("http://127.0.0.1:9/none", "shared"), channels=())
    order = replace(order, channels=("http://user:hunter2@127.0.0.1:9/none",))
    with pytest.raises(GpuwsError) as caught:
        ensure(bench.host(), order, Heard(), fetch)
    assert caught.value.code == "channel-unreachable"
    assert "host: " in caught.value.detail
    assert "laptop: " in caught.value.detail
    assert "hunter2" not in caught.value.detail + caught.value.message


def test_a_broken_archive_is_an_error_of_ours() -> None:
    with pytest.raises(GpuwsError):
        unpacked(b"BZh9 not really")
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w:bz2"):
        pass
    with pytest.raises(GpuwsError):
        unpacked(empty.getvalue())


# --- bringing uv ----------------------------------------------------------------------------------


def uv_wheel(folder: Path, version: str, marker: str) -> Path:
    """A wheel as uv's, whose executable is the real uv by another name."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = os.uname().machine
    tags = f"manylinux_2_17_{machine}.manylinux2014_{machine}"
    path = folder / f"uv-{version}-py3-none-{tags}.whl"
    text = f'#!/bin/sh\n# {marker}\nexec {host_uv().path} "$@"\n'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"uv-{version}.data/scripts/uv", text)
    return path


def test_uv_comes_as_its_newest_wheel_for_this_host(
    bench: Bench, index: Path, tmp_path: Path
) -> None:
    bench = replace(bench, env=())
    old, new = uv_wheel(tmp_path, "0.9.2", "old"), uv_wheel(tmp_path, "0.10.0", "new")
    publish(index, "uv", new, old)
    with serve(index) as served:
        order = bench.order(
            EnvironmentSpec("requirements.txt", "pip", pip=("tiny",)),
            pip_index=f"{served.url}/simple",
        )
        assert order.choice.bring
        assert build(bench, order).tool == "uv"
    assert "# new" in (bench.root / "tools" / "bin" / "uv").read_text()
    assert (bench.root / "cache" / "uv").is_dir()


def test_a_uv_with_another_hash_is_refused(bench: Bench, index: Path, tmp_path: Path) -> None:
    bench = replace(bench, env=())
    publish(index, "uv", uv_wheel(tmp_path, "0.10.0", "bad"), sha256="2" * 64)
    with serve(index) as served:
        order = bench.order(
            EnvironmentSpec("requirements.txt", "pip", pip=("tiny",)),
            pip_index=f"{served.url}/simple",
        )
        with pytest.raises(GpuwsError) as caught:
            ensure(bench.host(), order, Heard(), fetch)
    assert caught.value.code == "wrong-hash"
    assert not (bench.root / "tools" / "bin" / "uv").exists()


def test_the_laptop_sends_uv_to_a_host_that_cannot_fetch_it(
    bench: Bench, index: Path, tmp_path: Path
) -> None:
    publish(index, "uv", uv_wheel(tmp_path, "0.10.0", "sent"))
    bench = replace(bench, env=(("PATH", few_tools(bench.home / "few", "python3.11")),))
    with serve(index) as served:
        order = bench.order(
            EnvironmentSpec("requirements.txt", "pip", pip=("tiny",)),
            pip_index=f"{served.url}/simple",
        )
        heard = Heard()
        assert ensure(bench.host(), order, heard, fetch).tool == "uv"
    assert any("and sends it" in line for line in heard.lines)
    digest = hashlib.sha256((bench.root / "tools" / "bin" / "uv").read_bytes()).hexdigest()
    text = zipfile.ZipFile(tmp_path / uv_wheel(tmp_path, "0.10.0", "sent").name)
    inner = text.read(text.namelist()[0])
    assert digest == hashlib.sha256(inner).hexdigest()


def test_a_python_that_the_host_does_not_have_lists_those_it_has(bench: Bench) -> None:
    spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",), python="==3.42.*")
    with pytest.raises(GpuwsError) as caught:
        bench.order(spec)
    assert (caught.value.code, caught.value.exit) == ("python-not-found", 8)
    assert ".".join(map(str, sys.version_info[:3])) in caught.value.message
