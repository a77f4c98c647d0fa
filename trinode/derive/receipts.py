"""Receipts of an L1 block, decoded only where a contract of ours can have logged something."""

from __future__ import annotations

from trinode.derive.errors import CriticalError
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.receipt import Receipt, ReceiptDecodingError, decode_receipt
from trinode.protocol.types import Address


def receipts_with_logs_of(block: L1Block, contract: Address) -> list[Receipt]:
    """All receipts of `block` (log indexes count through them), or none if the block has no log of `contract`.

    Raises CriticalError if the receipts are missing although the block's bloom may hold such a log: whoever fetched the block owed them.
    """
    if not bloom_may_contain(block.header.logs_bloom, contract):
        return []
    if block.receipts is None:
        raise CriticalError(f"receipts of L1 block {block.header.number} {block.hash.hex()} are needed for logs of {contract.hex()}, and missing")
    if not any(contract in raw for raw in block.receipts):  # the bloom was wrong: most are, on mainnet
        return []
    try:
        return [decode_receipt(raw) for raw in block.receipts]
    except ReceiptDecodingError as error:
        # The receipts hash to the header's root, so that this is no endpoint's lie.
        raise CriticalError(f"a receipt of L1 block {block.header.number} does not decode: {error}") from error
