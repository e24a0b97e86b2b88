"""Names are refused by one validator; hashes change exactly when the environment does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuws.errors import GpuwsError
from gpuws.plan import naming
from gpuws.plan.model import EnvironmentSpec

# the first text drawn on a fresh machine builds tables of all characters, which takes a second
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SPEC = EnvironmentSpec(
    source="environment.yml",
    kind="conda",
    name="vision",
    channels=("conda-forge",),
    conda=("python=3.11", "numpy >=1.26"),
    pip=("torch==2.3",),
    pip_files=(("more.txt", "rich\n"),),
    variables=(("A", "1"), ("B", "2")),
    python="==3.11.*",
)


def digest(
    spec: EnvironmentSpec = SPEC,
    *,
    extra: tuple[str, ...] = ("jupyterlab", "ipykernel"),
    machine: str = "x86_64",
    channels: tuple[str, ...] = (),
    pip_index: str | None = None,
) -> str:
    return naming.environment_hash(
        spec, extra=extra, machine=machine, channels=channels, pip_index=pip_index
    )


@pytest.mark.parametrize("name", ["a", "vision", "My_Project-2.0", "3d", "x" * 41, "bases"])
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert naming.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "..", ".", "-p", "a b", "*", "", "a/b", "a\n", "a\x1b[2J", "größe", "x" * 300),
        *("base", "Base", "root", "con", "CON.txt", "nul", "prn", "aux", "com1", "a.", "_x"),
        *("0011223344556677", "a\u202eb", "\udcff"),
    ],
)
def test_a_name_that_could_do_harm_is_refused_with_a_name_to_type(name: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        naming.check_name(name)
    assert caught.value.code == "bad-name"
    assert caught.value.message.isprintable()
    offered = caught.value.hint.rsplit(" ", 1)[1]
    assert naming.check_name(offered) == offered


def test_the_flag_wins_over_the_file_and_the_file_over_the_folder() -> None:
    assert naming.workspace_name("a", "b", "c") == ("a", "--name")
    assert naming.workspace_name(None, "b", "c") == ("b", "the environment file's name")
    assert naming.workspace_name(None, None, "c") == ("c", "the folder's name")


def test_a_folder_name_is_rewritten_and_says_so_but_the_users_own_words_are_refused() -> None:
    name, source = naming.workspace_name(None, None, "My Project (1)")
    assert name == "My-Project-1"
    assert name in source
    for flag, spec_name in (("a b", None), (None, "base")):
        with pytest.raises(GpuwsError):
            naming.workspace_name(flag, spec_name, "fine")


def test_folders_without_a_letter_to_keep_get_names_of_their_own() -> None:
    first, _ = naming.workspace_name(None, None, "项目")
    second, _ = naming.workspace_name(None, None, "数据")
    assert first != second
    assert first.startswith("project-")


@PATIENT
@given(st.text(max_size=80))
def test_every_folder_gives_an_allowed_name(folder: str) -> None:
    name, _ = naming.workspace_name(None, None, folder)
    assert naming.check_name(name) == name


def test_a_unit_is_short_and_the_same_for_the_same_text() -> None:
    assert naming.unit_id("w", "x") == naming.unit_id("w", "x") != naming.unit_id("w", "y")
    assert len(naming.unit_id("w", "any")) == len("w-12345678")


def test_the_base_url_takes_sixteen_hex_digits_only() -> None:
    assert naming.base_url("0123456789abcdef") == "/w-0123456789abcdef/"
    with pytest.raises(ValueError, match="16 hex"):
        naming.base_url("../../x")


def test_the_first_port_is_8888_and_a_kept_one_stays() -> None:
    assert naming.local_port_for("a") == 8888
    assert naming.local_port_for("a", {"b": 8888}) == 8889
    assert naming.local_port_for("a", {"a": 9001, "b": 8888}) == 9001


SAME = {
    "name": replace(SPEC, name="other"),
    "source": replace(SPEC, source="env.yaml"),
    "order of packages": replace(SPEC, conda=SPEC.conda[::-1]),
    "a package twice": replace(SPEC, conda=SPEC.conda * 2),
    "blank space": replace(SPEC, conda=("python=3.11 ", "numpy   >=1.26")),
    "order of variables": replace(SPEC, variables=SPEC.variables[::-1]),
    "comments": replace(SPEC, pip=("torch==2.3  # fast", "# none")),
    "comments in a file": replace(SPEC, pip_files=(("more.txt", "# x\r\nrich # y\r\n\r\n"),)),
    "notes": replace(SPEC, notes=("prefix: is ignored",)),
}
OTHER = {
    "kind": replace(SPEC, kind="pip"),
    "channel": replace(SPEC, channels=("defaults",)),
    "package": replace(SPEC, conda=(*SPEC.conda, "scipy")),
    "exact or not": replace(SPEC, conda=("python=3.11", "numpy 1.26")),
    "pip": replace(SPEC, pip=("torch==2.4",)),
    "order of pip": replace(SPEC, pip=("--pre", "torch==2.3")),
    "pip file": replace(SPEC, pip_files=(("more.txt", "rich==1\n"),)),
    "url fragment": replace(SPEC, pip=("torch==2.3#x",)),
    "variables": replace(SPEC, variables=(("A", "1"), ("B", "3"))),
    "python": replace(SPEC, python=None),
}


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_change_the_environment_does_not_change_the_hash(change: str) -> None:
    assert digest(SAME[change]) == digest()


@pytest.mark.parametrize("change", OTHER)
def test_what_changes_the_environment_changes_the_hash(change: str) -> None:
    assert digest(OTHER[change]) != digest()


def test_host_channels_machine_extra_and_index_count_but_credentials_do_not() -> None:
    assert len(digest()) == 16
    several = {
        digest(),
        digest(machine="aarch64"),
        digest(extra=()),
        digest(channels=("https://mirror/a", "b")),
        digest(channels=("b", "https://mirror/a")),
        digest(pip_index="https://index/simple"),
    }
    assert len(several) == 6
    assert digest(channels=("https://me:secret@mirror/t/token/a", "b")) in several
    assert digest(pip_index="https://me:secret@index/simple") in several


def test_a_pip_index_does_not_touch_an_environment_without_pip() -> None:
    plain = replace(SPEC, pip=())
    assert digest(plain, pip_index="https://index/simple") == digest(plain)
