"""One error class and one table of codes: every failure a user can meet is listed here."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line, as promised in the reference."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    AUTHENTICATION = 4
    HOST_KEY = 5
    NETWORK = 6
    HOST_LACKS = 7
    ENVIRONMENT = 8
    JUPYTER = 9
    CONFLICT = 10
    NOT_FOUND = 11
    NOT_TRUSTED = 12
    TUNNEL = 13
    SOME_FAILED = 20
    INTERRUPTED = 130
    TERMINATED = 143


_CODES: dict[Exit, str] = {
    Exit.BUG: "bug",
    Exit.USAGE: "usage prompt-needed no-solver",
    Exit.INPUT: (
        "bad-host-string unknown-host profile-unreadable profile-unsupported hosts-file-invalid "
        "environment-file-missing environment-file-invalid project-file-invalid bad-name "
        "lock-invalid lock-missing lock-stale lock-other-platform pack-invalid pack-other-platform"
    ),
    Exit.AUTHENTICATION: "authentication-failed no-usable-key too-many-keys wrong-password",
    Exit.HOST_KEY: "host-key-unknown host-key-changed host-key-revoked",
    Exit.NETWORK: (
        "name-not-resolved connection-refused connection-timeout connection-lost not-ssh "
        "proxy-command-failed jump-failed no-common-algorithm remote-timeout host-unreachable"
    ),
    Exit.HOST_LACKS: (
        "remote-shell no-root-folder root-not-private disk-full read-only no-engine "
        "login-node no-gpu no-downloader unsupported-platform lock-unmet "
        "pack-unmet no-shared-root shared-root-unsafe"
    ),
    Exit.ENVIRONMENT: (
        "environment-failed package-not-found channel-unreachable unsatisfiable wrong-hash "
        "pip-failed python-not-found build-interrupted environment-not-found terms-of-service "
        "health-check-failed foreign-export environment-drifted not-relocatable"
    ),
    Exit.JUPYTER: ("jupyter-crashed jupyter-missing jupyter-timeout jupyter-not-ours jupyter-open"),
    Exit.CONFLICT: (
        "locked other-folder other-settings newer-workspace kernels-busy not-ours forward-exists "
        "environment-in-use local-code-differs"
    ),
    Exit.NOT_FOUND: (
        "workspace-not-found no-workspace several-workspaces rebooted not-running forward-not-found"
    ),
    Exit.NOT_TRUSTED: "not-trusted",
    Exit.TUNNEL: "local-port-taken forwarding-refused tunnel-failed",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "terminated",
}

EXIT_OF: dict[str, Exit] = {
    code: exit_ for exit_, codes in _CODES.items() for code in codes.split()
}
"""Error code → exit code."""


class GpuwsError(Exception):
    """A failure that is told to the user: what, where, and the next command to type.

    ``code`` is stable and listed in EXIT_OF; ``stage`` is where in the journey it happened;
    ``detail`` is longer text (a log's last lines) that came from elsewhere and is untrusted.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        stage: str = "",
        detail: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.exit = EXIT_OF[code]
        self.message = message
        self.hint = hint
        self.stage = stage
        self.detail = detail
        self.retryable = retryable


def prompt_needed(prompt: str, flag: str = "") -> GpuwsError:
    hint = f"answer it with {flag}" if flag else "run it in a terminal, without --no-input"
    return GpuwsError("prompt-needed", f"a person's answer is needed: {prompt}", hint=hint)
