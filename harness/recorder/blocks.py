"""A block of `eth_getBlockByNumber` (whole transactions) and its receipts, proved by the hashes that the header commits to."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.rpc_json import JsonObject, RpcJsonError, header_of, raw_receipt_of, raw_transaction_of
from trinode.protocol.header import Header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Hash32


class RpcBlock(NamedTuple):
    """A header that hashes to `hash`, and the raw transactions of its transactions root."""

    hash: Hash32
    header: Header
    transactions: tuple[bytes, ...]


def read_block(result: Any, number: int) -> RpcBlock:
    """The block of that number; raises RpcJsonError naming the field that is missing or does not hash right."""
    if result is None:
        raise RpcJsonError("", f"no block {number}")
    block = JsonObject(result, "")
    header = header_of(block)
    block_hash = header_hash(header)
    if header.number != number:
        block.fail("number", f"{header.number}, not {number}")
    if block.data("hash", 32) != block_hash:
        block.fail("hash", f"0x{block.data('hash').hex()}, but the header of block {number} hashes to 0x{block_hash.hex()}")
    objects = block.objects("transactions")
    transactions = tuple([raw_transaction_of(tx) for tx in objects])
    root = ordered_trie_root(transactions)
    if root != header.transactions_root:
        for tx, raw in zip(objects, transactions, strict=True):
            if keccak256(raw) != tx.data("hash", 32):
                tx.fail("hash", f"the transaction of block {number} hashes to 0x{keccak256(raw).hex()}")
        block.fail("transactions", f"of block {number} have root 0x{root.hex()}, the header says 0x{header.transactions_root.hex()}")
    return RpcBlock(block_hash, header, transactions)


def read_receipts(result: Any, block: RpcBlock) -> tuple[bytes, ...]:
    """The raw receipts of the block from a list of receipt objects; raises RpcJsonError."""
    if not isinstance(result, list):
        raise RpcJsonError("", f"no receipts of block {block.header.number}")
    receipts = tuple([raw_receipt_of(JsonObject(item, f"[{index}]")) for index, item in enumerate(result)])
    root = ordered_trie_root(receipts)
    if root != block.header.receipts_root:
        number, expected = block.header.number, block.header.receipts_root
        raise RpcJsonError("receipts", f"of block {number} have root 0x{root.hex()}, the header says 0x{expected.hex()}")
    return receipts
