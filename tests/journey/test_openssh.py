"""The main job where the system's ssh logs in: up, attach, exec, down; and nothing of it stays."""

from __future__ import annotations

import os
import signal

import pytest

from tests.contract.test_openssh import clients
from tests.journey.conftest import Lab
from tests.support.near_end import eventually
from tests.support.outside import Notebook, sockets

pytestmark = pytest.mark.timeout(240)


def test_the_whole_journey_goes_over_the_systems_ssh(lab: Lab) -> None:
    ssh = ("--transport", "openssh")
    first = lab.laptop.ok(*ssh, "--json", "up", "gpubox").data()
    assert len(clients(lab.server.config)) == 1
    kernel = Notebook(lab.laptop.ok("url").out.strip()).start_kernel()
    [keeper] = lab.laptop.keepers()
    os.kill(keeper, signal.SIGKILL)
    again = lab.laptop.ok(*ssh, "--json", "attach").data()
    assert again["local_port"] == first["local_port"]
    assert Notebook(lab.laptop.ok("url").out.strip()).kernels() == [kernel]
    done = lab.laptop.run(*ssh, "exec", "gpubox", "--", "sh", "-c", "cat; exit 7", stdin="typed")
    assert (done.code, done.out) == (7, "typed")
    assert lab.laptop.ok(*ssh, "--json", "down", "--yes").data()["left"] == []
    assert sockets(lab.home) == []
    assert eventually(lambda: clients(lab.server.config) == [])
