"""Blocks in the JSON of `eth_getBlockByNumber` and `eth_getBlockByHash` (execution-apis: eth/block)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.transaction_object import LEGACY_FROM, transaction_object
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.header import encode_header
from trinode.protocol.receipt import Receipt
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.transaction import transaction_hash
from trinode.rollup.json_fields import to_hex


def block_object(block: KnownBlock, *, whole: bool, receipts: Sequence[Receipt] | None = None) -> dict[str, Any]:
    """The block with whole transactions, or with their hashes. Takes 0.05 ms for each whole transaction.

    `receipts`: the block's, for what deposits have there; None leaves it out, which rollup nodes do not read.
    """
    header = block.header
    result = header_object(header) | {"hash": to_hex(block.hash), "size": hex(len(encode_block(block))), "uncles": []}
    if whole:
        known = KnownHeader(header, block.hash)
        of_each: Sequence[Receipt | None] = [None] * len(block.transactions) if receipts is None else receipts
        pairs = zip(block.transactions, of_each, strict=True)
        result["transactions"] = [transaction_object(raw, index, known, receipt) for index, (raw, receipt) in enumerate(pairs)]
    else:
        result["transactions"] = [to_hex(transaction_hash(raw)) for raw in block.transactions]
    if header.withdrawals_root is not None:
        result["withdrawals"] = []
    return result


def encode_block(block: KnownBlock) -> bytes:
    """RLP of a block: header, transactions, no uncles, and no withdrawals where there is a list of them (yellow paper, section 4.3; EIP-4895)."""
    transactions = encode_list([raw if raw[0] >= LEGACY_FROM else encode_bytes(raw) for raw in block.transactions])
    withdrawals = [] if block.header.withdrawals_root is None else [encode_list(())]
    return encode_list([encode_header(block.header), transactions, encode_list(()), *withdrawals])
