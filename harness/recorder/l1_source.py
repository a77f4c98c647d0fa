"""L1 blocks with receipts and the batcher's blobs, from an execution endpoint and a beacon endpoint."""

from __future__ import annotations

from typing import Any

from harness.recorder.beacon import Beacon
from harness.recorder.blocks import RpcBlock, read_block, read_receipts
from harness.recorder.endpoint import EndpointError
from harness.recorder.json_rpc import JsonRpc, MethodMissingError
from harness.recording import RecordedL1Block
from harness.rpc_json import RpcJsonError
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.errors import DecodingError
from trinode.protocol.transaction import BlobTransaction, decode_transaction
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig

BLOB_TRANSACTION_TYPE = 3


class L1Source:
    """Reads L1. `all_receipts`: also where the bloom excludes the portal and the system config; `beacon` None: no blobs are had."""

    def __init__(self, rpc: JsonRpc, beacon: Beacon | None, config: RollupConfig, *, all_receipts: bool = False) -> None:
        self._rpc = rpc
        self._beacon = beacon
        self._config = config
        self._all_receipts = all_receipts
        self._has_block_receipts = True

    async def block(self, number: int) -> RecordedL1Block:
        """The block of that number with what a recording holds of it, all checked. Raises EndpointError."""
        block = await self._rpc.call("eth_getBlockByNumber", [hex(number), True], lambda result: read_block(result, number))
        receipts = await self._receipts(block)
        blobs = await self._blobs(block)
        return RecordedL1Block(0, L1Block(block.hash, block.header, block.transactions, receipts), blobs)

    async def _receipts(self, block: RpcBlock) -> tuple[bytes, ...] | None:
        contracts = (self._config.deposit_contract_address, self._config.l1_system_config_address)
        if not self._all_receipts and not any(bloom_may_contain(block.header.logs_bloom, address) for address in contracts):
            return None
        if not block.transactions:
            return ()
        if self._has_block_receipts:
            try:
                params = ["0x" + block.hash.hex()]
                return await self._rpc.call("eth_getBlockReceipts", params, lambda result: read_receipts(result, block))
            except MethodMissingError:
                self._has_block_receipts = False
        return await self._receipts_one_by_one(block)

    async def _receipts_one_by_one(self, block: RpcBlock) -> tuple[bytes, ...]:
        method = "eth_getTransactionReceipt"
        hashes = await self._rpc.call("eth_getBlockByNumber", [hex(block.header.number), False], _read_hashes)
        objects: list[Any] = await self._rpc.batch(method, [[name] for name in hashes], lambda result: result)
        try:
            return read_receipts(objects, block)
        except RpcJsonError as error:
            raise EndpointError(self._rpc.name, method, error.field, error.message) from error

    async def _blobs(self, block: RpcBlock) -> dict[Hash32, bytes]:
        """Those of every blob transaction to the batch inbox: who the batcher is may change within the recording."""
        hashes: list[Hash32] = []
        for index, raw in enumerate(block.transactions):
            if raw[0] != BLOB_TRANSACTION_TYPE:
                continue
            try:
                tx = decode_transaction(raw)
            except DecodingError as error:
                raise EndpointError(self._rpc.name, "eth_getBlockByNumber", f"transactions[{index}]", str(error)) from error
            if isinstance(tx, BlobTransaction) and tx.to == self._config.batch_inbox_address:
                hashes += [name for name in tx.blob_versioned_hashes if name not in hashes]
        if not hashes:
            return {}
        if self._beacon is None:
            message = f"block {block.header.number} has blobs for the batch inbox: say --beacon"
            raise EndpointError(self._rpc.name, "eth_getBlockByNumber", "blobVersionedHashes", message)
        return await self._beacon.blobs(block.header.timestamp, hashes)


def _read_hashes(result: Any) -> list[str]:
    hashes = result.get("transactions") if isinstance(result, dict) else None
    if not isinstance(hashes, list) or not all(isinstance(name, str) for name in hashes):
        raise RpcJsonError("transactions", "a list of hashes was expected")
    return hashes
