"""Code of the laptop, as values: whose it is, where it lies, which environment it makes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.decide import decide_up
from gpuws.plan.declared import pip_names, requirement_lines
from gpuws.plan.local import archive_place, as_written, lines_on_host, placed, written
from gpuws.plan.lock import Lock, declared_hash, locked_hash, usable
from gpuws.plan.model import EnvironmentSpec, HostEntry, LocalCode, Workspace
from gpuws.plan.requests import Reach, UpRequest
from tests.unit.plan.test_decide import FACTS, ME

EDITABLE = LocalCode(
    "-e ./my pkg[x]", "editable", "/l/my pkg", "-e ", "[x]", "mine", declares="d", inside="my pkg"
)
FOLDER = LocalCode("./lib ; os_name", "folder", "/l/lib", "", " ; os_name", "lib", "f", "d")
WHEEL = LocalCode(
    "w @ file:w.whl", "archive", "C:\\me\\w-1-py3-none-any.whl", "w @ ", "", "w", "aabb", "aabb"
)
SPEC = EnvironmentSpec(
    "requirements.txt",
    "pip",
    pip=("-e ./my pkg[x]", "-r more.txt", "./lib ; os_name", "jupyterlab", "ipykernel"),
    pip_files=(("more.txt", "w @ file:w.whl\nnumpy\n"),),
    local=(EDITABLE, WHEEL, FOLDER),
)
REQUEST = UpRequest(Reach("box", HostEntry("box")), ME, "p", spec=SPEC)
PLACED = placed(SPEC, "p", "/r/projects/p")


def hash_of(request: UpRequest, *workspaces: Workspace) -> str:
    return decide_up(request, replace(FACTS, workspaces=workspaces)).environment.hash


def with_code(**changes: Any) -> UpRequest:
    """The request with its first local code changed."""
    code = (replace(EDITABLE, **changes), WHEEL, FOLDER)
    return replace(REQUEST, spec=replace(SPEC, local=code))


def test_each_line_gets_the_place_where_its_code_lies_on_the_host() -> None:
    there = lines_on_host(PLACED, "/r/builds/aa")
    lines, [(_, more)] = requirement_lines(SPEC, (), there)
    assert lines[:3] == (
        "-e file:///r/projects/p/my%20pkg[x]",
        "-r include-1.txt",
        "./local/3 ; os_name",
    )
    assert more == "w @ file:///r/builds/aa/local/2/w-1-py3-none-any.whl\nnumpy\n"
    assert archive_place("/r", WHEEL) == "/r/cache/archives/aa/aabb/w-1-py3-none-any.whl"


def test_what_was_written_can_be_read_back() -> None:
    there, names = as_written((*written(PLACED, "/r/builds/aa"), "no such line"))
    assert there["-e file:///r/projects/p/my%20pkg[x]"] == "-e ./my pkg[x]"
    assert dict(names) == {each.name: each.line for each in SPEC.local}


def test_its_distributions_must_be_there_but_for_those_with_a_marker() -> None:
    assert pip_names(SPEC, ()) == ("jupyterlab", "ipykernel", "numpy", "mine", "w")


def test_an_editable_is_in_the_workspaces_folder() -> None:
    assert PLACED[0].place == "/r/projects/p/my pkg"
    assert PLACED[0].owner == "p"
    assert placed(replace(SPEC, local=(replace(EDITABLE, inside="."),)), "p", "/d")[0].place == "/d"
    assert decide_up(REQUEST, FACTS).environment.local[0].place.endswith("/projects/p/my pkg")


def test_owner_place_and_declaration_of_an_editable_make_its_environment() -> None:
    hashes = {
        hash_of(REQUEST),
        hash_of(replace(REQUEST, dir="/data")),
        hash_of(replace(REQUEST, dir="/data", name="q")),
        hash_of(with_code(declares="other")),
    }
    assert len(hashes) == 4
    assert hash_of(with_code(path="/another/checkout")) == hash_of(REQUEST)


def test_what_a_folder_or_an_archive_holds_makes_its_environment() -> None:
    for number, code in enumerate(SPEC.local[1:], start=1):
        changed = list(SPEC.local)
        changed[number] = replace(code, digest="other")
        spec = replace(SPEC, local=tuple(changed))
        assert hash_of(replace(REQUEST, spec=spec)) != hash_of(REQUEST)


def test_a_session_that_goes_on_keeps_the_folder_of_its_editables() -> None:
    chosen = replace(REQUEST, dir="/data")
    first = decide_up(chosen, FACTS)
    raw = {"prefix": first.environment.prefix, "dir": "/data", "jupyter": True}
    running, stopped = Workspace("p", "running", raw), Workspace("p", "stopped", raw)
    assert hash_of(REQUEST, running) == first.environment.hash
    assert hash_of(REQUEST, stopped) == hash_of(REQUEST)
    assert hash_of(replace(REQUEST, restart=True), running) == hash_of(REQUEST)


def test_a_lock_is_stale_when_local_code_declares_something_else_and_not_when_it_changes() -> None:
    before = declared_hash(SPEC, (), ())
    code = (EDITABLE, WHEEL, replace(FOLDER, digest="changed"))
    assert declared_hash(replace(SPEC, local=code), (), ()) == before
    code = (EDITABLE, WHEEL, replace(FOLDER, declares="changed"))
    assert declared_hash(replace(SPEC, local=code), (), ()) != before


def test_a_locked_environment_is_another_one_with_other_local_code() -> None:
    lock = Lock("l", "linux-64", ())
    assert locked_hash(lock, ()) == locked_hash(lock, (), ())
    assert locked_hash(lock, (), PLACED) != locked_hash(lock, ())
    assert locked_hash(lock, (), PLACED) != locked_hash(lock, (), placed(SPEC, "q", "/r"))


def test_a_stale_lock_is_not_said_to_lack_local_code() -> None:
    lock = Lock("l", "linux-64", (), declared="something else")
    spec = replace(SPEC, pip=("w @ file:w.whl",), pip_files=(), local=(WHEEL,))
    with pytest.raises(GpuwsError) as caught:
        usable((lock,), spec, (), jupyter=False, required=True)
    assert "another version, channel or package" in caught.value.message
