"""The client: gaps are filled from peers of whom some lie, within the rates, while the chain moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
import trio
import trio.testing
from trio.abc import HalfCloseableStream
from trio.testing import MockClock

from tests.unit.p2p.sync.memory_hosts import (
    CONFIG,
    FIRST,
    GENESIS,
    PROTOCOL,
    MemoryNetwork,
    ScriptedChain,
    answering,
    block_source,
    chain_on,
    id_of,
    peer_name,
    time_of,
)
from trinode.p2p.app_scores import AppCounts, AppScores, light_app_scores
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import StreamHandler
from trinode.p2p.sync.client import PayloadSync
from trinode.p2p.sync.codec import MAX_ANSWER_SIZE, PayloadCodec
from trinode.p2p.sync.limits import ClientLimits, FillLimits
from trinode.p2p.sync.server import PayloadServer
from trinode.p2p.sync.snappy_frames import compress_frames
from trinode.protocol.payload import PayloadEnvelope

CODEC = PayloadCodec(CONFIG)
CHAIN = chain_on(GENESIS, 1100)
FORK = chain_on(GENESIS, 1100, b"fork")


def at(chain: list[PayloadEnvelope], number: int) -> PayloadEnvelope:
    return chain[number - FIRST - 1]


class Scene:
    """A node that syncs `chain` from the peers that a test gives it."""

    def __init__(self, nursery: trio.Nursery, chain: ScriptedChain, limits: ClientLimits | None = None, **options: object) -> None:
        self.nursery = nursery
        self.network = MemoryNetwork(nursery)
        self.host = self.network.host("node")
        self.chain = chain
        self.scores = AppScores(light_app_scores(2), trio.current_time)
        self.requests: list[tuple[int, int, float]] = []
        self.sync = PayloadSync(
            self.host,
            CONFIG,
            chain,
            self.scores,
            answered=lambda *request: self.requests.append(request),
            limits=limits,
            **options,  # type: ignore[arg-type]
        )

    def honest(self, name: str, blocks: list[PayloadEnvelope] = CHAIN) -> PeerId:
        peer = self.network.host(name)
        PayloadServer(CONFIG, block_source(blocks), lambda: time_of(FIRST + 10_000)).serve(peer)
        self.network.connect(self.host, peer)
        return peer.peer_id

    def peer(self, name: str, handler: StreamHandler | None) -> PeerId:
        peer = self.network.host(name)
        if handler is not None:
            peer.serve(PROTOCOL, handler, most_per_peer=100)
        self.network.connect(self.host, peer)
        return peer.peer_id

    async def fill(self, seconds: float = 60) -> None:
        """Runs until the gap is filled."""
        with trio.fail_after(seconds):
            async with trio.open_nursery() as nursery:
                await nursery.start(self.sync.run)
                await self.chain.filled()
                nursery.cancel_scope.cancel()


def gap_of(count: int, chain: list[PayloadEnvelope] = CHAIN) -> ScriptedChain:
    return ScriptedChain(GENESIS, id_of(chain[count - 1]))


async def silent(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
    await trio.sleep_forever()


async def dripping(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
    answer = CODEC.encode_answer(CHAIN[0])
    for index in range(len(answer)):
        await stream.send_all(answer[index : index + 1])
        await trio.sleep(0.5)


async def endless(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
    while True:
        await stream.send_all(b"\x00" * (1 << 16))


async def resetting(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
    raise trio.BrokenResourceError


BOMB = b"\x00\x02\x00\x00\x00" + compress_frames(bytes(MAX_ANSWER_SIZE + 1))
WRONG: dict[str, StreamHandler] = {
    "wrong number": answering(lambda number: CODEC.encode_answer(at(CHAIN, number + 1))),
    "wrong hash": answering(
        lambda number: CODEC.encode_answer(replace(at(CHAIN, number), payload=replace(at(CHAIN, number).payload, gas_used=1)))
    ),
    "other fork": answering(lambda number: CODEC.encode_answer(at(FORK, number))),
}
FAILING: dict[str, StreamHandler] = {
    "wrong version": answering(lambda number: b"\x00\x00" + CODEC.encode_answer(at(CHAIN, number))[2:]),
    "truncated": answering(lambda number: CODEC.encode_answer(at(CHAIN, number))[:-20]),
    "empty": answering(lambda number: b""),
    "zip bomb": answering(lambda number: BOMB),
    "endless": endless,
    "invalid": answering(lambda number: b"\x02"),
    "error": answering(lambda number: b"\x03"),
    "reserved": answering(lambda number: b"\xff"),
    "silent": silent,
    "slow drip": dripping,
    "resetting": resetting,
}


async def test_a_gap_is_filled_in_order(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(30))
    peer = scene.honest("a")
    await scene.fill()
    assert scene.chain.taken == CHAIN[:30]
    assert scene.scores.counts(peer).valid > 8
    assert scene.scores.counts(peer).errors == 0
    assert sorted(number for number, _, _ in scene.requests) == list(range(FIRST + 1, FIRST + 31))
    assert {result for _, result, _ in scene.requests} == {0}
    assert scene.sync.held[0] <= 1


@pytest.mark.parametrize("name", [*WRONG, *FAILING])
async def test_a_bad_peer_holds_nothing_up_and_is_held_to_account(name: str, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(70))
    bad = scene.peer("bad", (WRONG | FAILING)[name])
    scene.honest("good")
    await scene.fill(25)  # the good one alone needs 15 seconds
    assert scene.chain.taken == CHAIN[:70]
    counts = scene.scores.counts(bad)
    assert counts.valid == 0
    assert (counts.rejected >= 0.5 and counts.errors == 0) if name in WRONG else (counts.errors >= 0.5 and counts.rejected == 0)
    assert scene.scores.score(peer_name("good")) > 2


async def test_a_peer_that_lacks_the_blocks_is_asked_less_and_not_blamed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """All who heard of the same blocks lack the same ones: were it held against them, honest peers would part."""
    scene = Scene(nursery, gap_of(70))
    asked: list[int] = []

    def lacks(number: int) -> bytes:
        asked.append(number)
        return b"\x01"

    other = scene.peer("other", answering(lacks))
    scene.honest("good")
    await scene.fill(25)
    assert scene.chain.taken == CHAIN[:70]
    assert scene.scores.counts(other) == AppCounts()
    assert 0 < len(asked) < 20


async def test_a_peer_that_does_not_serve_is_not_asked_again_and_not_blamed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(40))
    other = scene.peer("other", None)
    scene.honest("good")
    await scene.fill()
    assert scene.scores.counts(other) == AppCounts()
    assert scene.host.opened == 40


async def test_a_thousand_blocks_from_five_peers_of_whom_three_are_bad(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(1000))
    good = [scene.honest("good 1"), scene.honest("good 2")]
    bad = [
        scene.peer("forked", WRONG["other fork"]),
        scene.peer("liar", answering(lambda number: CODEC.encode_answer(at(FORK if number % 3 else CHAIN, number)))),
        scene.peer("silent", silent),
    ]
    began = trio.current_time()
    await scene.fill(400)
    assert scene.chain.taken == CHAIN[:1000]
    # Two peers that grant four in a second each: 1,000 blocks take 125 seconds, less the bursts.
    assert trio.current_time() - began < 150
    assert all(scene.scores.score(peer) > 0 for peer in good)
    assert all(scene.scores.score(peer) < 0 for peer in bad)


async def test_no_peer_is_asked_faster_than_servers_grant(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(200))
    times: dict[PeerId, list[float]] = {}

    def noting(blocks: list[PayloadEnvelope], name: str) -> StreamHandler:
        answer = answering(lambda number: CODEC.encode_answer(at(blocks, number)))

        async def handle(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
            times.setdefault(peer_name(name), []).append(trio.current_time())
            await answer(peer_id, protocol, stream)

        return handle

    for name in ("a", "b"):
        scene.peer(name, noting(CHAIN, name))
    await scene.fill()
    for asked in times.values():
        assert len(asked) > 90
        for index in range(len(asked) - 15):
            assert asked[index + 15] - asked[index] >= 0.25 - 1e-6


async def test_requests_are_bounded_in_number_and_rate(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    open_now = most = 0

    async def slow(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await trio.sleep(1)
        open_now -= 1
        await answering(lambda number: CODEC.encode_answer(at(CHAIN, number)))(peer_id, protocol, stream)

    scene = Scene(nursery, gap_of(100), ClientLimits(rate=10, burst=12, requests=8, per_peer=3))
    for index in range(20):
        scene.peer(f"peer {index}", slow)
    began = trio.current_time()
    await scene.fill()
    assert most == 8
    assert trio.current_time() - began >= 100 / 8


async def test_a_slow_peer_does_not_hold_up_the_block_that_all_wait_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(10))
    scene.peer("silent", silent)  # asked first, for the top
    await trio.testing.wait_all_tasks_blocked()
    scene.honest("good")
    began = trio.current_time()
    await scene.fill()
    assert trio.current_time() - began < 1 + 3 * 2.5
    assert len(scene.chain.taken) == 10


async def test_gossip_has_a_moment_to_fill_the_gap_itself(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(3)
    scene = Scene(nursery, chain)
    scene.honest("good")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(0.9)
        chain.move(head=chain.top)
        await trio.sleep(5)
        chain.move(top=id_of(CHAIN[5]))
        await trio.sleep(0.9)
        assert scene.host.opened == 0
        await chain.filled()
        running.cancel_scope.cancel()
    assert scene.host.opened == 3


async def test_only_the_peers_that_may_be_asked_are(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    static = peer_name("static")
    scene = Scene(nursery, gap_of(20), may_ask=lambda peer_id: peer_id == static)
    scene.honest("other")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(30)
        assert scene.host.opened == 0
        scene.honest("static")
        await scene.chain.filled()
        running.cancel_scope.cancel()
    assert scene.scores.counts(static).valid > 8
    assert scene.scores.counts(peer_name("other")) == AppCounts()


async def test_a_peer_below_the_lowest_score_is_not_asked_until_it_is_forgiven(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(5))
    peer = scene.honest("bad once")
    for _ in range(3):
        scene.scores.rejected(peer)
    began = trio.current_time()
    await scene.fill(300)
    assert trio.current_time() - began > 4


async def test_it_ends_when_it_is_cancelled_and_leaves_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(100))
    closed = 0

    async def waiting(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
        nonlocal closed
        while await stream.receive_some(100):
            pass
        await stream.send_all(b"\x00")
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"\x00")
                await trio.sleep(0.1)
        closed += 1

    for name in ("a", "b", "c"):
        scene.peer(name, waiting)
    with trio.move_on_after(3):
        await scene.sync.run()
    opened = scene.host.opened
    await trio.sleep(1)
    assert opened == closed == scene.host.opened == 12
    assert scene.requests == []


async def test_peers_that_leave_and_come(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    scene = Scene(nursery, gap_of(100))
    first = scene.honest("first")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(3)
        scene.network.disconnect(scene.host, first)
        opened = scene.host.opened
        await trio.sleep(30)
        assert scene.host.opened == opened
        scene.honest("second")
        await scene.chain.filled()
        running.cancel_scope.cancel()
    assert scene.chain.taken == CHAIN[:100]
    assert scene.host.opened == 100


async def test_the_head_moves_meanwhile(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(200)
    scene = Scene(nursery, chain)
    scene.honest("good")

    async def derive() -> None:
        for index in range(120):
            await trio.sleep(0.1)
            if chain.head.number < FIRST + index + 1:
                chain.move(head=id_of(CHAIN[index]))

    nursery.start_soon(derive)
    await scene.fill(100)
    assert chain.taken == CHAIN[200 - len(chain.taken) : 200]
    assert 80 <= len(chain.taken) <= 120
    assert scene.host.opened < 120


async def test_new_blocks_from_gossip_meanwhile(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(100)
    scene = Scene(nursery, chain, fill_limits=FillLimits(window=16))
    scene.honest("good")

    async def gossip() -> None:
        for index in range(100, 110):
            await trio.sleep(2)
            chain.move(top=id_of(CHAIN[index]))

    nursery.start_soon(gossip)
    await scene.fill(100)
    assert chain.taken == CHAIN[: len(chain.taken)]
    assert chain.head == chain.top


async def test_a_reorg_of_the_known_head(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = ScriptedChain(id_of(FORK[49]), id_of(CHAIN[79]))
    scene = Scene(nursery, chain)
    good = scene.honest("good")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(30)
        assert chain.taken == [] and scene.host.opened == 30  # blocks 51 to 80, which do not meet the head
        await trio.sleep(300)
        assert scene.host.opened == 30
        chain.move(head=id_of(CHAIN[39]))  # L1 tells
        await chain.filled()
        running.cancel_scope.cancel()
    assert chain.taken == CHAIN[40:80]
    assert scene.host.opened == 40
    assert scene.scores.counts(good).rejected == 0


async def test_a_reorg_of_the_trusted_block(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(60)
    scene = Scene(nursery, chain)
    scene.honest("old", CHAIN)
    scene.honest("new", FORK)
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(3)
        assert chain.taken == []
        chain.move(top=id_of(FORK[64]))
        await chain.filled()
        running.cancel_scope.cancel()
    assert chain.taken == FORK[:65]


async def test_a_block_that_the_node_does_not_take_is_offered_again_more_and_more_seldom(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(3)
    chain.takes = False
    scene = Scene(nursery, chain)
    scene.honest("good")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(100)
        assert chain.taken == [CHAIN[0]] * 5  # after 0, 4, 12, 28, 60 seconds
        chain.takes = True
        await chain.filled()
        running.cancel_scope.cancel()
    assert chain.taken[-2:] == CHAIN[1:3]
    assert scene.host.opened == 3


async def test_a_gap_that_is_too_long_is_not_asked_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    chain = gap_of(100)
    scene = Scene(nursery, chain, fill_limits=FillLimits(longest=50))
    scene.honest("good")
    async with trio.open_nursery() as running:
        await running.start(scene.sync.run)
        await trio.sleep(60)
        assert scene.host.opened == 0
        chain.move(head=id_of(CHAIN[49]))
        await chain.filled()
        running.cancel_scope.cancel()
    assert chain.taken == CHAIN[50:100]


async def test_memory_is_bounded_while_large_blocks_come(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    blocks = chain_on(GENESIS, 60, size=30_000)
    chain = gap_of(60, blocks)
    chain_taken: Callable[[PayloadEnvelope], None] = chain.take
    scene = Scene(nursery, chain, fill_limits=FillLimits(max_bytes=400_000))
    scene.honest("good", blocks)
    held: list[int] = []

    def take(envelope: PayloadEnvelope) -> None:
        held.append(scene.sync.held[1])
        chain_taken(envelope)

    chain.take = take  # type: ignore[method-assign]
    await scene.fill(100)
    assert chain.taken == blocks
    assert max(held) <= 400_000
    assert scene.host.opened > 60


async def test_a_large_answer_is_read_off_the_loop(nursery: trio.Nursery) -> None:
    blocks = chain_on(GENESIS, 6, size=2 << 20)
    scene = Scene(nursery, gap_of(6, blocks), ClientLimits(patience=0, large_answers=1, large_bytes=1000))
    scene.honest("good", blocks)
    await scene.fill()
    assert scene.chain.taken == blocks


async def test_large_answers_wait_for_their_place_and_the_peers_time_does_not_run(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    reading = most = 0

    async def slow(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
        nonlocal reading, most
        number = int.from_bytes(await stream.receive_some(100), "little")
        answer = CODEC.encode_answer(at(CHAIN, number))
        await stream.send_all(answer[:101])
        await trio.sleep(6)
        await stream.send_all(answer[101:])

    scene = Scene(nursery, gap_of(5), ClientLimits(large_bytes=100, large_answers=1, hedge_seconds=1000))
    peer = scene.peer("slow", slow)
    await scene.fill(100)
    assert scene.scores.counts(peer).errors == 0
    assert len(scene.requests) == 5


