"""The two ways to say no: ssh would refuse it as well, or only this expander does."""

from __future__ import annotations

from gpuws.errors import GpuwsError


class BadLine(ValueError):
    """What ssh refuses; the reader of the file adds where it stands."""


class NotUnderstood(ValueError):
    """A feature, by its name, that this expander leaves to ssh."""


def unreadable(place: str, why: str, *, detail: str = "") -> GpuwsError:
    """``place`` is "file:line", or "" where no line is at fault."""
    where = f"{place}: " if place else ""
    return GpuwsError(
        "profile-unreadable",
        f"your ssh configuration cannot be used: {where}{why}",
        hint="ssh -G HOST shows the same; correct the file it names",
        stage="connect",
        detail=detail,
    )


def unsupported(place: str, feature: str) -> GpuwsError:
    """Only where there is no ssh program to be asked."""
    where = f"{place}: " if place else ""
    return GpuwsError(
        "profile-unsupported",
        f"{where}without an ssh program gpuws does not understand: {feature}",
        hint="install OpenSSH's client, or name the host as user@host:port in hosts.yaml",
        stage="connect",
    )
