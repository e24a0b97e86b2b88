"""Which way Jupyter is reached, from what the server lets through."""

from __future__ import annotations

import pytest

from gpuws.config.host_values import bridge_word
from gpuws.errors import GpuwsError
from gpuws.options import take
from gpuws.plan.way import Way, Ways, shut, way_for


@pytest.mark.parametrize(
    ("ways", "way"),
    [
        (Ways(ports=True, sockets=True), Way.SOCKET),
        (Ways(ports=False, sockets=True), Way.SOCKET),
        (Ways(ports=True, sockets=False), Way.PORT),
        (Ways(ports=True, sockets=True, bridged=True), Way.BRIDGE),
    ],
)
def test_the_most_private_way_that_is_open_is_taken(ways: Ways, way: Way) -> None:
    assert way_for(ways, "lab") is way


@pytest.mark.parametrize(
    ("ways", "socket", "hint"),
    [
        (Ways(ports=True, sockets=False), True, "--restart"),
        (Ways(ports=False, sockets=True), False, "--restart"),
        (Ways(ports=False, sockets=False), True, "bridge: stdio"),
    ],
)
def test_a_jupyter_out_of_reach_says_what_brings_it_back(
    ways: Ways, socket: bool, hint: str
) -> None:
    error = shut(ways, "lab/demo", socket=socket)
    assert error is not None
    assert error.code == "forwarding-refused"
    assert hint in error.hint


def test_a_way_that_is_open_is_no_reason() -> None:
    assert shut(Ways(ports=False, sockets=True), "lab/demo", socket=True) is None


def test_a_bridge_is_stdio_or_none_and_nothing_else() -> None:
    assert (bridge_word("stdio"), bridge_word("none")) == ("stdio", None)
    with pytest.raises(ValueError, match="neither stdio nor none"):
        bridge_word("socat")
    assert take(["--bridge", "none", "up", "lab"])[0].bridge == "none"
    with pytest.raises(GpuwsError) as refused:
        take(["--bridge=nc", "up", "lab"])
    assert (refused.value.code, refused.value.exit) == ("usage", 2)
