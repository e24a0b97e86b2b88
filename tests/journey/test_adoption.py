"""A rented machine is gone, its volume hangs on another one: `hosts add` with the new line, `up`.

Two real sshds; the second one's sessions have a name and a boot id of their own, and the same
folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.lab import Lab, end_sessions, running_lab, short_folder
from tests.support.laptop import Done
from tests.support.other_machine import machine, on_a_file_server
from tests.support.sessions import stand_in
from tests.support.sshd import Place, Sshd, running_sshd

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

    def up(self, *more: str) -> Done:
        """Without Jupyter: what it serves is not what this is about."""
        return self.lab.laptop.run("up", "rented", "--no-jupyter", *more)

    def instance(self) -> str:
        return (self.volume / "gpuws/workspaces/project/workspace.json").read_text()


@pytest.fixture
def rented() -> Iterator[Rented]:
    with short_folder() as folder, running_lab(folder) as lab:
        volume = folder / "v"
        volume.mkdir()
        other = machine(folder, "pod-2")
        home = folder / "h2"
        home.mkdir()
        mark = {leftovers.MARK: os.environ.get(leftovers.MARK, "")}
        within = Place("127.0.0.1", other.within)
        env = {**mark, "PATH": on_a_file_server(folder / "nfs", volume)}
        with running_sshd(folder / "s2", home=home, env=env, place=within) as then:
            then.authorized_keys.write_text(lab.server.authorized_keys.read_text())
            (lab.laptop.project / "environment.yml").unlink()
            made = Rented(lab, then, volume)
            made.add(lab.server)
            path = lab.laptop.config / "hosts.yaml"
            keys = f"    root: {volume}/gpuws\n    use_env: {stand_in(folder / 'e')}\n"
            path.write_text(path.read_text().replace("  rented:\n", f"  rented:\n{keys}"))
            try:
                yield made
            finally:
                end_sessions(home)


def test_up_adopts_the_workspace_of_a_machine_that_is_gone(rented: Rented) -> None:
    """Row 60, on a volume that others may have mounted too: only its silence can be seen."""
    laptop = rented.lab.laptop
    assert rented.up().code == 0
    before = rented.instance()
    rented.add(rented.then)

    live = rented.up("--here")
    assert live.code == 11, live
    assert f"project runs on {os.uname().nodename}" in live.err
    assert f"on the node {os.uname().nodename}" in laptop.ok("status", "rented").out

    beat = rented.volume / "gpuws/workspaces/project/beat"
    then = beat.stat().st_mtime - 7200
    for each in (beat, *beat.parent.glob("lock.*")):
        os.utime(each, (then, then), follow_symlinks=False)
    assert "silent" in laptop.ok("status", "rented").out
    attached = laptop.run("attach", "rented", "-d")
    assert (attached.code, "last sign of life was 2 hours ago" in attached.err) == (11, True)
    asked = rented.up()
    assert (asked.code, "--here" in asked.err) == (10, True), asked
    assert rented.instance() == before

    taken = rented.up("--here")
    assert taken.code == 0, taken
    assert f"adopted from {os.uname().nodename}, last used 2 hours ago" in taken.err
    assert '"node":"pod-2"' in rented.instance()
    assert laptop.ok("down", "rented", "-y").code == 0
