"""login1 and login2 behind one name, with one HOME: a workspace is found on the node it runs on.

Real sshds in namespaces with names and boot ids of their own, at 127.0.0.1 and 127.0.0.2.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.lab import end_sessions, short_folder
from tests.support.laptop import Done, Laptop
from tests.support.other_machine import machine, on_a_file_server
from tests.support.sessions import stand_in
from tests.support.sshd import Place, Sshd

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="a hosts file of its own needs root"),
]
_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


@dataclass(frozen=True)
class Cluster:
    """The workspace runs on login2; both answer, login1 first."""

    laptop: Laptop
    login1: Sshd
    login2: Sshd
    config: Path

    def reached_by(self, *names: tuple[str, str]) -> None:
        """The ssh configuration has these Hosts, each with its HostName."""
        common = [
            f"Port {self.login1.port}",
            f"User {self.login1.user}",
            f'IdentityFile "{self.login1.user_key}"',
            "IdentitiesOnly yes",
            f'UserKnownHostsFile "{self.login1.known_hosts}"',
            "GlobalKnownHostsFile none",
        ]
        blocks = ["\n    ".join((f"Host {name}", f"HostName {to}", *common)) for name, to in names]
        self.config.write_text("\n".join(blocks) + "\n")

    def run(self, *words: str) -> Done:
        """In a process of its own: what an earlier command holds open is gone."""
        for pid in self.laptop.keepers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return self.laptop.run(*words)


def server(folder: Path, name: str, address: str, home: Path, path: str) -> Sshd:
    mark = {leftovers.MARK: os.environ.get(leftovers.MARK, "")}
    boot = f"{name[-1] * 8}-0000-0000-0000-000000000000"
    place = Place(address, machine(folder, name, boot).within)
    return Sshd(folder / name, home=home, env={**mark, "PATH": path}, place=place)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with short_folder() as folder:
        home = folder / "h"
        home.mkdir()
        path = on_a_file_server(folder / "nfs", home)
        login1 = server(folder, "login1", "127.0.0.1", home, path)
        login2 = server(folder, "login2", "127.0.0.2", home, path)
        login2.port = login1.port
        login2.authorized_keys.write_text(login1.authorized_keys.read_text())
        names = folder / "hosts"
        names.write_text("127.0.0.1 localhost login.test\n127.0.0.2 login.test\n")
        laptop = Laptop(folder / "l", login1, ("unshare", "-m", "sh", "-c", _HOSTS, str(names)))
        laptop.env["GPUWS_SSH_CONFIG"] = str(folder / "config")
        made = Cluster(laptop, login1, login2, folder / "config")
        try:
            login2.start()  # alone at first
            made.reached_by(("login", "login.test"))
            laptop.hosts(f"hosts:\n  login:\n    use_env: {stand_in(folder / 'e')}\n")
            begun = laptop.run("--accept-new", "up", "login", "--no-jupyter")
            assert begun.code == 0, begun
            login1.start()
            lines = ""
            for name in ("[login.test]", "[127.0.0.1]", "[127.0.0.2]"):
                for each in (login1, login2):
                    kind, key = each.host_key_line().split()[1:]
                    if each.place.address in name or "test" in name:
                        lines += f"{name}:{login1.port} {kind} {key}\n"
            login1.known_hosts.write_text(lines)
            yield made
        finally:
            laptop.end()
            login1.stop()
            login2.stop()
            end_sessions(home)


def logins(cluster: Cluster) -> tuple[int, int]:
    return cluster.login1.accepted(), cluster.login2.accepted()


def test_a_node_behind_another_address_of_the_name_is_dialled(cluster: Cluster) -> None:
    cluster.reached_by(("login", "login.test"))
    shown = cluster.run("status", "login").out
    assert "running" in shown
    assert "on the node login2" in shown
    before = logins(cluster)
    done = cluster.run("up", "login", "--no-jupyter")
    assert done.code == 0, done
    assert "login/project is already running: nothing changed" in done.err
    assert [now - then for now, then in zip(logins(cluster), before, strict=True)] == [1, 1]


def test_a_node_that_the_host_knows_is_reached_through_it(cluster: Cluster) -> None:
    cluster.reached_by(("login", "127.0.0.1"), ("login2", "127.0.0.2"))
    before = logins(cluster)
    done = cluster.run("up", "login", "--no-jupyter")
    assert done.code == 0, done
    assert "login/project runs on login2: going there" in done.err
    assert "already running: nothing changed" in done.err
    assert [now - then for now, then in zip(logins(cluster), before, strict=True)] == [2, 1]
    attached = cluster.run("attach", "login", "-d")
    assert "login/project has no Jupyter to forward to" in attached.err


def test_a_node_that_cannot_be_reached_is_named_and_no_second_one_is_started(
    cluster: Cluster,
) -> None:
    cluster.reached_by(("login", "127.0.0.1"))
    for verb in (("up", "login", "--no-jupyter"), ("attach", "login", "-d")):
        done = cluster.run(*verb)
        assert done.code == 11, done
        assert "project runs on login2, and this is another node" in done.err
        assert "`gpuws attach login2/project`" in done.err
    assert (
        '"node":"login2"'
        in (cluster.login1.folder.parent / "h/gpuws/workspaces/project/workspace.json").read_text()
    )
