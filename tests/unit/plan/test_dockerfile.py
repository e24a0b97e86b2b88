"""An environment as a Dockerfile: what is in it, what is not, and its form."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from gpuws.plan.dockerfile import Contents, dockerfile
from gpuws.plan.drift import packages_from
from gpuws.plan.export import Declared
from gpuws.plan.sources import Source, direct_from, sources_from
from tests.support.dockerfile_reader import instructions

SHA = "a" * 64
FORGE = "https://conda.anaconda.org/conda-forge/linux-64"
NOW = packages_from(
    [
        "conda python-3.11.9-h2_cpython",
        "conda numpy-1.26.4-py311h1",
        "python numpy-1.26.4 conda",
        "python rich-13.7.0 pip",
        "python pip-24.0 conda",
    ]
)
SOURCES = sources_from(
    [
        f"python-3.11.9-h2_cpython url {FORGE}/python-3.11.9-h2_cpython.conda",
        f"python-3.11.9-h2_cpython sha256 {SHA}",
        f"python-3.11.9-h2_cpython md5 {SHA[:32]}",
        f"numpy-1.26.4-py311h1 url {FORGE}/numpy-1.26.4-py311h1.conda",
        f"numpy-1.26.4-py311h1 md5 {SHA[:32]}",
    ]
)
CONTENTS = Contents("demo", "x86_64", Declared(), NOW, SOURCES)


def runs(contents: Contents) -> list[str]:
    return [each.text for each in instructions(dockerfile(contents)) if each.word == "RUN"]


def listed(contents: Contents, file: str) -> list[str]:
    """The lines that its RUNs put into a file."""
    found = []
    for words in map(shlex.split, runs(contents)):
        if words[0] == "printf":
            assert words[1] == "%s\\n"
            assert words[-2] == ">>"
            found += words[2:-2] if words[-1] == file else []
    return found


def variables(contents: Contents) -> dict[str, str]:
    every = instructions(dockerfile(contents))
    return dict(each.variable for each in every if each.word == "ENV")


def test_conda_packages_come_by_address_and_hash_and_pips_by_version() -> None:
    assert listed(CONTENTS, "explicit.txt") == [
        "@EXPLICIT",
        f"{FORGE}/python-3.11.9-h2_cpython.conda#sha256:{SHA}",
        f"{FORGE}/numpy-1.26.4-py311h1.conda#{SHA[:32]}",
    ]
    assert listed(CONTENTS, "requirements.txt") == ["rich==13.7.0"]


def test_the_image_is_pinned_for_the_hosts_machine_and_nobody_is_root() -> None:
    first, second, *_ = instructions(dockerfile(CONTENTS))
    assert first.text.startswith("--platform=linux/amd64 mambaorg/micromamba:2.")
    assert (second.word, second.text) == ("USER", "mambauser")
    words = [each.word for each in instructions(dockerfile(replace(CONTENTS, machine="riscv64")))]
    assert words.count("USER") == 1
    assert "--platform" not in dockerfile(replace(CONTENTS, machine="riscv64"))


def test_nothing_that_only_gpuws_knows_is_in_it() -> None:
    assert "gpuws" not in dockerfile(CONTENTS).lower()


def test_a_conda_package_without_an_address_is_looked_for_in_the_channels() -> None:
    declared = Declared(channels=("https://u:pw@mirror/t/tk-1/forge", "nodefaults"))
    contents = replace(CONTENTS, sources=SOURCES[:1], declared=declared)
    assert listed(contents, "explicit.txt")[1:] == [SOURCES[0].pinned]
    [run] = [each for each in runs(contents) if "micromamba install" in each]
    assert "--channel https://mirror/forge --override-channels numpy=1.26.4=py311h1" in run


def test_an_environment_without_conda_gets_its_python_from_conda_forge() -> None:
    now = packages_from(["python rich-13.7.0 uv", "python pip-24.0 uv"])
    contents = replace(CONTENTS, now=now, sources=(), python="3.11.2")
    [first, *_] = runs(contents)
    assert "create --yes --name work --channel conda-forge --override-channels python=3.11 pip" in (
        first
    )
    assert listed(contents, "requirements.txt") == ["rich==13.7.0"]
    assert "python pip" in runs(replace(contents, python=""))[0]


def test_where_pip_looked_is_kept_without_credentials() -> None:
    lines = ("rich", "--extra-index-url https://u:pw@wheels/cu124", "-r base.txt", "--pre")
    contents = replace(
        CONTENTS, declared=Declared(pip=lines), pip_index="https://u:pw@mirror/simple"
    )
    assert listed(contents, "requirements.txt") == [
        "--index-url https://mirror/simple",
        "--extra-index-url https://wheels/cu124",
        "--pre",
        "rich==13.7.0",
    ]
    own = replace(contents, declared=Declared(pip=("-i https://own/simple",)))
    assert listed(own, "requirements.txt")[0] == "-i https://own/simple"
    assert "pw" not in dockerfile(contents)


def test_credentials_of_a_channel_are_left_out_and_said() -> None:
    lines = [f"python-3.11.9-h2_cpython url https://u:pw@host/t/tk-1/c/python.conda#{SHA}"]
    assert sources_from(lines) == (Source("python-3.11.9-h2_cpython", login=True),)
    lines = ["python-3.11.9-h2_cpython url https://u:pw@host/t/tk-1/c/python.conda"]
    text = dockerfile(replace(CONTENTS, sources=sources_from(lines)))
    assert "# host asked for a login, which is not written here." in text
    assert "https://host/c/python.conda" in text
    assert "pw" not in text
    assert "tk-1" not in text


def test_variables_are_quoted_as_docker_reads_them() -> None:
    pairs = (("A", 'it\'s "$HOME" \\n'), ("EMPTY", ""), ("TWO", "a\nRUN rm"), ("B C", "x"))
    contents = replace(CONTENTS, declared=Declared(variables=pairs))
    assert variables(contents) == {
        "ENV_NAME": "work",
        "A": 'it\'s "$HOME" \\n',
        "EMPTY": "",
    }
    assert "# TWO is left out: its value cannot be written" in dockerfile(contents)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "hf_x1"),
        ("db_password", "x1x"),
        ("WANDB_API_KEY", "x1"),
        ("P", "http://u:x1@h"),
    ],
)
def test_what_may_be_a_secret_is_named_and_not_written(name: str, value: str) -> None:
    contents = replace(CONTENTS, declared=Declared(variables=((name, value),)))
    assert name not in variables(contents)
    assert f"# {name} is left out, it may be a secret" in dockerfile(contents)
    assert "x1" not in dockerfile(contents)


def test_what_pip_had_from_an_address_comes_from_there_again_or_is_said() -> None:
    direct = direct_from(
        [
            'one-1.0 {"url": "https://u:pw@git.host/one", "vcs_info": {"vcs": "git", '
            '"commit_id": "0123456789abcdef"}}',
            'two-2.0 {"url": "https://host/two-2.0.whl", "archive_info": {}}',
            'three-3.0 {"url": "file:///home/me/three", "dir_info": {"editable": true}}',
            "four-4.0 not json",
        ]
    )
    now = packages_from(
        [f"python {each}.0 pip" for each in ("one-1", "two-2", "three-3", "four-4")]
    )
    contents = replace(CONTENTS, now=(*NOW, *now), direct=direct)
    assert listed(contents, "requirements.txt") == [
        "one @ git+https://git.host/one@0123456789abcdef",
        "rich==13.7.0",
        "two @ https://host/two-2.0.whl",
    ]
    text = dockerfile(contents)
    assert "need git, which the image does not have" in text
    for name in ("three 3.0", "four 4.0"):
        assert f"# {name} came from a folder or file of the host: add it." in text


def test_a_long_list_is_cut_so_that_each_run_fits_into_an_argument() -> None:
    names = [f"p{number}-1.0-h{number}" for number in range(900)]
    now = packages_from([f"conda {each}" for each in names])
    lines = [f"{each} url {FORGE}/{each}.conda" for each in names]
    lines += [f"{each} sha256 {SHA}" for each in names]
    contents = replace(CONTENTS, now=now, sources=sources_from(lines))
    assert max(map(len, runs(contents))) < 100_000
    assert len(listed(contents, "explicit.txt")) == 901


def test_what_a_host_says_cannot_become_an_instruction() -> None:
    lines = ["a-1-0 url https://host/a'\nRUN rm.conda", "b-1-0 url javascript:x", "c-1-0 md5 zz"]
    assert [each.url for each in sources_from(lines)] == ["", "", ""]
    assert sources_from(lines)[2].md5 == ""
