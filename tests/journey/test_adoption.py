"""A rented machine is gone, its volume hangs on another one: `hosts add` with the new line, `up`.

Two real sshds; the second one's sessions have a name and a boot id of their own, and the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, end_sessions, running_lab, short_folder
from tests.support.other_machine import machine, on_a_file_server
from tests.support.sshd import Place, Sshd, running_sshd

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Rented:
    """``lab``: the first machine and the laptop; ``then``: the one that has the volume next."""

    lab: Lab
    then: Sshd
    volume: Path

    def add(self, server: Sshd) -> None:
        line = ("ssh", "-p", str(server.port), f"{server.user}@127.0.0.1")
        key = ("-i", str(self.lab.server.user_key))
        self.lab.laptop.ok("--accept-new", "hosts", "add", "rented", "--", *line, *key)

    def instance(self) -> str:
        return (self.volume / "gpuws/workspaces/project/workspace.json").read_text()


@pytest.fixture
def rented(jupyter_env: Path) -> Iterator[Rented]:
    with short_folder() as folder, running_lab(folder) as lab:
        volume = folder / "v"
        volume.mkdir()
        other = machine(folder, "pod-2")
        home = folder / "h2"
        home.mkdir()
        mark = {leftovers.MARK: os.environ.get(leftovers.MARK, "")}
        within = Place("127.0.0.1", other.within)
        env = {**mark, "PATH": on_a_file_server(folder / "nfs")}
        with running_sshd(folder / "s2", home=home, env=env, place=within) as then:
            then.authorized_keys.write_text(lab.server.authorized_keys.read_text())
            lab.laptop.write("environment.yml", "name: none\n").unlink()
            made = Rented(lab, then, volume)
            made.add(lab.server)
            path = lab.laptop.config / "hosts.yaml"
            keys = f"    root: {volume}/gpuws\n    use_env: {jupyter_env}\n"
            path.write_text(path.read_text().replace("  rented:\n", f"  rented:\n{keys}"))
            try:
                yield made
            finally:
                end_sessions(home)


def test_up_adopts_the_workspace_of_a_machine_that_is_gone(rented: Rented) -> None:
    """Row 53. The keeper that still holds the old machine's connection follows the new line."""
    laptop = rented.lab.laptop
    laptop.ok("up", "rented", "-d")
    before = rented.instance()
    rented.add(rented.then)

    listed = laptop.ok("status", "rented").out
    assert "silent" in listed or "running" in listed
    refused = laptop.run("up", "rented", "-d")
    assert refused.code == 10, refused
    assert "runs on the node" in refused.err or "connect to" in refused.err

    beat = rented.volume / "gpuws/workspaces/project/beat"
    for each in (beat, *beat.parent.glob("lock.*")):
        os.utime(each, (beat.stat().st_mtime - 7200,) * 2, follow_symlinks=False)
    attached = laptop.run("attach", "rented", "-d")
    assert attached.code == 11, attached
    asked = laptop.run("up", "rented", "-d")
    assert asked.code == 10, asked
    assert "--here" in asked.err
    taken = laptop.ok("up", "rented", "-d", "--here")
    assert "last used 2 hours ago" in taken.err
    assert rented.instance() != before
    assert '"node":"pod-2"' in rented.instance()
    data = laptop.ok("--json", "up", "rented").data()
    assert data["session"]["state"] == "running"
    assert laptop.ok("down", "rented", "-y").code == 0
