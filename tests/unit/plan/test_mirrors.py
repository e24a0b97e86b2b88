"""Which addresses stand for a channel, and which channel an address stands for."""

from __future__ import annotations

import pytest

from gpuws.plan.mirrors import (
    PRESETS,
    as_named,
    candidates,
    canonical,
    expanded,
    hub,
    hub_notes,
    split_spec,
)
from gpuws.plan.model import HostEntry, Mirror

TUNA = PRESETS["tuna"]
AT_TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"
HOME = "https://conda.anaconda.org"
DIGEST = "0123456789" * 6


@pytest.mark.parametrize(
    ("channel", "first"),
    [
        ("conda-forge", f"{AT_TUNA}/cloud/conda-forge"),
        (f"{HOME}/conda-forge/", f"{AT_TUNA}/cloud/conda-forge"),
        ("nvidia/label/cuda-12.4", f"{AT_TUNA}/cloud/nvidia/label/cuda-12.4"),
        ("pkgs/main", f"{AT_TUNA}/pkgs/main"),
        ("https://repo.anaconda.com/pkgs/r", f"{AT_TUNA}/pkgs/r"),
    ],
)
def test_the_mirror_is_tried_first_and_the_channel_as_it_is_named_last(
    channel: str, first: str
) -> None:
    assert candidates(TUNA, channel) == (first, channel)


@pytest.mark.parametrize(
    "channel",
    [
        "nodefaults",
        "defaults",
        "local",
        "file:///data/channel",
        "/data/channel",
        "https://channels.example.org/ours",
        f"{HOME}/t/a-token/private",
        "pkgs/msys2",
    ],
)
def test_a_channel_that_the_mirror_cannot_have_stays_as_it_is(channel: str) -> None:
    assert candidates(TUNA, channel) == ()


def test_a_channels_own_addresses_stand_instead_of_those_for_every_channel() -> None:
    mirror = Mirror(
        channels=(
            ("*", ("http://a/{channel}", "http://b/c/{channel}/all")),
            ("nvidia", ("http://n/cuda/", "http://m/cuda")),
            ("https://ours.example/x", ("http://lan/x",)),
            ("bioconda", ()),
        )
    )
    assert candidates(mirror, "pytorch") == (
        "http://a/pytorch",
        "http://b/c/pytorch/all",
        "pytorch",
    )
    assert candidates(mirror, "nvidia") == ("http://n/cuda", "http://m/cuda", "nvidia")
    assert candidates(mirror, "https://ours.example/x")[0] == "http://lan/x"
    assert candidates(mirror, "bioconda") == ()


def test_defaults_is_taken_apart_where_the_mirror_names_a_part_of_it() -> None:
    parts = tuple(f"https://repo.anaconda.com/pkgs/{each}" for each in ("main", "r"))
    assert expanded(TUNA, ("a", "defaults", "b")) == ("a", *parts, "b")
    assert expanded(Mirror(channels=(("*", ("http://a/{channel}",)),)), ("defaults",)) == (
        "defaults",
    )


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("conda-forge::numpy>=1", ("conda-forge", "::numpy>=1")),
        ("conda-forge/linux-64::numpy", ("conda-forge", "/linux-64::numpy")),
        (f"{HOME}/conda-forge::numpy", (f"{HOME}/conda-forge", "::numpy")),
        ("numpy[build='a::b']", ("", "numpy[build='a::b']")),
        ("https://x/linux-64/numpy-1-0.conda", ("", "https://x/linux-64/numpy-1-0.conda")),
    ],
)
def test_the_channel_of_a_spec_is_told_from_the_rest(spec: str, parts: tuple[str, str]) -> None:
    assert split_spec(spec) == parts


# --- back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channel", ["conda-forge", "nvidia", "nvidia/label/cuda-12.4"])
@pytest.mark.parametrize(
    "rest", ["", "/linux-64", "/noarch/a-1.0-h0_0.conda", "/linux-64/a.json#x"]
)
def test_what_a_preset_leads_to_leads_back(name: str, channel: str, rest: str) -> None:
    *addresses, last = candidates(PRESETS[name], channel)
    assert last == channel
    assert addresses
    for each in addresses:
        assert canonical(each + rest) == f"{HOME}/{channel}{rest}"


@pytest.mark.parametrize("name", PRESETS)
def test_the_defaults_lead_back_to_their_own_home(name: str) -> None:
    for part in ("pkgs/main", "pkgs/r"):
        [address, _] = candidates(PRESETS[name], part)
        assert canonical(f"{address}/linux-64/a-1-0.conda") == (
            f"https://repo.anaconda.com/{part}/linux-64/a-1-0.conda"
        )


OWN = Mirror(
    channels=(
        ("*", ("http://u:secret@lan/c/{channel}/all", "http://lan/t/token/{channel}")),
        ("nvidia", ("http://lan/cuda",)),
        ("https://ours.example/x", ("http://lan/x",)),
    )
)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("http://lan/c/pytorch/all/noarch/a-1-0.conda", f"{HOME}/pytorch/noarch/a-1-0.conda"),
        ("http://u:secret@lan/c/pytorch/all", f"{HOME}/pytorch"),
        ("http://lan/t/token/pytorch/", f"{HOME}/pytorch"),
        ("http://lan/cuda/linux-64/a-1-0.conda", f"{HOME}/nvidia/linux-64/a-1-0.conda"),
        ("http://lan/x", "https://ours.example/x"),
        ("http://nowhere/cuda/linux-64/a-1-0.conda", "http://nowhere/cuda/linux-64/a-1-0.conda"),
        ("http://me:pw@other/a/linux-64/b.conda", "http://other/a/linux-64/b.conda"),
        (f"{HOME}/conda-forge/noarch/a-1-0.conda", f"{HOME}/conda-forge/noarch/a-1-0.conda"),
    ],
)
def test_an_own_mirrors_addresses_lead_back_without_credentials(url: str, meant: str) -> None:
    assert canonical(url, OWN) == meant


@pytest.mark.parametrize(
    "index", [PRESETS[name].pip or "" for name in PRESETS] + ["http://me:pw@lan/any/simple"]
)
def test_a_file_of_pypi_leads_back_by_the_digest_in_its_path(index: str) -> None:
    folder = index.removesuffix("/simple")
    path = f"packages/ab/cd/{DIGEST}/tiny-1.0-py3-none-any.whl#sha256=00"
    assert canonical(f"{folder}/{path}") == f"https://files.pythonhosted.org/{path}"
    assert canonical("http://lan/packages/ab/tiny.whl") == "http://lan/packages/ab/tiny.whl"


def test_only_this_mirrors_addresses_get_their_names_back() -> None:
    assert as_named(f"{AT_TUNA}/cloud/conda-forge", TUNA) == "conda-forge"
    assert as_named(f"{AT_TUNA}/pkgs/main", TUNA) == "pkgs/main"
    for other in (f"{AT_TUNA}/cloud/conda-forge", "https://me:pw@lan/x", "conda-forge", ""):
        assert as_named(other, None) == other


# --- models ---------------------------------------------------------------------------------------


def test_models_come_from_the_mirrors_hub() -> None:
    assert hub(HostEntry("a", mirror=TUNA)) == "https://hf-mirror.com"
    assert hub(HostEntry("a")) is None
    assert hub(HostEntry("a", mirror=Mirror())) is None


@pytest.mark.parametrize(
    "entry",
    [
        HostEntry("a", mirror=TUNA, pass_env=("HF_TOKEN",)),
        HostEntry("a", mirror=TUNA, env=(("HUGGING_FACE_HUB_TOKEN", "x"),)),
    ],
)
def test_a_presets_hub_is_not_told_a_token(entry: HostEntry) -> None:
    assert hub(entry) is None
    [said] = hub_notes(entry)
    assert "would go to https://hf-mirror.com" in said


@pytest.mark.parametrize(
    "entry",
    [
        HostEntry("a", mirror=TUNA),
        HostEntry("a", pass_env=("HF_TOKEN",)),
        HostEntry("a", mirror=TUNA, pass_env=("HF_TOKEN",), env=(("HF_ENDPOINT", "https://h"),)),
    ],
)
def test_nothing_is_said_where_no_token_is_at_stake(entry: HostEntry) -> None:
    assert hub_notes(entry) == ()


def test_a_hub_that_the_user_named_may_see_the_token() -> None:
    own = Mirror(huggingface="https://hub.example", own_hub=True)
    entry = HostEntry("a", mirror=own, pass_env=("HF_TOKEN",))
    assert (hub(entry), hub_notes(entry)) == ("https://hub.example", ())
