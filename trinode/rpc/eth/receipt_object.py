"""Receipts in the JSON of op-geth (execution-apis: eth/receipt): with what a transaction paid for its data on L1 and what the operator
asks for, of which the parameters stand in the block's L1 attributes (specification: exec-engine, "L1-Cost fees"; ecotone, fjord,
isthmus and jovian).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trinode.execution.evm.calls import create_address
from trinode.execution.fees import L1FeeParameters, compressed_size, l1_fee
from trinode.execution.forks import execution_rules_of
from trinode.execution.recovery import recover_sender
from trinode.execution.rules import ExecutionRules, L1CostFormula
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.l1_cost import data_gas, estimated_size_scaled, l1_gas_used_fjord
from trinode.protocol.l1_info import L1BlockInfo, L1InfoDecodingError, L1InfoFormat, decode_l1_info
from trinode.protocol.receipt import Log, Receipt
from trinode.protocol.transaction import SignatureError, SignedTransaction, Transaction, decode_transaction, transaction_hash
from trinode.protocol.transaction_types import AccessListTransaction, LegacyTransaction
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex

_MILLION = 1_000_000


class BlockReceipts:
    """The receipts of one block, as objects."""

    def __init__(self, config: RollupConfig, block: KnownBlock, receipts: Sequence[Receipt]) -> None:
        self._block = block
        self._receipts = receipts
        self._rules = execution_rules_of(config.fork_at(l2_timestamp=block.header.timestamp))
        self._l1_info = _l1_info(block.transactions)
        self._place = {"blockHash": to_hex(block.hash), "blockNumber": hex(block.header.number)}

    def all(self) -> list[dict[str, Any]]:
        """In the block's order."""
        return [self.at(index) for index in range(len(self._receipts))]

    def at(self, index: int) -> dict[str, Any]:
        """That of one transaction."""
        raw, receipt = self._block.transactions[index], self._receipts[index]
        tx = decode_transaction(raw)
        sender = _sender(tx)
        before = self._receipts[index - 1].cumulative_gas_used if index else 0
        known, hash = KnownHeader(self._block.header, self._block.hash), transaction_hash(raw)
        first_log = sum(len(each.logs) for each in self._receipts[:index])
        logs = [log_object(log, known, hash, index, first_log + position) for position, log in enumerate(receipt.logs)]
        result: dict[str, Any] = self._place | {
            "transactionHash": to_hex(hash),
            "transactionIndex": hex(index),
            "type": hex(receipt.type),
            "from": to_hex(sender),
            "to": None if tx.to is None else to_hex(tx.to),
            "contractAddress": _created(tx, sender, receipt),
            "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
            "gasUsed": hex(receipt.cumulative_gas_used - before),
            "effectiveGasPrice": hex(effective_gas_price(tx, self._block.header.base_fee_per_gas or 0)),
            "logs": logs,
            "logsBloom": to_hex(receipt.logs_bloom),
            "status": "0x1" if receipt.succeeded else "0x0",
        }
        if not isinstance(tx, DepositTransaction):
            return result if self._l1_info is None else result | l1_fields(raw, self._l1_info, self._rules)
        if receipt.deposit_nonce is not None:
            result["depositNonce"] = hex(receipt.deposit_nonce)
        if receipt.deposit_receipt_version is not None:
            result["depositReceiptVersion"] = hex(receipt.deposit_receipt_version)
        return result


def log_object(log: Log, block: KnownHeader, transaction_hash: bytes, transaction_index: int, index: int) -> dict[str, Any]:
    """A log; `index` is its own in the block."""
    return {
        "address": to_hex(log.address),
        "topics": [to_hex(topic) for topic in log.topics],
        "data": to_hex(log.data),
        "blockNumber": hex(block.header.number),
        "blockHash": to_hex(block.hash),
        "blockTimestamp": hex(block.header.timestamp),
        "transactionHash": to_hex(transaction_hash),
        "transactionIndex": hex(transaction_index),
        "logIndex": hex(index),
        "removed": False,
    }


def effective_tip(tx: Transaction, base_fee: int) -> int:
    """What the sequencer gets for a unit of gas, in wei."""
    return max(effective_gas_price(tx, base_fee) - base_fee, 0)


def effective_gas_price(tx: Transaction, base_fee: int) -> int:
    """What a unit of gas costs the sender, in wei; nothing for deposits, which bought it on L1."""
    if isinstance(tx, DepositTransaction):
        return 0
    if isinstance(tx, LegacyTransaction | AccessListTransaction):
        return tx.gas_price
    return min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas)


def l1_fields(raw: bytes, info: L1BlockInfo, rules: ExecutionRules) -> dict[str, Any]:
    """What a transaction paid for its data on L1, and by which parameters. Wei, gas and millionths."""
    if rules.l1_cost is None:
        return {}
    parameters = _parameters(info, rules.l1_cost)
    result: dict[str, Any] = {"l1GasPrice": hex(info.base_fee), "l1Fee": hex(l1_fee(parameters, raw))}
    if info.format is L1InfoFormat.BEDROCK:
        gas = data_gas(raw, regolith=parameters.formula is L1CostFormula.REGOLITH) + info.l1_fee_overhead
        return result | {"l1GasUsed": hex(gas), "l1FeeScalar": f"{info.l1_fee_scalar / _MILLION:.10g}"}
    is_fjord = rules.l1_cost is L1CostFormula.FJORD
    result["l1GasUsed"] = hex(l1_gas_used_fjord(compressed_size(raw)) if is_fjord else data_gas(raw))
    result["l1BaseFeeScalar"] = hex(info.base_fee_scalar)
    result["l1BlobBaseFee"] = hex(info.blob_base_fee)
    result["l1BlobBaseFeeScalar"] = hex(info.blob_base_fee_scalar)
    if info.operator_fee_scalar or info.operator_fee_constant:
        result["operatorFeeScalar"] = hex(info.operator_fee_scalar)
        result["operatorFeeConstant"] = hex(info.operator_fee_constant)
    if rules.da_footprint and info.format is L1InfoFormat.JOVIAN:
        footprint = estimated_size_scaled(compressed_size(raw)) // _MILLION * info.da_footprint_gas_scalar
        result["daFootprintGasScalar"] = hex(info.da_footprint_gas_scalar)
        result["blobGasUsed"] = hex(footprint)
    return result


def _parameters(info: L1BlockInfo, formula: L1CostFormula) -> L1FeeParameters:
    if info.format is L1InfoFormat.BEDROCK:
        # Also in Ecotone's first block, whose attributes are still in the format before.
        formula = L1CostFormula.BEDROCK if formula is L1CostFormula.BEDROCK else L1CostFormula.REGOLITH
    return L1FeeParameters(
        formula,
        base_fee=info.base_fee,
        overhead=info.l1_fee_overhead,
        scalar=info.l1_fee_scalar,
        blob_base_fee=info.blob_base_fee,
        base_fee_scalar=info.base_fee_scalar,
        blob_base_fee_scalar=info.blob_base_fee_scalar,
        operator_fee_scalar=info.operator_fee_scalar,
        operator_fee_constant=info.operator_fee_constant,
    )


def _l1_info(transactions: Sequence[bytes]) -> L1BlockInfo | None:
    """The block's L1 attributes; None for genesis, and on chains whose blocks do not begin with them."""
    first = decode_transaction(transactions[0]) if transactions else None
    if not isinstance(first, DepositTransaction):
        return None
    try:
        return decode_l1_info(first.data)
    except L1InfoDecodingError:
        return None


def _sender(tx: Transaction) -> Address:
    sender = recover_sender(tx)
    assert not isinstance(sender, SignatureError), "a block was executed with a transaction that nobody signed"
    return sender


def _created(tx: DepositTransaction | SignedTransaction, sender: Address, receipt: Receipt) -> str | None:
    """Where the contract of a creation is, whether it succeeded or not."""
    if tx.to is not None:
        return None
    nonce = receipt.deposit_nonce or 0 if isinstance(tx, DepositTransaction) else tx.nonce
    return to_hex(create_address(sender, nonce))
