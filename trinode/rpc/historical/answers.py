"""What Legacy Geth is asked in place of each method, for blocks that it has (l2geth's methods: geth 1.9.10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from trinode.jsonrpc.fields import parse_data
from trinode.jsonrpc.replies import AbsentError, JsonObject, RpcJsonError
from trinode.jsonrpc.requests import RpcError
from trinode.rpc.eth.block_names import ByHash, parse_block_name
from trinode.rpc.eth.errors import server_error
from trinode.rpc.historical.legacy import Legacy

Answer: TypeAlias = Callable[[Legacy, str, list[Any]], Awaitable[Any]]
"""Given the endpoint, the method and its parameters, which are known to be well-formed. Raises RpcError."""

_NOT_OF_A_HEADER = frozenset(("size", "totalDifficulty", "transactions", "uncles", "withdrawals"))
_MOST_RECEIPTS = 5000


async def as_asked(legacy: Legacy, method: str, params: list[Any]) -> Any:
    """The same request."""
    return await legacy.forward(method, params)


async def _message(legacy: Legacy, method: str, params: list[Any]) -> Any:
    """geth 1.9.10 knows the input of a message as `data` alone, and passes over `input`."""
    message = params[0]
    if message.get("data") is None and message.get("input") is not None:
        message = message | {"data": message["input"]}
    return await legacy.forward(method, [message, *params[1:]])


async def _block(legacy: Legacy, method: str, params: list[Any]) -> Any:
    return await legacy.forward(method, params, partial(check_block, params[0]))


def check_block(name: Any, block: Any) -> None:
    """Raises RpcJsonError unless it is the block of that number, or of that hash if it is any."""
    wanted = parse_block_name(name, "")
    if block is None:
        if not isinstance(wanted, ByHash):
            raise AbsentError("result", f"there is no block {wanted}, which is before Bedrock")
        return
    fields = JsonObject(block, "result")
    if isinstance(wanted, ByHash):
        if fields.data("hash", 32) != wanted.hash:
            raise RpcJsonError("result.hash", "it is another block")
    elif fields.quantity("number") != (wanted if isinstance(wanted, int) else 0):
        raise RpcJsonError("result.number", "it is another block")


def _named(field: str, legacy: Legacy, method: str, params: list[Any]) -> Awaitable[Any]:
    """Of a transaction by its hash, which stands in `field`, or null."""
    wanted = parse_data(params[0], "", 32)

    def check(found: Any) -> None:
        if found is not None and JsonObject(found, "result").data(field, 32) != wanted:
            raise RpcJsonError(f"result.{field}", "it is another transaction")

    return legacy.forward(method, params, check)


async def _header(legacy: Legacy, method: str, params: list[Any]) -> dict[str, Any] | None:
    """Of the block, as it is not sure that every provider has the method."""
    block = await _read_block(legacy, params[0])
    return None if block is None else {name: value for name, value in block.items() if name not in _NOT_OF_A_HEADER}


async def _receipts(legacy: Legacy, method: str, params: list[Any]) -> list[dict[str, Any]] | None:
    """eth_getBlockReceipts came after geth 1.9.10: of each transaction its own."""
    block = await _read_block(legacy, params[0])
    if block is None:
        return None
    hashes = block.get("transactions")
    if not isinstance(hashes, list) or len(hashes) > _MOST_RECEIPTS:
        raise server_error(f"historical backend error: {legacy.name}: no list of at most {_MOST_RECEIPTS} transactions")
    block_hash = JsonObject(block, "block").data("hash", 32)

    def read(receipt: Any) -> dict[str, Any]:
        if JsonObject(receipt, "result").data("blockHash", 32) != block_hash:
            raise RpcJsonError("result.blockHash", "the receipt is of another block")
        found: dict[str, Any] = receipt
        return found

    return await legacy.ask_many("eth_getTransactionReceipt", [[each] for each in hashes], read)


async def _read_block(legacy: Legacy, name: Any) -> dict[str, Any] | None:
    """With hashes for transactions. The name may be an object (EIP-1898)."""
    wanted = parse_block_name(name, "")
    by_hash = isinstance(wanted, ByHash)
    shown: str = "0x" + wanted.hash.hex() if isinstance(wanted, ByHash) else hex(wanted) if isinstance(wanted, int) else wanted

    def read(block: Any) -> dict[str, Any] | None:
        check_block(shown, block)
        found: dict[str, Any] | None = block
        return found

    return await legacy.ask("eth_getBlockByHash" if by_hash else "eth_getBlockByNumber", [shown, False], read)


async def _raw_transaction(legacy: Legacy, method: str, params: list[Any]) -> Any:
    """l2geth has it in `eth_` alone."""
    return await legacy.forward("eth_getRawTransactionByHash", params[:1])


def refuse(method: str) -> RpcError:
    """The error, in op-geth's words for debug_traceCall: nothing that Legacy Geth has makes up for that method."""
    return server_error(f"l2geth does not have a {method} method")


EXECUTION: Mapping[str, Answer] = {
    "debug_storageRangeAt": as_asked,
    "debug_traceBlockByHash": as_asked,
    "debug_traceBlockByNumber": as_asked,
    "eth_call": _message,
    "eth_createAccessList": _message,
    "eth_estimateGas": _message,
    "eth_getBalance": as_asked,
    "eth_getCode": as_asked,
    "eth_getProof": as_asked,
    "eth_getStorageAt": as_asked,
    "eth_getTransactionCount": as_asked,
}
"""What needs a state. Methods that name a block and stand nowhere here are refused for blocks before Bedrock."""

LOOKUPS: Mapping[str, Answer] = {
    "eth_getBlockByHash": _block,
    "eth_getBlockByNumber": _block,
    "eth_getBlockReceipts": _receipts,
    "eth_getBlockTransactionCountByHash": as_asked,
    "eth_getBlockTransactionCountByNumber": as_asked,
    "eth_getHeaderByHash": _header,
    "eth_getHeaderByNumber": _header,
    "eth_getRawTransactionByBlockHashAndIndex": as_asked,
    "eth_getRawTransactionByBlockNumberAndIndex": as_asked,
    "eth_getTransactionByBlockHashAndIndex": as_asked,
    "eth_getTransactionByBlockNumberAndIndex": as_asked,
    "eth_getUncleByBlockHashAndIndex": as_asked,
    "eth_getUncleByBlockNumberAndIndex": as_asked,
    "eth_getUncleCountByBlockHash": as_asked,
    "eth_getUncleCountByBlockNumber": as_asked,
}
"""What is in a block. An unknown hash gives null, or empty data, here."""

TRANSACTIONS: Mapping[str, Answer] = {
    "debug_getRawTransaction": _raw_transaction,
    "debug_traceTransaction": as_asked,
    "eth_getRawTransactionByHash": as_asked,
    "eth_getTransactionByHash": partial(_named, "hash"),
    "eth_getTransactionReceipt": partial(_named, "transactionHash"),
}
"""What a transaction is, by its hash."""
