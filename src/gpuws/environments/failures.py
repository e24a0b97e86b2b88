"""A failed build's log → the error that a person is told, with what to do next. Pure.

Texts are those of conda 26.7 and older, mamba and micromamba 2, pip and uv.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpuws.environments.progress import plain
from gpuws.errors import EXIT_OF, GpuwsError


@dataclass(frozen=True)
class Kind:
    """``names``: where the log says what it is about; group 1 is shown."""

    code: str
    sign: re.Pattern[str]
    says: str
    hint: str
    names: re.Pattern[str] | None = None
    retryable: bool = False


def _sign(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE | re.MULTILINE)


_NAMES = re.compile(
    r"(?:[└├│─\s]+)(\S[^│\n]*?) (?:does not exist \(perhaps|is missing on the system)"
    r"|No matching distribution found for ([^\s]+(?: ?[<>=!~][^\s]*)*)"
    r"|Because ([^\s]+) was not found in the package registry"
    r"|Because there (?:is|are) no versions? of ([^\s]+(?:[<>=!~][^\s]*)?)"
    r"|nothing provides requested (\S+(?: [\d=<>!.*]\S*)?)"
    r"|^ +- ([A-Za-z0-9_.:/-]+(?:[ =<>!]\S*)*)$",
    re.MULTILINE,
)

_AGAIN = re.compile(r"^gpuws: .*: once more.*$", re.MULTILINE)
"""What was said before a second try is no reason of its failure."""

KINDS: tuple[Kind, ...] = (
    Kind(
        "health-check-failed",
        _sign(r"^check: torch sees no card: "),
        "it was made, and torch in it does not see the host's cards",
        "a CPU build: ask for `pytorch-gpu` (conda), or leave +cpu and the index of CPU wheels out "
        "(pip); a driver that is too old: ask for an older CUDA; LD_LIBRARY_PATH: set it to "
        '"" below env: in hosts.yaml; `check: none` there, or --gpus none, takes it as it is',
        re.compile(r"^check: torch sees no card: (.+)$", re.MULTILINE),
    ),
    Kind(
        "disk-full",
        _sign(r"no space left on device", r"Errno 28\b", r"os error 28\b", r"disk quota exceeded"),
        "the disk of the host is full",
        "`df -h` and `quota` on the host say where; root: and cache_dir: in hosts.yaml name other "
        "places",
    ),
    Kind(
        "terms-of-service",
        _sign(r"CondaToSNonInteractiveError", r"Terms of Service have not been accepted"),
        "conda's default channels ask for their Terms of Service to be accepted",
        "name other channels (channels: in hosts.yaml or in the file), or accept them yourself on "
        "the host: conda tos accept --override-channels --channel URL",
        re.compile(r"(https?://repo\.anaconda\.com/\S+)"),
    ),
    Kind(
        "wrong-hash",
        _sign(
            r"ChecksumMismatchError",
            r"Found incorrect downloads",
            r"THESE PACKAGES DO NOT MATCH THE HASHES",
            r"hash mismatch",
        ),
        "a package is not what the index promises",
        "the mirror is stale or something on the way changes files: try again later or name "
        "another channel or index; nothing of it was installed",
        re.compile(
            r"'([^']+)' has an incorrect hash|Hash mismatch for `([^`]+)`"
            r"|^\s+(?:url|reported path|target path): (\S+)",
            re.MULTILINE,
        ),
    ),
    Kind(
        "python-not-found",
        _sign(r"No interpreter found for", r"No virtual environment or system Python"),
        "the python of the host that was chosen cannot be used",
        "`gpuws exec HOST -- ls /usr/bin/python3*` or ssh lists the interpreters that it has",
    ),
    Kind(
        "pip-failed",
        _sign(
            r"pip subprocess to install build dependencies did not run successfully",
            r"Failed to (?:resolve|install) requirements from `?(?:build-system|setup\.py)",
        ),
        "what builds local code or a source archive (setuptools, or what its pyproject.toml names) "
        "cannot be had on the host",
        "pip_index: in hosts.yaml names an index that has it; or build a wheel here with "
        "`pip wheel --no-deps FOLDER` and name that in the file",
        re.compile(
            r"No matching distribution found for (\S+)"
            r"|Because (\S+) was not found in the package registry"
        ),
    ),
    Kind(
        "package-not-found",
        _sign(
            r"PackagesNotFound",
            r"ResolvePackageNotFound",
            r"does not exist \(perhaps",
            r"nothing provides requested",
            r"No matching distribution found for",
            r"was not found in the package registry",
            r"Because there (?:is|are) no versions? of",
        ),
        "a package is not in the channels or the index",
        "look for a typo, a version that was never published, or a missing line in `channels:`",
        _NAMES,
    ),
    Kind(
        "channel-unreachable",
        _sign(
            r"UnavailableInvalidChannel",
            r"Subdir.* not loaded",
            r"CondaHTTPError",
            r"HTTP 000 CONNECTION FAILED",
            r"Failed to download package from",
            r"Download error",
            r"Could not resolve host",
            r"Failed to fetch: ",
            r"NewConnectionError",
            r"Temporary failure in name resolution",
            r"Could not fetch URL",
            r"error sending request",
        ),
        "a channel or package index cannot be reached from the host",
        "`mirror:` in hosts.yaml (or `channels:` and `pip_index:`) names other places; proxy "
        "variables of the host are honoured",
        re.compile(r"(https?://[^\s\"'>)]+|file://[^\s\"'>)]+)"),
        retryable=True,
    ),
    Kind(
        "unsatisfiable",
        _sign(
            r"UnsatisfiableError",
            r"Could not solve for environment specs",
            r"No solution found",
            r"ResolutionImpossible",
            r"conflicting dependencies",
        ),
        "the versions in the file cannot be had together",
        "loosen the pins that the text below names",
    ),
)

_HINTS = {
    "pip-failed": "the lines below are pip's own; the file's pip section is where to change it",
    "health-check-failed": "`gpuws logs HOST --build` shows the whole log",
    "build-interrupted": "run `gpuws up` again: it starts over, what was downloaded is kept",
    "environment-failed": "`gpuws logs HOST --build` shows the whole log",
}
_SAYS = {
    "pip-failed": "pip could not install what the file asks for",
    "health-check-failed": "the environment was made, but it is not whole",
    "build-interrupted": "the build was ended before it was complete",
    "environment-failed": "the environment could not be made",
}


def failure(code: str, status: str, tail: tuple[str, ...], where: str) -> GpuwsError:
    """``code`` and ``status`` as build.sh saw them, ``tail`` the last lines of the log.

    ``where`` names file and tool for the message. What the tool said wins over the bare phase,
    except that an interrupted build stays one.
    """
    lines = [plain(line) for line in tail]
    text = _AGAIN.split("\n".join(lines))[-1]
    detail = "\n".join(line for line in lines if line.strip())
    detail = "\n".join(detail.split("\n")[-30:])
    found = None if code == "build-interrupted" else _kind(text)
    if found:
        names = _named(found, text)
        about = f": {names}" if names else ""
        return GpuwsError(
            found.code,
            f"{where}: {found.says}{about}",
            hint=found.hint,
            stage="environment",
            detail=detail,
            retryable=found.retryable,
        )
    known = code if code in EXIT_OF and code in _SAYS else "environment-failed"
    ended = f" (status {status})" if status not in ("", "0") else ""
    return GpuwsError(
        known,
        f"{where}: {_SAYS[known]}{ended}",
        hint=_HINTS[known],
        stage="environment",
        detail=detail,
        retryable=known == "build-interrupted",
    )


def _kind(text: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.sign.search(text)), None)


def _named(kind: Kind, text: str) -> str:
    if kind.names is None:
        return ""
    found = (
        next((group for group in match.groups() if group), "")
        for match in kind.names.finditer(text)
    )
    public = (re.sub(r"(?<=://)[^/@\s]+@|/t/[^/\s]+(?=/)", "", name.strip()) for name in found)
    return ", ".join(list(dict.fromkeys(name for name in public if name))[:5])
