"""L2 blocks from an execution endpoint, and what an op-node knows of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from trinode.jsonrpc.calls import JsonRpc, RpcRefusedError
from trinode.jsonrpc.endpoint import EndpointError
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.l1.rpc_block import read_block
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header
from trinode.protocol.output_root import output_root
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l2_block import L2Block, L2BlockError, read_l2_block


class RpcL2Block(NamedTuple):
    """A checked L2 block; `output_root` None where nobody could tell it."""

    block: L2Block
    header: Header
    output_root: Hash32 | None


class SafeHead(NamedTuple):
    """After this L1 block was derived from, `l2` was the safe head."""

    l1: BlockId
    l2: BlockId


def encode_safe_head(head: SafeHead | None) -> bytes:
    """JSON of it for the journal."""
    if head is None:
        return b"null"
    return msgspec.json.encode([head.l1.number, head.l1.hash.hex(), head.l2.number, head.l2.hash.hex()])


def decode_safe_head(data: bytes) -> SafeHead | None:
    """The reverse of `encode_safe_head`."""
    parts = msgspec.json.decode(data, type=tuple[int, str, int, str] | None)
    if parts is None:
        return None
    l1_number, l1_hash, l2_number, l2_hash = parts
    return SafeHead(BlockId(l1_number, bytes.fromhex(l1_hash)), BlockId(l2_number, bytes.fromhex(l2_hash)))


class RollupNode:
    """An op-node's `optimism_` methods."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    async def rollup_config(self) -> Any:
        """The rollup.json object that it runs with, not yet parsed."""
        return await self._rpc.call("optimism_rollupConfig", [], _not_null)

    async def output_root(self, header: Header, block_hash: Hash32) -> Hash32:
        """The output root of the block, which must agree with its header. Raises EndpointError."""

        def read(result: Any) -> Hash32:
            return read_output(result, header, block_hash)

        return await self._rpc.call("optimism_outputAtBlock", [hex(header.number)], read)

    async def safe_head_at(self, l1_number: int) -> SafeHead | None:
        """The safe head as of that L1 block; None if the node keeps no such database or begins later. Raises EndpointError."""
        try:
            return await self._rpc.call("optimism_safeHeadAtL1Block", [hex(l1_number)], _read_safe_head, patient=False)
        except RpcRefusedError:
            return None


class L2Source:
    """Reads L2, with output roots from `node`; without one, from the header where it holds the message passer's root (Isthmus)."""

    def __init__(self, rpc: JsonRpc, config: RollupConfig, node: RollupNode | None = None) -> None:
        self._rpc = rpc
        self._config = config
        self._node = node

    async def block(self, number: int) -> RpcL2Block:
        """The block of that number. Raises EndpointError."""
        method = "eth_getBlockByNumber"
        raw = await self._rpc.call(method, [hex(number), True], lambda result: read_block(result, number))
        header = raw.header
        try:
            block = read_l2_block(
                self._config,
                hash=raw.hash,
                number=number,
                parent_hash=header.parent_hash,
                timestamp=header.timestamp,
                gas_limit=header.gas_limit,
                extra_data=header.extra_data,
                transactions=raw.transactions,
            )
        except (L2BlockError, DecodingError) as error:
            raise EndpointError(self._rpc.name, method, "transactions", str(error)) from error
        return RpcL2Block(block, header, await self._output_root(header, raw.hash))

    async def _output_root(self, header: Header, block_hash: Hash32) -> Hash32 | None:
        if self._node is not None:
            return await self._node.output_root(header, block_hash)
        if header.withdrawals_root is None or not self._config.is_active(Fork.ISTHMUS, l2_timestamp=header.timestamp):
            return None
        return output_root(header.state_root, header.withdrawals_root, block_hash)


def _not_null(result: Any) -> Any:
    if result is None:
        raise RpcJsonError("", "null")
    return result


def read_output(result: Any, header: Header, block_hash: Hash32) -> Hash32:
    """The output root in a reply of optimism_outputAtBlock, held against the block's header; raises RpcJsonError."""
    output = JsonObject(result, "")
    found = JsonObject(result.get("blockRef"), "blockRef").data("hash", 32)
    if found != block_hash:
        output.fail("blockRef.hash", f"0x{found.hex()}, the L2 endpoint's block {header.number} is 0x{block_hash.hex()}")
    if output.data("stateRoot", 32) != header.state_root:
        output.fail("stateRoot", f"differs from the header of block {header.number}")
    root = output.data("outputRoot", 32)
    expected = output_root(header.state_root, output.data("withdrawalStorageRoot", 32), block_hash)
    if root != expected:
        output.fail("outputRoot", f"0x{root.hex()}, its parts make 0x{expected.hex()}")
    return root


def _read_safe_head(result: Any) -> SafeHead:
    if not isinstance(result, dict):
        raise RpcJsonError("", "an object was expected")
    return SafeHead(_block_id(result.get("l1Block"), "l1Block"), _block_id(result.get("safeHead"), "safeHead"))


def _block_id(value: Any, field: str) -> BlockId:
    block = JsonObject(value, field)
    number = value.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        block.fail("number", "a number was expected")
    return BlockId(number, block.data("hash", 32))
