"""The receipts of a block by whichever method an endpoint has, the whole block's at once before one by one.

Which methods an endpoint has is found out by asking, and remembered for a while: load balancers and upgrades change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from trinode.jsonrpc.calls import JsonRpc, MethodMissingError, RpcRefusedError
from trinode.jsonrpc.endpoint import NotFoundError, WrongAnswerError
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.l1.rpc_block import RpcBlock, read_raw_receipts, read_receipts
from trinode.protocol.keccak import keccak256

METHOD_RESET_SECONDS = 300.0
"""After so long a method that was set aside is tried again."""


def _by_hash(block: RpcBlock) -> list[Any]:
    return ["0x" + block.hash.hex()]


def _read_alchemy(result: Any, block: RpcBlock) -> tuple[bytes, ...]:
    return read_receipts(None if result is None else JsonObject(result, "").items("receipts"), block)


@dataclass(frozen=True, slots=True)
class _BlockMethod:
    """A method that gives all receipts of a block."""

    name: str
    params: Callable[[RpcBlock], list[Any]] = _by_hash
    read: Callable[[Any, RpcBlock], tuple[bytes, ...]] = read_receipts


_ONE_BY_ONE = "eth_getTransactionReceipt"
# The order is that of preference: the standard one, the one with the least JSON, then those of one client each.
_BLOCK_METHODS = (
    _BlockMethod("eth_getBlockReceipts"),
    _BlockMethod("debug_getRawReceipts", read=read_raw_receipts),
    _BlockMethod("alchemy_getTransactionReceipts", params=lambda block: [{"blockHash": "0x" + block.hash.hex()}], read=_read_alchemy),
    _BlockMethod("erigon_getBlockReceiptsByBlockHash"),
    _BlockMethod("parity_getBlockReceipts"),
)


class ReceiptsReader:
    """Reads receipts from one endpoint. All of them are proved by the header's receipts root."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc
        self._aside: dict[str, float] = {}  # method, and when it is tried again

    async def receipts(self, block: RpcBlock) -> tuple[bytes, ...]:
        """The block's receipts, raw. Raises EndpointError.

        A method that gives wrong receipts is an error, and set aside as one that is missing is: the next time another is asked.
        """
        if not block.transactions:
            return ()
        for method in _BLOCK_METHODS:
            if self._aside.get(method.name, 0.0) > trio.current_time():
                continue
            try:
                return await self._block_receipts(method, block)
            except (MethodMissingError, RpcRefusedError):
                self._set_aside(method.name)
            except WrongAnswerError as error:
                if error.field:
                    self._set_aside(method.name)
                raise
        return await self._one_by_one(block)

    async def _block_receipts(self, method: _BlockMethod, block: RpcBlock) -> tuple[bytes, ...]:
        return await self._rpc.call(method.name, method.params(block), lambda result: method.read(result, block))

    def _set_aside(self, method: str) -> None:
        self._aside[method] = trio.current_time() + METHOD_RESET_SECONDS

    async def _one_by_one(self, block: RpcBlock) -> tuple[bytes, ...]:
        params = [["0x" + keccak256(raw).hex()] for raw in block.transactions]
        objects: list[Any] = await self._rpc.batch(_ONE_BY_ONE, params, lambda result: result)
        if None in objects:
            index = objects.index(None)
            raise NotFoundError(self._rpc.name, _ONE_BY_ONE, "", f"no receipt of transaction {index} of block {block.header.number}")
        try:
            return await trio.to_thread.run_sync(read_receipts, objects, block)
        except RpcJsonError as error:
            raise WrongAnswerError(self._rpc.name, _ONE_BY_ONE, error.field, error.message) from error


