"""A stateless engine on the witnesses of a real op-geth, on random blocks of every fork: `tox -e peers`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from harness.engine_differential.blocks import BlockMaker
from harness.engine_differential.op_geth import OpGeth, find_geth
from harness.engine_differential.op_geth_chain import BuiltBlock, OpGethChain
from harness.engine_differential.ours import OurChain, created_contracts
from trinode.engine.stateless.anchor import Anchor, TrustedHash, TrustedOutput
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.errors import AnchorRefused
from trinode.engine.stateless.execution import StatelessSettings
from trinode.engine.stateless.headers import HeaderChain
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.status import ForkchoiceState
from trinode.execution.block import MESSAGE_PASSER, BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.protocol.output_root import output_root
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.json_fields import to_hex
from trinode.storage.identity import ChainIdentity

pytestmark = pytest.mark.peers

BLOCKS = 48
SEED = 815
NONE = bytes(32)
SETTINGS = StatelessSettings(first_delay=0.05, longest_delay=0.1, patience=0.2)


class Network:
    """op-geth with a chain that it built of our attributes, and what asks it."""

    def __init__(self, geth: OpGeth) -> None:
        self.geth = geth
        self.maker = BlockMaker("all", SEED, BLOCKS)
        self.config = self.maker.chain.config
        self.ours = OurChain(self.maker.chain, FastEngine())
        self.genesis = self.ours.head
        self.theirs = OpGethChain(geth, self.config)
        self.blocks: list[BuiltBlock] = []
        self.attributes: list[PayloadAttributes] = []
        self.outputs: dict[int, bytes] = {}
        self.notices: list[str] = []

    def grow(self) -> None:
        """op-geth gets one more block. It is ours, too."""
        attributes = self.maker.attributes(self.ours.header, self.ours.state)
        while not isinstance(block := self.ours.attempt(attributes), ExecutedBlock):
            attributes = self.maker.smaller(attributes, block)
        self.ours.adopt(block)
        self.maker.created(created_contracts(block))
        self.blocks.append(self.theirs.adopt(self.theirs.build(attributes)))
        self.attributes.append(attributes)
        storage_root = block.tries.storage_root(MESSAGE_PASSER)
        self.outputs[block.header.number] = output_root(block.header.state_root, storage_root, block.hash)

    @asynccontextmanager
    async def stateless(self, folder: Path, anchor: Anchor | None = None) -> AsyncIterator[StatelessEngine]:
        chain = HeaderChain(folder, ChainIdentity(self.config.l2_chain_id, self.genesis))
        executor = BlockExecutor(self.config, FastEngine())
        endpoint = Endpoint("L2", f"http://127.0.0.1:{self.geth._http_port}", concurrency=4, timeout=30, retries=Retries(1))
        engine = StatelessEngine(chain, executor, [RemoteL2(JsonRpc(endpoint))], settings=SETTINGS, notice=self.notices.append)
        try:
            await engine.begin(anchor or TrustedHash(self.genesis))
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                yield engine
                nursery.cancel_scope.cancel()
        finally:
            await engine.close()
            await endpoint.close()
            chain.close()

    async def verify(self, engine: StatelessEngine, first: int) -> None:
        """Builds op-geth's blocks from `first` on again from their attributes."""
        head = (await engine.head()).hash
        for block, attributes in list(zip(self.blocks, self.attributes, strict=True))[first - 1 :]:
            begun = await engine.forkchoice_updated(ForkchoiceState(head, NONE, NONE), attributes)
            assert begun.payload_id is not None
            built = (await engine.get_payload(begun.payload_id)).envelope.payload
            assert to_hex(built.block_hash) == to_hex(block.hash), f"block {block.header.number}"
            head = block.hash
        assert (await engine.forkchoice_updated(ForkchoiceState(head, head, head), None)).payload_status.latest_valid_hash == head


@pytest.fixture
def network() -> Iterator[Network]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    with OpGeth(program, BlockMaker("all", SEED, BLOCKS).chain.genesis) as geth:
        yield Network(geth)


async def test_blocks_are_verified_from_the_witnesses_of_op_geth(network: Network, tmp_path: Path) -> None:
    for _ in range(BLOCKS):
        await trio.to_thread.run_sync(network.grow)
    async with network.stateless(tmp_path / "whole") as engine:
        await network.verify(engine, 1)
        print(network.notices)
        assert (await engine.head()).header.number == BLOCKS


async def test_it_begins_at_an_output_root(network: Network, tmp_path: Path) -> None:
    """Before Isthmus the storage root comes by eth_getProof, since then it stands in the header."""
    for _ in range(BLOCKS):
        await trio.to_thread.run_sync(network.grow)
    for number in (3, BLOCKS - 2):
        anchor = TrustedOutput(number, network.outputs[number])
        async with network.stateless(tmp_path / str(number), anchor) as engine:
            assert (await engine.head()).header.number == number
            await network.verify(engine, number + 1)
    with pytest.raises(AnchorRefused, match="its output root is"):
        async with network.stateless(tmp_path / "wrong", TrustedOutput(4, network.outputs[3])):
            raise AssertionError("it began")
