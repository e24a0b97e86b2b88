from __future__ import annotations

import json

from gpuws.plan.codec import decode, encode
from gpuws.plan.model import EnvironmentSpec, HostEntry
from gpuws.plan.requests import Caller, Reach, UpRequest, WorkspaceRequest

REQUEST = UpRequest(
    reach=Reach("box", HostEntry("box", prologue=("module load cuda",), env=(("A", "1"),))),
    caller=Caller("ada", "laptop", "/home/ada/p"),
    name="p",
    spec=EnvironmentSpec(
        "environment.yml", "conda", conda=("python=3.11",), pip_files=(("r.txt", "x\n"),)
    ),
    secret_env=(("KEY", "v"),),
)


def test_a_request_survives_the_way_to_the_keeper() -> None:
    assert decode(UpRequest, json.loads(json.dumps(encode(REQUEST)))) == REQUEST


def test_an_absent_spec_stays_absent() -> None:
    bare = WorkspaceRequest(REQUEST.reach, REQUEST.caller, command=("ls", "-l"))
    assert decode(WorkspaceRequest, json.loads(json.dumps(encode(bare)))) == bare


def test_unknown_keys_of_another_version_are_dropped() -> None:
    data = {**json.loads(json.dumps(encode(REQUEST))), "new_in_9_0": 1}
    assert decode(UpRequest, data) == REQUEST
