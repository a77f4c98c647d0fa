"""Our client drives a real op-geth through all forks: `tox -e peers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine_differential.blocks import BlockMaker
from harness.engine_differential.op_geth import SECRET, OpGeth, find_geth
from harness.engine_differential.ours import OurChain, created_contracts
from trinode.engine.api.client import ExternalEngine, UnfitEngine
from trinode.engine.api.endpoint import EngineEndpoint, EngineRefusedToken, EngineUnavailable
from trinode.engine.api.protocol_version import SUPPORTED_VERSION, encode_protocol_version
from trinode.engine.status import ForkchoiceState, InvalidForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status, UnknownPayload
from trinode.execution.block import ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import BlockId

pytestmark = pytest.mark.peers

BLOCKS = 24
"""Two of each fork, about."""
SEED = 4711
NONE = bytes(32)
FILE = Path("jwt.txt")


class Network:
    """op-geth, and our chain that makes the same blocks."""

    def __init__(self, geth: OpGeth, maker: BlockMaker) -> None:
        self.geth = geth
        self.maker = maker
        self.ours = OurChain(maker.chain, FastEngine())
        config = maker.chain.config
        self.config = replace(config, genesis=replace(config.genesis, l2=BlockId(0, self.ours.head)))

    def endpoint(self, secret: bytes = SECRET) -> EngineEndpoint:
        return EngineEndpoint(self.geth.engine_url, secret, FILE)

    def next_block(self) -> tuple[PayloadAttributes, ExecutedBlock]:
        """Attributes that make a block, and the block."""
        attributes = self.maker.attributes(self.ours.header, self.ours.state)
        while not isinstance(block := self.ours.attempt(attributes), ExecutedBlock):
            attributes = self.maker.smaller(attributes, block)
        self.ours.adopt(block)
        self.maker.created(created_contracts(block))
        return attributes, block


@pytest.fixture
def network() -> Iterator[Network]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    maker = BlockMaker("all", SEED, BLOCKS)
    with OpGeth(program, maker.chain.genesis) as geth:
        yield Network(geth, maker)


async def test_blocks_of_every_fork_are_built_executed_adopted_and_found(network: Network) -> None:
    async with network.endpoint() as endpoint:
        client = ExternalEngine(endpoint, network.config)
        await client.check()
        assert (await client.head()).hash == network.ours.head
        head, blocks = network.ours.head, []
        for _ in range(BLOCKS):
            attributes, block = network.next_block()
            begun = await client.forkchoice_updated(ForkchoiceState(head, NONE, NONE), attributes)
            assert begun.payload_id is not None
            built = await client.get_payload(begun.payload_id)
            assert built.envelope.payload.block_hash == block.hash
            assert built.envelope.parent_beacon_block_root == block.header.parent_beacon_block_root
            assert await client.new_payload(built.envelope) == PayloadStatus(Status.VALID, block.hash)
            adopted = await client.forkchoice_updated(ForkchoiceState(block.hash, head, NONE), None)
            assert adopted.payload_status == PayloadStatus(Status.VALID, block.hash)
            assert await client.head() == KnownHeader(block.header, block.hash)
            assert await client.safe() is not None
            assert await client.finalized() is None
            head = block.hash
            blocks.append(KnownBlock(block.header, block.hash, block.transactions))
        assert len({network.config.fork_at(l2_timestamp=block.header.timestamp) for block in blocks}) == 11
        for known in blocks:
            assert await client.block(known.hash) == await client.block_by_number(known.header.number) == known
        assert await client.block(NONE) is None
        assert await client.block_by_number(BLOCKS + 1) is None


async def test_what_op_geth_refuses_and_supports(network: Network) -> None:
    async with network.endpoint() as endpoint:
        client = ExternalEngine(endpoint, network.config)
        head = network.ours.head
        attributes, _ = network.next_block()
        unknown = await client.forkchoice_updated(ForkchoiceState(b"\x12" * 32, NONE, NONE), None)
        assert unknown.payload_status.status is Status.SYNCING
        with pytest.raises(InvalidForkchoiceState, match="safe block not available"):
            await client.forkchoice_updated(ForkchoiceState(head, b"\x12" * 32, NONE), None)
        stale = PayloadAttributes(1, NONE, bytes(20), None, None, attributes.transactions, True, attributes.gas_limit)
        with pytest.raises(InvalidPayloadAttributes, match="timestamp"):
            await client.forkchoice_updated(ForkchoiceState(head, NONE, NONE), stale)
        with pytest.raises(UnknownPayload):
            await client.get_payload(bytes(8))
        version = "0x" + encode_protocol_version(SUPPORTED_VERSION).hex()
        assert await endpoint.call("engine_signalSuperchainV1", [{"recommended": version, "required": version}]) == version


async def test_a_wrong_secret_a_wrong_chain_and_nobody_there(network: Network) -> None:
    async with network.endpoint(bytes(32)) as endpoint:
        with pytest.raises(EngineRefusedToken, match=r"401: signature is invalid.* jwt\.txt must hold the same JWT secret"):
            await ExternalEngine(endpoint, network.config).check()
    other = replace(network.config, l2_chain_id=10)
    async with network.endpoint() as endpoint:
        with pytest.raises(UnfitEngine, match="its chain is 901, not 10"):
            await ExternalEngine(endpoint, other).check()
    network.geth.close()
    async with network.endpoint() as endpoint:
        with pytest.raises(EngineUnavailable, match="Does the engine run"):
            await ExternalEngine(endpoint, network.config).head()
