"""Real op-node answers our requests for blocks, of all forks: `tox -e peers`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest
import trio

from harness.peers.op_geth import PROGRAM as GETH
from harness.peers.op_geth import OpGethNode
from harness.peers.op_node import PROGRAM, OpNode, Peers, p2p_options
from harness.peers.ports import free_ports
from harness.peers.process import wait_until
from tests.recorded_network import TIMEOUT, RecordedNetwork, peer, recorded_network
from tests.unit.p2p.sync.memory_hosts import ScriptedChain
from trinode.p2p.app_scores import AppScores, light_app_scores
from trinode.p2p.host.host import PeerHost
from trinode.p2p.host.service import Peers as PeersService
from trinode.p2p.host.service import PeersSettings
from trinode.p2p.identity import Identity, PeerId, parse_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.sync.client import PayloadSync
from trinode.p2p.sync.codec import PayloadCodec, encode_request
from trinode.p2p.sync.limits import ClientLimits
from trinode.protocol.types import BlockId

pytestmark = pytest.mark.peers


@dataclass(frozen=True, slots=True)
class Answering:
    """op-node at the end of the recorded chain, with P2P on."""

    network: RecordedNetwork
    op_node: OpNode
    port: int


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    program, folder, port = peer(PROGRAM), tmp_path_factory.mktemp("sync"), free_ports(1)[0]
    with recorded_network(folder) as network, OpGethNode(peer(GETH), folder / "op-geth", network.genesis(), network.secret_file) as engine:
        server, head = network.server, network.chains.head
        peers = Peers(server.url("l1"), server.url("beacon"), engine.engine_url, network.secret_file)
        op_node = OpNode(program, folder / "op-node", peers, head.rollup_config, head.l1_chain_config, **p2p_options(folder, port))
        network.show(max(network.chains.l1), max(network.chains.l1))
        with op_node:
            wait_until(lambda: bool(op_node.call("optimism_syncStatus")["safe_l2"]["number"] == network.last), TIMEOUT, op_node, engine)
            yield Answering(network, op_node, port)


@asynccontextmanager
async def connected(answering: Answering) -> AsyncIterator[tuple[PeerHost, PeerId]]:
    """Our host, and op-node's id, to which it is connected."""
    service = PeersService(Identity(b"\x05" * 32), PeersSettings(), wall=time.time, score_of=lambda _: 0.0, random=Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        op_node = parse_peer_id(answering.op_node.call("opp2p_self")["peerID"])
        await service.host.connect(op_node, [Multiaddr.of_ip("127.0.0.1", answering.port)])
        yield service.host, op_node
        nursery.cancel_scope.cancel()


async def test_all_blocks_of_all_forks_are_fetched_and_proved(answering: Answering) -> None:
    network = answering.network
    config = network.chains.head.rollup_config
    ids = {number: BlockId(number, block.ref.hash) for number, (block, _) in network.chains.l2.items()}
    chain = ScriptedChain(ids[0], ids[network.last])
    scores = AppScores(light_app_scores(config.block_time), trio.current_time)
    async with connected(answering) as (host, op_node):
        requests: list[tuple[int, int, float]] = []
        sync = PayloadSync(host, config, chain, scores, answered=lambda *request: requests.append(request))
        with trio.fail_after(TIMEOUT):
            async with trio.open_nursery() as nursery:
                await nursery.start(sync.run)
                await chain.filled()
                nursery.cancel_scope.cancel()
    assert [BlockId(block.payload.block_number, block.payload.block_hash) for block in chain.taken] == [ids[n + 1] for n in range(network.last)]
    assert {result for _, result, _ in requests} == {0}
    assert scores.counts(op_node).errors == scores.counts(op_node).rejected == 0


async def test_how_it_refuses(answering: Answering) -> None:
    codec = PayloadCodec(answering.network.chains.head.rollup_config)

    async def ask(request: bytes) -> bytes:
        _, stream = await host.open_stream(op_node, [codec.protocol])
        answer = b""
        with trio.fail_after(30):
            await stream.send_all(request)
            await stream.send_eof()
            while data := await stream.receive_some():
                answer += data
        return answer

    async with connected(answering) as (host, op_node):
        assert (await ask(encode_request(1)))[0] == 0
        assert await ask(encode_request(answering.network.last + 1)) == b"\x01"
        assert await ask(encode_request(2**64 - 1)) == b"\x02"
        assert await ask(b"1234") == b"\x03"
        assert (await ask(encode_request(1) + b"more"))[0] == 0


async def test_its_rates_are_those_that_we_keep(answering: Answering) -> None:
    codec = PayloadCodec(answering.network.chains.head.rollup_config)
    times: list[tuple[float, int]] = []

    async def ask(host: PeerHost, op_node: PeerId) -> None:
        _, stream = await host.open_stream(op_node, [codec.protocol])
        await stream.send_all(encode_request(1))
        await stream.send_eof()
        answer = b""
        while data := await stream.receive_some():
            answer += data
        times.append((trio.current_time() - began, answer[0] if answer else -1))

    await trio.sleep(30)
    async with connected(answering) as (host, op_node):
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask, host, op_node)
    limits = ClientLimits()
    assert {result for _, result in times} == {0}
    assert sum(at < 0.5 / limits.peer_rate for at, _ in times) == limits.peer_burst
    assert max(times)[0] == pytest.approx((40 - limits.peer_burst) / limits.peer_rate, rel=0.2)
