"""A channel's flow: its window, what the host may send, and what is given back at the end."""

from __future__ import annotations

import struct
from typing import cast

import pytest
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from paramiko.message import Message

from gpuws.errors import GpuwsError
from gpuws.host import flow as flows
from gpuws.host.flow import BUDGET, FIRST, FIRST_FAR, LEAST, WIDEST, Budget, ChannelFlow, Raw
from gpuws.host.transport import Transport
from gpuws.plan.model import Target

THEIRS = 7  # the host's number for the channel
SLACK = 256 << 10  # bytes


class Wire:
    """A transport that keeps what is sent."""

    def __init__(self, round_trip: float = 0.0) -> None:
        self.budget = Budget()
        self.round_trip = round_trip
        self.sent: list[bytes] = []
        self.later_sent: list[bytes] = []
        self.forgotten: list[int] = []
        self.alive = True

    def is_active(self) -> bool:
        return self.alive

    def timed(self, seconds: float) -> None:
        """The round trip stays what the test says."""

    def forget(self, flow: ChannelFlow) -> bool:
        self.forgotten.append(flow.number)
        return True

    def later(self, packet: bytes) -> None:
        self.later_sent.append(packet)

    def _send_user_message(self, packet: Raw) -> None:
        self.sent.append(packet.asbytes())

    def left(self) -> int:
        """Bytes of the budget that nobody has; it is as before."""
        left = self.budget.take(1 << 60, 0, 1)
        self.budget.give(left)
        return left


class Heard:
    """A sink that keeps what it hears, in words."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.bytes = 0

    def opened(self) -> None:
        self.words.append("opened")

    def refused(self, error: GpuwsError) -> None:
        self.words.append(f"refused: {error.code}")

    def arrived(self, data: bytes, /) -> None:
        self.bytes += len(data)

    def ended(self) -> None:
        self.words.append("ended")

    def roomy(self) -> None:
        self.words.append("roomy")

    def closed(self) -> None:
        self.words.append("closed")

    def broken(self) -> None:
        self.words.append("broken")

    def lost(self) -> None:
        self.words.append("lost")


def asked(wire: Wire, heard: Heard) -> ChannelFlow:
    return ChannelFlow(cast(Transport, wire), 1, Target("/s"), heard)


def opened(wire: Wire, heard: Heard, *, window: int = 1 << 20) -> ChannelFlow:
    flow = asked(wire, heard)
    flow._set_remote_channel(THEIRS, window, 32768)
    return flow


def data(size: int) -> Message:
    return Message(struct.pack(">I", size) + bytes(size))


def feed(flow: ChannelFlow, size: int) -> None:
    for at in range(0, size, 32768):
        flow._feed(data(min(32768, size - at)))


# --- what the host sends --------------------------------------------------------------------------


def test_a_host_that_sends_its_window_and_a_little_more_is_heard() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    feed(flow, flow.window + SLACK)
    assert heard.words == ["opened"]
    assert heard.bytes == FIRST + SLACK


def test_a_host_that_sends_more_than_that_is_cut_off() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    feed(flow, flow.window + SLACK)
    flow._feed(data(1))
    assert heard.words == ["opened", "broken"]
    assert heard.bytes == FIRST + SLACK  # what is too much is not taken


def test_what_a_host_sends_on_its_second_stream_counts_and_is_dropped() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    size = flow.window + SLACK
    flow._feed_extended(Message(struct.pack(">II", 1, size) + bytes(size)))
    assert (heard.words, heard.bytes) == (["opened"], 0)
    flow._feed(data(1))
    assert (heard.words, heard.bytes) == (["opened", "broken"], 0)


def test_only_what_the_reader_took_lets_the_host_send_again() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    quarter = flow.window // 4
    feed(flow, flow.window)
    assert not flow.drained(quarter - 1)
    assert flow.drained(1)
    flow.widen()
    assert wire.sent == [struct.pack(">BII", MSG_CHANNEL_WINDOW_ADJUST, THEIRS, quarter)]
    feed(flow, quarter + SLACK)
    assert heard.words == ["opened"]
    flow._feed(data(1))
    assert heard.words == ["opened", "broken"]


def test_widening_with_nothing_drained_or_after_the_hosts_end_sends_nothing() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    flow.widen()
    flow.drained(flow.window)
    flow._handle_eof(Message())
    flow.widen()
    assert wire.sent == []


# --- the window's growth and the budget -----------------------------------------------------------


def test_a_window_that_holds_the_host_back_doubles_up_to_the_widest() -> None:
    wire, heard = Wire(round_trip=3600.0), Heard()  # whatever is read is little beside that
    flow = opened(wire, heard)
    widths = [flow.window]
    for _ in range(10):
        feed(flow, flow.window)
        flow.drained(flow.window)
        flow.widen()
        widths.append(flow.window)
    assert widths[:3] == [FIRST_FAR, 2 * FIRST_FAR, 4 * FIRST_FAR]
    assert widths == sorted(widths)
    assert WIDEST / 2 < widths[-1] <= WIDEST
    assert heard.words == ["opened"]  # all of it was allowed
    assert wire.left() == BUDGET - widths[-1]


def test_a_window_does_not_grow_where_a_round_trip_is_short() -> None:
    wire, heard = Wire(round_trip=1e-9), Heard()
    flow = opened(wire, heard)
    for _ in range(10):
        flow.drained(flow.window)
        flow.widen()
    assert flow.window == FIRST


def test_stalled_readers_stay_within_the_budget_and_give_it_back() -> None:
    wire = Wire(round_trip=3600.0)
    many = [opened(wire, Heard()) for _ in range(30)]
    for flow in many:
        feed(flow, flow.window)  # and nobody reads
    together = sum(flow.window for flow in many)
    assert BUDGET / 2 < together <= BUDGET
    assert wire.left() == BUDGET - together
    for flow in many:
        flow.close()
    assert wire.left() == BUDGET


def test_beyond_the_budget_each_flow_has_the_least_all_the_same_and_does_not_grow() -> None:
    wire = Wire(round_trip=3600.0)
    many = [opened(wire, Heard()) for _ in range(1000)]
    assert sum(flow.window for flow in many) <= BUDGET + LEAST * len(many)
    last = many[-1]
    assert last.window == LEAST
    last.drained(LEAST)
    last.widen()
    assert last.window == LEAST
    for flow in many:
        flow.close()
    assert wire.left() == BUDGET


def test_a_grown_window_is_given_back_once() -> None:
    wire = Wire(round_trip=3600.0)
    flow = opened(wire, Heard())
    flow.drained(flow.window)
    flow.widen()
    assert wire.left() == BUDGET - 2 * FIRST_FAR
    flow.close()
    flow.close()
    assert wire.left() == BUDGET


# --- what we send ---------------------------------------------------------------------------------


def test_room_is_what_the_host_takes_in_one_packet_and_roomy_is_said_at_nothing_only() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard, window=40000)
    assert flow.room() == 32768
    flow.send(bytes(32768))
    assert flow.room() == 40000 - 32768
    flow._window_adjust(Message(struct.pack(">I", 10)))
    assert heard.words == ["opened"]
    flow.send(bytes(flow.room()))
    assert flow.room() == 0
    flow._window_adjust(Message(struct.pack(">I", 5)))
    assert heard.words == ["opened", "roomy"]
    assert flow.room() == 5
    assert wire.sent[0] == struct.pack(">BII", MSG_CHANNEL_DATA, THEIRS, 32768) + bytes(32768)


def test_both_ends_are_said_once_and_the_channel_is_forgotten_when_both_closed() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    flow.end()
    flow.end()
    flow._handle_eof(Message())
    flow._handle_close(Message())
    assert heard.words == ["opened", "ended", "closed"]
    assert wire.forgotten == []
    flow.close()
    assert wire.sent == [
        struct.pack(">BI", MSG_CHANNEL_EOF, THEIRS),
        struct.pack(">BI", MSG_CHANNEL_CLOSE, THEIRS),
    ]
    assert wire.forgotten == [1]


def test_a_close_without_an_end_is_a_break() -> None:
    wire, heard = Wire(), Heard()
    opened(wire, heard)._handle_close(Message())
    assert heard.words == ["opened", "broken"]


def test_after_our_close_the_sink_hears_nothing_and_the_number_waits_for_theirs() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    flow.close()
    feed(flow, 100_000)
    assert (heard.words, heard.bytes, wire.forgotten) == (["opened"], 0, [])
    flow._handle_close(Message())
    assert (heard.words, wire.forgotten) == (["opened"], [1])


def test_a_flow_given_up_before_it_opened_is_closed_when_it_opens() -> None:
    wire, heard = Wire(), Heard()
    flow = asked(wire, heard)
    flow.close()
    assert (wire.sent, wire.left()) == ([], BUDGET)
    flow._set_remote_channel(THEIRS, 1 << 20, 32768)
    assert wire.later_sent == [struct.pack(">BI", MSG_CHANNEL_CLOSE, THEIRS)]
    assert heard.words == []


@pytest.mark.parametrize(("code", "meaning"), [(1, "forwarding-refused"), (2, "tunnel-failed")])
def test_a_refusal_says_why_and_gives_its_window_back(code: int, meaning: str) -> None:
    wire, heard = Wire(), Heard()
    flow = asked(wire, heard)
    flow._refuse(code, "no")
    assert (heard.words, wire.forgotten) == ([f"refused: {meaning}"], [1])
    flow.close()
    assert wire.left() == BUDGET


def test_a_request_on_the_channel_that_wants_an_answer_is_declined() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    for wanted in (b"\0", b"\1"):
        flow._handle_request(Message(struct.pack(">I", 4) + b"what" + wanted))
    assert wire.later_sent == [struct.pack(">BI", MSG_CHANNEL_FAILURE, THEIRS)]


def test_the_connections_end_breaks_the_flow_and_closing_it_says_nothing() -> None:
    wire, heard = Wire(), Heard()
    flow = opened(wire, heard)
    wire.alive = False
    flow._unlink()
    flow.close()
    assert (heard.words, wire.sent) == (["opened", "lost"], [])
    assert wire.left() == BUDGET


def test_the_slack_of_this_test_is_the_one_of_the_flow() -> None:
    assert flows._SLACK == SLACK
