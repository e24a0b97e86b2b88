"""What tools say when they fail, and what the user is told."""

from __future__ import annotations

import pytest

from gpuws.environments.failures import failure
from gpuws.environments.progress import Lines
from gpuws.errors import EXIT_OF, Exit

SAID = [
    (
        "conda",
        "PackagesNotFoundInChannelsError: The following packages are not available:\n"
        "\n  - nunpy\n\nCurrent channels:",
        "package-not-found",
        "nunpy",
    ),
    (
        "older conda",
        "ResolvePackageNotFound: \n  - cudatoolkit=99",
        "package-not-found",
        "cudatoolkit=99",
    ),
    (
        "micromamba",
        "error    libmamba Could not solve for environment specs\n"
        "    └─ nunpy =* * does not exist (perhaps a typo or a missing channel).\n"
        "critical libmamba Could not solve for environment specs",
        "package-not-found",
        "nunpy",
    ),
    (
        "pip",
        "ERROR: Could not find a version that satisfies the requirement torhc==9\n"
        "ERROR: No matching distribution found for torhc==9",
        "package-not-found",
        "torhc==9",
    ),
    (
        "uv",
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because torhc was not found in the package registry and you require torhc",
        "package-not-found",
        "torhc",
    ),
    (
        "uv versions",
        "  ╰─▶ Because there is no version of numpy==99 and you require numpy==99, we can",
        "package-not-found",
        "numpy==99",
    ),
    (
        "conda rattler",
        "RattlerUnsatisfiableError: Encountered problems while solving\n",
        "unsatisfiable",
        "",
    ),
    (
        "libmamba in conda",
        "LibMambaUnsatisfiableError: Encountered problems while solving:",
        "unsatisfiable",
        "",
    ),
    ("pip conflict", "ERROR: ResolutionImpossible: for help visit", "unsatisfiable", ""),
    (
        "conda 404",
        "UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel x <https://u:p@m.example/x>",
        "channel-unreachable",
        "https://m.example/x",
    ),
    (
        "conda offline",
        "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://c.example/linux-64/r.json>",
        "channel-unreachable",
        "https://c.example/linux-64/r.json",
    ),
    (
        "mm index",
        "critical libmamba Subdir URL not loaded! (status 404)",
        "channel-unreachable",
        "",
    ),
    (
        "mm package",
        "critical libmamba Failed to download package from http://c.example/a.tar.bz2 (status 500)",
        "channel-unreachable",
        "http://c.example/a.tar.bz2",
    ),
    (
        "uv offline",
        "error: Failed to fetch: `https://i.example/simple/x/`",
        "channel-unreachable",
        "",
    ),
    (
        "conda hash",
        "ChecksumMismatchError: Conda detected a mismatch\n"
        "  url: https://c.example/a-1-0.tar.bz2\n  expected sha256: 0",
        "wrong-hash",
        "https://c.example/a-1-0.tar.bz2",
    ),
    ("mm hash", "critical libmamba Found incorrect downloads. Aborting", "wrong-hash", ""),
    (
        "pip hash",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "wrong-hash",
        "",
    ),
    ("disk", "OSError: [Errno 28] No space left on device: '/x'", "disk-full", ""),
    ("uv disk", "Caused by: failed to write (os error 28)", "disk-full", ""),
    ("quota", "tee: x: Disk quota exceeded", "disk-full", ""),
    (
        "terms",
        "CondaToSNonInteractiveError: Terms of Service have not been accepted for the following "
        "channels. Please accept:\n    - https://repo.anaconda.com/pkgs/main\n",
        "terms-of-service",
        "https://repo.anaconda.com/pkgs/main",
    ),
    (
        "uv python",
        "error: No interpreter found for path /usr/bin/python3.9",
        "python-not-found",
        "",
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "named"), [row[1:] for row in SAID], ids=[r[0] for r in SAID]
)
def test_what_the_tool_says_becomes(text: str, code: str, named: str) -> None:
    error = failure("environment-failed", "1", tuple(text.splitlines()), "environment.yml")
    assert error.code == code, error.message
    assert named in error.message
    assert error.hint
    assert "u:p@" not in error.message


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("pip-failed", "pip-failed"),
        ("health-check-failed", "health-check-failed"),
        ("build-interrupted", "build-interrupted"),
        ("rm -rf /", "environment-failed"),
        ("", "environment-failed"),
    ],
)
def test_a_log_that_says_nothing_known_leaves_the_phase(code: str, told: str) -> None:
    error = failure(code, "7", ("nothing", "to see"), "requirements.txt")
    assert error.code == told
    assert EXIT_OF[told] is Exit.ENVIRONMENT
    assert error.hint


def test_the_detail_is_the_last_30_lines_made_inert() -> None:
    tail = (*tuple(f"line {number}" for number in range(100)), "\x1b]0;title\x07\x1b[31mred\x1b[0m")
    lines = failure("pip-failed", "1", tail, "x").detail.split("\n")
    assert len(lines) == 30
    assert lines[0] == "line 71"
    assert "\x1b" not in lines[-1]
    assert "\x07" not in lines[-1]
    assert "red" in lines[-1]


def test_an_ended_build_is_not_taken_for_what_it_said_before() -> None:
    error = failure("build-interrupted", "143", ("Could not resolve host: a",), "x")
    assert error.code == "build-interrupted"


def test_linking_is_counted_and_named() -> None:
    lines = Lines("micromamba")
    assert lines.read("  Install: 40 packages") == "40 packages"
    assert lines.read("Linking ca-certificates-2026.1.1-h0_0") == (
        "Linking ca-certificates 2026.1.1 (1 of 40 packages)"
    )
    assert lines.read("Linking numpy-1.26.4-py311_0") == "Linking numpy 1.26.4 (2 of 40 packages)"


@pytest.mark.parametrize(
    ("tool", "text", "shown"),
    [
        (
            "conda",
            "Collecting torch (from -r /a b/requirements.txt (line 1))",
            "pip: Collecting torch",
        ),
        ("uv", " Downloading torch (800.0MiB)", "uv: Downloading torch (800.0MiB)"),
        ("conda", "gpuws: checking the environment", "checking the environment"),
        (
            "conda",
            "Solving environment: ...working... done",
            "Solving environment: ...working... done",
        ),
        ("conda", "────────────", None),
        ("conda", "   ", None),
    ],
)
def test_a_log_line_is_shown_as(tool: str, text: str, shown: str | None) -> None:
    assert Lines(tool).read(text) == shown


def test_what_a_first_try_said_is_no_reason_of_the_second_ones_failure() -> None:
    tail = (
        "critical libmamba Could not solve for environment specs",
        "gpuws: what was built before does not go with the file: once more, all of it free",
        "check: import numpy: ImportError('libneeded.so.1')",
    )
    assert failure("health-check-failed", "1", tail, "a.yml").code == "health-check-failed"
