"""Rows 10 and 11: what only pretends to be an SSH server costs neither time nor memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from socket import socket

import pytest

from tests.support.fake_server import listening
from tests.support.hostile import (
    GREETING,
    IGNORED,
    RANDOM,
    Met,
    dripping,
    endless,
    meet,
    packet,
    saying,
    silent,
)

MOST_MEMORY = 50 << 20
PATIENCE = 0.7  # seconds, the ConnectTimeout

SERVERS: dict[str, tuple[Callable[[socket], None], str, str]] = {
    "is silent": (silent, "not-ssh", "says nothing"),
    "never ends its banner": (endless(), "not-ssh", "xxx"),
    "sends a banner of lines without end": (endless(block=b"x\r\n" * 20_000), "not-ssh", "x"),
    "drips a banner": (dripping(), "not-ssh", "x"),
    "never ends its greeting": (endless(first=b"SSH-2.0-"), "connection-", "SSH-2.0-xxx"),
    "drips its greeting": (dripping(first=b"SSH-2.0-", drop=b"y"), "connection-timeout", "2.0-y"),
    "sends binary garbage": (endless(block=RANDOM), "not-ssh", "is not an SSH server"),
    "is a web server": (
        saying(b"HTTP/1.1 400 Bad\x1b[2J\r\nServer: x\r\n\r\n"),
        "not-ssh",
        "HTTP/1.1 400 Bad\\x1b[2J",
    ),
    "greets and is silent": (saying(GREETING), "connection-timeout", "key exchange"),
    "greets and sends garbage": (endless(first=GREETING, block=RANDOM), "connection-lost", ""),
    "drips its first packet": (
        dripping(first=GREETING + packet(b"\x14", announced=20_004)[:5], drop=b"y"),
        "connection-timeout",
        "key exchange",
    ),
    "announces a packet of 2 GB and sends it": (
        endless(first=GREETING + packet(b"\x14", announced=(2 << 30) + 4)),
        "connection-lost",
        "announced a packet of",
    ),
    "announces a packet of no bytes": (
        endless(first=GREETING, block=packet(b"\x14", announced=0)),
        "connection-lost",
        "",
    ),
    "sends what is to be ignored, without end": (
        endless(first=GREETING, block=IGNORED * 500),
        "connection-",
        "",
    ),
}


def all_met(timeout: float) -> dict[str, Met]:
    with contextlib.ExitStack() as open_ones:
        ports = [open_ones.enter_context(listening(serve)) for serve, _, _ in SERVERS.values()]
        return dict(zip(SERVERS, meet(timeout, *ports), strict=True))


@pytest.fixture(scope="module")
def met() -> Iterator[dict[str, Met]]:
    yield all_met(PATIENCE)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that(met: dict[str, Met], server: str) -> None:
    _, code, words = SERVERS[server]
    found = met[server]
    assert found.code.startswith(code)
    assert words in found.message
    assert found.seconds < PATIENCE + 4  # a server that hangs up is tried three times
    assert found.memory < MOST_MEMORY


@pytest.mark.endurance
def test_nothing_of_this_takes_longer_than_15_seconds_where_nothing_is_configured() -> None:
    for server, found in all_met(15.0).items():
        assert found.seconds < 17, server
        assert found.memory < MOST_MEMORY, server
