"""What this node has of what a request names. What it does not have may be from before Bedrock."""

from __future__ import annotations

from collections.abc import Callable

from trinode.jsonrpc.fields import InvalidParams
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rpc.eth.block_names import EARLIEST, TAGS, BlockName, ByHash, parse_block_name
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.known_chain import KnownChain
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.workers import Workers

_THREADS = 2


class Here:
    """A node's own chain, from Bedrock on. `pooled`: whether a transaction waits here. All methods raise RpcError."""

    def __init__(self, config: RollupConfig, store: KnownChain, pooled: Callable[[Hash32], bool] = lambda _: False) -> None:
        self.bedrock = config.genesis.l2.number
        self._chain = Chain(config, store)
        self._pooled = pooled
        self._workers = Workers(EthLimits(read_threads=_THREADS))

    @property
    def head(self) -> int:
        """The number of the latest block."""
        return self._chain.head.number

    async def number(self, name: str | int) -> int:
        """The number that a tag stands for."""
        return name if isinstance(name, int) else await self._workers.read(lambda: self._chain.header(name).header.number)

    async def has_block(self, block_hash: Hash32) -> bool:
        """Whether it is known, canonical or not."""
        return await self._workers.read(lambda: self._chain.blocks.header(block_hash) is not None)

    async def has_transaction(self, transaction_hash: Hash32) -> bool:
        """Whether it is in a block or waits for one."""

        def look() -> bool:
            return self._chain.blocks.find_transaction(transaction_hash) is not None or self._pooled(transaction_hash)

        return await self._workers.read(look)


def meant(value: object, bedrock: int) -> bool | ByHash:
    """Whether a block name means one before Bedrock; the hash, where that depends on whether it is known.

    `earliest` is the chain's first block, as for op-geth. What is malformed is left to the method itself, which says what is wrong.
    """
    if value is None or (isinstance(value, str) and value in TAGS):
        return value == EARLIEST
    try:
        name: BlockName = parse_block_name(value, "")
    except InvalidParams:
        return False
    if isinstance(name, ByHash):
        return name
    return name == EARLIEST if isinstance(name, str) else name < bedrock
