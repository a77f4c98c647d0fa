"""The server: what it answers, how often, and what it bears."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.unit.p2p.sync.memory_hosts import CONFIG, FIRST, GENESIS, MemoryHost, MemoryNetwork, block_source, chain_on, time_of
from trinode.p2p.sync.codec import PayloadCodec, encode_request
from trinode.p2p.sync.limits import MAX_PAYLOAD_SIZE, ServerLimits
from trinode.p2p.sync.server import PayloadServer
from trinode.protocol.payload import PayloadEnvelope

BLOCKS = chain_on(GENESIS, 100)
CODEC = PayloadCodec(CONFIG)
OK, UNAVAILABLE, INVALID, OTHER = b"\x00", b"\x01", b"\x02", b"\x03"


class Served:
    """A server on a host, and a client's host that is connected with it."""

    def __init__(self, network: MemoryNetwork, server: PayloadServer, answers: list[tuple[int | None, int, float]]) -> None:
        self.network = network
        self.server = server
        self.answers = answers
        self.host = network.host("server")
        server.serve(self.host)
        self.client = self.peer("client")

    def peer(self, name: str) -> MemoryHost:
        client = self.network.host(name)
        self.network.connect(client, self.host)
        return client

    async def ask(self, request: bytes | int, client: MemoryHost | None = None) -> bytes:
        _, stream = await (client or self.client).open_stream(self.host.peer_id, [self.server.protocol])
        await stream.send_all(encode_request(request) if isinstance(request, int) else request)
        await stream.send_eof()
        answer = b""
        while data := await stream.receive_some():
            answer += data
        return answer


def now() -> float:
    return time_of(FIRST + 50)


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Callable[..., Served]:
    def make(source: object = None, limits: ServerLimits | None = None, **options: object) -> Served:
        answers: list[tuple[int | None, int, float]] = []
        server = PayloadServer(
            CONFIG,
            source or block_source(BLOCKS),  # type: ignore[arg-type]
            now,
            answered=lambda *answer: answers.append(answer),
            limits=limits,
        )
        return Served(MemoryNetwork(nursery, **options), server, answers)  # type: ignore[arg-type]

    return make


async def test_a_block_is_answered(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve()
    assert CODEC.decode_answer(FIRST + 7, await served.ask(FIRST + 7)) == BLOCKS[6]
    assert served.answers == [(FIRST + 7, 0, 0.0)]


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        (FIRST, UNAVAILABLE),
        (FIRST + 51, INVALID),  # not before its time
        (CONFIG.genesis.l2.number - 1, INVALID),
        (2**64 - 1, INVALID),
        (b"", INVALID),
        (b"1234567", INVALID),
    ],
)
async def test_other_requests_get_a_result_alone(
    serve: Callable[..., Served], autojump_clock: MockClock, request_: bytes | int, result: bytes
) -> None:
    served = serve()
    assert await served.ask(request_) == result
    assert served.answers[0][1] == result[0]


async def test_more_than_a_request_is_not_read(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    assert (await serve().ask(encode_request(FIRST + 1) + b"more"))[:1] == OK


async def test_a_peer_gets_a_burst_and_then_four_in_a_second(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve()
    times = []

    async def ask() -> None:
        assert (await served.ask(FIRST + 1))[:1] == OK
        times.append(trio.current_time())

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(25):
            nursery.start_soon(ask)
    waited = [round(time - began, 6) for time in sorted(times)]
    assert waited == [0.0] * 15 + [0.25 * turn for turn in range(1, 11)]


async def test_all_peers_together_get_forty_and_then_twenty_in_a_second(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve()
    times = []

    async def ask(client: MemoryHost) -> None:
        assert (await served.ask(FIRST + 1, client))[:1] == OK
        times.append(trio.current_time())

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for index in range(60):
            nursery.start_soon(ask, served.peer(f"client {index}"))
    waited = [round(time - began, 6) for time in sorted(times)]
    assert waited == [0.0] * 40 + [round(0.05 * turn, 6) for turn in range(1, 21)]


async def test_who_would_wait_too_long_is_refused_at_once_and_costs_others_nothing(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve(limits=ServerLimits(peer_rate=1, peer_burst=2, longest_wait=5, burst=12))
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(served.ask, FIRST + 1)
        await trio.testing.wait_all_tasks_blocked()
        assert [result for _, result, _ in served.answers].count(OTHER[0]) == 23
        began = trio.current_time()
        for name in ("a", "b", "c", "d", "e"):
            assert (await served.ask(FIRST + 2, served.peer(name)))[:1] == OK
        assert trio.current_time() == began
    assert [result for _, result, _ in served.answers].count(OK[0]) == 12


async def test_a_request_that_does_not_come_ends_in_time(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve()
    _, stream = await served.client.open_stream(served.host.peer_id, [served.server.protocol])
    await stream.send_all(b"1234")
    assert await stream.receive_some() == INVALID
    assert trio.current_time() == pytest.approx(10)


async def test_a_peer_that_does_not_read_is_left(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve(pair=trio.testing.lockstep_stream_pair)
    _, stream = await served.client.open_stream(served.host.peer_id, [served.server.protocol])
    await stream.send_all(encode_request(FIRST + 1))
    await trio.sleep(11)
    assert served.network.resets == 1
    assert served.answers == [(FIRST + 1, 3, 10.0)]


async def test_what_is_written_at_once_is_bounded(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    large = chain_on(GENESIS, 1, size=20_000)[0]
    size = len(CODEC.encode_answer(large))
    served = serve(block_source([large]), ServerLimits(answer_bytes=3 * size), pair=trio.testing.lockstep_stream_pair)
    streams = []
    for _ in range(3):
        _, stream = await served.client.open_stream(served.host.peer_id, [served.server.protocol])
        await stream.send_all(encode_request(FIRST + 1))
        streams.append(stream)
    await trio.testing.wait_all_tasks_blocked()
    assert await served.ask(FIRST + 1) == OTHER
    await streams[0].aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert (await served.ask(FIRST + 1))[:1] == OK


async def test_a_flood_is_bounded(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve(limits=ServerLimits(requests=20))
    results = []

    async def ask() -> None:
        results.append((await served.ask(FIRST + 1))[:1])

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert results.count(OK) == 20 and results.count(OTHER) == 80


async def test_a_block_that_is_not_found_in_time(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    async def never(_: int) -> PayloadEnvelope | None:
        await trio.sleep_forever()
        return None

    served = serve(never)
    assert await served.ask(FIRST + 1) == OTHER
    assert served.answers == [(FIRST + 1, 3, 10.0)]


async def test_large_blocks_are_encoded_and_too_large_ones_are_not_there(serve: Callable[..., Served]) -> None:
    blocks = [*chain_on(GENESIS, 1, size=3 << 20), *chain_on(GENESIS._replace(number=FIRST + 1), 1, size=MAX_PAYLOAD_SIZE)]
    served = serve(block_source(blocks))
    assert CODEC.decode_answer(FIRST + 1, await served.ask(FIRST + 1)) == blocks[0]
    assert await served.ask(FIRST + 2) == UNAVAILABLE


async def test_rates_of_many_peers_are_remembered_up_to_a_number(serve: Callable[..., Served], autojump_clock: MockClock) -> None:
    served = serve(limits=ServerLimits(peers=2, peer_burst=1, peer_rate=0.01, burst=1000))
    first = served.peer("0")
    assert (await served.ask(FIRST + 1, first))[:1] == OK
    assert await served.ask(FIRST + 1, first) == OTHER
    for name in ("1", "2"):
        assert (await served.ask(FIRST + 1, served.peer(name)))[:1] == OK
    assert (await served.ask(FIRST + 1, first))[:1] == OK
