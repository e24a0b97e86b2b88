"""The first contact with a host: is it the right one, does it run commands, does it forward? Then
all that doctor asks, over the same connection."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.journeys import doctor
from gpuws.journeys.world import World
from gpuws.plan import answers
from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from gpuws.plan.requests import DoctorRequest, MeetRequest
from gpuws.plan.results import Met

_PATIENCE = 2.5  # seconds for all of it, once logged in: a gateway that does neither is silent
_LEAST = 0.5  # of them for each forward that is tried
_NOBODY = Target(port=1)


def run(request: MeetRequest, world: World) -> Met:
    """Writes nothing there. Raises what a connection does, remote-shell, forwarding-refused."""
    name = request.reach.host
    world.report.stage("connect", request.reach.destination)
    with world.host(request.reach) as host:
        until = world.clock() + _PATIENCE
        said = _answer(host, name)
        ports = _forwards(host, _NOBODY, max(_LEAST, until - world.clock()))
        if not ports:
            _try_a_socket(host, said, name, max(_LEAST, until - world.clock()))
            world.report.warn(f"{name} forwards to no port: Jupyter needs its Unix sockets there")
        examined = doctor.run(DoctorRequest(request.reach), world)
    node = answers.clean(answers.one(said, "node"), 60)
    return Met(node, ports=ports, checks=examined.checks, exit=examined.exit)


def _answer(host: Host, name: str) -> answers.Fields:
    try:
        return fields(host.run(script("gpuws.host", "node.sh"), timeout=_PATIENCE), "connect")
    except GpuwsError as error:
        if error.code not in ("remote-shell", "remote-timeout"):
            raise
        raise _no_commands(name, error) from None


def _try_a_socket(host: Host, said: answers.Fields, name: str, seconds: float) -> None:
    """Where one is known; else only a Jupyter of ours would show it."""
    path = answers.socket(answers.one(said, "socket"))
    if path and not _forwards(host, Target(socket=path), seconds, there=True):
        raise _no_way_back(name)


def _forwards(host: Host, target: Target, seconds: float, *, there: bool = False) -> bool:
    """A server that says that nothing listens has tried; not where somebody does (``there``)."""
    try:
        host.open_stream(target, seconds).close()
    except GpuwsError as error:
        if error.code == "tunnel-failed":
            return not there
        if error.code in ("forwarding-refused", "remote-timeout"):
            return False
        raise
    return True


def _no_commands(name: str, error: GpuwsError) -> GpuwsError:
    return GpuwsError(
        "remote-shell",
        f"{name} logs you in and runs no commands: {error.message}",
        hint="a provider's gateway gives a terminal only; its console also has a line for direct "
        f"SSH (an address and a port of the machine itself): `gpuws hosts add {name} -- ssh …`",
        stage="connect",
        detail=error.detail,
    )


def _no_way_back(name: str) -> GpuwsError:
    return GpuwsError(
        "forwarding-refused",
        f"{name} runs commands and forwards nothing, neither to sockets nor to ports: Jupyter "
        "could not be reached",
        hint="its sshd_config: AllowTcpForwarding, AllowStreamLocalForwarding; behind a "
        "provider's gateway: the console's line for direct SSH",
        stage="connect",
    )
