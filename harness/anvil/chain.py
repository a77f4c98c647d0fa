"""anvil's chain as the protocol would have it.

anvil 1.7.1 hashes a blob transaction with its blobs into the transactions root, which no client believes. So transactions roots, parent
hashes and hashes of all blocks are computed anew here, and hashes are translated in what is asked and answered. A beacon node's part is here too: the
blobs that were ever in a block, by the block's time (a slot is a second, and the first was at time 0).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, cast

import trio

from trinode.jsonrpc.replies import JsonObject, header_of, raw_transaction_of
from trinode.protocol.header import header_hash
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import BlockId

Json = dict[str, Any]

_TIMES = 5
"""How often a block is asked for that anvil lets go of just then."""
_SIDECAR = ("blobs", "commitments", "proofs", "cellProofs", "sidecar")


class Anvil(Protocol):
    """What answers calls; `harness.anvil.process.AnvilL1` is one."""

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises RpcError."""


class CorrectedChain:
    """What anvil says, with the hashes that its blocks ought to have."""

    def __init__(self, anvil: Anvil, first: int = 0) -> None:
        """`first`: the number of the block that is shown with its parent hash as it is."""
        self._anvil = anvil
        self._first = first
        self._blocks: dict[str, Json] = {}  # whole, by anvil's hash
        self._names: dict[str, str] = {}  # anvil's hashes, by the corrected ones
        self._blobs: dict[str, str] = {}
        self._blobs_at: dict[int, dict[str, None]] = {}
        self._lock = trio.Lock()

    async def call(self, method: str, params: list[Any]) -> Any:
        """The result of a call, in JSON. Raises RpcError."""
        if method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
            return await self._block(method, params)
        for _ in range(_TIMES):
            result = await self._anvil.call(method, *self._asked(params))
            unknown = self._unknown(result)
            if not unknown:
                return self._answered(result)
            for name in unknown:
                await self._learn(name)
        return None

    async def blobs_at(self, slot: int) -> dict[str, str] | None:
        """The blobs of the blocks of that slot by versioned hash, in hex; None where it has no block."""
        if slot not in self._blobs_at:
            await self._block("eth_getBlockByNumber", ["latest", False])
        names = self._blobs_at.get(slot)
        return None if names is None else {name: self._blobs[name] for name in names}

    async def block_id(self, number: int) -> BlockId:
        """Number and corrected hash of a canonical block that there is."""
        block = await self._block("eth_getBlockByNumber", [hex(number), False])
        return BlockId(number, bytes.fromhex(block["hash"][2:]))

    # ---- blocks ----

    async def _block(self, method: str, params: list[Any]) -> Any:
        name, *whole = self._asked(params)
        for _ in range(_TIMES):
            found = await self._anvil.call(method, name, False)
            if found is None:
                return None
            await self._learn(found["hash"])
            block = self._blocks.get(found["hash"])
            if block is not None:
                return block if whole == [True] else {**block, "transactions": [tx["hash"] for tx in block["transactions"]]}
        return None

    async def _learn(self, name: str) -> None:
        """Correct the block of this hash of anvil's, and those before it; nothing if it has gone meanwhile."""
        async with self._lock:
            new: list[Json] = []
            while name not in self._blocks:
                block = await self._anvil.call("eth_getBlockByHash", name, True)
                if block is None:
                    return
                new.append(block)
                if int(block["number"], 16) <= self._first:
                    break
                name = block["parentHash"]
            for block in reversed(new):
                self._correct(block)

    def _correct(self, block: Json) -> None:
        name = block["hash"]
        header = header_of(JsonObject(block, ""))
        if header.number and header_hash(header) != bytes.fromhex(name[2:]):
            raise AssertionError(f"anvil's block {header.number} does not hash to {name} as it is shown")
        parent = self._blocks.get(block["parentHash"])
        fields = [JsonObject(tx, "") for tx in block["transactions"]]
        header = replace(
            header,
            parent_hash=header.parent_hash if parent is None else bytes.fromhex(parent["hash"][2:]),
            transactions_root=ordered_trie_root([raw_transaction_of(tx) for tx in fields]),
        )
        corrected = "0x" + header_hash(header).hex()
        self._keep_blobs(header.timestamp, block["transactions"])
        self._blocks[name] = {
            **block,
            "hash": corrected,
            "parentHash": "0x" + header.parent_hash.hex(),
            "transactionsRoot": "0x" + header.transactions_root.hex(),
            "transactions": [_shown(tx, corrected) for tx in block["transactions"]],
        }
        self._names[corrected] = name

    def _keep_blobs(self, timestamp: int, transactions: list[Json]) -> None:
        slot = self._blobs_at.setdefault(timestamp, {})
        for tx in transactions:
            for name, blob in zip(tx.get("blobVersionedHashes") or (), tx.get("blobs") or (), strict=True):
                self._blobs[name] = blob
                slot[name] = None

    # ---- translation ----

    def _asked(self, value: Any) -> Any:
        """With anvil's hashes of blocks."""
        if isinstance(value, str):
            return self._names.get(value, value)
        if isinstance(value, list):
            return [self._asked(each) for each in value]
        if isinstance(value, dict):
            return {key: self._asked(each) for key, each in value.items()}
        return value

    def _unknown(self, result: Any) -> set[str]:
        """The blocks that a result names and that are not corrected yet."""
        items = result if isinstance(result, list) else [result]
        return {name for item in items if isinstance(item, dict) and (name := item.get("blockHash")) and name not in self._blocks}

    def _answered(self, result: Any) -> Any:
        """With the corrected hashes."""
        if isinstance(result, list):
            return [self._answered(each) for each in result]
        if not isinstance(result, dict):
            return result
        shown = {key: self._answered(value) if key == "logs" else value for key, value in result.items() if key not in _SIDECAR}
        name = shown.get("blockHash")
        return shown if name not in self._blocks else {**shown, "blockHash": self._blocks[cast(str, name)]["hash"]}


def _shown(tx: Json, block_hash: str) -> Json:
    """A transaction of a corrected block, without its blobs."""
    return {**{key: value for key, value in tx.items() if key not in _SIDECAR}, "blockHash": block_hash}
