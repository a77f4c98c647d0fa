"""Headers, blocks (`eth_getBlockByNumber` and `ByHash`) and receipts, proved by the hashes that the header commits to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from trinode.jsonrpc.replies import AbsentError, JsonObject, RpcJsonError, header_of, raw_receipt_of, raw_transaction_of
from trinode.protocol.header import Header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import BlobTransaction, decode_transaction
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Address, Hash32

_BLOB_TRANSACTION_TYPE = 3


class RpcHeader(NamedTuple):
    """A header that hashes to `hash`."""

    hash: Hash32
    header: Header


class RpcBlock(NamedTuple):
    """A header that hashes to `hash`, and the raw transactions of its transactions root."""

    hash: Hash32
    header: Header
    transactions: tuple[bytes, ...]


def read_header(result: Any, wanted: int | Hash32 | str) -> RpcHeader:
    """The header of the block of that number, hash or label (which proves nothing).

    Raises AbsentError where there is no such block, RpcJsonError naming the field that is missing or does not hash right.
    """
    if result is None:
        raise AbsentError("", f"no block {'0x' + wanted.hex() if isinstance(wanted, bytes) else wanted}")
    block = JsonObject(result, "")
    header = header_of(block)
    try:
        block_hash = header_hash(header)
    except (ValueError, OverflowError) as error:
        block.fail("hash", f"this is no header: {error}")
    if isinstance(wanted, int) and header.number != wanted:
        block.fail("number", f"{header.number}, not {wanted}")
    if isinstance(wanted, bytes) and block_hash != wanted:
        block.fail("hash", f"the header of block {header.number} hashes to 0x{block_hash.hex()}, not to 0x{wanted.hex()}")
    if block.data("hash", 32) != block_hash:
        block.fail("hash", f"0x{block.data('hash').hex()}, but the header of block {header.number} hashes to 0x{block_hash.hex()}")
    return RpcHeader(block_hash, header)


def read_block(result: Any, wanted: int | Hash32) -> RpcBlock:
    """The block of that number or hash, with whole transactions; raises as `read_header` does."""
    block_hash, header = read_header(result, wanted)
    block = JsonObject(result, "")
    objects = block.objects("transactions")
    transactions = tuple([raw_transaction_of(tx) for tx in objects])
    root = ordered_trie_root(transactions)
    if root != header.transactions_root:
        number = header.number
        for tx, raw in zip(objects, transactions, strict=True):
            if keccak256(raw) != tx.data("hash", 32):
                tx.fail("hash", f"the transaction of block {number} hashes to 0x{keccak256(raw).hex()}")
        block.fail("transactions", f"of block {number} have root 0x{root.hex()}, the header says 0x{header.transactions_root.hex()}")
    return RpcBlock(block_hash, header, transactions)


def read_receipts(result: Any, block: RpcBlock) -> tuple[bytes, ...]:
    """The raw receipts of the block from a list of receipt objects.

    Raises AbsentError where the endpoint has none, RpcJsonError where they are not the block's.
    """
    items = _items(result, block)
    return _proved([raw_receipt_of(JsonObject(item, f"[{index}]")) for index, item in enumerate(items)], block)


def read_raw_receipts(result: Any, block: RpcBlock) -> tuple[bytes, ...]:
    """The raw receipts of the block from a list of hex strings (`debug_getRawReceipts`); raises as `read_receipts` does."""
    items = _items(result, block)
    return _proved([JsonObject({"": item}, f"[{index}]").data("") for index, item in enumerate(items)], block)


def _items(result: Any, block: RpcBlock) -> list[Any]:
    if result is None:
        raise AbsentError("", f"no receipts of block {block.header.number}")
    if not isinstance(result, list):
        raise RpcJsonError("", f"no list of receipts of block {block.header.number}")
    return result


def _proved(receipts: list[bytes], block: RpcBlock) -> tuple[bytes, ...]:
    root = ordered_trie_root(receipts)
    if root != block.header.receipts_root:
        number, expected = block.header.number, block.header.receipts_root
        raise RpcJsonError("receipts", f"of block {number} have root 0x{root.hex()}, the header says 0x{expected.hex()}")
    return tuple(receipts)


def inbox_blob_hashes(transactions: Sequence[bytes], inbox: Address) -> tuple[Hash32, ...]:
    """The versioned hashes of every blob transaction to the batch inbox, whoever sent it, each once.

    Raises TransactionDecodingError.
    """
    hashes: dict[Hash32, None] = {}
    for raw in transactions:
        if raw[0] != _BLOB_TRANSACTION_TYPE:
            continue
        tx = decode_transaction(raw)
        if isinstance(tx, BlobTransaction) and tx.to == inbox:
            hashes |= dict.fromkeys(tx.blob_versioned_hashes)
    return tuple(hashes)
