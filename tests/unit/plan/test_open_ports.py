"""What the host says of open ports, believed only where it can be true."""

from __future__ import annotations

import pytest

from gpuws.plan.open_ports import OpenPort, not_led_to, offer, open_ports_from

NOWHERE = "0" * 32


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("0100007F:1776", "6006"),
        ("00000000:1776", "6006"),
        (f"{NOWHERE}:1776", "6006"),
        ("00000000000000000000000001000000:1776", "[::1]:6006"),
        ("0000000000000000FFFF00000100007F:1776", "6006"),
        ("0700A8C0:1776", "192.168.0.7:6006"),
    ],
)
def test_an_address_of_the_kernels_table_becomes_words_to_type(address: str, remote: str) -> None:
    [found] = open_ports_from({"listening": [f"{address}\t42\ttensorboard --logdir x"]})
    assert found == OpenPort(6006, remote, 42, "tensorboard --logdir x", "tensorboard")


@pytest.mark.parametrize(
    "line",
    [
        "0100007F:0000\t42\tx",
        "0100007F:1776\t0\tx",
        "0100007F:1776\t-1\tx",
        "0100007f:1776\t42\tx",
        "0100007F1776\t42\tx",
        "20010DB8000000000000000000000001:1776\t42\tx",
        "0100007F:1776",
        "",
    ],
)
def test_what_cannot_be_true_or_reached_is_left_out(line: str) -> None:
    assert open_ports_from({"listening": [line]}) == ()


def test_each_port_comes_once_and_the_lowest_first() -> None:
    lines = ["0100007F:1F40\t7\tb", "0100007F:1776\t8\ta", "00000000:1F40\t9\tc"]
    assert [(each.port, each.pid) for each in open_ports_from({"listening": lines})] == [
        (6006, 8),
        (8000, 7),
    ]


def test_a_command_is_made_harmless_and_short() -> None:
    [found] = open_ports_from({"listening": [f"0100007F:1776\t1\t\x1b]0;x\x07{'y' * 500}"]})
    assert found.command.startswith("?]0;x?yyy")
    assert len(found.command) == 120


def test_a_port_that_a_forward_leads_to_is_not_offered_again() -> None:
    ports = [OpenPort(6006, "6006", 1, "", "tensorboard"), OpenPort(7000, "7000", 2, "", "")]
    assert [offer(each, "box/w") for each in not_led_to(ports, ["7000"])] == [
        "port 6006 (tensorboard) is open on the host: `gpuws forward box/w 6006`"
    ]
