"""Canyon: Shanghai, deposit receipts hashed in full, a base fee of another pace (specification: canyon)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution.rules import EvmFork, ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules, evm=EvmFork.SHANGHAI, withdrawals=True, deposit_receipt_version=1, canyon_base_fee_denominator=True
    )
