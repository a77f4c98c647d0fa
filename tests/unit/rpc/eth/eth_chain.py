"""A store with a few blocks, and the `eth_` methods over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.unit.engine.block_tree import Blocks
from trinode.execution.block import ExecutedBlock
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.types import Hash32
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled, SyncProgress
from trinode.rpc.node import TransactionTaker
from trinode.storage.store import Store

NEVER = "0x" + 32 * "12"


def data(value: bytes) -> str:
    """As it stands in JSON."""
    return "0x" + value.hex()


class EthChain:
    """Blocks in a store; `blocks` are those after genesis."""

    def __init__(self, path: Path, *, history: int | None = None) -> None:
        self.tree = Blocks()
        self.store = self.tree.new_store(path, history=history)
        self.blocks: list[ExecutedBlock] = []

    def extend(self, count: int) -> None:
        """So many blocks more, with calls of WRITER, creations and deposits in them."""
        for block in self.tree.chain(self.store.head.hash, count):
            self._append(block)

    def add(self, *transactions: bytes) -> ExecutedBlock:
        """One block more, with these transactions."""
        return self._append(self.tree.make(self.store.head.hash, *transactions))

    def _append(self, block: ExecutedBlock) -> ExecutedBlock:
        self.store.append(self.tree.executor.check(self.store.parent_for(self.store.head.hash), block.header, block.transactions))
        self.blocks.append(block)
        return block

    def eth(
        self,
        *,
        limits: EthLimits | None = None,
        pooled: Pooled | None = None,
        taker: TransactionTaker | None = None,
        progress: SyncProgress | None = None,
    ) -> Eth:
        """The methods over it as it is now and will be."""
        namespace = EthNamespace(self.tree.config, self.store, progress=lambda: progress, taker=taker, pooled=pooled, limits=limits)
        return Eth(namespace)


class Eth:
    """Calls methods as a client does."""

    def __init__(self, namespace: EthNamespace) -> None:
        self.namespace = namespace

    async def __call__(self, method: str, *params: Any) -> Any:
        """The result as a client reads it."""
        return msgspec.json.decode(msgspec.json.encode(await self.namespace.methods[f"eth_{method}"](list(params))))

    async def error(self, method: str, *params: Any) -> dict[str, Any]:
        """The error that must come."""
        try:
            result = await self.namespace.methods[f"eth_{method}"](list(params))
        except RpcError as error:
            return error.to_json()
        raise AssertionError(f"{method} gave {result!r}")


def hash_at(store: Store, number: int) -> Hash32:
    """Of the canonical block."""
    found = store.blocks.canonical_hash(number)
    assert found is not None
    return found
