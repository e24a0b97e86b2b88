"""What is asked for next where others build, with a host that only says what it is told to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpuws.environments.build import ensure
from gpuws.environments.order import BuildOrder
from gpuws.plan.model import EnvironmentSpec, Tool
from gpuws.plan.ports import Reply, Script
from tests.support.build_bench import Bench, Heard
from tests.support.local_host import LocalHost

SPEC = EnvironmentSpec("environment.yml", "conda", conda=("python",))


class Saying(LocalHost):
    """``start``: what start.sh answers for a shared environment; one of one's own is there."""

    def __init__(self, home: Path, start: str) -> None:
        super().__init__(home)
        self.asked: list[str] = []
        self._start = start

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        self.asked.append(script.name)
        if script.name == "follow.sh":
            return Reply("offset\t0\nstate\tfailed environment-failed 1\n", 0)
        return Reply(self._start if args[8] else "marker\t{}\nstate\tcomplete\n", 0)


def order(home: Path) -> BuildOrder:
    bench = Bench(home, f"{home}/r", tools=(Tool("micromamba", "/opt/micromamba"),))
    return replace(bench.order(SPEC), shared="/data/vision")


def test_builds_of_others_that_never_come_to_an_end_are_waited_for_a_few_times(
    tmp_path: Path,
) -> None:
    host, heard = Saying(tmp_path, "owner\tbob\nstate\ttheirs\n"), Heard()
    built = ensure(host, order(tmp_path), heard, None)
    assert built.prefix.startswith(f"{tmp_path}/gpuws/envs/")
    assert (host.asked.count("follow.sh"), host.asked.count("start.sh")) == (3, 5)
    assert heard.notes[0] == ("bob is building this environment in /data/vision: waiting for it")
    assert "do not come to an end" in heard.notes[-1]


def test_why_it_cannot_be_shared_is_said_once_in_plain_characters(tmp_path: Path) -> None:
    host, heard = Saying(tmp_path, "why\tno \x1b[31mway\nstate\tunshared\n"), Heard()
    built = ensure(host, order(tmp_path), heard, None)
    assert built.prefix.startswith(f"{tmp_path}/gpuws/envs/")
    [note] = heard.notes
    assert note.startswith("not shared in /data/vision but built in ")
    assert "\x1b" not in note


def test_a_build_of_ones_own_that_was_begun_apart_is_found_where_it_is(tmp_path: Path) -> None:
    class Running(Saying):
        def run(self, script: Script, *args: str, **more: object) -> Reply:
            if script.name == "follow.sh":
                return Reply("offset\t0\nmarker\t{}\nstate\tdone\n", 0)
            return Reply(f"base\t{args[0]}\nstate\trunning\n", 0)

    built = ensure(Running(tmp_path, ""), order(tmp_path), Heard(), None)
    assert built.prefix.startswith(f"{tmp_path}/gpuws/envs/")
