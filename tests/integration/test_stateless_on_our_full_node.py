"""A stateless engine on a full node of ours: it verifies the recorded chain from what that node's `eth_` and `debug_` methods answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from harness.execution.cases import ChainCase
from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.shared import shared
from tests.unit.engine.stateless.local_endpoint import LocalEndpoint
from trinode.engine.stateless.anchor import Anchor, TrustedHash
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.execution import StatelessSettings
from trinode.engine.stateless.headers import HeaderChain
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.status import ForkchoiceState
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.requests import METHOD_NOT_FOUND, Method, RpcError
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.rpc.eth.namespace import EthNamespace
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

NONE = bytes(32)
AT_FORKS = (1, 23, 70, 95, 118, 141, 178, 201, 224, 255)
"""Where stretches begin that are verified: at most forks, an activation block is among the first."""
STRETCH = 3
PIECES = frozenset(("debug_dbGet", "eth_getProof", "eth_getCode"))
"""What a witness that lacks nothing makes superfluous."""


@dataclass
class Full:
    """The chain in a store, and what asks its node."""

    case: ChainCase
    store: Store
    blocks: list[ExecutedBlock]
    asked: Counter[str] = field(default_factory=Counter)
    notices: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def remote(self) -> RemoteL2:
        """The node as a remote."""
        namespaces = (EthNamespace(self.case.config, self.store, progress=lambda: None), DebugNamespace(self.case.config, self.store))
        methods = {name: self._counted(name, method) for namespace in namespaces for name, method in namespace.methods.items()}
        return RemoteL2(JsonRpc(LocalEndpoint("http://ours.example", methods)))

    def _counted(self, name: str, method: Method) -> Method:
        async def call(params: list[Any]) -> Any:
            self.asked[name] += 1
            if name in self.refused:
                raise RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
            return await method(params)

        return call

    def hash_of(self, number: int) -> bytes:
        """Of a block."""
        found = self.store.blocks.canonical_hash(number)
        assert found is not None
        return found

    @asynccontextmanager
    async def stateless(self, folder: Path, anchor: Anchor, settings: StatelessSettings) -> AsyncIterator[StatelessEngine]:
        """An engine that begins there."""
        chain = HeaderChain(folder, ChainIdentity(self.case.config.l2_chain_id, self.hash_of(0)))
        executor = BlockExecutor(self.case.config, FastEngine())
        engine = StatelessEngine(chain, executor, [self.remote()], settings=settings, notice=self.notices.append)
        try:
            await engine.begin(anchor)
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                yield engine
                nursery.cancel_scope.cancel()
        finally:
            await engine.close()
            chain.close()

    async def verify(self, folder: Path, first: int, count: int, settings: StatelessSettings) -> None:
        """Builds so many blocks again from their attributes, on the one before `first`."""
        async with self.stateless(folder, TrustedHash(self.hash_of(first - 1)), settings) as engine:
            head = (await engine.head()).hash
            for expected, block in list(zip(self.case.blocks, self.blocks, strict=True))[first - 1 : first - 1 + count]:
                begun = await engine.forkchoice_updated(ForkchoiceState(head, NONE, NONE), expected.attributes)
                assert begun.payload_id is not None
                assert (await engine.get_payload(begun.payload_id)).envelope.payload.block_hash == block.hash
                head = block.hash


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    case = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(case)
    executor = BlockExecutor(case.config, FastEngine())
    identity = ChainIdentity(case.config.l2_chain_id, genesis.hash)
    with Store.create(tmp_path_factory.mktemp("ours") / "store", identity, genesis, history=None) as store:
        blocks = []
        for expected in case.blocks:
            blocks.append(executor.build(store.parent_for(store.head.hash), expected.attributes))
            store.append(blocks[-1])
        yield Full(case, store, blocks)


@pytest.fixture(autouse=True)
def _fresh(full: Full) -> None:
    full.asked.clear()
    full.notices.clear()
    full.refused.clear()


async def test_witnesses_of_ours_suffice(full: Full, tmp_path: Path) -> None:
    full.refused |= PIECES
    for first in AT_FORKS:
        await full.verify(tmp_path / str(first), first, STRETCH, StatelessSettings())
    assert full.notices == []
    assert full.asked["debug_executionWitness"] >= STRETCH * len(AT_FORKS)


async def test_piece_by_piece(full: Full, tmp_path: Path) -> None:
    """As where the node's own block is another one: proofs and codes, and no witness."""
    impatient = StatelessSettings(first_delay=0.01, longest_delay=0.02, patience=-1.0, most_pieces=100_000)
    for first in (30, 180):
        await full.verify(tmp_path / str(first), first, 1, impatient)
    assert full.notices == []
    assert full.asked["eth_getProof"] > 20 and full.asked["eth_getCode"] > 2


@pytest.mark.long
async def test_the_whole_chain(full: Full, tmp_path: Path) -> None:
    full.refused |= PIECES
    await full.verify(tmp_path / "whole", 1, len(full.blocks), StatelessSettings())
    assert full.notices == []
