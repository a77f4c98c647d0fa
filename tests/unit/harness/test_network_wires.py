"""The simulated network's connections: streams as trio wants them, late, in order, and over when they are cut for long."""

from __future__ import annotations

from random import Random

import pytest
import trio
from trio.testing import MockClock, check_half_closeable_stream

from harness.network.pipe import DEAD_AFTER, WINDOW, SimStream
from harness.network.wires import Internet, Link

HERE, THERE = "8.0.0.1", "8.0.0.2"


async def connected(internet: Internet) -> tuple[SimStream, SimStream]:
    """Both ends of a connection."""
    listening = await internet.machine(THERE).listen(THERE, 9222)
    ours = await internet.machine(HERE).connect(THERE, 9222)
    theirs = (await listening.accept()).stream
    await listening.aclose()
    assert isinstance(ours, SimStream) and isinstance(theirs, SimStream)
    return ours, theirs


async def test_streams_are_as_trio_wants_them(autojump_clock: MockClock) -> None:
    internet = Internet(Random(1), lambda _here, _there: Link(0, 0))

    async def maker() -> tuple[SimStream, SimStream]:
        return await connected(internet)

    await check_half_closeable_stream(maker, None)


async def test_bytes_come_late_and_in_order(autojump_clock: MockClock) -> None:
    internet = Internet(Random(2), lambda _here, _there: Link(0.1, 0.3, loss=0.3))
    ours, theirs = await connected(internet)
    sent, got, began = bytes(range(256)) * 4000, b"", trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, sent)
        while len(got) < len(sent):
            got += await theirs.receive_some(10_000)
            assert internet.in_flight <= 2 * WINDOW
    assert got == sent and internet.carried == len(sent)
    assert trio.current_time() - began > 0.3
    await ours.aclose()
    assert await theirs.receive_some() == b""
    await theirs.aclose()
    assert internet.connections == 0


async def test_a_partition(autojump_clock: MockClock) -> None:
    internet = Internet(Random(3))
    ours, theirs = await connected(internet)
    internet.partition([HERE])
    await ours.send_all(b"later")
    with trio.move_on_after(DEAD_AFTER / 2) as scope:
        await theirs.receive_some()
    assert scope.cancelled_caught
    internet.partition()
    assert await theirs.receive_some() == b"later"
    internet.partition([HERE])
    await ours.send_all(b"never")
    with pytest.raises(trio.BrokenResourceError):
        await theirs.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"more")
    with pytest.raises(TimeoutError):
        await internet.machine(HERE).connect(THERE, 9222)


async def test_nobody_there(autojump_clock: MockClock) -> None:
    internet = Internet(Random(4))
    with pytest.raises(ConnectionRefusedError):
        await internet.machine(HERE).connect(THERE, 9222)
    ours, theirs = await connected(internet)
    internet.unplug(THERE)
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await theirs.send_all(b"x")
