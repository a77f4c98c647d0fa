"""A chain that begins with Bedrock, at a block that is not the first, over a Legacy Geth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from harness.execution.states import MemoryStates, genesis_parent
from tests.unit.engine.block_tree import ZERO, Blocks
from tests.unit.execution.small_chain import GENESIS_TIME
from tests.unit.rpc.historical.legacy_geth import BEDROCK, CHAIN_ID, LegacyGeth, name
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, build_genesis
from trinode.jsonrpc.endpoint import Retries
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.eip1559 import encode_holocene_extra_data
from trinode.protocol.types import BlockId, Hash32
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.legacy import Legacy, open_legacy
from trinode.rpc.historical.routes import HistoricalRpc
from trinode.storage.store import Store

_LOG_NOTHING = bytes.fromhex("60006000a000")
LAST_LEGACY: Hash32 = bytes.fromhex(name(f"block {BEDROCK - 1}")[2:])
SOON = Retries(3, 0.01, 0.02)
NEVER = "0x" + 32 * "12"


class BedrockBlocks(Blocks):
    """Blocks from BEDROCK on."""

    def __init__(self) -> None:
        super().__init__()
        genesis = Genesis(
            timestamp=GENESIS_TIME,
            gas_limit=30_000_000,
            difficulty=0,
            beneficiary=bytes(20),
            extra_data=encode_holocene_extra_data(250, 6),
            mix_hash=ZERO,
            nonce=0,
            number=BEDROCK,
            gas_used=0,
            parent_hash=LAST_LEGACY,
            base_fee_per_gas=1_000,
            excess_blob_gas=None,
            blob_gas_used=None,
            alloc=self.genesis.changes,
        )
        self.config = replace(self.config, l2_chain_id=CHAIN_ID, genesis=replace(self.config.genesis, l2=BlockId(BEDROCK, ZERO)))
        self.genesis = build_genesis(genesis, self.config)
        self.config = replace(self.config, genesis=replace(self.config.genesis, l2=BlockId(BEDROCK, self.genesis.hash)))
        self.executor = BlockExecutor(self.config, FastEngine())
        self.states = MemoryStates(genesis_parent(self.genesis))
        self.headers = {self.genesis.hash: self.genesis.header}


def log_once(salt: int) -> bytes:
    """A deposit that makes a contract, which writes an empty log and stays empty."""
    return encode_deposit(DepositTransaction(salt.to_bytes(32, "big"), b"\x0e" * 20, None, 0, 0, 200_000, False, _LOG_NOTHING))


class BedrockChain:
    """A store with the first block and `count` more, each with one log."""

    def __init__(self, store: Store, tree: BedrockBlocks, count: int) -> None:
        self.store, self.tree = store, tree
        for index in range(count):
            block = tree.make(store.head.hash, log_once(index + 1))
            store.append(tree.executor.check(store.parent_for(store.head.hash), block.header, block.transactions))

    def here(self) -> Here:
        """What it has."""
        return Here(self.tree.config, self.store)

    def eth(self, limits: EthLimits | None = None) -> EthNamespace:
        """The methods over it alone."""
        return EthNamespace(self.tree.config, self.store, progress=lambda: None, limits=limits)


@contextmanager
def bedrock_chain(path: Path, count: int = 3) -> Iterator[BedrockChain]:
    """A store in a folder."""
    tree = BedrockBlocks()
    with tree.new_store(path) as store:
        yield BedrockChain(store, tree, count)


class Client:
    """Calls methods as a client does."""

    def __init__(self, *namespaces: Namespace) -> None:
        self._dispatcher = Dispatcher(namespaces, [each.name for each in namespaces])

    async def __call__(self, method: str, *params: Any) -> Any:
        """The result, or the error object."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = msgspec.json.decode(await self._dispatcher.answer(msgspec.json.encode(request)))
        return response["result"] if "result" in response else response["error"]


@asynccontextmanager
async def client_over(chain: BedrockChain, server: LegacyGeth, *, seconds: float = 5.0, limits: EthLimits | None = None) -> AsyncIterator[Client]:
    """A client of the node that has the chain, and a Legacy Geth for what was before."""
    async with open_legacy(server.url, seconds=seconds, retries=SOON) as legacy:
        yield client_of(chain, legacy, limits)


def client_of(chain: BedrockChain, legacy: Legacy | None, limits: EthLimits | None = None) -> Client:
    """The same for an endpoint that is open; None: there is none."""
    return Client(HistoricalRpc(legacy, chain.here(), limits).over(chain.eth(limits)))
