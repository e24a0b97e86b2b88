"""Mirrors, asked from the host: real sh and the tools that fetch, builds through what answers."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from gpuws.environments.build import ensure
from gpuws.environments.mirrors import mirrored
from gpuws.environments.order import BuildOrder, files
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, Mirror
from tests.contract.test_environments import (
    bench,
    conda_spec,
    few_tools,
    index,
    log_of,
    mamba,
    python_of,
    uv_wheel,
)
from tests.support.build_bench import Bench, Heard, base_python, build, conda_tool, host_uv
from tests.support.conda_channel import Channel, Served, make_channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.conda_package import File, Package
from tests.support.package_index import publish

__all__ = ["bench", "conda_cache", "conda_channel", "index", "mamba"]


@dataclass(frozen=True)
class Places:
    """``mirror`` has conda-forge only; ``home``, where names lead, has nvidia as well."""

    mirror: Served
    home: Served

    @property
    def of_all(self) -> Mirror:
        return Mirror(channels=(("*", (f"{self.mirror.url}/{{channel}}",)),))


@pytest.fixture(scope="module")
def nvidia(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    extra = (Package("cudalet", "12.4", files=(File("share/cudalet", b"12.4"),)),)
    folder = tmp_path_factory.mktemp("nvidia") / "nvidia"
    return make_channel(folder, pythons=(), standard=False, extra=extra)


@pytest.fixture
def places(
    bench: Bench, conda_channel: Channel, nvidia: Channel, tmp_path: Path
) -> Iterator[Places]:
    for site, channels in (("mirror", ("conda-forge",)), ("home", ("conda-forge", "nvidia"))):
        (tmp_path / site).mkdir()
        for name in channels:
            folder = nvidia.folder if name == "nvidia" else conda_channel.folder
            (tmp_path / site / name).symlink_to(folder)
    with serve(tmp_path / "mirror") as mirror, serve(tmp_path / "home") as home:
        (bench.home / ".condarc").write_text(f"channel_alias: {home.url}\n")
        yield Places(mirror, home)


def both(*packages: str) -> EnvironmentSpec:
    return conda_spec("", *packages, channels=("conda-forge", "nvidia"))


def address(served: Served) -> str:
    return served.url.split("/")[2]


def asked(bench: Bench, order: BuildOrder) -> tuple[BuildOrder, Heard]:
    heard = Heard()
    return mirrored(bench.host(), order, heard), heard


def text_of(order: BuildOrder, name: str) -> str:
    return {file: text for file, _, text in files(order)}[name]


def packages(served: Served) -> list[str]:
    return [path for path in served.log if path.endswith((".conda", ".tar.bz2"))]


# --- builds ---------------------------------------------------------------------------------------


def test_a_channel_that_the_mirror_lacks_comes_from_its_home_and_the_rest_from_the_mirror(
    mamba: Bench, places: Places
) -> None:
    order = replace(mamba.order(both("shared", "nvidia::cudalet")), mirror=places.of_all)
    heard = Heard()
    assert build(mamba, order, heard).action == "created"
    assert heard.notes[0] == (
        f"conda-forge from {address(places.mirror)}; "
        f"nvidia from {address(places.home)}: the mirror does not have it"
    )
    assert any("/conda-forge/" in each and "shared-" in each for each in packages(places.mirror))
    assert [each for each in packages(places.home) if "cudalet" not in each] == []
    assert Path(order.prefix, "share/cudalet").read_bytes() == b"12.4"


def test_an_environment_that_is_there_asks_no_mirror(mamba: Bench, places: Places) -> None:
    order = replace(mamba.order(both("shared")), mirror=places.of_all)
    build(mamba, order)
    places.mirror.log.clear()
    places.home.log.clear()
    host = mamba.host()
    assert ensure(host, order, Heard(), None).action == "reused"
    assert host.calls == 1
    assert places.mirror.log + places.home.log == []


def test_a_micromamba_that_is_brought_comes_through_the_mirror_too(
    bench: Bench, places: Places
) -> None:
    spec = conda_spec("", "cudalet", channels=("nvidia",))
    order = replace(bench.order(spec), mirror=places.of_all)
    assert order.choice.bring
    assert build(bench, order).tool == "micromamba"
    assert any("/micromamba-" in each for each in packages(places.mirror))
    assert not any("/micromamba-" in each for each in packages(places.home))


def test_a_file_without_channels_gets_the_mirrors_conda_forge_as_micromamba_would_take_it(
    mamba: Bench, places: Places
) -> None:
    (mamba.home / ".condarc").unlink()
    mamba = replace(mamba, env=(*mamba.env, ("CONDA_CHANNEL_ALIAS", places.home.url)))
    order = replace(mamba.order(conda_spec("", "shared", channels=())), mirror=places.of_all)
    build(mamba, order)
    assert any("shared-" in each for each in packages(places.mirror))
    told = replace(order, facts=replace(order.facts, settings=(".condarc",)))
    assert asked(mamba, told)[0].effective_channels == (), "what the host is set to wins"


def test_a_host_that_only_has_conda_is_given_addresses_as_well(
    bench: Bench, places: Places
) -> None:
    bench = replace(bench, tools=(conda_tool(bench.home / "opt", "conda"),))
    order = bench.order(both("shared", "nvidia::cudalet"), channels=("conda-forge", "nvidia"))
    assert build(bench, replace(order, mirror=places.of_all)).tool == "conda"
    assert any("shared-" in each for each in packages(places.mirror))
    assert not any("shared-" in each for each in packages(places.home))


# --- what the addresses answer --------------------------------------------------------------------


def spoil(served: Served, fault: str) -> None:
    if fault == "portal":
        served.faults.portal = True
    elif fault == "hang":
        served.faults.delay_s = 30
    else:
        served.faults.status = int(fault)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("403", "is of no use (curl: (22) The requested URL returned error: 403)"),
        ("404", "the mirror does not have it"),
        ("500", "is of no use (curl: (22) The requested URL returned error: 500)"),
        ("portal", "is of no use (it answers with something else)"),
        ("hang", "is of no use (curl: (28)"),
    ],
)
def test_a_mirror_that_is_of_no_use_is_passed_over_and_the_reason_is_said(
    mamba: Bench, places: Places, fault: str, said: str
) -> None:
    spoil(places.mirror, fault)
    began = time.monotonic()
    order, heard = asked(mamba, replace(mamba.order(both("shared")), mirror=places.of_all))
    assert time.monotonic() - began < 12
    assert dict(order.sources) == {"conda-forge": "conda-forge", "nvidia": "nvidia"}
    assert heard.notes[0].startswith(f"conda-forge from {address(places.home)}: ")
    assert said in heard.notes[0]


@pytest.mark.parametrize("tool", ["curl", "python3", "wget"])
@pytest.mark.parametrize("fault", ["", "404", "portal"])
def test_whatever_the_host_has_to_fetch_with_can_ask(
    mamba: Bench, places: Places, index: Path, tool: str, fault: str
) -> None:
    if not shutil.which(tool):
        pytest.skip(f"needs {tool}")
    if fault:
        spoil(places.mirror, fault)
    program = base_python() if tool == "python3" else str(shutil.which(tool))
    path = few_tools(mamba.home / "few", "timeout")
    (mamba.home / "few" / tool).symlink_to(program)
    bare = replace(mamba, env=(("PATH", path),))
    with serve(index) as served:
        mirror = replace(places.of_all, pip=f"{served.url}/simple")
        spec = replace(both("shared"), pip=("tiny",))
        order, _ = asked(bare, replace(mamba.order(spec), mirror=mirror))
    found = "conda-forge" if fault else f"{places.mirror.url}/conda-forge"
    assert dict(order.sources)["conda-forge"] == found
    assert order.pip_index == mirror.pip


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")])
def test_every_shell_of_a_host_can_ask(
    mamba: Bench, places: Places, shell: tuple[str, ...]
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"needs {shell[0]}")
    order = replace(mamba.order(both("shared")), mirror=places.of_all)
    order, _ = asked(replace(mamba, shell=shell), order)
    assert dict(order.sources) == {
        "conda-forge": f"{places.mirror.url}/conda-forge",
        "nvidia": "nvidia",
    }


def test_the_second_address_of_a_channel_is_taken_where_the_first_is_of_no_use(
    mamba: Bench, places: Places, conda_channel: Channel
) -> None:
    given = ("http://127.0.0.1:9/cf", "file:///nowhere", conda_channel.url)
    mirror = Mirror(channels=(("conda-forge", given),))
    order, _ = asked(mamba, replace(mamba.order(both("shared")), mirror=mirror))
    assert dict(order.sources) == {"conda-forge": conda_channel.url}


def test_an_address_that_two_channels_share_is_of_use_to_both(mamba: Bench, places: Places) -> None:
    """The first has it behind one that is good already, so that there it is not asked."""
    shared, good = f"{places.mirror.url}/conda-forge", f"{places.home.url}/nvidia"
    mirror = Mirror(channels=(("conda-forge", (shared,)), ("nvidia", (good, shared))))
    order, _ = asked(mamba, replace(mamba.order(both("shared")), mirror=mirror))
    assert dict(order.sources) == {"conda-forge": shared, "nvidia": good}


def test_where_no_address_answers_every_one_is_named_without_its_password(
    mamba: Bench, places: Places
) -> None:
    spoil(places.home, "404")
    spoil(places.mirror, "500")
    secret = places.mirror.url.replace("://", "://me:hunter2@") + "/t/s3cr3t/{channel}"
    order = replace(mamba.order(both("shared")), mirror=Mirror(channels=(("*", (secret,)),)))
    with pytest.raises(GpuwsError) as caught:
        build(mamba, order)
    error = caught.value
    assert (error.code, error.exit, error.retryable) == ("channel-unreachable", 8, True)
    assert f"{places.mirror.url}/conda-forge (" in error.message
    assert f"{places.home.url}/conda-forge (" in error.message
    shown = error.message + error.hint + error.detail
    assert "hunter2" not in shown
    assert "s3cr3t" not in shown
    assert not Path(order.folder).exists()


def test_a_channel_that_only_the_tool_needs_ends_nothing(bench: Bench, places: Places) -> None:
    places.mirror.faults.status = 500
    places.home.faults.missing.add("/conda-forge/")
    spec = conda_spec("", "cudalet", channels=("nvidia",))
    order, _ = asked(bench, replace(bench.order(spec), mirror=places.of_all))
    assert dict(order.sources) == {"nvidia": "nvidia"}


# --- what the host is told ------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["env", "prologue", "login"])
def test_a_proxy_is_used_wherever_it_is_named(mamba: Bench, places: Places, given: str) -> None:
    line = ("http_proxy", places.mirror.url.removesuffix("/channel"))
    mirror = Mirror(channels=(("conda-forge", ("http://mirror.invalid/channel/conda-forge",)),))
    order = mamba.order(
        conda_spec("", "shared", channels=("conda-forge",)),
        env=(line,) if given == "env" else (),
        prologue=("echo hello", f"[[ 1 ]] && export {'='.join(line)}")
        if given == "prologue"
        else (),
    )
    login = (line,) if given == "login" else ()
    bench = replace(mamba, env=(*mamba.env, *login, ("no_proxy", ""), ("NO_PROXY", "")))
    if given == "prologue" and not shutil.which("bash"):
        pytest.skip("needs bash")
    order, _ = asked(bench, replace(order, mirror=mirror))
    assert dict(order.sources) == {"conda-forge": "http://mirror.invalid/channel/conda-forge"}


@pytest.mark.parametrize("tool", ["curl", "python3"])
def test_a_password_of_a_mirror_is_in_no_process_list_no_log_and_no_message(
    mamba: Bench, places: Places, tool: str
) -> None:
    places.mirror.faults.login = "me:hunter2"
    places.mirror.faults.delay_s = 0.3
    secret = places.mirror.url.replace("://", "://me:hunter2@") + "/{channel}"
    path = few_tools(mamba.home / "few", "timeout")
    program = base_python() if tool == "python3" else str(shutil.which(tool))
    (mamba.home / "few" / tool).symlink_to(program)
    order = replace(mamba.order(both("shared")), mirror=Mirror(channels=(("*", (secret,)),)))
    with process_list() as seen:
        order, heard = asked(replace(mamba, env=(("PATH", path),)), order)
    assert dict(order.sources)["conda-forge"] == secret.format(channel="conda-forge")
    assert any("repodata" not in each and tool in each for each in seen), "it was looked at"
    assert not any("hunter2" in each for each in seen)
    assert "hunter2" not in "".join(heard.notes + heard.lines + heard.warnings)


@contextmanager
def process_list() -> Iterator[set[str]]:
    """The command lines that anybody on this machine could read while the block ran."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


# --- defaults, specs and files --------------------------------------------------------------------


def test_defaults_is_asked_for_part_by_part(mamba: Bench, places: Places) -> None:
    mirror = Mirror(
        channels=(
            ("pkgs/main", (f"{places.mirror.url}/conda-forge",)),
            ("pkgs/r", (f"{places.mirror.url}/conda-forge",)),
        )
    )
    spec = conda_spec("", "shared", channels=("defaults", "file:///ours"))
    order, heard = asked(mamba, replace(mamba.order(spec), mirror=mirror))
    yml = text_of(order, "environment.yml").split("dependencies:")[0]
    assert yml.count(f'"{places.mirror.url}/conda-forge"') == 2
    assert '"file:///ours"' in yml
    assert heard.notes[0].startswith("pkgs/main from ")


def test_the_files_of_a_build_name_addresses_and_what_is_checked_keeps_its_names(
    mamba: Bench, places: Places
) -> None:
    spec = both("shared", "conda-forge::with-prefix", "conda-forge/noarch::activated>=1")
    order, _ = asked(mamba, replace(mamba.order(spec), mirror=places.of_all))
    there = f"{places.mirror.url}/conda-forge"
    yml = text_of(order, "environment.yml")
    for line in (there, "nvidia", f"{there}::with-prefix", f"{there}/noarch::activated>=1"):
        assert f'  - "{line}"\n' in yml
    assert text_of(order, "conda-names").split() == ["shared", "with-prefix", "activated"]
    closed = replace(order, channels=("conda-forge", "nvidia"))
    assert f"order_closed={there},nvidia\n" in text_of(closed, "order.sh")


# --- the package index ----------------------------------------------------------------------------


def test_pip_and_uv_take_the_mirrors_index(bench: Bench, index: Path) -> None:
    for tools in ((host_uv(),), ()):
        here = replace(bench, tools=tools, env=())
        with serve(index) as served:
            mirror = Mirror(pip=f"{served.url}/simple")
            spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny<1.1",) * (1 + len(tools)))
            order = replace(here.order(spec), mirror=mirror)
            heard = Heard()
            assert build(here, order, heard).tool == ("uv" if tools else "venv")
            assert f"pip from {address(served)}" in heard.notes
        assert python_of(order, "import tiny; print(tiny.__version__)") == "1.0"


def test_uv_is_brought_from_the_mirrors_index(bench: Bench, index: Path, tmp_path: Path) -> None:
    publish(index, "uv", uv_wheel(tmp_path, "0.10.0", "new"))
    bench = replace(bench, env=())
    with serve(index) as served:
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",))
        order = replace(bench.order(spec), mirror=Mirror(pip=f"{served.url}/simple"))
        assert build(bench, order).tool == "uv"
        assert any("/uv-0.10.0" in each for each in served.log)


@pytest.mark.parametrize("fault", ["404", "portal"])
def test_an_index_that_is_of_no_use_leaves_pip_as_the_host_is_set_up(
    bench: Bench, index: Path, fault: str
) -> None:
    with serve(index) as broken, serve(index) as own:
        spoil(broken, fault)
        bench = replace(bench, tools=(host_uv(),), env=(("PIP_INDEX_URL", f"{own.url}/simple"),))
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",))
        order = replace(bench.order(spec), mirror=Mirror(pip=f"{broken.url}/simple"))
        heard = Heard()
        assert build(bench, order, heard).action == "created"
        assert heard.notes[0].startswith(f"pip as the host is set up: {broken.url}/simple (")


def test_pip_index_of_hosts_yaml_wins_over_the_mirrors(bench: Bench, index: Path) -> None:
    bench = replace(bench, tools=(host_uv(),), env=())
    with serve(index) as served:
        spec = EnvironmentSpec("requirements.txt", "pip", pip=("tiny",))
        order = bench.order(spec, pip_index=f"{served.url}/simple")
        order, heard = asked(bench, replace(order, mirror=Mirror(pip="http://127.0.0.1:9/simple")))
        assert (order.pip_index, heard.notes) == (f"{served.url}/simple", [])


def test_a_password_that_a_tool_prints_does_not_reach_the_log(
    mamba: Bench, conda_channel: Channel
) -> None:
    order = mamba.order(
        conda_spec(conda_channel.url, "shared"),
        prologue=("echo fetching https://me:hunter2@lan/t/s3cr3t/x and git@lan:y",),
    )
    build(mamba, order)
    assert "fetching https://lan/x and git@lan:y" in log_of(order)
