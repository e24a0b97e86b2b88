"""`up --offline`: the laptop sends what is locked; the host fetches nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support import micromamba
from tests.support.conda_channel import Channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.lab import Lab, prefer_own_port, running_lab
from tests.support.package_index import publish, wheel

__all__ = ["conda_cache", "conda_channel"]

pytestmark = pytest.mark.timeout(300)

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
# A proxy where nothing listens: whatever the host asks of a network fails.
CUT_OFF = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
NO = "--no-jupyter"


@pytest.fixture
def lab(short_tmp: Path) -> Iterator[Lab]:
    """A host with micromamba on its PATH and no way out."""
    tool = micromamba.install(short_tmp / "bin")
    env = {"PATH": f"{tool.parent}:/usr/local/bin:/usr/bin:/bin", **CUT_OFF}
    with running_lab(short_tmp, env=env) as lab:
        yield lab


def environment(channel: str, *packages: str, more: str = "") -> str:
    lines = "".join(f"  - {each}\n" for each in (f"python={VERSION}", *packages))
    return f"name: demo\nchannels:\n  - {channel}\ndependencies:\n{lines}{more}"


def test_what_is_locked_is_sent_and_only_what_is_missing_the_next_time(
    lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    run = lab.laptop.ok
    with serve(conda_channel) as served, serve(tmp_path) as index:
        publish(tmp_path, "tiny", wheel(tmp_path / "w", "tiny", "1.0"))
        prefer_own_port(lab.laptop, f"    pip_index: {index.url}/simple\n")
        pip = "  - pip\n  - pip:\n    - tiny\n"
        lab.laptop.write("environment.yml", environment(served.url, "pandas", more=pip))
        run("env", "lock", "gpubox", NO)
        cut_off = lab.laptop.run("--json", "up", "gpubox", NO)
        assert cut_off.code == 8  # the host has no way out indeed

        first = run("--json", "up", "gpubox", NO, "--offline")
        assert first.data()["environment"]["action"] == "created"
        asked = "import pandas, tiny; print(pandas.__version__, tiny.__version__)"
        assert run("exec", "gpubox", "--", "python", "-c", asked).out == "2.2.3 1.0\n"
        run("down", "--yes")

        lab.laptop.write("environment.yml", environment(served.url, "pandas", "hello", more=pip))
        run("env", "lock", "gpubox", NO)
        served.log.clear()
        second = run("up", "gpubox", NO, "--offline")
        count = len((lab.laptop.project / "conda-lock.yml").read_text().split("\n- name: ")) - 1
        assert f"the host had {count - 1} of {count}" in second.err
        assert [path for path in served.log if path.endswith((".conda", ".bz2"))] == [
            "/channel/noarch/hello-1.0-pyhtest_0.tar.bz2"
        ]
        run("down", "--yes")
    collects_archives(lab)


def collects_archives(lab: Lab) -> None:
    """`env gc` leaves what the environments were built from, and what was used lately here."""
    caches = (lab.root / "cache/archives", Path(lab.laptop.env["GPUWS_CACHE_DIR"]) / "archives")
    for folder in caches:
        old = folder / "aa" / ("a" * 64) / "old-1-0.conda"
        old.parent.mkdir(parents=True)
        old.write_bytes(b"x" * 5000)
        for path in folder.glob("*/*/*"):
            os.utime(path, (time.time() - 7200,) * 2)
        os.utime(old, (1, 1))
    asked = lab.laptop.run("--no-input", "env", "gc", "gpubox")
    assert asked.code == 2
    assert "1 unused archives (0 MB) from gpubox, 1 unused archives" in asked.err
    done = lab.laptop.ok("--json", "env", "gc", "gpubox", "--yes").data()
    assert [(each["place"], each["count"]) for each in done["archives"]] == [
        ("host", 1),
        ("laptop", 1),
    ]
    assert all(len(list(folder.glob("*/*/*"))) > 3 for folder in caches)
    assert not any((folder / "aa" / ("a" * 64)).exists() for folder in caches)
    again = lab.laptop.ok("env", "gc", "gpubox", "--yes").out
    assert again.startswith("nothing to remove")


def test_a_host_without_any_tool_is_sent_micromamba_too(
    short_tmp: Path, conda_channel: Channel
) -> None:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **CUT_OFF}
    with running_lab(short_tmp, env=env) as lab, serve(conda_channel) as served:
        lab.laptop.write("environment.yml", environment(served.url, "with-prefix"))
        lab.laptop.ok("env", "lock", "gpubox", NO)
        made = lab.laptop.ok("--json", "up", "gpubox", NO, "--offline").data()["environment"]
        assert made["tool"] == "micromamba"
        text = Path(made["prefix"], "share/with-prefix/text.conf").read_text()
        assert text == f"root={made['prefix']}/etc\n"
        lab.laptop.ok("down", "--yes")


def test_offline_without_a_lock_says_what_to_type(lab: Lab, conda_channel: Channel) -> None:
    lab.laptop.write("environment.yml", environment(conda_channel.url))
    done = lab.laptop.run("--json", "up", "gpubox", NO, "--offline")
    assert (done.code, done.json()["error"]["code"]) == (3, "lock-missing")
    assert "gpuws env lock" in done.json()["error"]["hint"]
    assert lab.laptop.run("up", "gpubox", "--offline", "--no-lock").code == 2


def test_an_archive_that_is_not_what_was_locked_is_never_sent(
    lab: Lab, conda_channel: Channel
) -> None:
    with serve(conda_channel) as served:
        lab.laptop.write("environment.yml", environment(served.url, "six"))
        lab.laptop.ok("env", "lock", "gpubox", NO)
        path = lab.laptop.project / "conda-lock.yml"
        locked = yaml.safe_load(path.read_text())["package"]
        known = next(each["hash"]["sha256"] for each in locked if each["name"] == "six")
        path.write_text(path.read_text().replace(known, "0" * 64))
        done = lab.laptop.run("--json", "up", "gpubox", NO, "--offline")
        assert (done.code, done.json()["error"]["code"]) == (8, "wrong-hash")
        assert "six" in done.json()["error"]["message"]
        assert not list(lab.root.glob("cache/archives/*/*/six-*"))
