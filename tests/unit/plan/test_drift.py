"""What changed in an environment since it was built, told from two lists."""

from __future__ import annotations

from gpuws.plan.drift import Drift, Package, counted, drift, packages_from

BUILT = packages_from(
    [
        "conda numpy-1.26.4-py311h1",
        "conda python-3.11.9-h2_cpython",
        "conda pytorch-2.4.0-cuda124_0",
        "python numpy-1.26.4 conda",
        "python torch-2.4.0 conda",
        "python iniconfig-2.0.0 uv",
    ]
)


def after(*lines: str, without: str = "nothing") -> Drift:
    kept = [each for each in BUILT if each.name != without]
    return drift(BUILT, (*kept, *packages_from(lines)))


def test_lines_are_parsed_from_the_right_and_anything_else_is_dropped() -> None:
    assert packages_from(
        [
            "conda r-base-4.3.1-h1_2",
            "python my_pkg-1.0+local pip editable",
            "conda short",
            "python nameless",
            "brew wget-1-1",
            "",
            "conda a-1-\x1b[2J",
        ]
    ) == (
        Package("conda", "r-base", "4.3.1", "conda", "h1_2"),
        Package("python", "my_pkg", "1.0+local", "pip", editable=True),
    )


def test_what_was_not_touched_is_no_drift() -> None:
    assert not after()
    assert after() == Drift()


def test_added_removed_changed() -> None:
    found = after("python rich-13.0 pip", without="iniconfig")
    assert [each.words for each in found.added] == ["rich==13.0"]
    assert [each.words for each in found.removed] == ["iniconfig==2.0.0"]
    newer = after("python iniconfig-2.1.0 pip", without="iniconfig")
    assert [(old.version, new.version) for old, new in newer.changed] == [("2.0.0", "2.1.0")]
    rebuilt = after("conda python-3.11.9-h9_cpython", without="python")
    assert [new.build for _, new in rebuilt.changed] == ["h9_cpython"]


def test_a_conda_package_that_pip_overwrote_is_named() -> None:
    """conda still lists its own; the files are those of pip."""
    now = [each for each in BUILT if (each.kind, each.name) != ("python", "numpy")]
    found = drift(BUILT, (*now, *packages_from(["python numpy-2.1.0 pip"])))
    assert found.overwritten == ("numpy=1.26.4 of conda by numpy==2.1.0 of pip",)


def test_names_are_compared_as_pip_does() -> None:
    built = packages_from(["python ruamel.yaml-0.18 pip"])
    assert not drift(built, packages_from(["python ruamel_yaml-0.18 pip"]))


def test_an_editable_install_is_named() -> None:
    assert after("python mine-0.1 pip editable").editable == ("mine",)


def test_asked_for_against_pulled_in_counts_each_package_once() -> None:
    assert counted(BUILT, ["python", "numpy", "Iniconfig"]) == (3, 1)
    assert counted(BUILT, []) == (0, 4)
