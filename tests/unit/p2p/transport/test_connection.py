"""Connections that run: between two of ours, and with peers that are silent, greedy or gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.unit.p2p.transport.both_sides import both
from tests.unit.p2p.transport.muxed_pair import DATA, PING, SYN, WINDOW, WINDOW_SIZE, data_frame, frame
from trinode.p2p.errors import DialFailed, NegotiationFailed, ProtocolViolation
from trinode.p2p.identity import Identity
from trinode.p2p.transport.connection import Connection
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.multistream import handle, select
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.noise import NOISE, handshake
from trinode.p2p.transport.secure_channel import SecureChannel
from trinode.p2p.transport.upgrade import upgrade
from trinode.p2p.transport.yamux import YAMUX

ALICE, BOB = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
MUXERS = [YAMUX, MPLEX]
BY_PEER = ("the peer has ended the connection", "the connection broke")
"""Which of them is chance: whether we read first, or write."""


async def echo(stream: MuxedStream) -> None:
    while data := await stream.receive_some():
        await stream.send_all(data)


async def never_read(stream: MuxedStream) -> None:
    await trio.sleep_forever()


async def connect(muxer: str = YAMUX) -> tuple[Connection, Connection]:
    ours, theirs = memory_stream_pair()
    return await both(
        upgrade(ours, ALICE, outbound=True, expected=BOB.peer_id, muxers=[muxer]), upgrade(theirs, BOB, outbound=False, muxers=[muxer])
    )


@asynccontextmanager
async def with_stranger(*, reads: bool = True) -> AsyncIterator[tuple[Connection, SecureChannel]]:
    """A connection of ours that Alice has dialed, and her end of the channel, to say there whatever a test wants. `reads`: whether she does."""
    theirs, ours = memory_stream_pair()

    async def dial() -> SecureChannel:
        await select(theirs, [NOISE])
        return (await handshake(theirs, ALICE, initiator=True, muxers=[YAMUX]))[0]

    connection, channel = await both(upgrade(ours, BOB, outbound=False, muxers=[YAMUX]), dial())
    if not reads:
        ours.send_stream.send_all_hook = trio.sleep_forever
    yield connection, channel


@pytest.mark.parametrize("muxer", MUXERS)
async def test_two_of_ours(muxer: str, nursery: trio.Nursery) -> None:
    ours, theirs = await connect(muxer)
    assert (ours.peer_id, theirs.peer_id) == (BOB.peer_id, ALICE.peer_id)
    assert ours.protocol == theirs.protocol == muxer
    nursery.start_soon(ours.run, echo)
    nursery.start_soon(theirs.run, echo)
    for connection in (ours, theirs):
        stream = await connection.open_stream()
        async with trio.open_nursery() as sending:
            sending.start_soon(stream.send_all, bytes(700_000))
            received = 0
            while received < 700_000:
                received += len(await stream.receive_some())
        await stream.aclose()
    assert ours.bytes_sent == theirs.bytes_received > 1_400_000 < ours.bytes_received
    await ours.aclose()
    await ours.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert ours.ended == "we have ended the connection"
    assert theirs.ended == "the peer has ended the connection"
    with pytest.raises(trio.BrokenResourceError, match="the peer has ended"):
        await theirs.open_stream()


@pytest.mark.parametrize(("ours", "theirs", "agreed"), [([MPLEX, YAMUX], MUXERS, MPLEX), ([YAMUX], [MPLEX, YAMUX], YAMUX)])
async def test_the_dialing_side_prefers(ours: list[str], theirs: list[str], agreed: str) -> None:
    one, other = memory_stream_pair()
    dialed, accepted = await both(upgrade(one, ALICE, outbound=True, muxers=ours), upgrade(other, BOB, outbound=False, muxers=theirs))
    assert dialed.protocol == accepted.protocol == agreed


@pytest.mark.parametrize("outbound", [True, False])
async def test_a_peer_whose_handshake_names_no_muxers(outbound: bool) -> None:
    one, other = memory_stream_pair()

    async def peer() -> str:
        await (handle(other, [NOISE]) if outbound else select(other, [NOISE]))
        channel, proven = await handshake(other, BOB, initiator=not outbound, muxers=[])
        assert proven.muxers == tuple(MUXERS)
        return await (handle(channel, [MPLEX]) if outbound else select(channel, ["/other/1", MPLEX]))

    connection, agreed = await both(upgrade(one, ALICE, outbound=outbound), peer())
    assert connection.protocol == agreed == MPLEX


async def test_no_muxer_in_common() -> None:
    one, other = memory_stream_pair()

    async def dial() -> None:
        with pytest.raises(NegotiationFailed):
            await upgrade(one, ALICE, outbound=True, muxers=[YAMUX])

    async def accept() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await upgrade(other, BOB, outbound=False, muxers=[MPLEX])

    await both(dial(), accept())


async def test_somebody_else_is_there() -> None:
    one, other = memory_stream_pair()

    async def dial() -> None:
        with pytest.raises(DialFailed, match="instead of"):
            await upgrade(one, ALICE, outbound=True, expected=ALICE.peer_id)

    async def accept() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await upgrade(other, BOB, outbound=False)

    await both(dial(), accept())
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")


@pytest.mark.parametrize("outbound", [True, False])
async def test_an_upgrade_has_its_time(outbound: bool, autojump_clock: MockClock) -> None:
    one, _ = memory_stream_pair()
    with pytest.raises(trio.TooSlowError):
        await upgrade(one, ALICE, outbound=outbound)
    assert trio.current_time() == pytest.approx(15)
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")


@pytest.mark.parametrize("muxer", MUXERS)
async def test_a_handler_that_does_not_read_holds_nobody_up(muxer: str, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    ours, theirs = await connect(muxer)

    async def serve(stream: MuxedStream) -> None:
        await (never_read if await stream.receive_some(1) == b"n" else echo)(stream)

    nursery.start_soon(ours.run, echo)
    nursery.start_soon(theirs.run, serve)
    stuck = await ours.open_stream()
    await stuck.send_all(b"n")

    async def flood() -> None:
        while True:
            await stuck.send_all(bytes(300_000))
            await trio.sleep(0.1)

    async def flood_for_a_minute() -> None:
        if muxer == YAMUX:
            with trio.move_on_after(60):
                await flood()
        else:
            with pytest.raises(trio.BrokenResourceError, match="reset"):  # after five seconds; there are no windows
                await flood()

    async with trio.open_nursery() as sending:
        sending.start_soon(flood_for_a_minute)
        await trio.sleep(1)
        stream = await ours.open_stream()
        await stream.send_all(b"hello")
        assert await stream.receive_some() == b"ello"
    assert theirs._muxer.unread <= (WINDOW_SIZE if muxer == YAMUX else 1_400_000)
    nursery.cancel_scope.cancel()


async def test_the_window_is_enforced() -> None:
    async with with_stranger() as (connection, channel):
        await channel.send_all(data_frame(1, bytes(WINDOW_SIZE), SYN) + data_frame(1, b"x"))
        with pytest.raises(ProtocolViolation, match="beyond the window"):
            await connection.run(never_read)
        assert connection.ended is not None
        with pytest.raises(trio.BrokenResourceError):
            await channel.send_all(b"x")


async def test_handlers_end_with_the_connection() -> None:
    seen = []

    async def serve(stream: MuxedStream) -> None:
        seen.append("began")
        try:
            await trio.sleep_forever()
        finally:
            seen.append("ended")

    async with with_stranger() as (connection, channel):
        await channel.send_all(frame(WINDOW, SYN, 1, 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, serve)
            await trio.testing.wait_all_tasks_blocked()
            await channel.aclose()
    assert seen == ["began", "ended"]
    assert connection.ended == "the peer has ended the connection"


async def test_a_stream_that_its_handler_leaves_is_closed() -> None:
    async def serve(stream: MuxedStream) -> None:
        await stream.send_all(b"bye")

    async with with_stranger() as (connection, channel), trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, serve)
        await channel.send_all(frame(WINDOW, SYN, 1, 0))
        await trio.testing.wait_all_tasks_blocked()
        assert (await channel.receive_some()).endswith(data_frame(1, b"bye") + frame(WINDOW, 4, 1, 0))
        await connection.aclose()


async def test_a_silent_peer(autojump_clock: MockClock) -> None:
    async with with_stranger() as (connection, channel):
        with trio.fail_after(100):
            await connection.run(never_read)
        assert connection.ended == "the peer is silent"
        assert (await channel.receive_some()).startswith(frame(PING, SYN, 0, 1))


async def test_a_peer_that_answers_pings_may_be_silent(autojump_clock: MockClock) -> None:
    ours, theirs = await connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.run, echo)
        nursery.start_soon(theirs.run, echo)
        await trio.sleep(1000)
        assert ours.ended is theirs.ended is None
        nursery.cancel_scope.cancel()
    assert ours.ended == theirs.ended == "we have ended the connection"


async def test_a_peer_that_does_not_read(autojump_clock: MockClock) -> None:
    async with with_stranger(reads=False) as (connection, channel):

        async def ask_on() -> None:
            for number in range(100):
                await trio.sleep(1)
                await channel.send_all(frame(PING, SYN, 0, number))

        async def ask() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await ask_on()

        await both(connection.run(never_read), ask())
        assert connection.ended == "the peer does not read"
        assert trio.current_time() <= 62


async def test_leaving_a_peer_that_does_not_read(autojump_clock: MockClock) -> None:
    async with with_stranger(reads=False) as (connection, _), trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, never_read)
        await trio.testing.wait_all_tasks_blocked()
        await connection.aclose()
        assert trio.current_time() == pytest.approx(1)


async def test_leaving_before_anything_runs() -> None:
    ours, theirs = await connect()
    await ours.aclose()
    await ours.run(echo)
    await theirs.run(echo)
    assert theirs.ended in BY_PEER


async def test_garbage_instead_of_frames() -> None:
    async with with_stranger() as (connection, channel):
        await channel.send_all(frame(DATA, 0, 0, 0) + b"\x07" * 12)
        with pytest.raises(ProtocolViolation, match="version 7"):
            await connection.run(never_read)


async def test_a_broken_stream_is_only_a_broken_stream(nursery: trio.Nursery) -> None:
    ours, theirs = await connect()
    nursery.start_soon(ours.run, echo)
    nursery.start_soon(theirs.run, echo)
    stream = await ours.open_stream()
    await stream.send_all(b"x")
    assert await stream.receive_some() == b"x"
    stream.reset()
    await trio.testing.wait_all_tasks_blocked()
    assert theirs.ended is None
    nursery.cancel_scope.cancel()


async def test_what_a_handler_raises_ends_the_connection() -> None:
    async def fail(stream: MuxedStream) -> None:
        raise ValueError("ours")

    async with with_stranger() as (connection, channel):
        await channel.send_all(frame(WINDOW, SYN, 1, 0))
        with pytest.RaisesGroup(ValueError):
            await connection.run(fail)
    with pytest.raises(trio.BrokenResourceError):
        await channel.send_all(b"x")


async def test_cancelling_closes_the_socket() -> None:
    ours, theirs = await connect()
    with trio.move_on_after(0.01):
        await ours.run(echo)
    await theirs.run(never_read)
    assert theirs.ended in BY_PEER
