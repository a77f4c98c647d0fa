"""L1 blocks with receipts and the batcher's blobs, from an execution endpoint and a beacon endpoint."""

from __future__ import annotations

from harness.recording import RecordedL1Block
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.beacon import Beacon
from trinode.l1.receipts import ReceiptsReader
from trinode.l1.rpc_block import RpcBlock, inbox_blob_hashes, read_block
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.errors import DecodingError
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig


class L1Source:
    """Reads L1. `all_receipts`: also where the bloom excludes the portal and the system config; `beacon` None: no blobs are had."""

    def __init__(self, rpc: JsonRpc, beacon: Beacon | None, config: RollupConfig, *, all_receipts: bool = False) -> None:
        self._rpc = rpc
        self._receipts_reader = ReceiptsReader(rpc)
        self._beacon = beacon
        self._config = config
        self._all_receipts = all_receipts

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
        return await self._receipts_reader.receipts(block)

    async def _blobs(self, block: RpcBlock) -> dict[Hash32, bytes]:
        """Those of every blob transaction to the batch inbox: who the batcher is may change within the recording."""
        try:
            hashes = inbox_blob_hashes(block.transactions, self._config.batch_inbox_address)
        except DecodingError as error:
            raise EndpointError(self._rpc.name, "eth_getBlockByNumber", "transactions", str(error)) from error
        if not hashes:
            return {}
        if self._beacon is None:
            message = f"block {block.header.number} has blobs for the batch inbox: say --beacon"
            raise EndpointError(self._rpc.name, "eth_getBlockByNumber", "blobVersionedHashes", message)
        return await self._beacon.blobs(block.header.timestamp, hashes)
