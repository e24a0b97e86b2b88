"""`up` of two people into one shared root: each with a laptop and a login of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.environments.build import ensure
from gpuws.plan.model import EnvironmentSpec
from tests.support.build_bench import Heard
from tests.support.conda_channel import Served, make_channel, serve
from tests.support.conda_pythons import Interpreter
from tests.support.lab import prefer_own_port
from tests.support.laptop import Laptop
from tests.support.members import Group, Member, group_of_users, host_python
from tests.support.sshd import Sshd

ASK = "import platform; print(platform.python_version())"


@pytest.fixture
def group() -> Iterator[Group]:
    with group_of_users() as group:
        yield group


@pytest.fixture
def served(group: Group) -> Iterator[Served]:
    """A channel with a Python that every user may run."""
    path = os.path.realpath(host_python())
    version = subprocess.check_output([path, "-c", ASK], text=True).strip()
    channel = make_channel(group.folder / "channel", pythons=[Interpreter(path, version)])
    with serve(channel) as served:
        yield served


@contextlib.contextmanager
def laptop_of(group: Group, member: Member, shared: Path) -> Iterator[Laptop]:
    """With a real sshd of its own behind the name gpubox."""
    env = {"PATH": f"{group.folder}/bin:/usr/local/bin:/usr/bin:/bin"}
    server = Sshd(group.folder / f"s-{member.name}", env=env)
    server.user = member.name
    server.start()
    laptop = Laptop(group.folder / f"l-{member.name}", server)
    prefer_own_port(laptop, f"    shared_root: {shared}\n")
    try:
        yield laptop
    finally:
        laptop.end()
        server.stop()


def environment(served: Served) -> str:
    return (
        f"name: demo\nchannels:\n  - {served.url}\ndependencies:\n  - python\n  - pandas\n"
        "  - torchlet\n"
    )


def test_the_second_person_starts_in_what_the_first_one_built(group: Group, served: Served) -> None:
    with laptop_of(group, group.ann, group.shared) as ann:
        ann.write("environment.yml", environment(served))
        ann.ok("env", "lock", "gpubox", "--no-jupyter")
        served.faults.delay_s = 2.0  # as far away as a channel is
        first = ann.ok("--json", "up", "gpubox", "--no-jupyter", "--locked").data()
        assert first["environment"]["action"] == "created"
        assert first["environment"]["prefix"].startswith(f"{group.shared}/envs/")
        lock = (ann.project / "conda-lock.yml").read_text()
    served.log.clear()
    with laptop_of(group, group.bob, group.shared) as bob:
        bob.write("environment.yml", environment(served))
        bob.write("conda-lock.yml", lock)
        second = bob.ok("--json", "up", "gpubox", "--no-jupyter").data()
        assert second["environment"] == {**first["environment"], "action": "reused"}
        assert served.log == []
        took = [each["timings"]["environment_s"] for each in (first, second)]
        print(f"environment: the first {took[0]:.2f} s, the second {took[1]:.2f} s")
        assert took[1] <= 0.1 * took[0]
        asked = "import pandas; print(pandas.__version__)"
        assert bob.ok("exec", "gpubox", "--", "python", "-c", asked).out == "2.2.3\n"
    assert (group.bob.home / "gpuws").stat().st_mode & 0o077 == 0


def test_a_shared_environment_is_shown_as_such_and_goes_only_where_it_is_named(
    group: Group, served: Served
) -> None:
    spec = EnvironmentSpec("e.yml", "conda", channels=(served.url,), conda=("torchlet",))
    order = replace(group.ann.bench.order(spec), shared=str(group.shared))
    ensure(group.ann.bench.host(), order, Heard(), None)
    with laptop_of(group, group.ann, group.shared) as ann:
        assert f"shared by {group.ann.name}" in ann.ok("env", "list", "gpubox").out
        spared = ann.ok("env", "gc", "gpubox", "--yes")
        assert "1 shared environment(s) stay" in spared.err
        assert Path(order.prefix).exists()
        gone = ann.ok("env", "remove", "gpubox", order.hash, "--yes")
        assert "cannot be seen" in gone.err
        assert not Path(order.prefix).exists()


def test_a_folder_that_is_not_there_is_refused_with_the_commands_that_make_it(
    group: Group, served: Served
) -> None:
    with laptop_of(group, group.ann, group.folder / "missing") as ann:
        ann.write("environment.yml", environment(served))
        ann.ok("env", "lock", "gpubox", "--no-jupyter")
        done = ann.run("--json", "up", "gpubox", "--no-jupyter")
        error = done.json()["error"]
        assert (done.code, error["code"]) == (7, "no-shared-root")
        assert f"chmod 2770 {group.folder}/missing" in error["hint"]
        assert not (group.ann.home / "gpuws" / "envs").exists()
