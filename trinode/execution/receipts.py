"""Receipts of executed transactions, and their root (specification: deposits, "Deposit Receipt"; canyon)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trinode.execution.engine import TransactionResult
from trinode.execution.rules import ExecutionRules
from trinode.protocol.bloom import BLOOM_SIZE, logs_bloom
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.receipt import Receipt, encode_receipt
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Hash32

_NO_LOGS = bytes(BLOOM_SIZE)


def make_receipt(
    raw: bytes, result: TransactionResult, cumulative_gas_used: int, rules: ExecutionRules, *, is_deposit: bool
) -> Receipt:
    """The receipt of the transaction that is `raw` in the block; `cumulative_gas_used` includes it."""
    return Receipt(
        type=DEPOSIT_TRANSACTION_TYPE if is_deposit else raw[0] if raw[0] < 0x80 else 0,
        succeeded=result.succeeded,
        cumulative_gas_used=cumulative_gas_used,
        logs_bloom=logs_bloom(result.logs) if result.logs else _NO_LOGS,
        logs=result.logs,
        deposit_nonce=result.deposit_nonce if rules.deposit_gas_is_metered else None,
        deposit_receipt_version=rules.deposit_receipt_version if is_deposit else None,
    )


def receipts_root(receipts: Sequence[Receipt], rules: ExecutionRules) -> Hash32:
    """What the header commits to. Between Regolith and Canyon the root leaves out the nonce that deposit receipts have."""
    if rules.deposit_receipt_version is None:
        receipts = [receipt if receipt.deposit_nonce is None else replace(receipt, deposit_nonce=None) for receipt in receipts]
    return ordered_trie_root([encode_receipt(receipt) for receipt in receipts])
