"""JSON-RPC of the devnet's L1 (execution-apis, eth; `evm_mine` as development chains have it).

State is there after the newest block only: methods that read it take `latest` and `pending`, which are the same but for nonces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import trio

from trinode.devnet.accounts import L1_CHAIN_ID
from trinode.devnet.l1 import DevnetL1
from trinode.devnet.l1_contracts import NativeCall, Reverted
from trinode.devnet.l1_ledger import NATIVE_CODE
from trinode.devnet.l1_logs import MAX_LOGS, wanted_logs
from trinode.devnet.l1_objects import fee_history_object, receipt_object, receipt_objects
from trinode.devnet.l1_store import BLOCKS_KEPT, StoredBlock
from trinode.devnet.l1_transactions import TransactionNotTaken
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind, parse_data, parse_list, parse_quantity
from trinode.jsonrpc.proof_object import proof_object, slot_name
from trinode.jsonrpc.requests import SERVER_ERROR, Method, RpcError, take_params
from trinode.jsonrpc.transaction_object import pending_transaction_object, transaction_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.transaction import AccessListEntry, DynamicFeeTransaction
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex

_UINT256 = 2**256 - 1
_REVERTED = 3
_TIP = 1_000_000
"""Wei. There is always room in the next block."""
_MAX_HISTORY = 1_024
_NO_ADDRESS: Address = bytes(20)

Answer = Callable[[list[Any]], Any]


class L1Methods:
    """The methods, each in a thread: they read and write a database."""

    def __init__(self, l1: DevnetL1) -> None:
        self._l1 = l1
        self._threads = trio.CapacityLimiter(4)

    def all(self) -> Mapping[str, Method]:
        """By name, for `jsonrpc.requests.answer`."""
        answers: dict[str, Answer] = {
            "eth_chainId": lambda params: hex(L1_CHAIN_ID),
            "net_version": lambda params: str(L1_CHAIN_ID),
            "web3_clientVersion": lambda params: "trinode/devnet-l1",
            "eth_syncing": lambda params: False,
            "eth_blockNumber": lambda params: hex(self._l1.head.header.number),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getLogs": self._logs,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getBalance": self._balance,
            "eth_getCode": self._code,
            "eth_getProof": self._proof,
            "eth_getStorageAt": self._storage_at,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
            "eth_sendRawTransaction": self._send,
            "eth_gasPrice": lambda params: hex(self._l1.next_fees().base_fee + _TIP),
            "eth_maxPriorityFeePerGas": lambda params: hex(_TIP),
            "eth_blobBaseFee": lambda params: hex(self._l1.next_fees().blob_base_fee),
            "eth_feeHistory": self._fee_history,
            "evm_mine": lambda params: hex(self._l1.mine().header.number),
        }
        return {name: self._in_thread(answer) for name, answer in answers.items()}

    def _in_thread(self, answer: Answer) -> Method:
        async def method(params: list[Any]) -> Any:
            return await trio.to_thread.run_sync(answer, params, limiter=self._threads)

        return method

    # ---- blocks ----

    def _block_named(self, name: object, path: str) -> StoredBlock | None:
        """The block of a number, a label or a hash. Raises InvalidParams."""
        if isinstance(name, dict):
            name = name.get("blockHash") or name.get("blockNumber")
        if isinstance(name, str) and len(name) == 66:
            return self._l1.block_by_hash(parse_data(name, path, 32))
        return self._l1.block(self._block_number(name, path))

    def _block_number(self, name: object, path: str) -> int:
        """The number of a label, or a number itself. Raises InvalidParams."""
        numbers = {
            "latest": self._l1.head.header.number,
            "pending": self._l1.head.header.number,
            "safe": self._l1.safe_number,
            "finalized": self._l1.finalized_number,
            "earliest": 0,
        }
        return numbers[name] if isinstance(name, str) and name in numbers else parse_quantity(name, path)

    def _block_by_number(self, params: list[Any]) -> Any:
        name, whole = take_params(params, 1, 1)
        return _block_json(self._block_named(name, "params[0]"), whole)

    def _block_by_hash(self, params: list[Any]) -> Any:
        name, whole = take_params(params, 1, 1)
        return _block_json(self._l1.block_by_hash(parse_data(name, "params[0]", 32)), whole)

    def _block_receipts(self, params: list[Any]) -> Any:
        block = self._block_named(take_params(params, 1)[0], "params[0]")
        return None if block is None else receipt_objects(self._l1.config, block)

    def _logs(self, params: list[Any]) -> Any:
        fields = JsonFields(take_params(params, 1)[0], "params[0]")
        wanted = wanted_logs(fields)
        found: list[Any] = []
        for block in self._blocks_of(fields):
            for index, positions in wanted.places_in(block):
                logs = receipt_object(self._l1.config, block, index)["logs"]
                found += [logs[position] for position in positions]
                if len(found) > MAX_LOGS:
                    raise RpcError(SERVER_ERROR, f"there are more than {MAX_LOGS} logs: ask for fewer blocks")
        return found

    def _blocks_of(self, fields: JsonFields) -> Iterator[StoredBlock]:
        """The block of `blockHash`, or those from `fromBlock` to `toBlock` that are kept. Raises InvalidParams, RpcError."""
        first, last = fields.optional("fromBlock"), fields.optional("toBlock")
        block_hash = fields.optional_data("blockHash", 32)
        if block_hash is not None:
            if first is not None or last is not None:
                raise InvalidParams(fields.path_of("blockHash"), "a block's hash, or a range of blocks, not both")
            block = self._l1.block_by_hash(block_hash)
            if block is None:
                raise RpcError(SERVER_ERROR, "unknown block")
            yield block
            return
        head = self._l1.head.header.number
        begin = self._block_number("latest" if first is None else first, fields.path_of("fromBlock"))
        end = self._block_number("latest" if last is None else last, fields.path_of("toBlock"))
        if begin > end:
            raise InvalidParams(fields.path_of("fromBlock"), "invalid block range")
        for number in range(max(begin, head - BLOCKS_KEPT + 1), min(end, head) + 1):
            kept = self._l1.block(number)
            if kept is not None:
                yield kept

    def _transaction(self, params: list[Any]) -> Any:
        hash = parse_data(take_params(params, 1)[0], "params[0]", 32)
        waiting, place = self._l1.waiting(hash), self._l1.transaction(hash)
        if place is not None:
            block, index = place
            return transaction_object(block.transactions[index], index, KnownHeader(block.header, block.hash))
        return None if waiting is None else pending_transaction_object(waiting.raw)

    def _receipt(self, params: list[Any]) -> Any:
        place = self._l1.transaction(parse_data(take_params(params, 1)[0], "params[0]", 32))
        return None if place is None else receipt_object(self._l1.config, *place)

    # ---- state ----

    def _only_newest(self, name: object, path: str) -> None:
        """Raises RpcError for an older block."""
        block = self._l1.head if name is None else self._block_named(name, path)
        if block is None or block.header.number != self._l1.head.header.number:
            raise RpcError(SERVER_ERROR, "the devnet's L1 keeps the state of its newest block only")

    def _address_at(self, params: list[Any]) -> tuple[Address, object]:
        address, name = take_params(params, 1, 1)
        self._only_newest(name, "params[1]")
        return parse_data(address, "params[0]", 20), name

    def _transaction_count(self, params: list[Any]) -> str:
        address, name = self._address_at(params)
        return hex(self._l1.pending_nonce(address) if name == "pending" else self._l1.account(address).nonce)

    def _balance(self, params: list[Any]) -> str:
        return hex(self._l1.account(self._address_at(params)[0]).balance)

    def _code(self, params: list[Any]) -> str:
        has_code = self._l1.account(self._address_at(params)[0]).code_hash != EMPTY_CODE_HASH
        return to_hex(NATIVE_CODE if has_code else b"")

    def _storage_at(self, params: list[Any]) -> str:
        address, slot, name = take_params(params, 2, 1)
        self._only_newest(name, "params[2]")
        return to_hex(self._l1.storage(parse_data(address, "params[0]", 20), _slot(slot, "params[1]")).to_bytes(32, "big"))

    def _proof(self, params: list[Any]) -> Any:
        address, keys, name = take_params(params, 2, 1)
        self._only_newest(name, "params[2]")
        who, asked = parse_data(address, "params[0]", 20), parse_list(keys, "params[1]")
        slots = [_slot(key, f"params[1][{index}]") for index, key in enumerate(asked)]
        return proof_object(who, self._l1.proof(who, slots), [slot_name(key, slot) for key, slot in zip(asked, slots, strict=True)])

    def _call(self, params: list[Any]) -> str:
        message, name = take_params(params, 1, 1)
        self._only_newest(name, "params[1]")
        sender, tx = _message(message, "params[0]")
        assert tx.to is not None
        try:
            return to_hex(self._l1.call(tx.to, NativeCall(sender, tx.value, tx.data, is_static=True)))
        except Reverted as error:
            raise RpcError(_REVERTED, f"execution reverted: {error}") from error

    def _estimate_gas(self, params: list[Any]) -> str:
        message, name = take_params(params, 1, 1)
        self._only_newest(name, "params[1]")
        try:
            return hex(self._l1.gas_needed(*_message(message, "params[0]")))
        except Reverted as error:
            raise RpcError(_REVERTED, f"execution reverted: {error}") from error

    # ---- fees and transactions ----

    def _fee_history(self, params: list[Any]) -> Any:
        count, newest, percentiles = take_params(params, 2, 1)
        wanted = count if type(count) is int else parse_quantity(count, "params[0]")
        last = self._block_named(newest, "params[1]")
        if last is None or wanted < 1:
            raise RpcError(SERVER_ERROR, "there is no such block")
        head = last.header.number
        first = max(head - min(wanted, _MAX_HISTORY) + 1, head - BLOCKS_KEPT + 1, 0)
        blocks = [block for number in range(first, head) if (block := self._l1.block(number)) is not None] + [last]
        after = self._l1.block(head + 1)
        if after is None:
            fees = self._l1.next_fees()
            next_fees = fees.base_fee, fees.blob_base_fee
        else:
            history = fee_history_object(self._l1.config, [after], (0, 0), ())
            next_fees = int(history["baseFeePerGas"][0], 16), int(history["baseFeePerBlobGas"][0], 16)
        return fee_history_object(self._l1.config, blocks, next_fees, _percentiles(percentiles))

    def _send(self, params: list[Any]) -> str:
        try:
            return to_hex(self._l1.add_transaction(parse_data(take_params(params, 1)[0], "params[0]")))
        except TransactionNotTaken as error:
            raise RpcError(SERVER_ERROR, str(error)) from error


def _slot(value: object, path: str) -> int:
    """A slot as a word or as a number. Raises InvalidParams."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(parse_data(value, path, 32), "big")
    return parse_quantity(value, path, _UINT256)


def _block_json(block: StoredBlock | None, whole: object) -> Any:
    return None if block is None else block_object(block.known, whole=whole is True)


def _percentiles(value: object) -> list[float]:
    if value is None:
        return []
    percentiles = parse_list(value, "params[2]")
    if any(type(each) not in (int, float) or not 0 <= each <= 100 for each in percentiles):
        raise InvalidParams("params[2]", "percentiles are numbers from 0 to 100")
    return percentiles


def _message(value: object, path: str) -> tuple[Address, DynamicFeeTransaction]:
    """Who calls, and the call as a transaction. Raises InvalidParams, RpcError."""
    fields = JsonFields(value, path)
    to = fields.optional_data("to", 20)
    if to is None:
        raise RpcError(SERVER_ERROR, "the devnet's L1 runs no code: it takes no contract creations")
    data = fields.optional_data("input")
    if data is None:
        data = fields.optional_data("data") or b""
    amount = fields.optional_quantity("value", _UINT256) or 0
    access = _access_list(fields.optional("accessList"), fields.path_of("accessList"))
    sender = fields.optional_data("from", 20) or _NO_ADDRESS
    return sender, DynamicFeeTransaction(L1_CHAIN_ID, 0, 0, 0, 0, to, amount, data, access)


def _access_list(value: object, path: str) -> tuple[AccessListEntry, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidParams(path, f"a list was expected, not {kind(value)}")
    entries = [JsonFields(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return tuple([AccessListEntry(entry.data("address", 20), entry.data_items("storageKeys")) for entry in entries])
