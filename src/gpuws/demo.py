"""`gpuws demo`: the real journey against a private SSH server on this machine's loopback."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from gpuws import asking, view
from gpuws.host.demo_server import DemoServer, demo_server
from gpuws.options import Options
from gpuws.plan.requests import DownRequest, UpRequest
from gpuws.report import Plain, facts_of


def run(person: Plain, *, exit_after_ready: bool, browser: bool) -> dict[str, Any]:
    """Nothing but `up` with an ssh_config of its own; everything lives in one folder that goes.

    What `up` brought, as its own JSON has it.
    """
    with _folder() as folder, demo_server(folder / "ssh", folder / "home") as server:
        person.talk(f"a private {server.kind} listens on 127.0.0.1; all of it lives in {folder}")
        _tell_other_terminals(server, person)
        try:
            ready = _up(server, person, exit_after_ready=exit_after_ready, browser=browser)
        finally:
            _down(server, person)
    person.talk("the demo is over: its server, environment and folder are gone")
    return ready


@contextmanager
def _folder() -> Iterator[Path]:
    """A short path (socket paths are limited), with the example project as current folder."""
    folder = Path(tempfile.mkdtemp(prefix="gpuws-demo-"))
    before, old = Path.cwd(), dict(os.environ)
    try:
        (folder / "home").mkdir(mode=0o700)
        project = folder / "project"
        shutil.copytree(str(resources.files("gpuws.journeys").joinpath("demo_project")), project)
        for name in ("CONFIG", "STATE", "CACHE"):
            os.environ[f"GPUWS_{name}_DIR"] = str(folder / name.lower())
        os.chdir(project)
        yield folder
    finally:
        os.chdir(before)
        for name in ("CONFIG", "STATE", "CACHE"):
            os.environ.pop(f"GPUWS_{name}_DIR", None)
        os.environ.update({k: v for k, v in old.items() if k.startswith("GPUWS_")})
        shutil.rmtree(folder, ignore_errors=True)


def _options(server: DemoServer) -> Options:
    return Options(ssh_config=str(server.ssh_config))


def _tell_other_terminals(server: DemoServer, person: Plain) -> None:
    person.talk("while it runs, from another terminal:")
    person.talk(f"  ssh -F {server.ssh_config} {server.alias}")
    person.talk(f"  gpuws --ssh-config {server.ssh_config} status {server.alias}")


def _request(server: DemoServer, person: Plain) -> UpRequest:
    return asking.up_request(
        server.alias,
        _options(server),
        person,
        files=(),
        name=None,
        use_env=None,
        confirm_foreign=lambda _: False,
        here=True,
    )


def _up(
    server: DemoServer, person: Plain, *, exit_after_ready: bool, browser: bool
) -> dict[str, Any]:
    request = _request(server, person)
    result = view.open_workspace(
        "up", request, person, detach=exit_after_ready, browser=browser and not exit_after_ready
    )
    if exit_after_ready and result:
        for label, value in facts_of(result):
            person.talk(f"{label:12}{value}")
        person.talk(f"ready after {result['timings']['total_s']:.1f} s")
    return result


def _down(server: DemoServer, person: Plain) -> None:
    from gpuws.errors import GpuwsError

    reach = asking.reach(server.alias, _options(server), person)
    quiet = Plain(quiet=True, no_input=True)
    try:
        gone = view.one_shot("down", DownRequest(reach, asking.caller(), all=True, yes=True), quiet)
    except GpuwsError as error:
        person.warn(error.message)
        return
    if gone["left"]:
        person.warn(f"left behind: {', '.join(gone['left'])}")
