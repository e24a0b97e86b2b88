"""hosts.yaml: bad entries are told, good ones stay usable."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import pytest

from gpuws.config.hosts import load_hosts
from gpuws.errors import GpuwsError
from gpuws.plan.mirrors import PRESETS
from gpuws.plan.model import HostEntry, Mirror

from .writing import write

EXAMPLE = Path(__file__).parents[3] / "hosts.example.yaml"


def load(folder: Path, text: str) -> tuple[dict[str, HostEntry], tuple[GpuwsError, ...]]:
    return load_hosts(write(folder, text, "hosts.yaml"))


def entry(folder: Path, text: str) -> HostEntry:
    """The entry of host ``a`` whose keys are given as lines."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    entries, problems = load(folder, f"hosts:\n  a:\n{lines}")
    assert [each.message for each in problems] == []
    return entries["a"]


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """\
ssh: me@gpu1.example.org:2200
port: 2201
root: /data/me/gpuws
environment: ~/p/environment.yml
use_env: /opt/envs/x
dir: ~/work space
gpus: 0,2
local_port: 8890
prologue: [module load cuda, "source x; y && z"]
env: {A: 1.10, B: yes}
pass_env: [KEY, OTHER]
cache_dir: /data/cache
channels: [conda-forge]
pip_index: https://me:pw@pypi.example.org/simple
mirror: none
login_env: true
transport: openssh"""
    assert entry(tmp_path, text) == HostEntry(
        name="a",
        ssh="me@gpu1.example.org:2200",
        port=2201,
        root="/data/me/gpuws",
        environment=("~/p/environment.yml",),
        use_env="/opt/envs/x",
        dir="~/work space",
        gpus="0,2",
        local_port=8890,
        prologue=("module load cuda", "source x; y && z"),
        env=(("A", "1.10"), ("B", "yes")),
        pass_env=("KEY", "OTHER"),
        cache_dir="/data/cache",
        channels=("conda-forge",),
        pip_index="https://me:pw@pypi.example.org/simple",
        mirror=Mirror(),
        login_env=True,
        transport="openssh",
        where=f"{tmp_path / 'hosts.yaml'}:2",
    )


def test_several_environment_files_keep_their_order(tmp_path: Path) -> None:
    found = entry(tmp_path, "environment: [base.yml, ~/gpu.yml]")
    assert found.environment == ("base.yml", "~/gpu.yml")


def test_a_host_without_keys_and_empty_values_are_not_set(tmp_path: Path) -> None:
    entries, problems = load(tmp_path, "hosts:\n  a:\n  b: {root: , env: }\n")
    assert problems == ()
    for name, line in (("a", 2), ("b", 3)):
        assert entries[name] == HostEntry(name, where=f"{tmp_path / 'hosts.yaml'}:{line}")


def test_a_shared_root_has_one_spelling(tmp_path: Path) -> None:
    assert entry(tmp_path, "shared_root: //data//vision/./").shared_root == "/data/vision"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "hosts:\n", "hosts: {}\n"])
def test_a_file_without_hosts_is_fine(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == ({}, ())


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("gpus: 2", "2"),
        ("gpus: '0,'", "0,"),
        ("gpus: 0, 1", "0,1"),
        ("gpus: [0, 1]", "0,1,"),
        ("gpus: [3]", "3,"),
        ("gpus: none", "none"),
    ],
)
def test_cards_are_a_count_or_indices_or_none(tmp_path: Path, line: str, value: str) -> None:
    assert entry(tmp_path, line).gpus == value


def test_a_mirror_is_a_preset_or_a_map_over_one(tmp_path: Path) -> None:
    assert entry(tmp_path, "mirror: TUNA").mirror == PRESETS["tuna"]
    text = """\
mirror:
  preset: ustc
  channels:
    nvidia: https://me:pw@lan/cuda/
    "*": ["https://a/{channel}", "file:///b/{channel}/"]
  huggingface: https://hub.example/"""
    ustc, found = dict(PRESETS["ustc"].channels), entry(tmp_path, text).mirror
    assert found is not None
    assert dict(found.channels) == {
        **ustc,
        "nvidia": ("https://me:pw@lan/cuda",),
        "*": ("https://a/{channel}", "file:///b/{channel}"),
    }
    assert (found.name, found.pip) == ("ustc", PRESETS["ustc"].pip)
    assert (found.huggingface, found.own_hub) == ("https://hub.example", True)


def test_a_mirror_of_ones_own_has_only_what_it_names(tmp_path: Path) -> None:
    text = "mirror: {channels: {conda-forge: 'http://lan/cf'}, pip: http://lan/simple}"
    assert entry(tmp_path, text).mirror == Mirror(
        channels=(("conda-forge", ("http://lan/cf",)),), pip="http://lan/simple"
    )


def test_a_fault_inside_a_mirror_is_told_with_its_own_line(tmp_path: Path) -> None:
    text = "hosts:\n  a:\n    mirror:\n      channels:\n        '*': https://x/\n"
    _, [problem] = load(tmp_path, text)
    assert 'hosts.yaml:5:14: mirror: an address for "*" needs {channel}' in problem.message
    assert "^" in problem.detail


@pytest.mark.parametrize(
    "target",
    [
        "alias",
        "_alias.v2",
        "me@host",
        "me@host:22",
        "host:22",
        "10.0.0.1",
        "me@[2001:db8::1]:22",
        "'2001:db8::1'",
        "me@fe80::1%eth0",
        "me@corp@host",
        "corp\\me@host",
    ],
)
def test_targets_are_what_ssh_takes(tmp_path: Path, target: str) -> None:
    assert entry(tmp_path, f"ssh: {target}").ssh == target.strip("'")


def test_a_prologue_of_several_lines_stays_one_text(tmp_path: Path) -> None:
    text = "prologue: |\n  if true\n  then echo x\n  fi"
    assert entry(tmp_path, text).prologue == ("if true\nthen echo x\nfi",)


def test_defaults_lie_below_every_entry(tmp_path: Path) -> None:
    entries, problems = load(
        tmp_path,
        "defaults: {root: /d, gpus: 1, env: {A: a, B: b}, channels: [x]}\n"
        "hosts:\n  one:\n  two: {root: /two, env: {B: mine, C: c}, channels: [y]}\n",
    )
    assert problems == ()
    one, two = entries["one"], entries["two"]
    assert (one.root, one.gpus, one.env, one.channels) == (
        "/d",
        "1",
        (("A", "a"), ("B", "b")),
        ("x",),
    )
    assert (two.root, two.gpus, two.channels) == ("/two", "1", ("y",))
    assert two.env == (("A", "a"), ("B", "mine"), ("C", "c"))


BAD = [
    ("shared_root: ~/shared", "is nobody else's", "write the whole path"),
    ("shared_root: data", "must begin with '/'", ""),
    ("shared_root: /data/../x", "'..' is not allowed", ""),
    ("host: x", "unknown key 'host'", "did you mean ssh:?"),
    ("Gpus: 1", "unknown key 'Gpus'", "did you mean gpus:?"),
    ("local-port: 1", "unknown key 'local-port'", "did you mean local_port:?"),
    ("user: me", "unknown key 'user'", "ssh: user@host"),
    ("zzzz: 1", "unknown key 'zzzz'", "the keys are ssh, port"),
    ("where: x", "unknown key 'where'", ""),
    ("name: x", "unknown key 'name'", ""),
    ('ssh: "x; rm -rf"', "'x; rm -rf' is neither", ""),
    ("ssh: -oProxyCommand=id", "is neither an ssh alias", ""),
    ("ssh: '-oProxyCommand=id@host'", "is neither an ssh alias", ""),
    ("ssh: me@-x", "is neither an ssh alias", ""),
    ("ssh: a b", "is neither an ssh alias", ""),
    ("ssh: $(id)", "is neither an ssh alias", ""),
    ("ssh: '`id`@host'", "is neither an ssh alias", ""),
    ("ssh: host:99999", "is neither an ssh alias", ""),
    ("ssh: me@[zz::1]", "is neither an ssh alias", ""),
    ("ssh: me@h\u043est", "is neither an ssh alias", ""),
    ("ssh: [a]", "ssh: one value, not a list", ""),
    ("ssh: yes", "reads yes as yes/no", "quote it: 'yes'"),
    ("ssh: ''", "the text is empty", ""),
    ("port: 0", "is no port from 1 to 65535", ""),
    ("port: 70000", "is no port from 1", ""),
    ("port: 1_000", "is no port", ""),
    ("local_port: 80", "is no port from 1024 to 65535", ""),
    ("local_port: eight", "is no port from 1024", ""),
    ("local_port: [1]", "one value, not a list", ""),
    ("root: data", "must begin with '/' or '~/'", ""),
    ("root: ~me/x", "must begin with '/' or '~/'", ""),
    ("root: /data/../etc", "'..' is not allowed", ""),
    ("root: /data/$USER", "variables are not filled in", ""),
    ("dir: /a`id`", "variables are not filled in", ""),
    ('cache_dir: "/a\\nb"', "several lines", ""),
    ("environment: -f", "cannot begin with '-'", "./"),
    ("environment: [a.yml, -f]", "cannot begin with '-'", "./"),
    ("environment: []", "a file is missing", ""),
    ("environment: [a.yml, [b.yml]]", "one value, not a list", ""),
    ("use_env: -n", "neither an environment's name", ""),
    ("gpus: 0", "neither a count", "'0,'"),
    ("gpus: all", "neither a count", ""),
    ("gpus: -1", "neither a count", ""),
    ("gpus: 0;1", "neither a count", ""),
    ("prologue: {a: b}", "one value, not a map", ""),
    ("prologue: ['']", "a command is missing", ""),
    ("env: {1a: b}", "'1a' cannot be the name", ""),
    ("env: [a]", "env: takes a map", ""),
    ("env: {A: }", "A has no value", ""),
    ("env: {GPUWS_SESSION: x}", "belong to gpuws", ""),
    ("pass_env: [A=b]", "cannot be the name", ""),
    ("channels: ['-c']", "cannot begin with '-'", ""),
    ("check: ['torch; x']", "no module that Python can import", ""),
    ("check: a..b", "no module that Python can import", ""),
    ("pip_index: mirrors.example.org", "a URL is needed", ""),
    ("pip_index: 'https://x/ -r y'", "a URL is needed", ""),
    ("mirror: tunaa", "no preset 'tunaa'", "did you mean tuna?"),
    ("mirror: mit", "no preset 'mit'", "the presets are bfsu, sustech, tuna, ustc"),
    ("mirror: https://x/y", "no preset", "in a map: channels:"),
    ("mirror: [tuna]", "a preset's name or a map, not a list", ""),
    ("mirror: {}", "it names nothing", "the keys are preset"),
    ("mirror: {preset: mit}", "no preset 'mit'", ""),
    ("mirror: {chanels: {}}", "unknown key 'chanels'", "did you mean channels:?"),
    ("mirror: {channels: [a]}", "a map of channels, not a list", "conda-forge: https"),
    ("mirror: {channels: {a: }}", "a value is missing", ""),
    ("mirror: {channels: {a: x}}", "a URL is needed", ""),
    ("mirror: {channels: {'-c': 'https://x'}}", "cannot begin with '-'", ""),
    ("mirror: {channels: {defaults: 'https://x'}}", "no channel of its own", "pkgs/main"),
    ("mirror: {channels: {'*': 'https://x/'}}", 'for "*" needs {channel}', "{channel}"),
    ("mirror: {channels: {a: 'https://x/{name}'}}", "only {channel}", ""),
    (f"mirror: {{channels: {{a: {['http://x'] * 9}}}}}", "9 addresses of one channel, 8", ""),
    ("mirror: {pip: 'ftp://x'}", "a URL is needed", ""),
    ("mirror: {huggingface: 'file:///x'}", "https:// or http://", ""),
    ("login_env: 'true'", "true or false, without quotes", ""),
    ("login_env: maybe", "true or false", ""),
    ("transport: pigeon", "neither paramiko nor openssh", ""),
]


@pytest.mark.parametrize(("line", "said", "hint"), BAD)
def test_a_bad_entry_is_told_and_the_others_stay_usable(
    tmp_path: Path, line: str, said: str, hint: str
) -> None:
    text = f"hosts:\n  good: {{gpus: 1}}\n  bad:\n    {line}\n  fine:\n"
    entries, problems = load(tmp_path, text)
    assert set(entries) == {"good", "fine"}
    assert len(problems) == 1
    (problem,) = problems
    assert said in f"{problem.message} {problem.hint}"
    assert hint in problem.hint
    assert re.search(r"hosts\.yaml:4:[0-9]+: ", problem.message)
    assert (problem.code, problem.exit) == ("hosts-file-invalid", 3)


def test_every_fault_of_an_entry_is_told(tmp_path: Path) -> None:
    entries, problems = load(tmp_path, "hosts:\n  a: {port: 0, root: x, nope: 1}\n")
    assert (entries, len(problems)) == ({}, 3)


@pytest.mark.parametrize(
    "name", ["-oX", "a b", "a/b", "a;b", "$(id)", "../x", "h\u043est", "x" * 300, "me@host"]
)
def test_names_of_hosts_cannot_be_options_paths_or_shell_text(tmp_path: Path, name: str) -> None:
    entries, problems = load(tmp_path, f"hosts:\n  good:\n  '{name}':\n")
    assert set(entries) == {"good"}
    assert "cannot name a host" in problems[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lab: {gpus: 1}\nhosts: {a: }\n", "unknown key 'lab'"),
        ("host: {}\nhosts: {a: }\n", "unknown key 'host'"),
        ("defaults: [a]\nhosts: {a: }\n", "defaults: takes a map"),
        ("defaults: {ssh: x}\nhosts: {a: }\n", "cannot be a default"),
        ("defaults: {local_port: 8888}\nhosts: {a: }\n", "cannot be a default"),
        ("defaults: {gpus: all}\nhosts: {a: }\n", "neither a count"),
        ("hosts: {a: , b: [c]}\n", "host b takes a map of keys"),
    ],
)
def test_faults_beside_an_entry_leave_it_usable(tmp_path: Path, text: str, said: str) -> None:
    entries, problems = load(tmp_path, text)
    assert set(entries) == {"a"}
    assert entries["a"].gpus is None
    assert len(problems) == 1
    assert said in problems[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", ":1:1: the file holds a list"),
        ("a\n", ":1:1: the file holds text"),
        ("hosts: {a: }\nhosts: {b: }\n", ":2:1: duplicate key 'hosts'"),
        ("hosts:\n  a:\n  a:\n", ":3:3: duplicate key 'a': line 2"),
        ("hosts:\n  a: !!python/name:os.system\n", ":2:6: the tag"),
        ("hosts:\n\ta:\n", ":2:1: a tab"),
        ("hosts: [\n", "is missing"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_an_error(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(GpuwsError) as caught:
        load(tmp_path, text)
    assert said in caught.value.message
    assert (caught.value.code, caught.value.exit) == ("hosts-file-invalid", 3)


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = """\
hosts:
  a: {env: {A-B: hunter2}}
  b: {env: {A: [hunter2]}}
  c: {pip_index: "https://me:hunter2@host/a b"}
  d: {channels: ["https://me:hunter2@host/a b"]}
  e: {mirror: {channels: {a: "https://me:hunter2@host/{b}"}}}
  f: {mirror: {pip: "https://me:hunter2@host/a b"}}
  g: {mirror: "https://me:hunter2@host/a"}
"""
    _, problems = load(tmp_path, text)
    assert len(problems) == 7
    assert "hunter2" not in "".join(f"{p.message}{p.hint}{p.detail}" for p in problems)


@pytest.mark.parametrize("keys", ["ssh: u@h{n}, gpus: 2, root: /data/h{n}", "ssh: 'a b', x{n}: 1"])
def test_ten_thousand_hosts_are_read_quickly(tmp_path: Path, keys: str) -> None:
    lines = (f"  h{n}: {{{keys.replace('{n}', str(n))}}}\n" for n in range(10_000))
    path = write(tmp_path, "hosts:\n" + "".join(lines), "hosts.yaml")
    begin = time.process_time()
    entries, problems = load_hosts(path)
    assert len(entries) + len(problems) // 2 == 10_000
    assert time.process_time() - begin < 5  # 0.5 to 1 s where it was written


def test_the_example_loads_without_a_problem() -> None:
    entries, problems = load_hosts(EXAMPLE)
    assert problems == ()
    assert len(entries) >= 2


@pytest.mark.parametrize(
    "key",
    [f.name for f in dataclasses.fields(HostEntry) if f.name not in ("name", "where")],
)
def test_the_example_explains_every_key(key: str) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    places = [n for n, line in enumerate(lines) if re.match(rf"    {key}:", line)]
    assert any(lines[n - 1].strip().startswith("# ") for n in places)
