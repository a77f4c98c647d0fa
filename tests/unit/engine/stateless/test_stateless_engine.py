"""The stateless engine on a small chain that branches, with full nodes that fail, lie, and lag behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.unit.engine.block_tree import ZERO, Blocks, forkchoice, valid
from tests.unit.engine.stateless.full_node import Archive, ArchivingExecutor, FullNode
from trinode.engine.stateless.anchor import Anchor, TrustedHash
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.errors import AnchorRefused, RemoteFault
from trinode.engine.stateless.execution import StatelessSettings
from trinode.engine.stateless.headers import HeaderChain, KeptBlocks
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status, UnknownPayload
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.types import Hash32

SETTINGS = StatelessSettings(patience=40.0)
SYNCING = PayloadStatus(Status.SYNCING)


class Chain:
    """Blocks, and what full nodes hold for canonical."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self.executor = ArchivingExecutor(self.blocks.config, FastEngine(), Archive(self.blocks.genesis))
        self.canonical: dict[int, Hash32] = {0: self.blocks.genesis.hash}
        self.notices: list[str] = []
        self.on_notice: Callable[[str], None] = lambda line: None

    def _notice(self, line: str) -> None:
        self.notices.append(line)
        self.on_notice(line)

    async def block_by_number(self, number: int) -> KnownBlock | None:
        block_hash = self.canonical.get(number)
        return None if block_hash is None else self.executor.archive.blocks[block_hash]

    def extend(self, count: int, parent: Hash32 | None = None) -> list[ExecutedBlock]:
        """Blocks on a block, which full nodes have, and take for canonical."""
        parent = self.canonical[max(self.canonical)] if parent is None else parent
        made = self.blocks.chain(parent, count)
        for block in made:
            self.executor.archive.add(block)
        first = made[0].header.number
        self.canonical = {number: each for number, each in self.canonical.items() if number < first}
        self.canonical |= {block.header.number: block.hash for block in made}
        return made

    def node(self, name: str = "http://one.example", *, as_maps: bool = False) -> FullNode:
        return FullNode(self.executor, self, as_maps=as_maps, name=name)

    @asynccontextmanager
    async def engine(
        self, folder: Path, *nodes: FullNode, anchor: Anchor | None = None, kept: KeptBlocks | None = None, prefetch: bool = True
    ) -> AsyncIterator[StatelessEngine]:
        chain = HeaderChain(folder, self.blocks.identity, kept)
        executor = BlockExecutor(self.blocks.config, FastEngine())
        engine = StatelessEngine(chain, executor, [node.remote() for node in nodes], settings=SETTINGS, notice=self._notice)
        try:
            await engine.begin(anchor or TrustedHash(self.blocks.genesis.hash))
            async with trio.open_nursery() as nursery:
                if prefetch:
                    await nursery.start(engine.run)
                yield engine
                nursery.cancel_scope.cancel()
        finally:
            await engine.close()
            chain.close()

    async def send(self, engine: StatelessEngine, block: ExecutedBlock) -> None:
        """The block as from a peer: checked, and made the head."""
        assert await engine.new_payload(self.blocks.envelopes[block.hash]) == valid(block.hash)
        assert (await engine.forkchoice_updated(forkchoice(block.hash), None)).payload_status == valid(block.hash)


@pytest.mark.parametrize("as_maps", [False, True])
async def test_payloads_are_checked_and_become_the_chain(tmp_path: Path, as_maps: bool) -> None:
    chain = Chain()
    made = chain.extend(12)
    node = chain.node(as_maps=as_maps)
    async with chain.engine(tmp_path / "x", node) as engine:
        for block in made:
            await chain.send(engine, block)
        assert await engine.head() == KnownHeader(made[-1].header, made[-1].hash)
        for block in made:
            known = KnownBlock(block.header, block.hash, block.transactions)
            assert await engine.block(block.hash) == await engine.block_by_number(block.header.number) == known
        assert await engine.block_by_number(13) is None
    assert not chain.notices
    assert node.asked["debug_executionWitness"] == 12


async def test_heads_labels_branches_and_what_they_refuse(tmp_path: Path) -> None:
    chain = Chain()
    made = chain.extend(4)
    async with chain.engine(tmp_path / "x", chain.node()) as engine:
        for block in made:
            await chain.send(engine, block)
        other = chain.extend(3, made[1].hash)
        for block in other:
            assert await engine.new_payload(chain.blocks.envelopes[block.hash]) == valid(block.hash)
        with pytest.raises(InvalidForkchoiceState, match="the safe block"):
            await engine.forkchoice_updated(forkchoice(other[-1].hash, made[3].hash), None)
        assert (await engine.head()).hash == made[-1].hash
        await engine.forkchoice_updated(forkchoice(other[-1].hash, made[1].hash, made[0].hash), None)
        assert (await engine.head()).hash == other[-1].hash
        safe, finalized = await engine.safe(), await engine.finalized()
        assert safe is not None and finalized is not None
        assert (safe.hash, finalized.hash) == (made[1].hash, made[0].hash)
        taken_back = await engine.block(made[3].hash)
        assert taken_back is not None and taken_back.transactions == made[3].transactions
        await engine.forkchoice_updated(forkchoice(made[3].hash), None)
        known = await engine.block_by_number(3)
        assert known is not None and known.hash == made[2].hash
        assert (await engine.forkchoice_updated(forkchoice(b"\x01" * 32), None)).payload_status == SYNCING
        assert (await engine.forkchoice_updated(forkchoice(ZERO), None)).payload_status.status is Status.INVALID
    async with chain.engine(tmp_path / "x", chain.node()) as engine:
        assert (await engine.head()).hash == made[3].hash
        assert await engine.safe() == safe


async def test_invalid_blocks_and_attributes_are_refused(tmp_path: Path) -> None:
    chain = Chain()
    made = chain.extend(2)
    async with chain.engine(tmp_path / "x", chain.node()) as engine:
        await chain.send(engine, made[0])
        invalid = chain.blocks.make_invalid(made[0].hash)
        for _ in range(2):
            status = await engine.new_payload(invalid)
            assert (status.status, status.latest_valid_hash) == (Status.INVALID, made[0].hash)
            assert "state_root" in str(status.validation_error)
        assert (await engine.forkchoice_updated(forkchoice(invalid.payload.block_hash), None)).payload_status == status
        lying = replace(invalid, payload=replace(invalid.payload, block_hash=made[1].hash))
        assert (await engine.new_payload(lying)).status is Status.INVALID
        assert await engine.new_payload(chain.blocks.make_invalid(invalid.payload.block_hash)) == SYNCING
        attributes = chain.blocks.attributes(made[0].hash)
        for wrong in (replace(attributes, timestamp=0), replace(attributes, no_tx_pool=False), replace(attributes, timestamp=2**64)):
            with pytest.raises(InvalidPayloadAttributes):
                await engine.forkchoice_updated(forkchoice(made[0].hash), wrong)
        begun = await engine.forkchoice_updated(forkchoice(made[0].hash), attributes)
        assert begun.payload_id is not None
        assert (await engine.get_payload(begun.payload_id)).envelope.payload.block_number == 2
        with pytest.raises(UnknownPayload):
            await engine.get_payload(bytes(8))


async def test_a_remote_that_fails_is_left_for_the_next(tmp_path: Path) -> None:
    chain = Chain()
    made = chain.extend(3)

    def fail(result: Any) -> Any:
        raise RpcError(-32000, "missing trie node")

    bad, good = chain.node("http://bad.example"), chain.node("http://good.example")
    bad.damage["debug_executionWitness"] = fail
    async with chain.engine(tmp_path / "x", bad, good) as engine:
        for block in made:
            await chain.send(engine, block)
    assert chain.notices == ["L2 http://bad.example: debug_executionWitness: L2 block 1: error -32000: missing trie node"]


async def test_what_nobody_has_is_waited_for(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Until then a payload is SYNCING; attributes wait, and a wait can be cancelled."""
    chain = Chain()
    made = chain.extend(2)
    ahead = chain.blocks.chain(made[-1].hash, 1)[0]
    node = chain.node()
    async with chain.engine(tmp_path / "x", node, prefetch=False) as engine:
        for block in made:
            await chain.send(engine, block)
        node.lacks |= {"eth_getProof", "debug_dbGet"}
        mock_clock.autojump_threshold = 0
        attributes = chain.blocks.attributes(made[-1].hash)
        with trio.CancelScope() as scope:
            chain.on_notice = lambda line: scope.cancel() if "eth_getProof" in line else None
            await engine.forkchoice_updated(forkchoice(made[-1].hash), attributes)
        assert scope.cancelled_caught
        assert await engine.new_payload(chain.blocks.envelopes[ahead.hash]) == SYNCING
        assert chain.notices[0] == "L2 http://one.example: eth_getBlockByNumber: L2 block 3: the remote does not have it yet"
        chain.executor.archive.add(ahead)
        chain.canonical[3] = ahead.hash
        node.lacks.clear()
        mock_clock.autojump_threshold = inf  # what follows waits for threads, not for time
        assert await engine.new_payload(chain.blocks.envelopes[ahead.hash]) == valid(ahead.hash)


async def test_a_block_that_the_remote_never_has_is_built_piece_by_piece(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    chain = Chain()
    made = chain.extend(2)
    async with chain.engine(tmp_path / "x", chain.node()) as engine:
        for block in made:
            await chain.send(engine, block)
        attributes = chain.blocks.attributes(made[-1].hash)
        expected = chain.blocks.executor.build(chain.blocks.states.parent(made[-1].hash), attributes)
        mock_clock.autojump_threshold = 0
        begun = await engine.forkchoice_updated(forkchoice(made[-1].hash), attributes)
        assert begun.payload_id is not None
        assert (await engine.get_payload(begun.payload_id)).envelope.payload.block_hash == expected.hash


async def test_a_remote_on_another_branch_is_said_once(tmp_path: Path) -> None:
    chain = Chain()
    made = chain.extend(3)
    chain.extend(3, made[0].hash)
    async with chain.engine(tmp_path / "x", chain.node()) as engine:
        for block in made:
            await chain.send(engine, block)
    critical = [notice for notice in chain.notices if notice.startswith("CRITICAL")]
    assert len(critical) == 1
    assert critical[0].startswith("CRITICAL: L2 http://one.example: eth_getBlockByNumber: ")
    assert ": L2 block 2: its block is 0x" in critical[0]


def _other_number(block: dict[str, Any]) -> dict[str, Any]:
    return block | {"gasUsed": "0x1"}


def _less(block: dict[str, Any]) -> dict[str, Any]:
    return block | {"transactions": block["transactions"][1:]}


@pytest.mark.parametrize(("damage", "field"), [(_other_number, "hash"), (_less, "transactions")])
async def test_a_false_anchor_is_refused(tmp_path: Path, damage: Callable[[Any], Any], field: str) -> None:
    chain = Chain()
    made = chain.extend(3)
    node = chain.node()
    node.damage["eth_getBlockByHash"] = damage
    with pytest.raises(RemoteFault, match=f"eth_getBlockByHash: {field}: L2 block 0x{made[1].hash.hex()}: "):
        async with chain.engine(tmp_path / "x", node, anchor=TrustedHash(made[1].hash)):
            pass
    with pytest.raises(AnchorRefused, match="does not have it"):
        async with chain.engine(tmp_path / "y", chain.node(), anchor=TrustedHash(b"\x01" * 32)):
            pass


async def test_blocks_before_the_anchor_are_had_from_the_remote_and_old_ones_are_dropped(tmp_path: Path) -> None:
    chain = Chain()
    made = chain.extend(40)
    node = chain.node()
    anchor = TrustedHash(made[24].hash)
    async with chain.engine(tmp_path / "x", node, anchor=anchor, kept=KeptBlocks(headers=8, bodies=4)) as engine:
        for block in made[25:]:
            await chain.send(engine, block)
            await engine.forkchoice_updated(forkchoice(block.hash, block.hash, block.hash), None)
        asked = node.asked["eth_getBlockByHash"]
        for number in (39, 33, 25, 24, 2):
            known = await engine.block_by_number(number)
            assert known is not None and known.hash == made[number - 1].hash
        assert node.asked["eth_getBlockByHash"] <= asked + 2
        chain.extend(30, made[9].hash)
        known = await engine.block_by_number(20)
        assert known is not None and known.hash == made[19].hash
    assert not chain.notices
